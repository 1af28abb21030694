"""Bring the broker's topics to what the files declare, as far as that is safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rivergate.domain.errors import ConfigError
from rivergate.topics.changes import Change, Kind, diff
from rivergate.topics.model import TopicSpec
from rivergate.topics.ports import TopicAdmin


@dataclass(frozen=True, slots=True)
class Applied:
    """What was found, and so what was done: `create` and `alter` are done, `refuse` isn't."""

    changes: Sequence[Change]

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [c for c in self.changes if c.kind == kind]

    def demand(self) -> None:
        """Raise `ConfigError`, with each remedy, if anything was refused: an app can't start on such topics."""
        refused = self.of("refuse")
        if not refused:
            return
        first = refused[0]
        others = f" (and {len(refused) - 1} more, see `rivergate topics diff`)" if len(refused) > 1 else ""
        raise ConfigError(
            f"{first.what} was refused: {first.reason}{others}", where=f"topic {first.spec.name}", remedy=first.remedy
        )


def plan_topics(admin: TopicAdmin, specs: Sequence[TopicSpec]) -> list[Change]:
    """Compare with the broker and change nothing. Raises `BrokerUnavailable`."""
    return diff(specs, admin.describe([s.name for s in specs]))


def apply_topics(admin: TopicAdmin, specs: Sequence[TopicSpec]) -> Applied:
    """Create and alter what is safe; refuse the rest. Doing it twice, or two at once, is harmless.

    Raises `BrokerUnavailable`, and `ConfigError` where the broker itself refuses a setting.
    """
    changes = plan_topics(admin, specs)
    new = [c.spec for c in changes if c.kind == "create"]
    if new:
        admin.create(new)
    for spec in specs:
        config = {k: v for c in changes if c.kind == "alter" and c.spec is spec for k, v in c.config.items()}
        if config:
            admin.alter(spec.name, config)
    return Applied(changes)
