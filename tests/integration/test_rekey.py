"""A running app is moved from two partitions to four while events keep coming, and processes die in the middle."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.checker import check
from tests.integration.rekey_world import NEW, OLD, REFERENCE, STAGES, Feed, Move, feeding, until

from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import Record
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.rekey.release import NotReleased
from rivergate.runtime.replay.own_process import ask_own_process
from rivergate.runtime.session import Session
from rivergate.runtime.spec import AppRef, ProcessSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
HISTORY, NEWS = 60, 5


@pytest.fixture
def move(kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Both apps, neither of them started."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    made = Move(kafka.bootstrap, tmp_path)
    yield made
    made.close()


def test_an_app_moves_to_more_partitions_under_load(move: Move) -> None:
    """Each event is acted on once by one of the two, in the order of its key, by an agent that knows all before it."""
    with move.run(move.old, OLD) as old:
        feed = Feed(move.bootstrap, move.old)
        feed.send(HISTORY)
        until(lambda: move.has_read_all(move.old), old)
        with feeding(feed) as pause:
            copy = move.copy()
            until(lambda: move.copied() > HISTORY, old)
            copy.kill()
            copy.wait(20)
            copy = move.copy()
            with move.run(move.new, NEW) as new:
                until(lambda: learns(move), old, new)
                kill(new, "agent-counter")
                until(lambda: len({c.worker for c in move.journal(move.new, "agent-counter")}) > 1, old, new)
                with pytest.raises(NotReleased, match=r"shards .* aren't parked"):
                    move.ask("--release")
                pause()
                until(lambda: move.has_read_all(move.old), old, new)
                move.park_old()
                until(move.old_is_parked, old, new)
                feed.send(1)
                with pytest.raises(NotReleased, match=r"haven't read .*-numbers \(agent-counter\)"):
                    move.ask("--release", "--quiet", "0.5")
                move.resume_old()
                until(lambda: move.has_read_all(move.old), old, new)
                move.park_old()
                until(move.old_is_parked, old, new)
                until(lambda: not move.ask("--status")["missing"], old, new)
                assert move.ask("--release", "--quiet", "0.5")["pause_s"] > 0
                assert move.ask("--release")["pause_s"] is None
                assert copy.wait(20) == 0
                after = Feed(move.bootstrap, move.new, feed)
                after.send(NEWS)
                until(lambda: move.has_read_all(move.new), old, new)
                until(lambda: len(move.proposals(move.new, "echo")) >= len(after.sent), old, new)
    demand_each_once(move, [*feed.sent, *after.sent])
    demand_all_known(move, after)
    demand_order(move)
    demand_replayed(move)
    assert check(move.bootstrap, move.old, settled=False) == []
    assert check(move.bootstrap, move.new, settled=False) == []


def learns(move: Move) -> bool:
    """Whether the new counter has folded something, muted."""
    return any(c.muted and c.muted.outputs for c in move.journal(move.new, "agent-counter"))


def kill(session: Session, stage: str) -> None:
    """Its only process."""
    state = session.running
    assert state is not None
    [worker] = [p for p in state.processes if p.stage == stage and p.alive]
    os.kill(worker.pid, signal.SIGKILL)


def demand_each_once(move: Move, sent: list[tuple[str, int]]) -> None:
    """By what it is about and by its event's id, over both apps; and each became one action."""
    for kind in ("note", "echo"):
        said = [p for name in (move.old, move.new) for p in move.proposals(name, kind)]
        assert Counter((p["arguments"]["line"], p["arguments"]["n"]) for p in said) == Counter(sent)
        assert len({(p["agent"], p["event_id"]) for p in said}) == len(said)
    acted = [r.json_object or {} for name in (move.old, move.new) for r in move.records(f"{name}.actions")]
    assert len({(a["kind"], a["arguments"]["line"], a["arguments"]["n"]) for a in acted}) == len(acted) == 2 * len(sent)


def demand_all_known(move: Move, after: Feed) -> None:
    """Whatever was said knew the number before it, and in the end every label and message of its line."""
    for kind in ("note", "echo"):
        for name in (move.old, move.new):
            for p in move.proposals(name, kind):
                assert p["arguments"]["before"] == p["arguments"]["n"] - 1, (name, p)
    first = {p["arguments"]["line"]: p["arguments"] for p in reversed(move.proposals(move.new, "note"))}
    for line, n in dict(reversed(after.sent)).items():
        assert (first[line]["n"], first[line]["labels"]) == (n, n)
    for p in move.proposals(move.new, "echo"):
        assert p["arguments"]["messages"] >= p["arguments"]["n"] - NEWS


def demand_order(move: Move) -> None:
    """Each line is on the partition of its key, in order, with the time it had."""
    then, now = (by_key(move.records(f"{name}-numbers")) for name in (move.old, move.new))
    assert {k: v[: len(then[k])] for k, v in now.items()} == then
    assert all(r.partition == partition_of(r.key, NEW) for r in move.records(f"{move.new}-numbers"))
    assert len(move.records(f"{move.new}.messages")) >= len(move.records(f"{move.old}.messages"))


def by_key(records: list[Record]) -> dict[bytes, list[tuple[bytes | None, int]]]:
    """Values and times of each key, in order."""
    found: dict[bytes, list[tuple[bytes | None, int]]] = {}
    for r in records:
        found.setdefault(r.key or b"", []).append((r.value, r.timestamp_ms))
    return found


def demand_replayed(move: Move) -> None:
    """Every shard of the new app comes out as recorded, from the first commit on."""
    spec = ProcessSpec(
        "replay", "", "test", AppRef(REFERENCE, move.new, NEW), move.bootstrap, str(move.folder / move.new)
    )
    shards = [[stage, n, None, None] for stage in STAGES for n in range(NEW)]
    again = ask_own_process(spec, {"what": "replay", "actions": [], "events": [], "shards": shards, "all": False})
    assert again["identical"] is True
    assert sum(p["commits"] for p in again["parts"]) == sum(len(move.journal(move.new, s)) for s in STAGES)
