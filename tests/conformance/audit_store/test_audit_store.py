"""What every audit store must do, seen through its sink and its reader."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.audit.story import APP, Proposed, Story

from rivergate.adapters.audit_reader import SqliteAuditReader
from rivergate.adapters.audit_store import AuditStore, audit_topics
from rivergate.audit.errors import AuditStoreUnavailable, NoAuditStore
from rivergate.domain import names
from rivergate.domain.ids import trace_id_of
from rivergate.domain.record import Position, Record


class Place:
    """A folder with an audit store in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.db"
        self._open: list[AuditStore | SqliteAuditReader] = []

    def store(self, log: str = "log-1", app: str = APP) -> AuditStore:
        """A sink; stores and readers are closed at the end."""
        store = AuditStore(self.path, app, log)
        self._open.append(store)
        return store

    def reader(self) -> SqliteAuditReader:
        """A reader."""
        reader = SqliteAuditReader(self.path)
        self._open.append(reader)
        return reader

    def close(self) -> None:
        """Close whatever was opened."""
        for x in self._open:
            x.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh folder."""
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
def told() -> tuple[Story, Proposed]:
    """A story with one proposal that went all the way."""
    story = Story()
    p = Proposed(story, 48211).propose().review()
    p.settle("approved", p.decide(note="heard it myself")).do().label(value=True)
    return story, p


def test_bytes_come_back_exactly(place: Place, told: tuple[Story, Proposed]) -> None:
    """Values, headers, keys and positions of decision records, and the bytes of span records with their SHA-256."""
    story, p = told
    place.store().write(story.records)
    reader = place.reader()
    spans_topic = names.topic(APP, names.OTLP_SPANS)
    given = {r.position: r for r in story.records if r.topic != spans_topic}
    found = {r.position: r for r in reader.records_of(p.id)}
    assert set(found) == set(given)
    for position, record in given.items():
        s = found[position]
        assert (s.raw, s.key, s.headers, s.ce_type) == (record.value, record.key, tuple(record.headers), record.ce_type)
    for record in story.records:
        if record.topic == spans_topic:
            raw = record.value or b""
            assert reader.raw_spans(record.position) == (raw, hashlib.sha256(raw).digest(), None)


def test_spans_are_found_by_trace_and_by_link(place: Place, told: tuple[Story, Proposed]) -> None:
    """A trace has its spans by start; the batch that carried it lives in another trace and is found by its link."""
    story, p = told
    place.store().write(story.records)
    spans = place.reader().trace(p.trace_id)
    assert [(s.stage, s.name) for s in spans] == [
        ("agent-watcher", "invoke_agent watcher"),
        ("gate", "gate shut_down"),
        ("gate", "review shut_down"),
        ("effects", "effect shut_down"),
    ]
    assert all(s.proposal_ids == (p.id,) for s in spans)
    assert [s.name for s in place.reader().linking_to(p.trace_id)] == ["process telemetry"]


def test_positions_go_with_the_rows(place: Place, told: tuple[Story, Proposed]) -> None:
    """After a restart the store goes on where its rows end."""
    story, _ = told
    store = place.store()
    assert store.positions() == {}
    store.write(story.records[:4])
    store.close()
    again = place.store()
    assert again.rebuilt == ""
    expected = {}
    for r in story.records[:4]:
        expected[r.topic, r.partition] = r.offset + 1
    assert again.positions() == expected


def test_records_are_stored_once(place: Place, told: tuple[Story, Proposed]) -> None:
    """A batch that comes again, in part or whole, adds nothing."""
    story, _ = told
    store = place.store()
    store.write(story.records[:7])
    once = place.reader().counts()
    store.write(story.records[:7])
    assert place.reader().counts() == once
    store.write(story.records[3:])
    whole = place.reader().counts()
    assert sum(whole[n] for n in ("proposals", "reviews", "decisions", "actions", "outcomes", "labels")) == sum(
        r.topic != names.topic(APP, names.OTLP_SPANS) for r in story.records
    )


def test_the_database_itself_refuses_doubles(place: Place, told: tuple[Story, Proposed]) -> None:
    """Topic, partition and offset are unique by constraint, whoever writes."""
    story, _ = told
    place.store().write(story.records)
    db = sqlite3.connect(place.path)
    for table in ("records", "span_records"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
        names_of = ", ".join(columns)
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(f"INSERT INTO {table} ({names_of}) SELECT {names_of} FROM {table}")  # noqa: S608 - names of our own
    db.close()


@pytest.mark.parametrize("raw", [b"\xff\xff", b"", None, b"hello", b"\x0a\x06\x12\x04\x12\x02\x0a\x00"])
def test_a_malformed_span_record_is_quarantined(place: Place, told: tuple[Story, Proposed], raw: bytes | None) -> None:
    """Its bytes are kept with the reason, and the partition moves on."""
    story, p = told
    bad = Record(names.topic(APP, names.OTLP_SPANS), 0, 5, None, raw, None)
    place.store().write([bad, *story.records])
    reader = place.reader()
    kept = reader.raw_spans(bad.position)
    assert kept is not None
    assert kept[2]
    assert kept[1] == hashlib.sha256(raw or b"").digest()
    assert reader.counts()["quarantined"] == 1
    assert len(reader.trace(p.trace_id)) == 4


@pytest.mark.parametrize(("given", "ids"), [(7, ()), (True, ()), (0.5, ()), (["ab", "cd"], ("ab", "cd"))])
def test_a_proposal_id_that_is_no_text_is_none(place: Place, given: Any, ids: tuple[str, ...]) -> None:
    """Any program may write spans: a foreign one is stored, belongs to no proposal, and holds nothing up."""
    story = Story()
    p = Proposed(story, 1)
    story.spans("elsewhere", p.span("elsewhere", "foreign", 5, **{"rivergate.proposal.id": given}))
    store = place.store()
    store.write(story.records)
    [span] = place.reader().trace(p.trace_id)
    assert (span.name, span.proposal_ids) == ("foreign", ids)
    assert replace(span, attributes={"rivergate.proposal.id": [None, *ids]}).proposal_ids == ids
    assert len(store.positions()) == 1


def test_an_unreadable_decision_record_is_kept(place: Place) -> None:
    """A decision record that isn't JSON stays, exact, with its fault."""
    bad = Record(names.topic(APP, names.DECISIONS), 0, 5, None, b"{no", [("ce_type", b"rivergate.decision.v1")])
    place.store().write([bad])
    assert place.reader().counts()["decisions"] == 1


