"""Where screens are printed: what others wrote is text there, never rich's markup."""

from __future__ import annotations

from rich.console import Console


def screen(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on which `[…]` in a text, a cell or a heading is what it says; `Text` and columns carry the styles."""
    return Console(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False)
