"""The worker's threads: which end, which come back, and which hold nobody up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.unit.runtime import worker_ground as ground
from tests.unit.runtime.worker_ground import WAIT_S, Given, Running, idle, raising

from rivergate.domain.errors import BadInput, BrokerUnavailable, Fenced, ShardParked
from rivergate.runtime import worker as module
from rivergate.runtime.session import unheard
from rivergate.runtime.supervision import recovering
from rivergate.runtime.supervision.recovering import RecoveryReports


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A worker that follows often and waits little."""
    monkeypatch.setattr(module, "FOLLOW_S", 0.01)
    monkeypatch.setattr(module, "FENCED_S", 0.0)
    monkeypatch.setattr(recovering, "EVERY_S", 0.0)
    started = Running()
    yield started
    started.end()


def test_a_shard_that_the_brokers_timeout_fenced_comes_back(running: Running) -> None:
    """The assignment still names this worker, so nobody else has taken the shard."""
    running.start(Given({0: 0}), raising(Fenced("too late")), idle)
    assert running.reports.wait_for(lambda _: running.reports.states().count("running") == 2)
    assert running.reports.states() == ["starting", "running", "fenced", "starting", "running"]


def test_a_shard_that_another_owner_fenced_stays_away(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The assignments have come to name the other one."""
    monkeypatch.setattr(module, "FENCED_S", 3600.0)
    running.start(Given({0: 0}, {}, {1: 0}), raising(Fenced("taken")), idle)
    assert running.reports.wait_for(lambda all_: any((r.shard, r.state) == (1, "running") for r in all_))
    assert running.reports.states(0)[-1] in ("fenced", "stopped")


def test_a_shard_that_hangs_holds_no_other_up(running: Running) -> None:
    """It is asked to go; those that are assigned meanwhile start at once."""
    hanging = threading.Event()
    reached = threading.Event()

    def hang() -> None:
        reached.set()
        hanging.wait(WAIT_S)

    assignments = Given({0: 0})
    running.start(assignments, hang, idle)
    assert reached.wait(WAIT_S)
    assignments.answers = [{1: 0}]
    assert running.reports.wait_for(lambda all_: any((r.shard, r.state) == (1, "running") for r in all_))
    assert "stopped" not in running.reports.states(0)
    hanging.set()
    assert running.reports.wait_for(lambda _: "stopped" in running.reports.states(0))


def test_assignments_that_can_not_be_read_change_nothing(running: Running) -> None:
    """While the broker is away, what is ours stays ours."""
    running.start(Given({0: 0}, BrokerUnavailable("away"), BrokerUnavailable("away"), {0: 0, 1: 0}), idle)
    assert running.reports.wait_for(lambda all_: any((r.shard, r.state) == (1, "running") for r in all_))
    assert running.reports.states(0) == ["starting", "running"]


@pytest.mark.parametrize("error", [ShardParked("no", remedy="do"), BadInput("garbage", remedy="do")])
def test_what_no_second_try_can_change_parks_at_once(running: Running, error: Exception) -> None:
    """The report holds the reason and the remedy."""
    running.start(Given({0: 0}), raising(error))
    assert running.reports.wait_for(lambda all_: bool(all_) and all_[-1].state == "parked")
    assert running.reports.states() == ["starting", "running", "parked"]
    assert running.reports.all[-1].reason == str(error)


def test_a_broker_that_is_away_never_parks(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: the shard tries again."""
    monkeypatch.setattr(module, "FAILURES_A_MINUTE", 0)
    failing = [raising(BrokerUnavailable("away"))] * 2
    running.start(Given({0: 0}), *failing, idle)
    assert running.reports.wait_for(lambda _: running.reports.states().count("running") == 3)
    assert "parked" not in running.reports.states()


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError("gone"), KeyboardInterrupt()])
def test_what_is_no_exception_is_a_failure_too(running: Running, error: BaseException) -> None:
    """`sys.exit()` in a library or a panic of Rust's: the shard tries again, and says after what."""
    running.start(Given({0: 0}), raising(error), idle)
    assert running.reports.wait_for(lambda _: running.reports.states() == ["starting", "running"] * 2)
    assert f"tries again after: {error!r}" in [r.reason for r in running.reports.all]


