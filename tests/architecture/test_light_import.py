"""`import rivergate` is cheap: River, Ray, LangGraph and FastAPI wait until they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["confluent_kafka", "fastapi", "langgraph", "ray", "river", "sqlalchemy"]


def loaded_by(statement: str) -> list[str]:
    """Which of the heavy packages a fresh interpreter has loaded after a statement."""
    program = f"import sys\n{statement}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import rivergate",
        "from rivergate import Agent, App, Context, Event, Label, Proposal, Reason, RivergateError",
        "import rivergate.agents, rivergate.gate, rivergate.ports, rivergate.topics",
        "import rivergate.cli",
        "import rivergate.testing",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    """What a command line or the gate needs at once must not cost what only agents need."""
    assert loaded_by(statement) == []


def test_a_planted_heavy_import_is_seen() -> None:
    """The check turns red for a statement that does load one."""
    assert loaded_by("import fastapi") == ["fastapi"]


def test_unknown_names_are_refused() -> None:
    """The lazy package still says that a name doesn't exist."""
    done = subprocess.run(
        [sys.executable, "-c", "from rivergate import Agnet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot import name 'Agnet' from 'rivergate'" in done.stderr
