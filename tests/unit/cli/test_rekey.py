"""What a copy says on the screen, where there is no terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from tests.unit.runtime.test_rekey import made

from rivergate.cli.rekey_screen import copying_screen
from rivergate.domain.errors import BrokerUnavailable
from rivergate.runtime.rekey.plan import plan_of


def test_what_hinders_a_copy_is_on_the_screen() -> None:
    """With where, and what to do about it; as it stands, brackets included."""
    console = Console(file=StringIO(), width=60)
    with copying_screen(console, plan_of(made(), "old", {})) as screen:
        screen.hindered(BrokerUnavailable("no answer [yet]", where="kafka:9092", remedy="see whether it runs"))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue() == (
        "the copy waits, and tries again: kafka:9092: no answer [yet]\n→ see whether it runs\n"
    )