def test_what_is_no_exception_parks_in_the_end(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it was."""
    monkeypatch.setattr(module, "FAILURES_A_MINUTE", 1)
    running.start(Given({0: 0}), raising(SystemExit(3)))
    assert running.reports.wait_for(lambda all_: bool(all_) and all_[-1].state == "parked")
    assert running.reports.all[-1].reason == "failed 2 times within a minute, the last time with: SystemExit(3)"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_shard_whose_thread_was_torn_down_starts_again(running: Running) -> None:
    """Even its report of a failure failed: nobody else would tell that it doesn't run any more."""
    running.reports.refused = "tries again"
    running.start(Given({0: 0}), raising(SystemExit(3)), idle)
    assert running.reports.wait_for(lambda _: running.reports.states() == ["starting", "running"] * 2)


def test_a_recovery_is_told_twice_a_second_and_no_more() -> None:
    """In words for a list, and as a share for a bar."""
    clock = iter([0.0, 0.2, 0.6, 0.9, 1.2])
    told: list[tuple[str, float]] = []
    report = RecoveryReports(lambda how_far, share: told.append((how_far, share)), lambda: next(clock))
    for done in (1000, 2000, 3000, 4000):
        report(done, 4000)
    assert told == [("replayed 2,000 of 4,000 commits", 0.5), ("replayed 4,000 of 4,000 commits", 1.0)]


def test_history_is_told_twice_a_second_and_its_end_in_any_case() -> None:
    """In words that say what muted means for whoever waits, and as a share."""
    clock = iter([0.0, 0.2, 0.6])
    told: list[tuple[str, float | None]] = []
    report = RecoveryReports(unheard, lambda: next(clock), lambda how_far, share: told.append((how_far, share)))
    for done in (1000, 2000, 4000):
        report.history(done, 4000)
    assert told == [("catching up, muted: read 2,000 of 4,000 records", 0.5), ("", None)]


def test_a_held_shard_tells_what_it_has_read_when_that_changes() -> None:
    """It may hold for days; its end is told as that of history is."""
    clock = iter(float(n) for n in range(9))
    told: list[tuple[str, float | None]] = []
    report = RecoveryReports(unheard, lambda: next(clock), lambda how_far, share: told.append((how_far, share)))
    for done, total, held in ((0, 0, True), (1000, 4000, True), (1000, 4000, True), (4000, 4000, False)):
        report.history(done, total, held)
    words = "held until the release, muted: read {} copied records"
    assert told == [(words.format("0 of 0"), None), (words.format("1,000 of 4,000"), 0.25), ("", None)]


def test_a_shard_that_catches_up_runs_and_says_how_far_it_is(running: Running) -> None:
    """The supervisor waits for no such shard."""
    running.catches_up = True
    running.start(Given({0: 0}), idle)
    assert running.reports.wait_for(lambda reports: len(reports) >= 4)
    shares = [(r.state, r.share) for r in running.reports.all[:4]]
    assert shares == [("starting", None), ("running", None), ("running", 0.5), ("running", None)]


def test_what_a_running_shard_waits_for_stands_in_its_next_report(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the log, where the brake says it once; and no longer than it waits."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    told = threading.Event()

    def wait_for_the_gate() -> None:
        running.progress.waits("" if told.is_set() else "waits for gate/0 (7 proposals behind)")

    running.start(Given({0: 0}), wait_for_the_gate)
    assert running.reports.wait_for(lambda reports: any("7 proposals" in r.reason for r in reports))
    told.set()
    assert running.reports.wait_for(lambda reports: reports[-1].reason == "")
    assert {r.reason for r in running.reports.all if r.state == "running"} == {
        "",
        "waits for gate/0 (7 proposals behind)",
    }


def test_a_shard_that_gets_nowhere_is_told_of(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is in an agent's code that doesn't return; the worker lives, so nobody replaces it."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    monkeypatch.setattr(module, "HANGS_S", 0.05)
    hanging = threading.Event()
    running.start(Given({0: 0}), lambda: hanging.wait(WAIT_S) and None)
    assert running.reports.wait_for(lambda all_: any("in one step for 0 s" in r.reason for r in all_))
    hanging.set()
    assert running.reports.wait_for(lambda all_: (all_[-1].state, all_[-1].reason) == ("running", ""))


def test_a_shard_that_can_not_be_closed_is_told_of(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fenced while an effector doesn't come back: it stands still, and looks like one that runs."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    monkeypatch.setattr(module, "HANGS_S", 0.05)
    hanging = threading.Event()
    monkeypatch.setattr(ground.Driver, "close", lambda _: hanging.wait(WAIT_S))
    running.start(Given({0: 0}), raising(Fenced("too late")), idle)
    assert running.reports.wait_for(lambda all_: any("in one step for 0 s" in r.reason for r in all_))
    assert running.reports.states() == ["starting", "running"]
    hanging.set()
    assert running.reports.wait_for(lambda _: running.reports.states()[-2:] == ["starting", "running"])


def test_a_step_that_comes_back_late_says_nothing_of_its_successor(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard was taken from it after its time, and runs again: that the old one is fenced is no news of the shard."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    monkeypatch.setattr(module, "JOIN_S", 0.05)
    hanging, ended = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.wait(WAIT_S)
        ended.set()
        raise Fenced("taken")

    assignments = Given({0: 0})
    running.start(assignments, hang, idle)
    assert running.reports.wait_for(lambda _: "running" in running.reports.states())
    assignments.answers = [{0: 1}]
    assert running.reports.wait_for(lambda _: running.reports.states() == ["starting", "running"] * 2)
    hanging.set()
    assert ended.wait(WAIT_S)
    told = len(running.reports.all)
    assert running.reports.wait_for(lambda all_: len(all_) > told + 20)
    assert running.reports.states() == ["starting", "running"] * 2


def test_a_recovering_shard_is_starting_until_it_runs(running: Running) -> None:
    """Its reports say how far it is; the next one forgets it."""
    running.recovers = True
    running.start(Given({0: 0}), idle)
    assert running.reports.wait_for(lambda reports: bool(reports) and reports[-1].state == "running")
    shares = [(r.state, r.share) for r in running.reports.all]
    assert shares == [("starting", None), ("starting", 0.5), ("running", None)]


def test_a_running_shard_that_rebuilds_its_state_goes_on_running(running: Running) -> None:
    """After a failed commit nobody would say that it runs again."""
    running.rebuilds = True
    running.start(Given({0: 0}), idle)
    assert running.reports.wait_for(lambda reports: bool(reports) and reports[-1].state == "running")
    assert running.rebuilt.wait(WAIT_S)
    assert running.reports.states() == ["starting", "running"]


def test_a_shard_that_was_given_up_is_reported_no_more(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next owner's reports would alternate with ours."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    running.start(Given({0: 0, 1: 0}, {0: 0, 1: 0}, {1: 0}), idle)
    assert running.reports.wait_for(lambda reports: any(r.shard == 0 and r.state == "stopped" for r in reports))
    told = len(running.reports.all)
    assert running.reports.wait_for(lambda reports: sum(r.shard == 1 for r in reports[told:]) > 20)
    assert [r.state for r in running.reports.all[told:] if r.shard == 0] == []


def test_a_shard_that_an_operator_parks_drains_and_stays_until_it_is_resumed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as parked once it has ended, again and again, so that nobody takes its worker for dead."""
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    assignments = Given({0: 0})
    running.start(assignments, idle)
    assert running.reports.wait_for(lambda _: "running" in running.reports.states())
    assignments.on_purpose = {0: "by ada"}
    assert running.reports.wait_for(lambda all_: [r.reason for r in all_].count("by ada") > 20)
    assert running.reports.states() == ["starting", "running", "stopped", "parked"]
    assignments.on_purpose = {1: "another worker's"}
    assert running.reports.wait_for(lambda _: running.reports.states()[-1] == "running")
    assert {r.shard for r in running.reports.all} == {0}


def test_a_worker_that_gets_a_parked_shard_leaves_it_alone(running: Running) -> None:
    """A successor of the one that parked it, and the other shards go on."""
    assignments = Given({0: 0, 1: 0})
    assignments.on_purpose = {0: "by ada"}
    running.start(assignments, idle)
    assert running.reports.wait_for(
        lambda _: "running" in running.reports.states(1) and running.reports.states(0) != []
    )
    assert running.reports.states(0) == ["parked"]


def test_a_driver_that_has_ended_is_forgotten(running: Running) -> None:
    """However it ended: what is done beside the shards holds it no longer."""
    running.start(Given({0: 0, 1: 0}), raising(OSError("no")), idle)
    assert running.reports.wait_for(
        lambda all_: {(r.shard, r.state) for r in all_} >= {(0, "running"), (1, "running")} and len(all_) >= 7
    )
    assert len(running.aside.forgotten) == 1
    running.end()
    assert sorted(running.aside.forgotten[1:]) == [0, 1]


def test_a_driver_can_ask_how_many_shards_the_worker_has(running: Running) -> None:
    """Those that came after it count too, and those that went don't."""
    assignments = Given({0: 0})
    running.start(assignments, idle)
    assert running.reports.wait_for(lambda _: running.reports.states(0) == ["starting", "running"])
    shards = running.shards
    assert shards() == 1
    assignments.answers = [{0: 0, 1: 0, 2: 0}]
    assert running.reports.wait_for(lambda _: running.reports.states(2) == ["starting", "running"])
    assert shards() == 3
    assignments.answers = [{0: 0}]
    assert running.reports.wait_for(lambda all_: {r.shard for r in all_ if r.state == "stopped"} == {1, 2})
    assert shards() == 1