def test_dead_letters_are_found_by_their_origin(place: Place) -> None:
    """A dead letter is about the event that it was."""
    headers = [("rg_origin", b"telemetry/3/9"), ("rg_reason", b"field line: missing")]
    place.store().write([Record(names.topic(APP, names.DEAD_LETTERS), 3, 0, None, b"\x00", headers)])
    [letter] = place.reader().records_about("telemetry/3/9")
    assert (letter.name, letter.fault) == ("dead_letters", "field line: missing")


@pytest.mark.parametrize("change", [{"log": "log-2"}, {"app": "other"}])
def test_a_view_of_something_else_is_emptied(
    place: Place, told: tuple[Story, Proposed], change: dict[str, str]
) -> None:
    """Another log or another app: rebuilt, and it says so, to readers too."""
    story, p = told
    store = place.store()
    store.write(story.records)
    store.close()
    again = place.store(**change)
    assert again.rebuilt
    assert again.positions() == {}
    reader = place.reader()
    assert reader.trace(p.trace_id) == []
    assert "rebuilt" in reader.notes()[0][1]


def test_another_schema_is_emptied(place: Place) -> None:
    """A file of another version is filled anew by the sink, and refused by the reader until then."""
    place.store().close()
    db = sqlite3.connect(place.path)
    with db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'schema'")
    db.close()
    with pytest.raises(NoAuditStore, match="schema 0"):
        SqliteAuditReader(place.path)
    assert "schema" in place.store().rebuilt


