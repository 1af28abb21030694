"""A broker answers a commit before it is to be seen: whoever rebuilds in between must wait for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.kernel.transactor_world import Summing, World, run

from rivergate.agents.fold import AgentFold
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.errors import BrokerUnavailable
from rivergate.kernel import start
from rivergate.kernel.tools import Limits, Tools
from rivergate.kernel.transactor import Transactor
from rivergate.testing.memory_shard_log import MemoryShardLog


class LateLog(MemoryShardLog):
    """Shows the journal without its newest record, as often as it is told to after each commit."""

    late = 0
    left = 0

    def commit(self) -> None:
        """Commit; the next looks don't see it."""
        super().commit()
        self.left = self.late

    def journal_tail(self, before: int | None = None) -> tuple[bytes, int] | None:
        """The newest record, or the one before it."""
        self.left -= 1
        if self.left < 0:
            return super().journal_tail(before)
        found = self._broker.read(self._spec.journal, 0, 1 << 60)[:-1]
        return (found[-1].value or b"", found[-1].offset) if found else None


def transactor(world: World, late: int) -> Transactor:
    """An owner whose commits are seen late."""
    spec = world.spec()
    log = LateLog(world.broker, spec)
    log.late = late
    encoder = SpanEncoder({"service.name": world.app}, "0")
    tools = Tools(world.store(spec), world.broker.reader, encoder, lambda: world.now, {})
    return Transactor(spec, log, lambda: AgentFold(world.app, Summing), tools, Limits(batch=1, wait_s=0.0))


@pytest.mark.parametrize("late", [0, 1, 5])
def test_a_rebuild_right_after_a_commit_keeps_number_and_state(late: int) -> None:
    """The failing record is put aside, and the sum goes on from what was committed before it."""
    world = World()
    for n, text in ((1, ""), (2, ""), (3, "raise"), (4, "")):
        world.put(n, text)
    run(transactor(world, late))
    assert [r.seq for r in world.journal()] == [0, 1, 2, 3]
    assert [v["sum"] for v in world.written()] == [1, 3, 7]
    assert world.replay().difference == ""


def test_a_commit_that_never_shows_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is committed in its place."""
    world = World()
    for n, text in ((1, ""), (2, "raise")):
        world.put(n, text)
    clock: Callable[[], float] = iter(range(1000)).__next__
    monkeypatch.setattr(start.time, "monotonic", lambda: float(clock()))
    with pytest.raises(BrokerUnavailable, match="commit 0 of agent-summing/0 was answered"):
        run(transactor(world, 10_000))
    assert [r.seq for r in world.journal()] == [0]
