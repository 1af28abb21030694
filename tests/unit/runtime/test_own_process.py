"""The process that replays, and the pipe on which it answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.kernel.test_past import NEVER
from tests.unit.runtime.recorded_world import recorded

from rivergate.domain.errors import RivergateError
from rivergate.runtime.replay.own_process import _lines, ask_own_process
from rivergate.runtime.spec import AppRef, ProcessSpec

WORLD = "tests.unit.runtime.recorded_world"


def spec(reference: str = f"{WORLD}:app_of") -> ProcessSpec:
    """A process that replays for this app."""
    return ProcessSpec("replay", "", "replay", AppRef(reference, "ci", 1), "", ".")


def test_it_answers_with_what_it_found(tmp_path: Path) -> None:
    """The recording is replayed over there, where the app is imported."""
    path, _ = recorded(tmp_path, [0, 1], NEVER)
    found = ask_own_process(spec(), {"what": "replay", "recording": str(path)})
    assert (found["identical"], found["parts"][0]["commits"]) == (True, 2)
    found = ask_own_process(spec(f"{WORLD}:changed"), {"what": "replay", "recording": str(path)})
    assert (found["identical"], found["parts"][0]["difference"]["fields"][0]["field"]) == (False, "value.sum")


def test_its_errors_are_ours_with_place_and_remedy() -> None:
    """What went wrong over there is raised here."""
    with pytest.raises(RivergateError, match="no module 'nowhere'") as found:
        ask_own_process(spec("nowhere:app"), {"what": "replay", "recording": "x"})
    assert found.value.where == "nowhere:app"
    assert "run from the folder" in found.value.remedy


def test_a_process_that_dies_is_told_with_its_last_words() -> None:
    """A fault of ours, or of code that ends the process."""
    with pytest.raises(RivergateError, match=r"ended with code 1 and no answer: (?s:.*)KeyError: 'unheard-of'"):
        ask_own_process(spec(), {"what": "unheard-of"})


def test_lines_come_whole_however_they_are_cut() -> None:
    """A pipe gives pieces."""
    reading, writing = os.pipe()
    for piece in (b'{"tell": ["a", nu', b'll]}\n{"tell": ["b", 0.5]}\n{"ans'):
        os.write(writing, piece)
    lines = _lines(reading, 5.0)
    assert [next(lines), next(lines)] == [{"tell": ["a", None]}, {"tell": ["b", 0.5]}]
    os.close(writing)
    assert next(lines, None) is None
    os.close(reading)


def test_silence_is_an_error() -> None:
    """User code may loop for ever."""
    reading, writing = os.pipe()
    with pytest.raises(RivergateError, match="said nothing"):
        next(_lines(reading, 0.0))
    os.close(writing)
    os.close(reading)
