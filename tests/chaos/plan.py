"""What a round is made of, all of it from its seed: `python -m tests.chaos --rounds 1 --seed S` makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

WORKERS = 2


@dataclass(frozen=True)
class Strike:
    """A fault by its name, so many seconds after the feeding began."""

    at_s: float
    fault: str


@dataclass(frozen=True)
class RoundPlan:
    """One round. `limits` are settings of the shards' loops: small batches and frequent snapshots meet more moments.

    `plant` names a fault that is planted into the app's processes, which a check then has to find.
    """

    seed: int
    host: str
    events: int
    rate: float
    strikes: Sequence[Strike]
    limits: dict[str, Any]
    workers: int = WORKERS
    plant: str = ""

    @property
    def command(self) -> str:
        """What repeats it."""
        faults = ",".join(sorted({s.fault for s in self.strikes})) or "none"
        return f"python -m tests.chaos --rounds 1 --seed {self.seed} --hosts {self.host} --faults {faults}"


def plan_round(
    seed: int, host: str, faults: Sequence[str], *, events: int, rate: float, strikes: int, plant: str = ""
) -> RoundPlan:
    """The round of a seed, with faults drawn from these."""
    draw = Random(f"round/{seed}")
    length_s = events / rate
    times = sorted(draw.uniform(0.08, 0.92) * length_s for _ in range(strikes))
    chosen = [draw.choice(faults) for _ in times] if faults else []
    return RoundPlan(
        seed=seed,
        host=host,
        events=events,
        rate=rate,
        strikes=tuple(Strike(round(at, 2), fault) for at, fault in zip(times, chosen, strict=False)),
        limits={
            "batch": draw.choice((5, 50, 1000)),
            "replay_s": draw.choice((0.02, 0.1, 1.0)),
            "snapshot_share": draw.choice((0.05, 0.5)),
        },
        plant=plant,
    )
