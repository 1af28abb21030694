"""What an operator may set, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.domain.errors import BadInput
from rivergate.runtime.limits import Waiting, kernel_limits, parse_limits, waiting
from rivergate.runtime.session import RunOptions
from rivergate.runtime.spec import AppRef, ProcessSpec


def spec_of(limits: dict[str, int]) -> ProcessSpec:
    """What a supervisor is told by `--limit`."""
    return RunOptions(AppRef("plant:app", "plant", 1), Path(), limits=limits).supervisor("localhost:1")


def test_limits_reach_brake_and_kernel() -> None:
    """What isn't set keeps its default."""
    spec = spec_of(parse_limits(["proposals_waiting=50", "batch=10"]))
    assert waiting(spec) == Waiting(proposals_waiting=50)
    assert (kernel_limits(spec).batch, kernel_limits(spec).open) == (10, 256)
    assert kernel_limits(spec_of(parse_limits(["snapshot_age_s=600"]))).snapshot_age_s == 600
    assert waiting(spec_of(parse_limits([]))) == Waiting()


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("proposal_waiting=5", "no limit 'proposal_waiting'", "'proposals_waiting'"),
        ("wait_s=5", "no limit 'wait_s'", "batch"),
        ("batch", "'' is no number", "batch=1000"),
        ("batch=0", "'0' is no number", "batch=1000"),
        ("batch=-1", "'-1' is no number", "batch=1000"),
        ("batch=1e3", "'1e3' is no number", "batch=1000"),
        ("reviews_waiting=9500", "would deny proposals", "lower one"),
    ],
)
def test_what_is_no_limit_is_refused(text: str, what: str, remedy: str) -> None:
    """With what to write instead."""
    with pytest.raises(BadInput, match=what) as refused:
        parse_limits([text])
    assert remedy in refused.value.remedy
