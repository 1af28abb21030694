"""Replays every shard of an app's agents and gate in a process of its own: `python -m rivergate.runtime.replaying SPEC`.

Prints one JSON object: {"shards": [{stage, shard, commits, digest, state_digest, compared_state, difference,
strays}], "figures": {stage: {labels, accuracy, balanced_accuracy, …}}}; figures are of agents that keep a
`learning.Prequential` under that name, all shards together.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.agents.fold import AgentFold, agent_inputs
from rivergate.domain import names
from rivergate.domain.errors import RivergateError
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.learning import Prequential
from rivergate.runtime import keys
from rivergate.runtime.environment import scrubbed
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import fold_of, gate_inputs, shard_inputs, shard_spec

_LOG = logging.getLogger("rivergate.runtime")


def replay_in_own_process(spec: ProcessSpec, timeout_s: float = 600.0) -> dict[str, Any]:
    """Run the replay in a fresh process and return what it printed. Raises `RivergateError`."""
    done = subprocess.run(
        [sys.executable, "-m", "rivergate.runtime.replaying", spec.to_json()],
        capture_output=True,
        env=scrubbed(os.environ),
        timeout=timeout_s,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        raise RivergateError(f"the replay failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    for stray in (s for shard in found["shards"] for s in shard["strays"]):
        _LOG.warning("a replay passed over: %s", stray)
    return found


def replayed(spec: ProcessSpec) -> Iterator[tuple[ShardReplay, Prequential | None]]:
    """Replay shard after shard; with an agent's shard come the figures that it reached."""
    app = spec.app.load()
    data = spec.data
    operator_key = keys.load_public(data.keys, keys.OPERATOR)
    blobs = FsspecBlobs(str(spec.options.get("snapshots", data.snapshots)))
    key = keys.load_key(data.keys, keys.SNAPSHOTS)
    control = names.topic(app.name, names.CONTROL)
    stages = [names.agent_stage(a.name) for a in app.agents] + [names.GATE]
    for stage in stages:
        make_fold, code = fold_of(app, stage, operator_key)
        told = replace(spec, stage=stage)
        for shard in range(app.stages[stage]):
            if stage == names.GATE:
                shard_of = shard_spec(told, shard, gate_inputs(app.name, app.partitions), code, control)
            else:
                shard_of = shard_spec(told, shard, shard_inputs(agent_inputs(app.name, app.agent(stage)), shard), code)
            reader = KafkaReader(spec.bootstrap, f"{app.name}.replay", spec.security)
            try:
                found, fold = replay_shard(shard_of, reader, make_fold, SnapshotStore(blobs, shard_of, key))
            finally:
                reader.close()
            figures = getattr(fold.state.agent, "figures", None) if isinstance(fold, AgentFold) else None
            yield found, figures


def main() -> int:
    """Replay what the first argument describes."""
    try:
        found = list(replayed(ProcessSpec.from_json(sys.argv[1])))
        by_stage: dict[str, list[Prequential]] = {}
        for shard, figures in found:
            if figures is not None:
                by_stage.setdefault(shard.stage, []).append(figures)
        merged = {stage: Prequential.merged(parts).figures()._asdict() for stage, parts in by_stage.items()}
        print(json.dumps({"shards": [asdict(shard) for shard, _ in found], "figures": merged}))  # noqa: T201 - the answer
    except RivergateError as e:
        print(e, file=sys.stderr)  # noqa: T201 - the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
