"""The command line: `rivergate …`."""

from __future__ import annotations


def main() -> None:
    """Entry of the `rivergate` command."""
    from rivergate.cli.main import run

    run()
