from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

GUIDES = Path(__file__).parents[3] / "docs" / "guides"


@pytest.mark.parametrize("guide", ["agents", "learning"])
def test_the_guides_code_runs(guide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python blocks of the guide run one after the other, as a reader would type them into one module."""
    module = ModuleType(f"guide_{guide}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, f"{guide}.md", "exec", dont_inherit=True), vars(module))  # noqa: S102 - our own guide


def test_docstrings_examples_run() -> None:
    """The example in `Prequential`'s docstring is true."""
    import doctest

    from rivergate.learning import prequential

    assert doctest.testmod(prequential).failed == 0
