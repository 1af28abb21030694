"""What is asked of a supervisor and takes a while, by files in a data directory."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError, RivergateError
from rivergate.runtime.paths import DataDir
from rivergate.runtime.running import RunningState, read_running
from rivergate.runtime.supervision.changes import Answer, Change, Changes, answer_to, ask, wait_for_answer
from rivergate.runtime.supervision.moves import Done, Moves, Steps
from rivergate.runtime.supervision.scaled import forget_workers, note_workers, noted_workers


class Script(Moves):
    """Takes two steps, whatever is asked, or fails at the second."""

    def __init__(self, error: RivergateError | None = None) -> None:
        self.reports = {}
        self.done = Done()
        self.asked: list[tuple[object, ...]] = []
        self._error = error

    def scale(self, stage: str, workers: int) -> Steps:
        """Two steps."""
        self.asked.append((stage, workers))
        yield "first"
        self.done.started.append("agent-x-1")
        if self._error is not None:
            raise self._error
        yield "second"

    def restart(self, stages: object) -> Steps:
        """One step."""
        self.asked.append((stages,))
        yield "only"


def play(changes: Changes) -> None:
    """As many steps as any of these takes."""
    for _ in range(8):
        changes.go_on(dict)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """An empty data directory."""
    return DataDir(tmp_path).make()


def test_a_change_is_answered_step_by_step(data: DataDir) -> None:
    """In words what it waits for, at last what was done; whoever reads the last answer removes it."""
    changes = Changes(data, Script())
    asked = ask(data, Change(("agent-x",), 2))
    assert answer_to(data, asked) is None
    said = []
    for _ in range(3):
        changes.go_on(dict)
        said.append(answer_to(data, asked))
    assert said == [
        Answer(done=False, waits_for="first"),
        Answer(done=False, waits_for="second", started=("agent-x-1",)),
        Answer(done=True, started=("agent-x-1",)),
    ]
    assert not changes.under_way
    assert wait_for_answer(data, asked, lambda _: None, lambda: None).started == ("agent-x-1",)
    assert list((data.root / "commands").iterdir()) == []


def test_processes_see_the_values_that_come_with_a_change(data: DataDir) -> None:
    """They may be secrets: nobody else is told, and nothing is left of them."""
    environ = {"KEY": "old", "PATH": "/bin"}
    change = Change(environment={"KEY": "new"})
    changes = Changes(data, Script(), environ)
    asked = ask(data, change)
    changes.go_on(dict)
    assert environ == {"KEY": "new", "PATH": "/bin"}
    assert "new" not in repr(change)
    assert "new" not in repr(answer_to(data, asked))
    assert [p.suffix for p in (data.root / "commands").iterdir()] == [".answer"]


def test_changes_are_made_one_after_another_as_they_were_asked(data: DataDir) -> None:
    """Whatever was asked meanwhile waits."""
    script = Script()
    changes = Changes(data, script)
    for change in (Change(("b",), 2), Change(), Change(("a",), 3)):
        ask(data, change)
    play(changes)
    assert script.asked == [("b", 2), ((),), ("a", 3)]


def test_what_ends_a_change_early_is_raised_where_it_was_asked(data: DataDir) -> None:
    """With the remedy; nothing is noted, and the next change is made."""
    script = Script(ConfigError("no", where="here", remedy="do"))
    changes = Changes(data, script)
    asked = ask(data, Change(("agent-x",), 2))
    play(changes)
    with pytest.raises(RivergateError, match="here: no\n→ do"):
        wait_for_answer(data, asked, lambda _: None, lambda: None)
    assert noted_workers(data) == {}
    ask(data, Change())
    play(changes)
    assert script.asked[-1] == ((),)


def test_whoever_waits_hears_that_the_app_has_ended(data: DataDir) -> None:
    """Nobody will answer."""

    def demand_alive() -> None:
        raise RivergateError("the app ended")

    with pytest.raises(RivergateError, match="the app ended"):
        wait_for_answer(data, ask(data, Change()), lambda _: None, demand_alive)


def test_questions_to_a_supervisor_that_ended_are_forgotten(data: DataDir) -> None:
    """And what is no question is dropped."""
    script = Script()
    ask(data, Change(("agent-x",), 2))
    changes = Changes(data, script)
    (data.root / "commands" / "change.1-x.json").write_text("{]")
    play(changes)
    assert script.asked == []
    assert list((data.root / "commands").iterdir()) == []


def test_a_scale_is_noted_until_somebody_says_workers(data: DataDir) -> None:
    """Stage by stage; a file that is none is named with the remedy."""
    changes = Changes(data, Script())
    ask(data, Change(("agent-x",), 2))
    play(changes)
    note_workers(data, "agent-y", 3)
    assert noted_workers(data) == {"agent-x": 2, "agent-y": 3}
    forget_workers(data)
    assert noted_workers(data) == {}
    data.scaled_file.write_text("[]")
    with pytest.raises(ConfigError, match=r"scaled\.json: can't be read.*\n→ delete it"):
        noted_workers(data)


def test_files_that_cannot_be_read_or_written_end_no_supervisor(
    data: DataDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A question of another user, an answer on a full disk: both are said, and the next change is made."""
    script = Script()
    changes = Changes(data, script)
    (data.root / "commands").mkdir()
    unreadable = data.root / "commands" / "change.1.json"
    unreadable.mkdir()  # reading it raises, for root too
    changes.go_on(dict)
    assert "asks for nothing that there is" in caplog.text
    unreadable.rmdir()
    asked = ask(data, Change(("agent-x",), 2))
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", no_space)
        changes.go_on(dict)
    assert "can't be written" in caplog.text
    play(changes)
    assert answer_to(data, asked) == Answer(done=True, started=("agent-x-1",))


def no_space(*_: object) -> None:
    """As on a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_does_not_end_who_tells_what_runs(
    data: DataDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and written once there is room."""
    state = RunningState(data, "plant", "h:1", "local")
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", no_space)
        state.update([])
        state.update([], ready=True)
    assert caplog.text.count("the data directory can't be written") == 1
    assert read_running(data.state_file) is None
    state.update([])
    found = read_running(data.state_file)
    assert found is not None
    assert found.ready
