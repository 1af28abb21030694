"""What a round is made of, all of it from its seed: `python -m tests.chaos --rounds 1 --seed S` makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.chaos.strikes import chosen, nodes

WORKERS = 2
SETTLE_S = 60.0
PLANTED_SETTLE_S = 12.0


@dataclass(frozen=True)
class Strike:
    """A fault by its name, so many seconds after the feeding began."""

    at_s: float
    fault: str


@dataclass(frozen=True)
class RoundPlan:
    """One round. `limits` are settings of the shards' loops: small batches and frequent snapshots meet more moments.
    After `silent_s` without a sign of life a worker is replaced.

    `plant` names a fault that is planted into the app's processes, which a check then has to find.
    """

    seed: int
    host: str
    faults: str
    events: int
    rate: float
    strikes: Sequence[Strike]
    limits: dict[str, Any]
    silent_s: float
    workers: int = WORKERS
    plant: str = ""

    @property
    def needs_nodes(self) -> bool:
        """Whether a node is to be lost, which takes a cluster of two."""
        return any(s.fault in nodes.FAULTS for s in self.strikes)

    @property
    def settle_s(self) -> float:
        """How long the round may take to come to rest; with a planted fault it may never."""
        return PLANTED_SETTLE_S if self.plant else SETTLE_S

    @property
    def command(self) -> str:
        """What repeats it."""
        plant = f" --plant {self.plant}" if self.plant else ""
        return (
            f"python -m tests.chaos --rounds 1 --seed {self.seed} --hosts {self.host} --faults {self.faults}"
            f" --events {self.events} --rate {self.rate:g} --strikes {len(self.strikes)}{plant}"
        )


def plan_round(
    seed: int, host: str, faults: str, *, events: int, rate: float, strikes: int, plant: str = ""
) -> RoundPlan:
    """The round of a seed, with faults drawn from those that `faults` names: a family first, then one of it."""
    draw = Random(f"round/{seed}")
    length_s = events / rate
    families = chosen(faults, host)
    times = sorted(draw.uniform(0.08, 0.9) * length_s for _ in range(strikes if families else 0))
    return RoundPlan(
        seed=seed,
        host=host,
        faults=faults,
        events=events,
        rate=rate,
        strikes=tuple(Strike(round(at, 2), draw.choice(families[draw.choice(list(families))])) for at in times),
        limits={
            "batch": draw.choice((5, 50, 1000)),
            "replay_s": draw.choice((0.02, 0.1, 1.0)),
            "snapshot_share": draw.choice((0.05, 0.5)),
        },
        silent_s=draw.choice((5.0, 40.0)),
        plant=plant,
    )
