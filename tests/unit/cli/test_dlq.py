from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rivergate.cli import dlq as dlq_module
from rivergate.cli.dlq import _named, _waiting, dlq
from rivergate.cli.dlq_screen import as_dict, print_letter, print_letters
from rivergate.domain.dead_letter import DeadLetter, Redriven
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Record
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir

REDRIVEN = Redriven("2/17", "ada", "2026-01-02T03:04:05.000000Z", corrected=True)


def letter(value: bytes | None, reason: str = "field n: not a number", *, muted: bool = False) -> DeadLetter:
    """A dead letter with this value."""
    headers = [
        ("trace", b"\x00\x01"),
        ("rg_origin", b"telemetry/2/7"),
        ("rg_first_origin", b"telemetry/2/3"),
        ("rg_commit", b"agent-watcher/2/4/1"),
        ("rg_reason", reason.encode()),
        *([("rg_muted", b"true")] if muted else []),
    ]
    found = DeadLetter.of("plant", Record("plant.dead_letters", 2, 17, b"k", value, headers, 1_767_225_600_000))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "which dead letters"),
        (["0/1", "--all"], "which dead letters"),
        (["0/1", "--stage", "gate"], "single dead letters"),
        (["--all", "--again"], "--again goes with ids"),
        (["0/1", "--muted"], "--muted goes with --all"),
        (["--all", "--value", "-"], "of one dead letter"),
        (["0/1", "0/2", "--value", "-"], "of one dead letter"),
        (["--all", "--data-dir", "nowhere"], "doesn't run on this data directory"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: list[str], what: str) -> None:
    """Before any broker is asked, with what to write instead."""
    error = CliRunner().invoke(dlq, ["redrive", "--app", "plant", *words]).exception
    assert isinstance(error, BadInput)
    assert what in error.what
    assert error.remedy


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The corrected value is read before anything is taken over."""
    words = ["redrive", "0/1", "--app", "plant", "--bootstrap", "127.0.0.1:1", "--value", str(tmp_path / "none")]
    error = CliRunner().invoke(dlq, words).exception
    assert isinstance(error, BadInput)
    assert error.where == str(tmp_path / "none")


def test_a_screen_shows_everything_about_a_dead_letter(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON with indents, other bytes in hex with their length, headers as text where they are text."""
    print_letter(letter(b'{"n": "three"}'), REDRIVEN)
    print_letter(letter(b"\xff\xfe" * 400), None)
    shown = capsys.readouterr().out
    assert '{\n  "n": "three"\n}' in shown
    assert "0000  ff fe ff fe" in shown
    assert "800 bytes in all" in shown
    assert "trace: 0x0001" in shown
    assert "telemetry/2/7, redriven; it stood first at telemetry/2/3" in shown
    assert "at 2026-01-02T03:04:05.000000Z by ada, with another value" in shown
    assert "2026-01-01T00:00:00.000000Z by agent-watcher" in shown
    print_letter(letter(None), None)
    assert "none" in capsys.readouterr().out


