"""Effectors: what acts on the world, and what each of them promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from rivergate.domain.clock import Micros


class Delivery(StrEnum):
    """What an effector can promise when it isn't known whether it has acted."""

    IDEMPOTENT = "idempotent"
    """It checks and does under the key atomically: doing again is harmless, doubles are impossible."""
    RECONCILABLE = "reconcilable"
    """It can be asked whether it was done."""
    NEITHER = "neither"
    """Nobody can tell: the outcome is `unknown` until a person settles it."""


@dataclass(frozen=True, slots=True)
class Action:
    """An allowed proposal, as an effector gets it. `key` is its idempotency key: the proposal's id."""

    key: str
    kind: str
    arguments: Mapping[str, Any]
    event_id: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action. `effect` says what a failure left behind: `none`, `maybe` or `partial`.

    `label` is the truth about the action's event, if the effector learnt it.
    """

    status: Literal["done", "failed", "unknown"]
    detail: str = ""
    effect: Literal["none", "maybe", "partial"] | None = None
    label: Any = None


class Effector(Protocol):
    """Acts. Several threads may call it at once, never two with the same key or of the same event key.

    An effector that isn't idempotent must look at `not_after` (microseconds, wall clock) right before it acts
    and refuse to act later: a successor waits past it and relies on that.
    """

    @property
    def delivery(self) -> Delivery:
        """What it promises."""

    def perform(self, action: Action, not_after: Micros) -> Outcome:
        """Do it. What it raises counts as failed with the effect `maybe`."""

    def reconcile(self, action: Action) -> Outcome | None:
        """Whether it was done: its outcome, or None if it certainly wasn't. Asked of reconcilable ones alone."""

    def close(self) -> None:
        """Release what it holds. No call is in flight then."""
