"""A shard that may begin with a model, the store of models, and what may lie in it: good, bad, explosive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.unit.kernel.transactor_world import Kept, Put, World

from rivergate.agents import Agent, Context
from rivergate.agents.shard_state import dumped
from rivergate.kernel.models import ModelNote
from rivergate.kernel.transactor import Limits, Transactor
from rivergate.testing.memory_shard_log import MemoryShardLog


class Mean:
    """A model: the mean of what it has learnt."""

    def __init__(self, numbers: Sequence[int] = ()) -> None:
        self.numbers = list(numbers)

    def learn(self, n: int) -> None:
        """One number more."""
        self.numbers.append(n)

    def predict(self) -> int:
        """Rounded."""
        return round(sum(self.numbers) / len(self.numbers)) if self.numbers else 0


class Guess(Agent):
    """Publishes what it expects before it learns what came."""

    consumes = (Put,)
    publishes = (Kept,)

    def __init__(self) -> None:
        self.model = Mean()

    def on_event(self, event: Put, ctx: Context) -> None:
        if event.text == "raise":
            raise ValueError("told to fail")
        ctx.publish(Kept(n=event.n, sum=self.model.predict(), text=event.text))
        self.model.learn(event.n)


WENT_OFF: list[str] = []


def explode(sound: str) -> None:
    """What a bomb does."""
    WENT_OFF.append(sound)


class Bomb:
    """Goes off where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return explode, ("boom",)


NOTE = ModelNote("ada", "2026-01-31T12:00:00.000000Z", "trained on last year", "Mean", {"file": "m.pkl"}, {})


class AdoptingWorld(World):
    """A world with an agent that guesses, and a store of models."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = f"agent-{Guess.name}"

    def vouch(self, model: object, note: ModelNote = NOTE) -> str:
        """Import a model; its digest."""
        return self.store(self.spec()).models.put(note, dumped(model))

    def owner(self, model: str | None = None, limits: Limits | None = None, agent: type[Agent] = Guess) -> Transactor:
        """Whoever takes the shard over, told to begin with a model or not."""
        made = self.transactor(agent, limits=limits)
        spec = replace(made.spec, model=model)
        fold = made._make_fold
        return Transactor(spec, MemoryShardLog(self.broker, spec), fold, made._tools, made._limits)

    def forget_snapshots(self) -> None:
        """Nothing is left but models."""
        for name in self.blobs.names(f"{self.app}/{self.stage}/"):
            self.blobs.delete(name)

    def guessed(self) -> list[int]:
        """What it expected, in order."""
        return [v["sum"] for v in self.written()]
