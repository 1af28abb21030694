"""Replays in a process of their own: `python -m rivergate.runtime.replay.replaying SPEC [DESCRIPTOR]`.

What is asked stands in the spec's option `ask`; without one, every shard of agents and gate is folded again from
nothing: {"shards": [{stage, shard, commits, digest, state_digest, compared_state, difference, strays}], "figures":
{stage: {labels, accuracy, balanced_accuracy, …}}}; figures are of agents that keep a `learning.Prequential` under that
name, all shards together. Answers go to the descriptor as `own_process` says, without one to standard output.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rivergate.agents.fold import AgentFold
from rivergate.domain.errors import RivergateError
from rivergate.kernel.replay import ShardReplay, replay_shard
from rivergate.learning import Prequential
from rivergate.runtime.garbage import FAR, collect_rarely
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.replay.recorded_app import RecordedApp
from rivergate.runtime.session import Tell, unheard
from rivergate.runtime.spec import ProcessSpec

EVERYTHING = "everything"
ANSWERS = {
    EVERYTHING: "rivergate.runtime.replay.replaying:answer",
    "replay": "rivergate.runtime.replay.replay_answer:answer",
    "state": "rivergate.runtime.replay.state_answer:answer",
    "reach": "rivergate.runtime.replay.reach_answer:answer",
    "model": "rivergate.runtime.replay.model_answer:answer",
}

Answer = Callable[[ProcessSpec, dict[str, Any], Tell], dict[str, Any]]

_LOG = logging.getLogger("rivergate.runtime")


def replay_in_own_process(spec: ProcessSpec, tell: Tell = unheard) -> dict[str, Any]:
    """Replay every shard from nothing in a fresh process, and return what it found. Raises `RivergateError`."""
    found = ask_own_process(spec, {"what": EVERYTHING}, tell)
    for stray in (s for shard in found["shards"] for s in shard["strays"]):
        _LOG.warning("a replay passed over: %s", stray)
    return found


def replayed(spec: ProcessSpec, tell: Tell = unheard) -> Iterator[tuple[ShardReplay, Prequential | None]]:
    """Replay shard after shard; with an agent's shard come the figures that it reached."""
    with RecordedApp(spec) as recorded:
        shards = recorded.shards
        for number, (stage, shard) in enumerate(shards):
            past = recorded.past(stage, shard)
            found, fold = replay_shard(
                past.spec,
                recorded.archive,
                past.make_fold,
                past.snapshots,
                telling(tell, past.spec.name, number, len(shards)),
            )
            figures = getattr(fold.state.agent, "figures", None) if isinstance(fold, AgentFold) else None
            yield found, figures


def telling(tell: Tell, shard: str, number: int, of: int) -> Callable[[int, int], None]:
    """Tells how far the replay of a shard is, the `number`-th of so many."""

    def progress(done: int, total: int) -> None:
        tell(f"replaying {shard}", (number + done / max(1, total)) / of)

    return progress


def answer(spec: ProcessSpec, _ask: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Every shard from nothing, as the module's docstring says."""
    found = list(replayed(spec, tell))
    by_stage: dict[str, list[Prequential]] = {}
    for shard, figures in found:
        if figures is not None:
            by_stage.setdefault(shard.stage, []).append(figures)
    merged = {stage: Prequential.merged(parts).figures()._asdict() for stage, parts in by_stage.items()}
    return {"shards": [asdict(shard) for shard, _ in found], "figures": merged}


class _Pipe:
    """Writes lines to whoever asked; how far it is at most some times a second."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._told = ("", -1)

    def tell(self, what: str, share: float | None) -> None:
        """Say what is being done, where that is something new."""
        now = (what, -1 if share is None else int(share * 200))
        if now != self._told:
            self._told = now
            self.write({"tell": [what, share]})

    def write(self, line: dict[str, Any]) -> None:
        """One line. Ends the process where nobody listens any more."""
        rest = json.dumps(line).encode() + b"\n"
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def main() -> int:
    """Answer what the first argument asks, on the descriptor that the second names."""
    pipe = _Pipe(int(sys.argv[2])) if len(sys.argv) > 2 else None
    try:
        spec = ProcessSpec.from_json(sys.argv[1])
        ask = spec.options.get("ask") or {"what": EVERYTHING}
        module, _, function = ANSWERS[ask["what"]].partition(":")
        find: Answer = getattr(importlib.import_module(module), function)
        collect_rarely(FAR)
        found = find(spec, ask, pipe.tell if pipe else unheard)
    except RivergateError as e:
        if pipe is None:
            print(e, file=sys.stderr)  # noqa: T201 - the answer
        else:
            pipe.write({"error": {"what": e.what, "where": e.where, "remedy": e.remedy}})
        return 1
    except BrokenPipeError:
        return 1
    if pipe is None:
        print(json.dumps(found))  # noqa: T201 - the answer
    else:
        pipe.write({"answer": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
