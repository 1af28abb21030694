"""`rivergate trace show` and `rivergate explain` as somebody types them."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.unit.audit.story import APP, Proposed, Story
from typer.testing import CliRunner, Result

from rivergate.adapters.audit_reader import SqliteAuditReader
from rivergate.adapters.audit_store import AuditStore
from rivergate.audit.errors import Ambiguous, AuditStoreUnavailable, NoAuditStore, NotFound
from rivergate.cli import explain as explaining
from rivergate.cli.explain import explain
from rivergate.cli.log_at_hand import LogAtHand
from rivergate.cli.trace import trace
from rivergate.domain.errors import RivergateError
from rivergate.testing.memory_log import MemoryBroker

program = typer.Typer()
program.command()(explain)
program.add_typer(trace, name="trace")


class World:
    """An app's data directory with an audit store in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.story = Story()
        self.approved = Proposed(self.story, 48211).propose().review()
        self.approved.settle("approved", self.approved.decide(note="heard \x1b[31mit")).do().label(value=True)
        self.failed = Proposed(self.story, 48300, "inspect", cost=40).propose().allow()
        self.failed.do("failed", "work orders\x1b[2J answer 503", effect="none")
        self.store(folder / APP, APP)

    def store(self, folder: Path, app: str) -> None:
        """Write the story's records as an app's audit store."""
        store = AuditStore(folder / "audit.db", app, "log-1")
        store.write(self.story.records)
        store.close()

    def run(self, *arguments: str, columns: int = 100) -> Result:
        """Run a command; its error comes out as it is."""
        result = CliRunner().invoke(program, arguments, env={"COLUMNS": str(columns)})
        if isinstance(result.exception, RivergateError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A folder in which one app has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIVERGATE_DATA_DIR", str(tmp_path / "apps"))
    return World(tmp_path / "apps")


@pytest.mark.parametrize("which", ["trace", "proposal", "event", "short"])
def test_any_id_leads_to_the_trace(world: World, which: str) -> None:
    """A trace id, a proposal's, an event's, and the beginning of one."""
    p = world.approved
    given = {"trace": p.trace_id, "proposal": p.id, "event": p.event_id, "short": p.id[:8].upper()}[which]
    out = world.run("trace", "show", given).output
    assert p.trace_id in out
    for part in (
        "invoke_agent watcher",
        "gate shut_down",
        "effect shut_down",
        "agent-watcher",
        "4.3 ms",
        "412",
    ):
        assert part in out


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_screens_fit_their_terminal(world: World, columns: int) -> None:
    """No line is wider than the terminal, and bars stay bars."""
    for arguments in (("trace", "show", world.approved.id), ("explain", world.approved.id)):
        out = world.run(*arguments, columns=columns).output
        assert max(len(line.rstrip()) for line in out.splitlines()) <= columns
        assert "━" in out


def test_a_wait_is_named_and_an_error_marked(world: World) -> None:
    """The long review becomes a break with its length; a failed span has a cross and its message."""
    assert "┊ stands for 3 min 12 s" in world.run("trace", "show", world.approved.id).output
    failed = world.run("trace", "show", world.failed.id).output
    assert "1 error" in failed
    assert "✗ effect inspect" in failed


def test_all_attributes_on_demand(world: World) -> None:
    """`--all` shows what the short lines leave out."""
    assert "gen_ai.operation.name" not in world.run("trace", "show", world.approved.id).output
    assert "gen_ai.operation.name" in world.run("trace", "show", "--all", world.approved.id).output


def test_what_others_wrote_cannot_move_the_cursor(world: World) -> None:
    """Control characters in notes and errors are shown, not obeyed."""
    screens = world.run("explain", world.approved.id).output + world.run("trace", "show", world.failed.id).output
    assert "\x1b[31mit" not in screens
    assert "\x1b[2J" not in screens
    assert "U+001B" in screens


def test_trace_as_json(world: World) -> None:
    """A program gets every span with attributes and place, and the batches."""
    found: dict[str, Any] = json.loads(world.run("trace", "show", world.failed.id, "--json").output)
    assert found["trace_id"] == world.failed.trace_id
    assert [s["name"] for s in found["spans"]] == ["invoke_agent watcher", "gate inspect", "effect inspect"]
    assert found["spans"][2]["error"].startswith("work orders")
    assert found["batches"][0]["attributes"]["messaging.batch.message_count"] == 412


def test_explain_tells_the_story(world: World) -> None:
    """Agent, rule, person, outcome and label are on the screen, and the model's reasons as bars."""
    out = " ".join(world.run("explain", world.approved.id[:10], columns=110).output.split())
    for part in (
        "shut_down was done.",
        "93 %",
        "costly-needs-a-person",
        "reviewer-1 approved it",
        "wo-000017",
        "+2.41",
    ):
        assert part in out


def test_a_label_from_a_topic_is_learnt_too(world: World) -> None:
    """Late truth that names the event and no proposal belongs to the story; another proposal's doesn't."""
    world.story.pass_time(60)
    label = {"event_id": world.failed.event_id, "event": world.failed.place, "value": "worn", "source": "topic"}
    last = (world.failed.trace_id, world.failed.last)
    world.story.record("labels", "rivergate.label.v1", "gate", label, last)
    world.story.record("labels", "rivergate.label.v1", "gate", label | {"proposal_id": "ab" * 16, "value": "odd"}, last)
    world.store(world.folder / APP, APP)
    found = json.loads(world.run("explain", world.failed.id, "--json").output)
    assert [(x["value"], x["source"]) for x in found["labels"]] == [("worn", "topic")]


def test_explain_as_json(world: World) -> None:
    """A program gets the explanation's fields."""
    found = json.loads(world.run("explain", world.failed.event_id, "--json").output)
    assert (found["state"], found["proposal_id"]) == ("failed", world.failed.id)


def test_what_was_muted_is_shown_and_not_explained(world: World) -> None:
    """It has a place in the trace of its event; the proposals that were sent are found as before."""
    late = Proposed(world.story, 48211, agent="colleague")
    told = {"messaging.destination.name": f"{APP}.proposals", "rivergate.value": '{"kind":"shut_down"}'}
    span = late.span("agent-colleague", "invoke_agent colleague", 90, **{"rivergate.muted": True})
    span.events.append(("not sent", span.end_ns, told))
    world.story.spans("agent-colleague", span)
    world.store(world.folder / APP, APP)
    shown = world.run("trace", "show", late.id).output
    assert "muted true" in shown
    assert 'not sent  shuttle.proposals, {"kind":"shut_down"}' in shown
    with pytest.raises(NotFound, match="never sent") as refused:
        world.run("explain", late.id)
    assert f"trace show {late.id[:12]}" in refused.value.remedy
    assert world.approved.id in world.run("explain", late.trace_id).output


def test_an_ambiguous_id_lists_what_it_may_mean(world: World) -> None:
    """The beginning of two event ids is no id; the error names both."""
    with pytest.raises(Ambiguous) as e:
        world.run("trace", "show", "telemetry/3/48")
    assert "telemetry/3/48211" in str(e.value)
    assert "telemetry/3/48300" in str(e.value)
    with pytest.raises(Ambiguous, match="inspect"):
        world.run("explain", "telemetry/3/48")


@pytest.mark.parametrize("unknown", ["f" * 32, "nonsense", "", "%", "'; --"])
def test_an_unknown_id_says_where_was_looked(world: World, unknown: str) -> None:
    """Nothing found: the file that was asked, and the kinds of ids there are."""
    with pytest.raises(NotFound) as e:
        world.run("trace", "show", unknown)
    assert "audit.db" in str(e.value)
    assert "event id" in str(e.value)


def test_several_apps_are_told_apart(world: World) -> None:
    """Where two apps know the id, the name of one must be given."""
    world.store(world.folder / "second", APP)
    with pytest.raises(Ambiguous, match="--app"):
        world.run("explain", world.approved.id)
    assert "was done" in world.run("explain", world.approved.id, "--app", "second").output


@pytest.fixture
def still_open(monkeypatch: pytest.MonkeyPatch) -> list[SqliteAuditReader]:
    """Readers that were opened and not closed."""
    there: list[SqliteAuditReader] = []
    make, close = SqliteAuditReader.__init__, SqliteAuditReader.close

    def made(self: SqliteAuditReader, path: Path) -> None:
        make(self, path)
        there.append(self)

    def closed(self: SqliteAuditReader) -> None:
        close(self)
        there.remove(self)

    monkeypatch.setattr(SqliteAuditReader, "__init__", made)
    monkeypatch.setattr(SqliteAuditReader, "close", closed)
    return there


def spoil(world: World, how: str) -> None:
    """Put stores that can't be read around the one that can."""
    for name in ("another", "yet-another"):
        world.store(world.folder / name, name)
        with closing(sqlite3.connect(world.folder / name / "audit.db")) as db:
            db.execute(how)
            db.commit()


@pytest.mark.parametrize(
    "how", ["UPDATE meta SET value = '0' WHERE key = 'schema'", "DROP TABLE records", "DROP TABLE spans"]
)
def test_a_store_that_cannot_be_read_hides_no_other(
    world: World, still_open: list[SqliteAuditReader], how: str
) -> None:
    """One app's file may be of another version or damaged: it is named only where nobody else knows the id."""
    spoil(world, how)
    assert "was done" in world.run("explain", world.approved.id).output
    with pytest.raises((NoAuditStore, AuditStoreUnavailable), match="another/audit"):
        world.run("explain", "f" * 32)
    assert still_open == []


def test_what_several_apps_know_leaves_nothing_open(world: World, still_open: list[SqliteAuditReader]) -> None:
    """The error ends the asking, not the program that asked."""
    world.store(world.folder / "second", APP)
    with pytest.raises(Ambiguous):
        world.run("explain", world.approved.id)
    assert still_open == []


def of_the_log(world: World, monkeypatch: pytest.MonkeyPatch, age_s: float, extra: str) -> str:
    """What explain says beside a log that holds one record more than the store has read of one topic, so old."""
    broker = MemoryBroker(auto_create=4, clock_ms=lambda: time.time_ns() // 1_000_000 - round(age_s * 1000))
    with closing(sqlite3.connect(world.folder / APP / "audit.db")) as db:
        positions = dict(db.execute("SELECT topic, next FROM positions WHERE partition = 3"))
    for topic, at in positions.items():
        for _ in range(at + (topic == f"{APP}.{extra}")):
            broker.append(topic, 3, b"{}")
    monkeypatch.setattr(explaining, "log_at_hand", lambda place, _: LogAtHand(broker.reader(), place))
    return world.run("explain", world.approved.id).output


@pytest.mark.parametrize(
    ("extra", "age_s", "behind"), [("outcomes", 60.0, True), ("outcomes", 1.0, False), ("nothing", 60.0, False)]
)
def test_a_store_that_lags_behind_the_log_is_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch, extra: str, age_s: float, behind: bool
) -> None:
    """What it says may be old: it stands still, or fills anew. Being a second behind is how it always is."""
    said = " ".join(of_the_log(world, monkeypatch, age_s, extra).split())
    assert ("the audit store has read nothing of outcomes since" in said) == behind
    assert "was done" in said


def test_no_audit_store_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Where nothing ever ran the remedy is to start something."""
    monkeypatch.setenv("RIVERGATE_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(NoAuditStore, match="rivergate up"):
        world.run("explain", "ab")
