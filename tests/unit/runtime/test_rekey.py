"""What is copied where, how far it is, and that nothing is copied into an app that would act on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.integration.rekey_app.app import app

from rivergate.agents import Agent
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import (
    BrokerUnavailable,
    CommitUnknown,
    ConfigError,
    RecordsRemoved,
    RivergateError,
)
from rivergate.domain.event import Event
from rivergate.domain.journal import OPEN_END, Began, CommitRecord, Range
from rivergate.domain.murmur2 import partition_of
from rivergate.domain.record import BY_KEY, Headers, Position, Record
from rivergate.domain.wire import RekeyedRecord
from rivergate.runtime.app import App
from rivergate.runtime.rekey import copying
from rivergate.runtime.rekey.costs import costs
from rivergate.runtime.rekey.facts import Facts
from rivergate.runtime.rekey.newcomer import demand_holding, demand_untouched
from rivergate.runtime.rekey.notes import beyond, first_note, left, noted
from rivergate.runtime.rekey.plan import Plan, plan_of
from rivergate.testing.memory_log import MemoryBroker, MemoryReader

OLD, NEW = 2, 5
STAGES = ["agent-counter", "agent-listener"]


def made(name: str = "new") -> App:
    """The app that is copied into."""
    return replace(app(), name=name, partitions=NEW)


@pytest.fixture
def plan() -> Plan:
    """`old` into `new`."""
    return plan_of(made(), "old", {})


@pytest.fixture
def broker(plan: Plan) -> MemoryBroker:
    """Both apps' topics, all empty."""
    topics = dict.fromkeys(plan.topics, OLD) | dict.fromkeys(plan.topics.values(), NEW)
    journals = {names.journal_topic("new", s): NEW for s in STAGES}
    return MemoryBroker({**topics, **journals, "new.assignments": 1, plan.rekey: 1})


def no_key(_: Position) -> bytes | None:
    """Of an event that retention has removed."""
    raise KeyError


def test_everything_that_agents_read_is_copied(plan: Plan) -> None:
    """What an agent publishes for another one, too: muted, it won't publish it again."""
    assert plan.topics == {
        "old-numbers": "new-numbers",
        "old-seen": "new-seen",
        "old.labels": "new.labels",
        "old.messages": "new.messages",
    }
    assert plan.stages == {
        "agent-counter": ("old-numbers", "old.labels"),
        "agent-listener": ("old-seen", "old.messages"),
    }


def test_a_topic_that_both_read_is_refused_until_somebody_says_what_it_replaces() -> None:
    """Its number of partitions can't be two."""

    class Fixed(Event, topic="fixed-b"):
        pass

    class Reader(Agent):
        consumes = (Fixed,)

    changed = replace(made(), agents=[Reader])
    with pytest.raises(ConfigError, match="both apps read fixed-b") as caught:
        plan_of(changed, "old", {})
    assert "--topic fixed-b=NEW" in caught.value.remedy
    assert plan_of(changed, "old", {"fixed": "fixed-b"}).topics == {"fixed": "fixed-b"}
    with pytest.raises(ConfigError, match="no agent of new reads other"):
        plan_of(changed, "old", {"fixed": "fixed-b", "fix": "other"})


def test_topics_that_stamp_copies_anew_are_refused(tmp_path: Path) -> None:
    """The new agents' clock would be that of the copying: what timers have done already would be done once more."""
    [folder] = made().topics
    for file in folder.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    changed = replace(made(), topics=[tmp_path])
    plan_of(changed, "old", {})
    [numbers] = [f for f in tmp_path.iterdir() if "{app}-numbers" in f.read_text()]
    numbers.write_text(numbers.read_text() + "timestamps: LogAppendTime\n")
    with pytest.raises(ConfigError, match="new-numbers") as caught:
        plan_of(changed, "old", {})
    assert caught.value.where == str(numbers)
    assert "CreateTime" in caught.value.remedy