def test_a_position_beyond_the_log_means_another_log(place: Place, told: tuple[Story, Proposed]) -> None:
    """Within the log nothing happens; beyond its end the view is emptied."""
    story, _ = told
    store = place.store()
    store.write(story.records)
    store.compare({tp: (0, at) for tp, at in store.positions().items()})
    assert store.rebuilt == ""
    store.compare({tp: (0, at - 1) for tp, at in store.positions().items()})
    assert "beyond the end" in store.rebuilt
    assert store.positions() == {}


def test_what_retention_took_is_noted(place: Place) -> None:
    """Records that were gone before the store read them are no secret, and told once, however often it starts. What was
    there at a partition's end may have been markers alone, which nobody reads.
    """
    actions = ("shuttle.actions", 0)
    for low in (17, 17, 19):
        store = place.store()
        store.compare({actions: (low, 20)})
        assert store.positions() == {actions: low}
        store.close()
    said = "retention removed shuttle.actions/0 from {} to {} before the audit store read it"
    assert sorted(text for _, text in place.reader().notes()) == [
        f"{said.format(at, low)} (markers of transactions among them)" for at, low in ((0, 17), (17, 19))
    ]


def test_a_loss_that_cannot_be_noted_is_noted_later(place: Place) -> None:
    """The note and the position are written together or not at all."""
    store = place.store()
    store._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditStoreUnavailable):
            store.compare({("shuttle.actions", 0): (17, 20)})
    assert store.positions() == {}
    store.compare({("shuttle.actions", 0): (17, 20)})
    assert len(place.reader().notes()) == 1


def test_a_failed_write_leaves_nothing(place: Place, told: tuple[Story, Proposed]) -> None:
    """While another process holds the file a write fails as a whole; later it is done as a whole."""
    story, _ = told
    store = place.store()
    store._db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(place.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AuditStoreUnavailable) as e:
        store.write(story.records)
    assert e.value.retryable
    assert store.positions() == {}
    other.execute("ROLLBACK")
    other.close()
    store.write(story.records)
    assert place.reader().counts()["actions"] == 1


def test_readers_see_new_batches_while_the_sink_is_open(place: Place, told: tuple[Story, Proposed]) -> None:
    """A reader opened before a batch sees it once it is committed."""
    story, p = told
    store = place.store()
    reader = place.reader()
    assert reader.records_of(p.id) == []
    store.write(story.records)
    assert reader.records_of(p.id)


def test_ids_are_found_whole_and_abbreviated(place: Place) -> None:
    """Traces and proposals by the beginning of their id, events too; a whole id wins over longer ones."""
    story = Story()
    first, second = Proposed(story, 48).propose().allow(), Proposed(story, 482).propose().allow()
    place.store().write(story.records)
    reader = place.reader()
    assert [(n.kind, n.id) for n in reader.find(first.id[:9])] == [("proposal", first.id)]
    assert [(n.kind, n.id) for n in reader.find(second.trace_id[:9])] == [("trace", second.trace_id)]
    assert [(n.kind, n.id, n.trace_id) for n in reader.find("telemetry/3/48")] == [
        ("event", "telemetry/3/48", trace_id_of("telemetry/3/48"))
    ]
    assert {n.id for n in reader.find("telemetry/3/4")} == {"telemetry/3/48", "telemetry/3/482"}
    assert reader.find("f00") == [] or all(n.id.startswith("f00") for n in reader.find("f00"))
    assert reader.find("no such thing") == []


def test_a_missing_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    """Asking where nothing ever ran names the place and the remedy."""
    with pytest.raises(NoAuditStore) as e:
        SqliteAuditReader(tmp_path / "audit.db")
    assert str(tmp_path) in str(e.value)
    assert "--data-dir" in str(e.value)


def test_the_topics_are_those_of_the_wire_contract() -> None:
    """Eight topics of decisions and the spans."""
    assert len(audit_topics(APP)) == 9
    assert Position("shuttle.otlp_spans", 0, 0).topic in audit_topics(APP)
