"""What holds for every test: the order they run in, one broker for all, and that nothing is skipped silently."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rivergate.runtime.kafka import LocalKafka

ORDER = ["unit", "architecture", "conformance", "replay", "integration", "acceptance", "chaos", "benchmarks"]
"""Folders of tests, quick ones first, so that a mistake shows early."""

ROOT = Path(__file__).parent


def under_ci() -> bool:
    """Whether a skipped test is a failure here."""
    return os.environ.get("CI", "").lower() == "true"


def folder_of(path: Path) -> str:
    """The folder directly under tests/ that a test file lies in."""
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the folders in `ORDER`; within a folder nothing moves."""
    rank = {folder: i for i, folder in enumerate(ORDER)}
    items.sort(key=lambda item: rank.get(folder_of(item.path), len(ORDER)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Under CI=true a test that was skipped has failed, whatever skipped it."""
    report = yield
    if under_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Under CI=true a module that skips itself has failed too."""
    report = yield
    if under_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


Need = Callable[..., str]


def find_program(*names: str) -> str | None:
    """Path of the first of these programs that the machine has. PostgreSQL's may lie outside PATH on Debian."""
    for name in names:
        found = shutil.which(name) or max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=None)
        if found:
            return str(found)
    return None


@pytest.fixture(scope="session")
def need() -> Need:
    """`need("chromium", "google-chrome", package="chromium")` is the path of the first that is here.

    Where the machine has none, the test is skipped with the command that brings it; under CI=true it fails.
    """

    def find(*names: str, package: str) -> str:
        found = find_program(*names)
        if found is None:
            pytest.skip(f"needs {' or '.join(names)}: sudo apt-get install {package}")
        return found

    return find


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running local Kafka; `kafka.bootstrap` is its address. Tests use topics of their own and leave it running."""
    from rivergate.runtime.kafka import LocalKafka

    with LocalKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(autouse=True)
def _unit_tests_never_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if folder_of(request.path) == "unit":

        def sleep(seconds: float) -> None:
            raise AssertionError(f"a unit test slept {seconds} s: inject time, or wait for a signal")

        monkeypatch.setattr(time, "sleep", sleep)