def test_an_app_isnt_copied_into_itself_nor_one_with_graphs() -> None:
    """A graph would do all of it again."""
    with pytest.raises(ConfigError, match="can't be copied into itself"):
        plan_of(made("old"), "old", {})
    graph = type("Graph", (), {"name": "g", "consumes": (), "publishes": (), "proposes": ()})
    with pytest.raises(ConfigError, match="has graphs"):
        plan_of(replace(made(), graphs=[graph]), "old", {})


def test_a_record_goes_by_its_key_and_one_without_stays_with_its_partition(plan: Plan) -> None:
    """The producer hashes keys as Kafka's own do."""
    assert plan.partition(Record("old-numbers", 1, 7, b"line-3", b"", None), no_key) == BY_KEY
    assert plan.partition(Record("old-numbers", 1, 7, None, b"", None), no_key) == 1
    assert plan.partition(Record("old-numbers", NEW + 1, 7, None, b"", None), no_key) == 1


@pytest.mark.parametrize("own", [None, b"whatever", b"k"])
def test_a_label_goes_where_its_event_goes(plan: Plan, own: bytes | None) -> None:
    """Whatever key it has itself, also one that happens to hash to where it stood."""
    event = {"topic": "old-numbers", "partition": 1, "offset": 7}
    asked: list[Position] = []

    def key_of(position: Position) -> bytes | None:
        asked.append(position)
        return b"line-3" if position.offset == 7 else None

    label = Record("old.labels", 1, 0, own, orjson.dumps({"event": event}), None)
    assert plan.partition(label, key_of) == partition_of(b"line-3", NEW)
    keyless = label._replace(value=orjson.dumps({"event": {**event, "offset": 8}}))
    assert plan.partition(keyless, key_of) == 1
    assert asked == [Position("old-numbers", 1, 7), Position("old-numbers", 1, 8)]
    assert plan.partition(label, no_key) == (1 if own is None else BY_KEY)
    assert plan.partition(label._replace(value=b"[]"), no_key) == (1 if own is None else BY_KEY)


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        (None, [("rg_origin", b"old-numbers/1/7")]),
        (
            [("ce_source", b"/m"), ("ce_id", b"1"), ("rg_commit", b"gate/0/1/0")],
            [("ce_source", b"/m"), ("ce_id", b"1"), ("rg_origin", b"old-numbers/1/7")],
        ),
        (
            [("x", b"y"), ("rg_origin", b"old-numbers/0/3"), ("rg_for", b"/rivergate/old/agent-counter")],
            [("x", b"y"), ("rg_origin", b"old-numbers/0/3"), ("rg_for", b"/rivergate/new/agent-counter")],
        ),
    ],
)
def test_a_copy_keeps_its_headers_and_its_event_id(plan: Plan, headers: Headers | None, kept: Headers) -> None:
    """The commit that wrote it is none of the new app's; a redriven one is for the agent of the same name."""
    record = Record("old-numbers", 1, 7, b"k", b"{}", headers)
    copy = Record("new-numbers", 4, 99, b"k", b"{}", plan.headers(record))
    assert copy.headers == kept
    assert copy.event_id == record.event_id


def test_a_note_says_what_is_left(plan: Plan, broker: MemoryBroker) -> None:
    """What retention has removed meanwhile is counted, and gone past."""
    reader = broker.reader()
    for n in range(6):
        broker.append("old-numbers", 0, b"12345", key=b"k")
        broker.append("old.labels", 1, b"{}", key=str(n).encode())
    note = first_note(plan, reader, "me")
    assert left(note, reader)[0] == [Range("old-numbers", 0, 0, 6), Range("old.labels", 1, 0, 6)]
    broker.trim(("old-numbers", 0), 4)
    ranges, note = left(note, reader)
    assert (ranges, note.missed) == ([Range("old-numbers", 0, 4, 6), Range("old.labels", 1, 0, 6)], 4)
    note = beyond(note, ranges)
    assert left(note, reader) == ([], note)
    assert costs(plan, reader, None, 10).bytes == round(10 * (2 * 6 + 6 * 3) / 8)


