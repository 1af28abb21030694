from __future__ import annotations

import os
from pathlib import Path
from typing import Never

from rivergate.runtime.kafka.holding import Holder, hold, holder_of, process_runs


def impatient(_holder: Holder | None, _waited_s: float) -> bool:
    """Waits for nobody."""
    return False


def test_one_holds_and_the_next_learns_who(tmp_path: Path) -> None:
    """The second is refused and can read what the first said of itself."""
    path = tmp_path / "lock"
    with hold(path, patience=impatient) or unexpected() as first:
        first.tell(Holder(pid=12, owner=34, port=9092))
        assert hold(path, patience=impatient) is None
        assert holder_of(path) == Holder(pid=12, owner=34, port=9092)
    again = hold(path, patience=impatient)
    assert again is not None
    assert holder_of(path) == Holder(pid=os.getpid(), owner=os.getpid())
    again.release()
    again.release()


def test_an_inherited_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    """The lock ends with the last process that has the file open, not with the first."""
    path = tmp_path / "lock"
    first = hold(path, patience=impatient) or unexpected()
    inherited = os.dup(first.descriptor)
    first.release()
    assert hold(path, patience=impatient) is None
    os.close(inherited)
    last = hold(path, patience=impatient)
    assert last is not None
    last.release()


def test_patience_is_asked_until_it_ends(tmp_path: Path) -> None:
    """It hears the holder and the seconds waited, by the clock that was given."""
    path, clock, waited = tmp_path / "lock", [100.0], []

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def patience(holder: Holder | None, waited_s: float) -> bool:
        assert holder
        waited.append(round(waited_s, 1))
        return waited_s < 0.25

    with hold(path, patience=impatient) or unexpected():
        assert hold(path, patience=patience, monotonic=lambda: clock[0], sleep=sleep) is None
    assert waited == [0.0, 0.1, 0.2, 0.3]


def test_a_shorter_note_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    """What is read is what was told last; scribble is nobody."""
    path = tmp_path / "lock"
    with hold(path, patience=impatient) or unexpected() as held:
        held.tell(Holder(pid=1234567, owner=1234567, port=12345))
        held.tell(Holder(pid=1, owner=2))
        assert holder_of(path) == Holder(pid=1, owner=2)
    path.write_text("{scribble")
    assert holder_of(path) is None


def test_processes_that_run() -> None:
    """We run; the number after the largest possible doesn't."""
    assert process_runs(os.getpid())
    assert not process_runs(2**22 + 1)


def unexpected() -> Never:
    """The lock was expected to be free."""
    raise AssertionError("the lock isn't free")
