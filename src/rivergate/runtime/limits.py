"""The limits of a running app that an operator may set, and what holds otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from rivergate.domain.errors import BadInput
from rivergate.kernel.tools import Limits
from rivergate.runtime.spec import ProcessSpec
from rivergate.topics.near import did_you_mean


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much may wait at each hop before the shards ahead of it read no more: records of a partition, and the gate's
    open reviews. Of those the gate keeps `gate.state.OPEN_REVIEWS` at most and denies the rest, so with a batch on top
    they must stay below that.
    """

    proposals_waiting: int = 10_000
    reviews_waiting: int = 8_000
    actions_waiting: int = 10_000


def waiting(spec: ProcessSpec) -> Waiting:
    """The limits of this process's app."""
    given = spec.options.get("limits", {})
    return Waiting(**{f.name: given[f.name] for f in fields(Waiting) if f.name in given})


def kernel_limits(spec: ProcessSpec) -> Limits:
    """Bounds of a shard's loop, with what the options override."""
    given = spec.options.get("limits", {})
    return Limits(**{f.name: given[f.name] for f in fields(Limits) if f.name in given})


DEFAULTS = asdict(Waiting()) | {
    "batch": Limits().batch,
    "open": Limits().open,
    "snapshot_age_s": round(Limits().snapshot_age_s),
}
"""What `--limit` may set, and what holds otherwise. Other bounds of the kernel would change what a replay decides."""


def parse_limits(texts: Sequence[str]) -> dict[str, int]:
    """`NAME=NUMBER`, as `--limit` takes it. Raises `BadInput`."""
    from rivergate.gate.state import OPEN_REVIEWS  # no other process than the gate's needs its state

    found: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in DEFAULTS:
            remedy = did_you_mean(name, DEFAULTS, f"there are {', '.join(DEFAULTS)}")
            raise BadInput(f"--limit {text}: there is no limit {name!r}", remedy=remedy)
        if not number.isdecimal() or int(number) < 1:
            raise BadInput(
                f"--limit {text}: {number!r} is no number from 1 on", remedy=f"write {name}={DEFAULTS[name]}"
            )
        found[name] = int(number)
    limits = DEFAULTS | found
    if limits["reviews_waiting"] + limits["batch"] > OPEN_REVIEWS:
        raise BadInput(
            f"--limit: reviews_waiting {limits['reviews_waiting']} and a batch of {limits['batch']} are more than the "
            f"{OPEN_REVIEWS} reviews that the gate keeps open; it would deny proposals",
            remedy="lower one of the two",
        )
    return found