def test_what_retention_has_removed_is_counted_once(plan: Plan, broker: MemoryBroker) -> None:
    """Also where nothing is left of a partition, however often it is looked at."""
    reader = broker.reader()
    note = first_note(plan, reader, "me")
    for _ in range(6):
        broker.append("old-numbers", 0, b"12345", key=b"k")
    broker.trim(("old-numbers", 0), 6)
    for _ in range(3):
        ranges, note = left(note, reader)
        assert (ranges, note.missed) == ([], 6)
    assert ("old-numbers", 0, 6) in note.positions


def test_a_transaction_takes_so_many_records_and_so_many_bytes() -> None:
    """It has to be written before the broker gives it up; a record that is larger than that goes alone."""
    large, larger = bytes(3 * 1024**2), bytes(copying.AT_ONCE_BYTES)
    values = [*[large] * 4, larger, *[b""] * (copying.AT_ONCE + 1)]
    records = [Record("old-numbers", 0, n, None, value, None) for n, value in enumerate(values)]
    found = list(copying.batches(iter(records)))
    assert [len(batch) for batch in found] == [3, 2, copying.AT_ONCE, 1]
    assert [r for batch in found for r in batch] == records


class Waiting(MemoryReader):
    """Like Kafka's, it waits at the end for what isn't there, in vain."""

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        if end > self.watermarks((topic, partition))[1]:
            raise BrokerUnavailable("it gave nothing for 30 s")
        return super().read(topic, partition, start, end)


@pytest.mark.parametrize("offset", [-1, 0, 3, 4])
def test_the_key_of_an_event_that_isnt_there_isnt_waited_for(plan: Plan, broker: MemoryBroker, offset: int) -> None:
    """A label may name any position: one that retention has removed, or the log's end."""
    for n in range(3):
        broker.append("old-numbers", 0, b"{}", key=str(n).encode())
    broker.trim(("old-numbers", 0), 1)
    keys = copying.Keys(Waiting(broker), plan)
    assert keys.of(Position("old-numbers", 0, 2)) == b"2"
    with pytest.raises(KeyError):
        keys.of(Position("old-numbers", 0, offset))


def test_notes_of_another_copy_are_refused(plan: Plan, broker: MemoryBroker) -> None:
    """Another app, or other topics."""
    reader = broker.reader()
    assert noted(plan, reader) is None
    note = first_note(plan, reader, "me")
    write(broker, plan, note.model_dump_json(exclude_none=True).encode())
    assert noted(plan, reader) == note
    with pytest.raises(ConfigError, match="old is copied into new"):
        noted(replace(plan, of="other"), reader)


class Hindered(copying.Copying):
    """Whose sessions end with these errors, after a note if it is to get on; the last is the end."""

    def __init__(self, plan: Plan, said: list[str], *ends: tuple[bool, RivergateError]) -> None:
        super().__init__(plan, "", "me", lambda: 0, hindered=lambda e: said.append(e.what))
        self.ends = list(ends)

    def _session(self, stop: threading.Event) -> RekeyedRecord:
        gets_on, end = self.ends.pop(0)
        if gets_on:
            self._got_on(first_note(self._plan, MemoryBroker(auto_create=1).reader(), "me"))
        if not self.ends:
            stop.set()
        raise end


