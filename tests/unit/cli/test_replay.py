"""`rivergate replay` and `rivergate state` on the command line: questions, screens, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.kernel.test_past import NEVER
from tests.unit.kernel.test_skipped import with_a_dead_letter
from tests.unit.kernel.transactor_world import Summing
from tests.unit.runtime.recorded_world import recorded, recording_of
from typer.testing import CliRunner

from rivergate.cli import patience, replay_reach
from rivergate.cli.app_place import place_of
from rivergate.cli.main import app
from rivergate.cli.patience import patient_progress
from rivergate.cli.replay import _question
from rivergate.cli.replay_reach import finding_of
from rivergate.cli.replay_screen import _headline, replay_screen
from rivergate.cli.state_screen import state_screen
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.runtime.noted_app import note_app
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import RunningState
from rivergate.runtime.spec import AppRef, ProcessSpec

WORLD = "tests.unit.runtime.recorded_world"


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Eight commits from the beginning."""
    return str(recorded(tmp_path, list(range(8)), NEVER)[0])


def test_identical_is_said_with_the_digests(recording: str) -> None:
    """Exit code 0; the same as JSON."""
    done = CliRunner().invoke(app, ["replay", f"{WORLD}:app_of", "--recording", recording])
    assert (done.exit_code, done.stdout.startswith("identical  8 commits decided again, 8 outputs compared")) == (
        0,
        True,
    )
    assert "agent-summing/0" in done.stdout
    found = json.loads(
        CliRunner().invoke(app, ["replay", f"{WORLD}:app_of", "--recording", recording, "--json"]).stdout
    )
    told = found["parts"][0]["told"][-1]
    assert told["recorded"] == told["again"]
    assert told["recorded"] in done.stdout


def test_a_difference_is_shown_field_by_field_and_exits_1(recording: str) -> None:
    """Which commit, which output, which field, recorded and again, and that the code is another one."""
    done = CliRunner().invoke(app, ["replay", f"{WORLD}:changed", "--recording", recording])
    assert done.exit_code == 1
    for words in ("differs", "commit 0", "plant-out/0/0", "value.sum", "then, ", "RECORDED", "AGAIN"):
        assert words in done.stdout, done.stdout


def test_dead_letters_that_were_not_tried_again_are_said(tmp_path: Path) -> None:
    """At the top and for the shard, and as JSON: identical says nothing about them."""
    world = with_a_dead_letter()
    path = str(recording_of(world, Summing, tmp_path, list(range(len(world.journal()))))[0])
    words = ["replay", f"{WORLD}:app_of", "--recording", path]
    shown = " ".join(CliRunner().invoke(app, words).stdout.split())
    assert "3 outputs compared, 1 dead letter wasn't tried again" in shown
    assert "skipped 1 dead letter wasn't tried again" in shown
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["parts"][0]["skipped"] == 1


def test_a_replay_without_dead_letters_says_nothing_of_them(recording: str) -> None:
    """There are none in most."""
    assert "tried" not in CliRunner().invoke(app, ["replay", f"{WORLD}:app_of", "--recording", recording]).stdout


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "nothing to replay"),
        ({"first": 3}, "--from and --to are a shard's"),
        ({"shard": "agent-a/0", "everything": True}, "--all leaves nothing"),
        ({"shard": "agent-a"}, "names no shard"),
    ],
)
def test_questions_that_ask_nothing_are_refused(given: dict[str, Any], says: str) -> None:
    """Each with the remedy."""
    all_of_it: dict[str, Any] = {
        "actions": None,
        "events": None,
        "shard": None,
        "first": None,
        "last": None,
        "everything": False,
        "check": False,
    }
    with pytest.raises(BadInput, match=says) as refused:
        _question(**(all_of_it | given))
    assert refused.value.remedy


def test_what_is_not_replayed_is_said_however_much_was_asked() -> None:
    """Nine actions: their list is cut short, what is said of them isn't."""
    asked = [
        {"kind": "action", "id": f"{n:032x}", "event_id": "", "event": None, "notes": [f"note {n}"]} for n in range(9)
    ]
    found = {"identical": True, "code": {}, "asked": asked, "parts": [], "notes": [f"note {n}" for n in range(9)]}
    console = Console(width=100)
    with console.capture() as shown:
        console.print(replay_screen(found, 100))
    assert all(f"· note {n}" in shown.get() for n in range(9))
    assert "and 1 more" in shown.get()


