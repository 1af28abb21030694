"""From a stage's name to the driver of one of its shards: here the parts are put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pickle import PicklingError

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.adapters.kafka_log import KafkaShardLog
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.audit.otlp import SpanEncoder
from rivergate.audit.resource import resource_of
from rivergate.domain import names
from rivergate.domain.clock import Micros
from rivergate.domain.errors import ConfigError, SnapshotCorrupt
from rivergate.domain.record import TopicPartition
from rivergate.kernel.brake import Brake
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Tools
from rivergate.kernel.transactor import Transactor
from rivergate.ports import Fold
from rivergate.runtime import keys
from rivergate.runtime.app import App
from rivergate.runtime.braking import Brakes
from rivergate.runtime.code import code_digest, versions
from rivergate.runtime.limits import kernel_limits
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.recovering import RecoveryReports
from rivergate.runtime.worker import Driver, MakeDriver

AGENT, GRAPH, GATE, EFFECTS = "agent", "graph", "gate", "effects"


def wall_clock() -> Micros:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def shard_inputs(topics: list[str], shard: int) -> tuple[TopicPartition, ...]:
    """Inputs of a shard of a co-partitioned stage: the partition of its number of every topic."""
    return tuple((t, shard) for t in topics)


def gate_inputs(app: str, partitions: int) -> tuple[TopicPartition, ...]:
    """Inputs of the gate's one shard: `control` whole, and every partition of what it judges."""
    judged = [names.topic(app, n) for n in (names.PROPOSALS, names.DECISIONS, names.OUTCOMES)]
    return ((names.topic(app, names.CONTROL), 0), *((t, p) for t in judged for p in range(partitions)))


def shard_spec(
    spec: ProcessSpec, shard: int, inputs: tuple[TopicPartition, ...], code: str, *broadcast: str
) -> ShardSpec:
    """The kernel's description of one shard of this process."""
    return ShardSpec(
        app=spec.app.name,
        stage=spec.stage,
        shard=shard,
        inputs=inputs,
        code=code,
        worker=spec.incarnation,
        broadcast=broadcast,
        accept_new_code=spec.options.get("accept_new_code"),
        begin=spec.options.get("begin", {}).get(spec.stage),
        model=spec.options.get("models", {}).get(spec.stage),
    )


def fold_of(app: App, stage: str, operator_key: bytes) -> tuple[Callable[[], Fold], str]:
    """What makes a fresh fold of a transactor's stage, and the digest of its code."""
    if stage == names.GATE:
        return gate_fold(app.name, operator_key)
    from rivergate.agents.fold import AgentFold

    agent = app.agent(stage)
    return lambda: AgentFold(app.name, agent), code_digest([agent.__module__])


def gate_fold(app: str, operator_key: bytes) -> tuple[Callable[[], Fold], str]:
    """What makes a fresh gate, and the digest of its code."""
    from rivergate.gate import fold

    return lambda: fold.GateFold(app, operator_key), code_digest([fold.__name__])


def transactor(spec: ProcessSpec, shard: ShardSpec, make_fold: Callable[[], Fold], with_tools: Tools) -> Transactor:
    """A transactor on Kafka, with snapshots in the data directory (or wherever `snapshots` says)."""
    return Transactor(
        shard,
        KafkaShardLog(spec.bootstrap, shard, spec.security),
        make_fold,
        with_tools,
        kernel_limits(spec),
    )


def tools(spec: ProcessSpec, shard: ShardSpec, progress: RecoveryReports, brake: Brake | None = None) -> Tools:
    """What a driver works with beside its log."""
    data = spec.data
    blobs = FsspecBlobs(data.snapshots)
    return Tools(
        snapshots=SnapshotStore(blobs, shard, keys.load_key(data.keys, keys.SNAPSHOTS)),
        reader=lambda: KafkaReader(spec.bootstrap, f"{shard.group}.replay", spec.security),
        encoder=SpanEncoder(resource_of(shard.app, shard.stage, shard.worker), versions()["rivergate"]),
        clock=wall_clock,
        versions=versions(),
        progress=progress,
        catching_up=progress.history,
        waits=progress.waits_for_deeds,
        brake=brake or Brake(),
    )


def driver_maker(spec: ProcessSpec) -> MakeDriver:
    """What makes the driver of a shard of this process's stage. Imports only what the stage needs."""
    return _MAKERS[spec.role](spec)


