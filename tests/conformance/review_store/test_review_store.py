"""One suite for every database that can hold the review queue's view."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.review import kit

from rivergate.adapters.review_store import SqlReviewStore
from rivergate.domain import names
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.domain.record import Record
from rivergate.review.case import State
from rivergate.review.ports import Query

MakeStore = Callable[..., SqlReviewStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own for each test."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'view' / 'review.db'}"
    return str(request.getfixturevalue("postgres")())


@pytest.fixture
def open_store(url: str) -> Iterator[MakeStore]:
    """Opens the same database as often as one likes."""
    opened: list[SqlReviewStore] = []

    def open_it(**options: int) -> SqlReviewStore:
        opened.append(SqlReviewStore(url, **options))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: MakeStore) -> SqlReviewStore:
    """An empty store."""
    return open_store()


def story() -> kit.MemoryLog:
    """Reviews of every result, one open, one amended, an unresolved action, and proposals that nobody reviews."""
    log = kit.MemoryLog()
    for n in range(8):
        log.append(names.PROPOSAL_V1, kit.proposal(n), kit.START + n)
    for n in range(6):
        log.append(
            names.REVIEW_OPENED_V1, kit.opened(n, expires_at=rfc3339(kit.START + kit.HOUR - n)), kit.START + 10 + n
        )
    log.append(names.DECISION_V1, kit.decision(0, "decision-0"), kit.START + 20)
    log.append(names.DECISION_JUDGED_V1, kit.judged(0, "decision-0"), kit.START + 21)
    for n, result in enumerate(["approved", "rejected", "refused", "expired"]):
        log.append(names.REVIEW_SETTLED_V1, kit.settled(n, result, *(["decision-0"] if n == 0 else [])), kit.START + 21)
    log.append(names.REVIEW_AMENDED_V1, kit.amended(5, 1, {"line": "line-9"}), kit.START + 22)
    log.append(names.ACTION_V1, kit.action(0), kit.START + 21)
    log.append(names.OUTCOME_V1, kit.outcome(0), kit.START + 30)
    log.append(names.ACTION_V1, kit.action(6, "allow"), kit.START + 21)
    log.append(names.OUTCOME_V1, kit.outcome(6, "unknown"), kit.START + 30)
    log.append(names.DENIAL_V1, kit.denial(7, "no rule matched"), kit.START + 21)
    return log


def everything(store: SqlReviewStore) -> dict[str, bytes]:
    """What the view says of every proposal."""
    cases = (store.case(kit.proposal_id(n)) for n in range(8))
    return {c.proposal_id: c.to_json() for c in cases if c is not None}


def test_positions_come_with_the_rows(store: SqlReviewStore) -> None:
    """After a batch the positions are those after its last records, partition by partition."""
    log = story()
    store.write(log.all())
    assert store.positions() == {tp: len(records) for tp, records in log.records.items()}


def test_a_batch_that_fails_leaves_nothing(store: SqlReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and positions are written together or not at all."""

    def fail(_: object) -> None:
        raise BadInput("planted")

    monkeypatch.setattr("rivergate.adapters.review_store._bump", fail)
    with pytest.raises(BadInput, match="planted"):
        store.write(story().all())
    assert store.positions() == {}
    assert everything(store) == {}


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_and_any_batches_end_in_the_same_view(store: SqlReviewStore, seed: int) -> None:
    """Topics are read independently, and a restart reads some records twice."""
    log = story()
    shuffled = log.all()
    random.Random(seed).shuffle(shuffled)
    for start in range(0, len(shuffled), 3):
        store.write(shuffled[start : start + 3])
    store.write(shuffled[:5])
    facts = everything(store)
    store.adopt_log("log-1", {})
    store.adopt_log("log-2", {})
    assert everything(store) == {}
    store.write(log.all())
    assert everything(store) == facts
    assert len(facts) == 8


def test_the_view_survives_a_restart(store: SqlReviewStore, open_store: MakeStore) -> None:
    """Another process finds what was written."""
    store.write(story().all())
    again = open_store()
    assert everything(again) == everything(store)
    assert again.positions() == store.positions()


def test_lists_by_state(store: SqlReviewStore) -> None:
    """Open reviews come by deadline; a result lists its own; proposals without a review aren't listed."""
    store.write(story().all())

    def ids(which: str, kind: str = "") -> list[str]:
        return [c.proposal_id for c in store.cases(Query(which, kind))]

    assert ids("open") == [kit.proposal_id(5), kit.proposal_id(4)]
    assert ids("expired") == [kit.proposal_id(3)]
    assert ids("unresolved") == [kit.proposal_id(6)]
    assert set(ids("settled")) == {kit.proposal_id(n) for n in range(4)}
    assert set(ids("all")) == {kit.proposal_id(n) for n in range(7)}
    assert ids("open", "inspect") == []
    assert store.kinds() == ["shut_down"]
    assert store.counts() == {"open": 2, "approved": 1, "rejected": 1, "refused": 1, "expired": 1, "unresolved": 1}


