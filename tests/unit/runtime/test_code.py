"""What a process says of the code that it runs, once other code is on the disk."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from rivergate.runtime import code, run_worker
from rivergate.runtime.code import code_digest, is_outdated, versions
from rivergate.runtime.session import RunOptions
from rivergate.runtime.spec import AppRef

PACKAGE = "deployed_for_test_code"


class FreshProcess:
    """Forgets what was seen and imported, as the next process does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.syspath_prepend(str(folder))
        self.begin()

    def begin(self) -> None:
        """Another one."""
        self._monkeypatch.setattr(code, "_seen", {})
        self._monkeypatch.setattr(code, "_versions", {})
        for name in (PACKAGE, f"{PACKAGE}.agent"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def digest(self) -> str:
        """Import the app, and say what it is; what is imported already stays."""
        importlib.import_module(f"{PACKAGE}.agent")
        return code_digest([f"{PACKAGE}.agent"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with an agent, as it was deployed first."""
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "agent.py").write_text("LIMIT = 1\n")
    return package


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[FreshProcess]:
    """One that has seen nothing yet."""
    made = FreshProcess(monkeypatch, folder.parent)
    yield made
    made.begin()


def test_a_process_that_outlives_a_deployment_tells_the_code_that_it_runs(process: FreshProcess, folder: Path) -> None:
    """Else it would journal the old code's commits under the new code's digest; a fresh process tells the new."""
    before = process.digest()
    (folder / "agent.py").write_text("LIMIT = 2\n")
    assert process.digest() == before
    process.begin()
    assert process.digest() != before


@pytest.mark.parametrize("deployed", ["changed", "a module more", "a module less", "gone"])
def test_it_knows_that_other_code_is_installed_by_now(process: FreshProcess, folder: Path, deployed: str) -> None:
    """Whatever became of the package."""
    (folder / "extra.py").write_text("")
    process.digest()
    assert not is_outdated()
    if deployed == "changed":
        (folder / "agent.py").write_text("LIMIT = 2\n")
    elif deployed == "a module more":
        (folder / "more.py").write_text("")
    elif deployed == "a module less":
        (folder / "extra.py").unlink()
    else:
        folder.rename(folder.parent / "aside")
    assert is_outdated()


def test_an_upgraded_library_is_other_code_too(process: FreshProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was imported stays what it was, whatever its metadata say."""
    digest, before = process.digest(), versions()
    monkeypatch.setattr(metadata, "version", lambda name: f"999-{name}")
    assert versions() == before
    assert process.digest() == digest
    assert is_outdated()


def test_a_loop_begins_in_no_process_that_has_old_code(
    process: FreshProcess, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the process, an actor's, before anything is opened: Ray makes a fresh one in its place."""

    def leave(exit_code: int) -> None:
        raise SystemExit(exit_code)

    def load(_: object) -> None:
        raise LookupError("it went on")

    monkeypatch.setattr(run_worker, "leave", leave)
    monkeypatch.setattr(run_worker, "driver_maker", load)
    spec = RunOptions(AppRef("plant:app", "plant", 1), tmp_path).supervisor("localhost:1")
    process.digest()
    with pytest.raises(LookupError):
        run_worker.run_worker(spec, threading.Event())
    (folder / "agent.py").write_text("LIMIT = 2\n")
    with pytest.raises(SystemExit, match=str(run_worker.OUTDATED)):
        run_worker.run_worker(spec, threading.Event())