def _agent(spec: ProcessSpec) -> MakeDriver:
    from rivergate.agents.fold import agent_inputs

    app = spec.app.load()
    agent = app.agent(spec.stage)
    make_fold, code = fold_of(app, spec.stage, b"")
    demand_picklable(make_fold(), agent.__qualname__)
    topics = agent_inputs(app.name, agent)

    brakes = Brakes(spec)

    def make(shard: int, progress: RecoveryReports, shards: Callable[[], int]) -> Driver:
        described = shard_spec(spec, shard, shard_inputs(topics, shard), code)
        described = replace(described, rekey=names.topic(app.name, names.REKEY))
        with_tools = tools(spec, described, progress, brakes.proposer(described, progress))
        return transactor(spec, described, make_fold, replace(with_tools, shards=shards))

    return make


def demand_picklable(fold: Fold, agent: str) -> None:
    """Find out before the first event that the state can't go into a snapshot. Raises `ConfigError`."""
    try:
        fold.load(fold.dump())
    except (AttributeError, TypeError, PicklingError, SnapshotCorrupt) as e:
        raise ConfigError(
            f"the state of agent {agent} can't be put into a snapshot: {e}",
            remedy="define the agent's class at the top of a module, and keep no open files, locks or lambdas in it",
        ) from e


def _gate(spec: ProcessSpec) -> MakeDriver:
    operator_key = keys.load_public(spec.data.keys, keys.OPERATOR)
    make_fold, code = gate_fold(spec.app.name, operator_key)
    inputs = gate_inputs(spec.app.name, spec.app.partitions)
    control = names.topic(spec.app.name, names.CONTROL)
    brakes = Brakes(spec)

    def make(shard: int, progress: RecoveryReports, _shards: Callable[[], int]) -> Driver:
        described = shard_spec(spec, shard, inputs, code, control)
        return transactor(
            spec, described, make_fold, tools(spec, described, progress, brakes.gate(described, progress))
        )

    return make


def _effects(spec: ProcessSpec) -> MakeDriver:
    from rivergate.effects.attempts import Effects
    from rivergate.effects.loading import load_effectors
    from rivergate.kernel.performer import Performer
    from rivergate.runtime.effects_work import EffectsWork

    references = spec.options.get("effectors", {})
    load_effectors(references, spec.data.root)
    code = code_digest(["rivergate.effects.attempts", *(r.partition(":")[0] for r in references.values())])
    topics = [names.topic(spec.app.name, names.ACTIONS)]
    recalls = [names.topic(spec.app.name, names.OUTCOMES)]

    def work() -> EffectsWork:
        effectors = load_effectors(references, spec.data.root)
        return EffectsWork(spec.app.name, Effects(spec.app.name, effectors, wall_clock))

    def make(shard: int, progress: RecoveryReports, _shards: Callable[[], int]) -> Driver:
        described = shard_spec(spec, shard, shard_inputs(topics, shard), code)
        log = KafkaShardLog(spec.bootstrap, described, spec.security)
        return Performer(described, log, work, tools(spec, described, progress), kernel_limits(spec), recalls=recalls)

    return make


def _graph(spec: ProcessSpec) -> MakeDriver:
    from rivergate.adapters.graphs.work import GraphWork
    from rivergate.kernel.performer import Performer

    app = spec.app.load()
    agent = next(g for g in app.graphs if names.agent_stage(g.name) == spec.stage)
    code = code_digest([agent.graph.__module__])
    topics, replies = agent.inputs(app.name), agent.replies(app.name)
    brakes = Brakes(spec)

    def make(shard: int, progress: RecoveryReports, _shards: Callable[[], int]) -> Driver:
        described = shard_spec(spec, shard, shard_inputs(topics, shard), code)
        return Performer(
            described,
            KafkaShardLog(spec.bootstrap, described, spec.security),
            lambda: GraphWork(app.name, agent),
            tools(spec, described, progress, brakes.proposer(described, progress, replies)),
            kernel_limits(spec),
            replies=replies,
            recalls=agent.recalls(app.name),
        )

    return make


_MAKERS: dict[str, Callable[[ProcessSpec], MakeDriver]] = {
    AGENT: _agent,
    GRAPH: _graph,
    GATE: _gate,
    EFFECTS: _effects,
}