def test_pages_of_a_list_follow_one_another(store: SqlReviewStore) -> None:
    """Limit and offset cut the same order."""
    store.write(story().all())
    pages = [store.cases(Query("all", limit=3, offset=n))[:3] for n in (0, 3, 6)]
    assert [len(p) for p in pages] == [3, 3, 1]
    assert len({c.proposal_id for p in pages for c in p}) == 7


def test_an_unknown_state_is_named(store: SqlReviewStore) -> None:
    """A typo gets the list of what there is."""
    with pytest.raises(BadInput, match="'opne'") as refused:
        store.cases(Query("opne"))
    assert "unresolved" in refused.value.remedy


def test_ids_by_prefix(store: SqlReviewStore) -> None:
    """Ids can be shortened; what LIKE would take for a wildcard is taken literally."""
    store.write(story().all())
    whole = kit.proposal_id(4)
    assert store.ids(whole[:8], 5) == [whole]
    assert store.ids("%", 5) == []
    assert store.ids("", 3) == sorted(kit.proposal_id(n) for n in range(7))[:3]


def test_the_version_grows_with_what_people_see(store: SqlReviewStore) -> None:
    """A page asks for the version alone; proposals that nobody reviews don't make it read again."""
    log = kit.MemoryLog()
    store.write([log.append(names.PROPOSAL_V1, kit.proposal(1))])
    assert store.version() == 0
    opened = log.append(names.REVIEW_OPENED_V1, kit.opened(1))
    store.write([opened])
    assert store.version() == 1
    store.write([opened])
    assert store.version() == 1


def test_another_log_empties_the_view(store: SqlReviewStore, open_store: MakeStore) -> None:
    """Topics made anew have other ids: the view is rebuilt, and says why."""
    log = story()
    assert store.adopt_log("log-1", {}) is None
    store.write(log.all())
    ends = {tp: len(records) for tp, records in log.records.items()}
    assert open_store().adopt_log("log-1", ends) is None
    reason = store.adopt_log("log-2", ends)
    assert reason is not None
    assert "another log" in reason
    assert store.positions() == {}
    assert everything(store) == {}


def test_a_view_ahead_of_the_log_is_emptied(store: SqlReviewStore) -> None:
    """A log that was restored from a backup may end before the view's positions."""
    log = story()
    store.adopt_log("log-1", {})
    store.write(log.all())
    ends = {tp: len(records) for tp, records in log.records.items()}
    ends["fleet.reviews", 0] -= 1
    reason = store.adopt_log("log-1", ends)
    assert reason is not None
    assert "fleet.reviews/0" in reason
    assert store.positions() == {}


def test_a_record_that_breaks_the_contract_is_left_out(store: SqlReviewStore, caplog: pytest.LogCaptureFixture) -> None:
    """It is named in the log, its neighbours are stored, and the position passes it."""
    log = kit.MemoryLog()
    log.append(names.REVIEW_OPENED_V1, {"proposal_id": "nonsense"})
    log.append(names.REVIEW_OPENED_V1, kit.opened(1))
    log._append("fleet.reviews", 0, None, b"{not json", [("ce_type", names.REVIEW_SETTLED_V1.encode())])
    store.write(log.all())
    assert store.positions() == {("fleet.reviews", 0): 3}
    assert store.counts() == {"open": 1}
    assert "fleet.reviews/0/0" in caplog.text
    assert "fleet.reviews/0/2" in caplog.text


@pytest.mark.parametrize("foreign", [{"expires_at": "2026-02-30T00:00:00.000000Z"}, {"arguments": {"line": 2**64}}])
def test_a_record_that_no_row_can_hold_is_left_out(
    store: SqlReviewStore, caplog: pytest.LogCaptureFixture, foreign: dict[str, Any]
) -> None:
    """It is named in the log; what is known of its proposal, what comes with it and what comes after it is stored."""
    log = kit.MemoryLog()
    store.write([log.append(names.PROPOSAL_V1, kit.proposal(1))])
    value = json.dumps(kit.opened(1) | foreign).encode()
    headers = [("ce_type", names.REVIEW_OPENED_V1.encode())]
    store.write(
        [
            log._append("fleet.reviews", 0, None, value, headers),
            log.append(names.DENIAL_V1, kit.denial(1, "no")),
            log.append(names.REVIEW_OPENED_V1, kit.opened(2)),
        ]
    )
    store.write([log.append(names.REVIEW_OPENED_V1, kit.opened(1))])
    found = store.case(kit.proposal_id(1))
    assert found is not None
    assert set(found.facts) == {"proposal", "denial", "opened"}
    assert store.counts() == {"open": 2}
    assert store.positions()["fleet.reviews", 0] == 3
    assert "fleet.reviews/0/0" in caplog.text
    assert "fleet.denials" not in caplog.text