def test_a_hundred_notes_of_one_reason_are_a_few() -> None:
    """What is counted is still said, and why."""
    notes = [f"effects/{n} wrote the outcome 'done'; it can't be played again" for n in range(100)]
    found = {"identical": True, "code": {}, "asked": [], "parts": [], "notes": [*notes, "another"]}
    console = Console(width=100)
    with console.capture() as shown:
        console.print(replay_screen(found, 100))
    said = [line for line in shown.get().splitlines() if line.startswith("·")]
    assert len(said) == 5
    assert said[3:] == ["· 97 more: it can't be played again", "· another"]


def test_a_difference_of_the_present_code_comes_first() -> None:
    """Before one that former code had, in whatever shard."""
    old, new = ({"seq": n, "what": what} for n, what in ((1, "of old"), (7, "of now")))
    counts = {"commits": 2, "outputs": 0, "skipped": 0}
    parts = [
        counts | {"stage": "a", "shard": n, "difference": d, "superseded": old} for n, d in enumerate((old, new, old))
    ]
    assert "a/1, commit 7: of now" in _headline({"identical": False, "parts": parts}).plain
    assert "a/0, commit 1: of old" in _headline({"identical": False, "parts": parts[:1]}).plain


def test_a_check_alone_is_of_every_shard() -> None:
    """With a shard it is of that one."""
    rest: dict[str, Any] = {"actions": None, "events": None, "first": None, "last": None, "everything": False}
    assert _question(**rest, shard=None, check=True)["all"] is True
    asked = _question(**rest, shard="gate/0", check=True)
    assert (asked["all"], asked["shards"]) == (False, [["gate", 0, None, None]])


def test_a_directory_tells_its_app_and_its_broker(tmp_path: Path) -> None:
    """The app as it was last started; the broker while it runs, else it has to be named."""
    data = DataDir(tmp_path)
    with pytest.raises(ConfigError, match="no app has been started"):
        place_of(None, None, None, tmp_path, None)
    note_app(data, AppRef("a.b:app", "plant", 3))
    with pytest.raises(BadInput, match="doesn't run") as refused:
        place_of(None, None, None, tmp_path, None)
    assert "rivergate broker" in refused.value.remedy
    RunningState(data, "plant", "127.0.0.1:7", "local").update(())
    found = place_of(None, None, None, tmp_path, None)
    assert (found.app, found.bootstrap, found.data_dir) == (AppRef("a.b:app", "plant", 3), "127.0.0.1:7", str(tmp_path))
    assert place_of(None, "other", 5, tmp_path, "h:1").app == AppRef("a.b:app", "other", 5)
    assert place_of(None, None, None, tmp_path, "h:1", "s3://b").options == {"snapshots": "s3://b"}


def test_several_apps_have_to_be_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One alone is taken."""
    monkeypatch.setenv("RIVERGATE_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no app has data here"):
        place_of(None, None, None, None, "h:1")
    note_app(DataDir(tmp_path / "one").make(), AppRef("m:a", "one", 1))
    assert place_of(None, None, None, None, "h:1").app.name == "one"
    note_app(DataDir(tmp_path / "two").make(), AppRef("m:a", "two", 1))
    with pytest.raises(BadInput, match="one, two"):
        place_of(None, None, None, None, "h:1")


def test_progress_is_shown_after_two_seconds_and_not_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quick work stays quiet; the rest is on standard error alone."""
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    with patient_progress(Console(stderr=True)) as tell:
        tell("quick", 0.1)
        now[0] = 1.9
        tell("still quick", 0.5)
        now[0] = 2.1
        tell("slow", 0.9)
    assert capsys.readouterr() == ("", "slow\n")


def reach_of(**more: Any) -> dict[str, Any]:
    """A shard's reach."""
    shard = {
        "stage": "agent-a",
        "shard": 0,
        "newest": 9,
        "first": 3,
        "since": "2026-01-01T00:00:00.000000Z",
        "start": 2,
    }
    return shard | {"recovery": 8, "why": "", "lasts": None, "recovery_lasts": None} | more


def going(share: float) -> dict[str, Any]:
    """An input that lasts for this share of its retention."""
    return {"topic": "t", "partition": 1, "until": "2026-01-08T00:00:00.000000Z", "share": share}