def test_a_list_says_what_was_redriven_and_how_many_more_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup in a reason is text."""
    print_letters([letter(b"", "[bold]odd")], {"2/17": REDRIVEN}, 3)
    shown = capsys.readouterr().out
    assert "[bold]odd" in shown.replace("\n", "")
    assert "ada" in shown
    assert "1 of 3" in shown
    print_letters([], {}, 0)
    assert capsys.readouterr().out == "no dead letters\n"


def test_json_has_bytes_that_are_not_text_in_base64() -> None:
    """Nothing is lost on the way into a script."""
    said = as_dict(letter(b"\xff"), REDRIVEN, whole=True)
    assert said["value"] == {"base64": "/w=="}
    assert said["headers"] == [["trace", "\x00\x01"]]
    assert said["redriven"] == {"at": REDRIVEN.at, "by": "ada", "corrected": True}
    assert "value" not in as_dict(letter(b"x"), None)


def test_a_letter_of_a_muted_agent_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """In the list, on its own screen and as JSON; no other does."""
    muted = letter(b"{}", muted=True)
    print_letters([muted], {}, 1)
    assert "while it was muted" in capsys.readouterr().out
    print_letter(muted, None)
    assert "by agent-watcher, while it was muted" in capsys.readouterr().out
    print_letters([letter(b"{}")], {}, 1)
    print_letter(letter(b"{}"), None)
    assert "muted" not in capsys.readouterr().out
    assert [as_dict(x, None)["muted"] for x in (muted, letter(b"{}"))] == [True, False]


def of_topic(topic: str, offset: int = 3) -> DeadLetter:
    """A dead letter of a record that stood there."""
    headers = [("rg_origin", f"{topic}/2/7".encode()), ("rg_commit", b"gate/0/4/1")]
    found = DeadLetter.of("plant", Record("plant.dead_letters", 2, offset, b"k", b"{}", headers, 1))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("topic", "redriven", "corrected", "what"),
    [
        ("telemetry", {"2/3": REDRIVEN}, False, "was redriven already at 2026-01-02T03:04:05.000000Z, by ada"),
        ("plant.actions", {}, False, "stages alone write plant.actions"),
        ("plant.decisions", {}, True, "vouches for its value"),
    ],
)
def test_one_that_can_not_be_redriven_stops_all_that_were_named(
    topic: str, redriven: dict[str, Redriven], corrected: bool, what: str
) -> None:
    """What was redriven, what stages write, and another value for what somebody signed; a decision as it is goes back."""
    decision = of_topic("plant.decisions", 9)
    with pytest.raises(BadInput, match=what):
        _named([*(() if corrected else (decision,)), of_topic(topic)], redriven, corrected=corrected)
    assert [x.id for x in _named([decision, of_topic("telemetry")], {}, corrected=False)] == ["2/9", "2/3"]


def test_all_means_what_is_left_and_can_be_redriven() -> None:
    """Oldest first."""
    found = [of_topic("telemetry", 5), of_topic("telemetry", 4), of_topic("plant.actions", 1), of_topic("telemetry", 2)]
    assert [x.id for x in _waiting(found, {"2/2": REDRIVEN})] == ["2/4", "2/5"]


class Redriver:
    """Stands for `DeadLetters` and `KafkaRedriver` at once: two letters of the gate, one of an agent; notes what is put back."""

    def __init__(self, *_: object) -> None:
        self.put: list[str] = []
        self.letters = {
            x.id: x for x in (letter(b"{}"), of_topic("plant.decisions", 5), of_topic("plant.decisions", 6))
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to release."""

    def redriven(self) -> dict[str, Redriven]:
        """None was."""
        return {}

    def find(self, _: object) -> Iterable[DeadLetter]:
        """All."""
        return self.letters.values()

    def get(self, ids: Iterable[str]) -> Iterable[DeadLetter]:
        """These."""
        return [self.letters[x] for x in ids]

    def put_back(self, letters: Iterable[DeadLetter], *_: object) -> None:
        """Note them."""
        self.put += [x.id for x in letters]


@pytest.fixture
def redriver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Redriver:
    """The app's agent is named inspector now; it was watcher before."""
    found = Redriver()
    monkeypatch.setattr(dlq_module, "_letters", lambda *_: found)
    monkeypatch.setattr(dlq_module, "KafkaRedriver", lambda *_: found)
    stages = {"agent-inspector": 1, "gate": 1, "effects": 1}
    Declaration("plant", 1, stages, ("agent-inspector",), (), {}, tmp_path, (), (), {}).write(
        DataDir(tmp_path).declaration_file
    )
    return found


def redrive(folder: Path, *words: str) -> Result:
    """Run the command without asking."""
    where = ["--app", "plant", "--bootstrap", "127.0.0.1:1", "--data-dir", str(folder), "--yes"]
    return CliRunner().invoke(dlq, ["redrive", *words, *where])


def test_a_letter_whose_stage_is_gone_is_refused_before_anything_is_written(redriver: Redriver, tmp_path: Path) -> None:
    """Every stage would pass over it; the remedy says what to do instead."""
    refused = redrive(tmp_path, "2/5", "2/17").exception
    assert isinstance(refused, BadInput)
    assert "app plant has no agent-watcher any more" in refused.what
    assert "rivergate produce" in refused.remedy
    assert redriver.put == []


def test_all_leaves_out_what_no_stage_would_handle(redriver: Redriver, tmp_path: Path) -> None:
    """It is counted apart; where no app was started nobody can know, and all are put back."""
    done = redrive(tmp_path, "--all")
    assert done.stdout == "put back: 2 on plant.decisions\n"
    assert "1 left out: app plant has no agent-watcher any more" in done.stderr
    assert redriver.put == ["2/5", "2/6"]
    redriver.put.clear()
    DataDir(tmp_path).declaration_file.unlink()
    assert redrive(tmp_path, "--all").stderr == ""
    assert set(redriver.put) == {"2/5", "2/6", "2/17"}


def test_all_leaves_out_what_failed_while_its_agent_was_muted(redriver: Redriver, tmp_path: Path) -> None:
    """Nobody was to act on it: it is counted, and put back where it is asked for, or named."""
    DataDir(tmp_path).declaration_file.unlink()
    redriver.letters["2/17"] = letter(b"{}", muted=True)
    done = redrive(tmp_path, "--all")
    assert redriver.put == ["2/5", "2/6"]
    assert "1 left out: set aside while the agent was muted" in done.stderr
    assert "--muted" in done.stderr
    redriver.put.clear()
    assert "left out" not in redrive(tmp_path, "--all", "--muted").stderr
    assert set(redriver.put) == {"2/5", "2/6", "2/17"}
    redriver.put.clear()
    done = redrive(tmp_path, "2/17", "2/5")
    assert redriver.put == ["2/17", "2/5"]
    assert "2/17 was set aside while the agent was muted: now it is acted on" in done.stderr