def test_what_hinders_a_copy_is_said_whenever_it_is_something_else(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again once it had got on; it goes on all the same, also behind what retention has removed under its hands."""
    monkeypatch.setattr(copying, "AGAIN_S", 0.0)
    said: list[str] = []
    away, unknown, removed = BrokerUnavailable("away"), CommitUnknown("unknown"), RecordsRemoved("removed")
    ends = [
        (False, away),
        (False, away),
        (False, unknown),
        (False, away),
        (True, away),
        (False, away),
        (False, removed),
    ]
    assert Hindered(plan, said, *ends).run(threading.Event()) is None
    assert said == ["away", "unknown", "away", "away", "removed"]
    with pytest.raises(ConfigError, match="refused"):
        Hindered(plan, said, (False, ConfigError("refused"))).run(threading.Event())


@pytest.mark.parametrize("topic", ["new.assignments", "new-numbers", "new.labels"])
def test_a_copy_begins_where_nobody_was_before(plan: Plan, broker: MemoryBroker, topic: str) -> None:
    """Neither a supervisor nor a producer."""
    demand_untouched(plan, broker.reader())
    broker.append(topic, 0, b"{}")
    with pytest.raises(ConfigError, match=f"new isn't new: there are records on {topic}"):
        demand_untouched(plan, broker.reader())


@pytest.mark.parametrize("copied", [0, 5])
@pytest.mark.parametrize("runs", [False, True])
def test_nothing_is_copied_into_shards_that_may_act_on_it(
    plan: Plan, broker: MemoryBroker, copied: int, *, runs: bool
) -> None:
    """One that was opened before the first note hasn't committed, and can't be told from one that will hold."""
    reader = broker.reader()
    note = first_note(plan, reader, "me").model_copy(update={"records": copied})
    if runs:
        broker.append("new.assignments", 0, b"{}")
    refused = runs and not copied
    if refused:
        with pytest.raises(ConfigError, match="new was started before the copy"):
            demand_holding(plan, reader, note)
    else:
        demand_holding(plan, reader, note)
    for stage in STAGES:
        for shard in range(NEW):
            broker.append(names.journal_topic("new", stage), shard, begun(stage, shard))
    demand_holding(plan, reader, note)


@pytest.mark.parametrize("end", [None, 17])
def test_a_shard_that_began_otherwise_is_found(plan: Plan, broker: MemoryBroker, end: int | None) -> None:
    """Live, or with a history that ends."""
    reader = broker.reader()
    note = first_note(plan, reader, "me").model_copy(update={"records": 9})
    broker.append(names.journal_topic("new", STAGES[0]), 3, begun(STAGES[0], 3, end))
    with pytest.raises(ConfigError, match="agent-counter/3"):
        demand_holding(plan, reader, note)
    demand_holding(plan, reader, note.model_copy(update={"released": rfc3339(0)}))


NOTHING_MISSING = Facts(
    unread={},
    running=(),
    uncopied={},
    unlearnt={},
    absent=(),
    in_flight={"open reviews": 3},
    ends={},
    fired=0,
    last_event=0,
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, []),
        ({"unread": {"old-numbers (agent-counter)": 1200}}, ["1,200 of old-numbers (agent-counter)"]),
        ({"running": ("agent-counter/0", "agent-counter/1")}, ["agent-counter/0, agent-counter/1 aren't parked"]),
        ({"uncopied": {"old.labels": 2}}, ["not copied yet: 2 of old.labels"]),
        ({"absent": ("agent-listener/4",)}, ["agent-listener/4 haven't begun"]),
        ({"unlearnt": {"new-seen (agent-listener/4)": 7}, "uncopied": {"t": 1}}, ["1 of t", "7 of new-seen"]),
    ],
)
def test_what_stands_in_the_way_of_a_release_is_named_with_numbers(found: dict[str, Any], said: list[str]) -> None:
    """Each with its remedy; what the old app settles by itself doesn't."""
    missing = replace(NOTHING_MISSING, **found).missing
    assert len(missing) == len(said)
    assert all(part in what and remedy for part, (what, remedy) in zip(said, missing, strict=True))


def begun(stage: str, shard: int, end: int | None = OPEN_END) -> bytes:
    """A first commit record."""
    began = None if end is None else Began("beginning", rfc3339(0), (Range("new-numbers", shard, 0, end),))
    digest = "0" * 64
    return CommitRecord(
        stage, shard, 0, 0, rfc3339(0), (), {}, 0, digest, digest, digest, digest, "w", began=began
    ).to_json()


def write(broker: MemoryBroker, plan: Plan, value: bytes) -> None:
    """A note."""
    broker.append(plan.rekey, 0, value, headers=[("ce_type", names.REKEYED_V1.encode())])