def test_doctor_says_from_when_on_and_warns_in_time() -> None:
    """Fine; the oldest part goes soon; a recovery would soon be impossible; nothing can be replayed."""
    fine = finding_of(reach_of(lasts=going(0.9), recovery_lasts=going(0.9)))
    assert fine.ok
    assert "from commit 3 of 9 on, 1 Jan 2026" in fine.found
    assert "snapshot after commit 2" in fine.found
    soon = finding_of(reach_of(lasts=going(0.1)))
    assert (soon.ok, soon.needed_for, "t/1 from 8 Jan 2026" in soon.found) == (False, "looking back", True)
    bad = finding_of(reach_of(recovery_lasts=going(0.1)))
    assert (bad.ok, bad.needed_for, "recovery" in bad.found, "takes a snapshot" in bad.remedy) == (
        False,
        "",
        True,
        True,
    )
    gone = finding_of(reach_of(first=None, since=None, start=None, why="the journal begins at 4"))
    assert (gone.ok, gone.found) == (False, "the journal begins at 4")
    assert finding_of(reach_of(newest=None, first=None)).ok


def test_doctor_looks_at_the_snapshots_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another machine the data directory has keys alone, and its empty store would say that a recovery is in danger."""
    asked: list[dict[str, Any]] = []

    def answer(spec: ProcessSpec, question: dict[str, Any], tell: Any) -> dict[str, Any]:
        asked.append(spec.options)
        return {"shards": [reach_of()]}

    monkeypatch.setattr(replay_reach, "ask_own_process", answer)
    note_app(DataDir(tmp_path).make(), AppRef("a.b:app", "plant", 3))
    named = ["doctor", "--data-dir", str(tmp_path), "--bootstrap", "127.0.0.1:1", "--snapshots", "s3://b", "--json"]
    printed = json.loads(CliRunner().invoke(app, named).stdout)
    assert asked == [{"snapshots": "s3://b"}]
    assert printed[-1]["found"].startswith("from commit 3 of 9 on")


FIGURES = {
    "labels": 10,
    "accuracy": 0.9,
    "balanced_accuracy": 0.8,
    "baseline_accuracy": 0.7,
    "baseline_balanced_accuracy": 0.5,
}


def test_the_state_screen_shows_accuracy_beside_its_baseline() -> None:
    """Never alone; and what others wrote can't move the cursor."""
    found = {
        "stage": "agent-a",
        "shard": 0,
        "commits": 12,
        "clock": "2026-01-01T00:00:00.000000Z",
        "before": None,
        "start": {"digest": "d" * 64, "seq": 7},
        "folded": 4,
        "notes": [],
        "adopted": {"digest": "f" * 64, "who": "ada", "why": "trained\x1b[2J offline"},
        "digest": "e" * 64,
        "bytes": 1234,
        "attributes": {
            "figures": {"type": "Prequential", "figures": FIGURES},
            "model": {"type": "LogisticRegression", "bytes": 10, "weights": {"a\x1b[2J": 0.5}, "intercept": 1.0},
        },
        "memory": {
            "waiting": 1,
            "oldest_s": 90.0,
            "labelled": 2,
            "limit": 10,
            "max_age_s": 60.0,
            "forgotten": 0,
            "early_labels": 0,
            "early_limit": 1,
            "expired_labels": 0,
            "repeated_labels": 0,
        },
        "timers": {"pending": 0, "next": []},
        "keyed": {"entries": 0, "oldest_s": None, "limit": 10, "max_age_s": 60.0, "dropped": 0},
        "prediction": {
            "event_class": "Heat",
            "published": [],
            "messages": [],
            "remembered": {"prediction": True, "features": {}},
            "proposals": [
                {"kind": "cool", "arguments": {"line": "c"}, "confidence": 0.75, "reasons": [{"text": "hot"}]}
            ],
        },
    }
    console = Console(width=100, record=True, force_terminal=False)
    with console.capture() as shown:
        console.print(state_screen(found, 100))
    text = shown.get()
    for words in (
        "accuracy 90.0% (no change: 70.0%)",
        "balanced 80.0% (no change: 50.0%)",
        "the oldest for 1 min 30 s",
    ):
        assert words in text, text
    for words in ("cool", "confidence 0.75, because of hot", "from the snapshot after commit 7", "by ada: trained"):
        assert words in text, text
    assert "\x1b" not in text
