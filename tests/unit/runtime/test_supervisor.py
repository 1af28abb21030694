"""What the supervisor decides by itself: whose shards are whose, and what is tried again."""

from __future__ import annotations

import threading

import pytest

from rivergate.domain.errors import BrokerUnavailable, ConfigError
from rivergate.runtime.supervision import supervisor
from rivergate.runtime.supervision.plan import Slot
from rivergate.runtime.supervision.supervisor import Owners, insist

SLOT = Slot("agent-a-0", "agent", "agent-a", (0, 1))


def test_a_start_waits_for_a_broker_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again what may succeed later, and nothing else; told to stop, it gives up."""
    monkeypatch.setattr(supervisor, "RETRY_S", 0.0)
    answers: list[Exception | None] = [BrokerUnavailable("away"), BrokerUnavailable("away"), None]

    def step() -> None:
        found = answers.pop(0)
        if found is not None:
            raise found

    stop = threading.Event()
    insist(step, stop)
    assert answers == []
    answers = [ConfigError("wrong")]
    with pytest.raises(ConfigError):
        insist(step, stop)
    stop.set()
    answers = [BrokerUnavailable("away")]
    insist(step, stop)
    assert len(answers) == 1


def test_a_shard_in_mid_move_stays_nobodys_when_its_receiver_is_started_anew() -> None:
    """Its owner of before still drains it; the move itself gives it away."""
    owners = Owners()
    owners.give(SLOT, "first")
    owners.hand("agent-a", 1, "")
    owners.give(SLOT, "second")
    assert owners.named("agent-a") == {0: ("second", 0)}
    owners.hand("agent-a", 1, "second")
    assert owners.of("second") == ["agent-a/0", "agent-a/1"]
