"""`Turn`: what every part of the gate's fold works with during one call."""

from __future__ import annotations

from dataclasses import dataclass

from rivergate.domain.clock import Micros
from rivergate.gate.emission import Emission
from rivergate.gate.judging import Judge, Judgement, denied
from rivergate.gate.state import GateState

NO_POLICY = "no-policy"


@dataclass(slots=True)
class Turn:
    """One call of the fold: its state, its clock, what it writes, the policy in force (None before the first)."""

    state: GateState
    emit: Emission
    judge: Judge | None

    @property
    def clock(self) -> Micros:
        """The shard's clock."""
        return self.emit.batch.clock

    @property
    def policy_digest(self) -> str:
        """Digest of the policy in force, empty before the first."""
        return self.judge.policy.digest if self.judge else ""

    def count(self, what: str) -> None:
        """Count something that was dropped or turned away."""
        self.state.counters[what] += 1

    def judged(self, kind: str, arguments: dict[str, object], confidence: float | None, agent: str) -> Judgement:
        """The verdict under the policy in force."""
        if self.judge is None:
            return denied(NO_POLICY, "no policy is in force yet", arguments, "")
        return self.judge.judge(kind, arguments, confidence, agent)