def test_a_time_that_no_calendar_has_counts_as_none(store: SqlReviewStore) -> None:
    """Its offset moves it behind the last year there is; the broker's time stands in for it."""
    log = kit.MemoryLog()
    record = log.append(names.REVIEW_OPENED_V1, kit.opened(1))
    late = [("ce_type", record.ce_type.encode()), ("ce_time", b"9999-12-31T23:59:59-01:00")]
    store.write([record._replace(given=late)])
    [found] = store.cases(Query("open"))
    assert found.last_at == record.timestamp_ms * 1000


def test_strange_text_is_kept(store: SqlReviewStore) -> None:
    """NUL, which PostgreSQL's text refuses, quotes, and letters from everywhere go in and come out."""
    strange = {"a\x00b": "'\"; DROP TABLE review_cases; --", "c": "\x00 ä 漢 \U0001f600 \u202e"}
    log = kit.MemoryLog()
    store.write([log.append(names.REVIEW_OPENED_V1, kit.opened(1, strange, kind="k\x00"))])
    found = store.case(kit.proposal_id(1))
    assert found is not None
    assert found.current is not None
    assert found.current.value["arguments"] == strange
    assert [c.state for c in store.cases(Query("open"))] == [State.OPEN]


def test_old_cases_fall_out_and_waiting_ones_stay(open_store: MakeStore) -> None:
    """Whatever waits for nobody is bounded by age and count; an open review and an unresolved action are kept."""
    store = open_store(kept_s=3600, kept_cases=10)
    log = kit.MemoryLog()
    store.write(
        [log.append(names.REVIEW_OPENED_V1, kit.opened(1)), log.append(names.ACTION_V1, kit.action(2, "allow"))]
    )
    store.write([log.append(names.OUTCOME_V1, kit.outcome(2, "unknown"))])
    for n in range(100, 230):
        store.write([log.append(names.DENIAL_V1, kit.denial(n, "no"), kit.START + 2 * kit.HOUR + n)])
    assert store.case(kit.proposal_id(1)) is not None
    assert store.case(kit.proposal_id(2)) is not None
    kept = [n for n in range(100, 230) if store.case(kit.proposal_id(n)) is not None]
    assert len(kept) <= 10 + 64
    assert kept[-1] == 229


@pytest.mark.parametrize("effects", [True, False])
def test_an_action_stays_until_effects_say_how_it_ended(open_store: MakeStore, *, effects: bool) -> None:
    """Its outcome may become unknown, and then a person needs to see it; an app without effects waits for nothing."""
    store = open_store(kept_s=3600, kept_cases=10, effects=effects)
    log = kit.MemoryLog()
    for n in range(3):
        store.write([log.append(names.ACTION_V1, kit.action(n, "allow"))])
    store.write([log.append(names.INTENT_V1, kit.intent(1)), log.append(names.OUTCOME_V1, kit.outcome(2))])
    for n in range(100, 230):
        store.write([log.append(names.DENIAL_V1, kit.denial(n, "no"), kit.START + 2 * kit.HOUR + n)])
    assert [store.case(kit.proposal_id(n)) is not None for n in range(3)] == [effects, effects, False]


def test_a_database_of_another_version_is_rebuilt(
    store: SqlReviewStore, open_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables are made anew, and reading starts at the beginning."""
    store.write(story().all())
    monkeypatch.setattr("rivergate.adapters.review_schema.VERSION", "next")
    assert open_store().positions() == {}


def test_a_url_that_cannot_be(tmp_path: Path) -> None:
    """A database that isn't supported, or no URL at all, is a configuration error with an example."""
    for wrong in ("mysql://host/db", "review.db", f"sqlite:////dev/null/{tmp_path.name}/x.db"):
        with pytest.raises(ConfigError) as refused:
            SqlReviewStore(wrong)
        assert "sqlite:///" in refused.value.remedy


def test_a_deleted_database_is_rebuilt_from_the_log(tmp_path: Path) -> None:
    """The database is a view: without it the log gives the same one again."""
    path = tmp_path / "review.db"
    log: list[Record] = story().all()
    first = SqlReviewStore(f"sqlite:///{path}")
    first.write(log)
    was = everything(first)
    first.close()
    for file in tmp_path.glob("review.db*"):
        file.unlink()
    second = SqlReviewStore(f"sqlite:///{path}")
    assert second.positions() == {}
    second.write(log)
    assert everything(second) == was
    second.close()
