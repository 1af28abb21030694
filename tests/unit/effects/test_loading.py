from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.effects import JsonLines, work_orders
from rivergate.effects.loading import load_effectors


def not_an_effector(data_dir: Path) -> object:
    """Declares no delivery."""
    return object()


def test_kinds_that_name_the_same_effector_share_it(tmp_path: Path) -> None:
    """One file, one lock, one index."""
    reference = "rivergate.effects:work_orders"
    made = load_effectors({"inspect": reference, "shut_down": reference}, tmp_path)
    assert made["inspect"] is made["shut_down"]
    assert isinstance(made["inspect"], JsonLines)


MADE: list[JsonLines] = []


def counted(data_dir: Path) -> JsonLines:
    """Makes one, and keeps it in mind."""
    MADE.append(work_orders(data_dir))
    return MADE[-1]


def test_a_shared_effector_is_made_once(tmp_path: Path) -> None:
    """A second one would hold its connections with nobody to close it."""
    load_effectors({"inspect": f"{__name__}:counted", "shut_down": f"{__name__}:counted"}, tmp_path)
    assert len(MADE) == 1


@pytest.mark.parametrize("reference", ["rivergate.effects:nothing", "no_such_module:x", "rivergate.effects", ""])
def test_a_reference_that_leads_nowhere_says_what_to_write(reference: str, tmp_path: Path) -> None:
    """Kind, reference and form are in the message."""
    with pytest.raises(ConfigError, match=r"effector of 'inspect' can't be loaded(.|\n)*MODULE:CALLABLE"):
        load_effectors({"inspect": reference}, tmp_path)


def test_something_that_promises_nothing_is_no_effector(tmp_path: Path) -> None:
    """An effector has to say what it can promise."""
    with pytest.raises(ConfigError, match="declares no `delivery`"):
        load_effectors({"inspect": f"{__name__}:not_an_effector"}, tmp_path)
