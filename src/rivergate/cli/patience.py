"""A progress bar for what may take long: it shows up after two seconds, on standard error, and vanishes at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from rivergate.cli.broker import starting_progress
from rivergate.runtime.session import Tell

PATIENCE_S = 2.0


@contextmanager
def patient_progress(console: Console, after_s: float = PATIENCE_S) -> Iterator[Tell]:
    """What yields is told what is being done and how far it is. Quick work shows nothing."""
    began = time.monotonic()
    shown: Tell | None = None
    with ExitStack() as stack:

        def tell(what: str, share: float | None) -> None:
            nonlocal shown
            if shown is None and time.monotonic() - began >= after_s:
                shown = stack.enter_context(starting_progress(console))
            if shown is not None:
                shown(what, share)

        yield tell
