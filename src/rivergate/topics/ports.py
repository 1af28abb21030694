"""What topics as code needs from a broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rivergate.topics.model import TopicSpec


@dataclass(frozen=True, slots=True)
class BrokerTopic:
    """A topic as the broker has it. `config` holds effective settings, defaults included.

    `written` tells whether it ever held a record, one that retention has removed since included.
    """

    name: str
    partitions: int
    config: Mapping[str, str]
    written: bool


class TopicAdmin(Protocol):
    """The broker's administration. Every method may raise `BrokerUnavailable` and answers within its timeout."""

    def names(self) -> Sequence[str]:
        """All topics, internal ones excepted, sorted."""

    def describe(self, names: Iterable[str]) -> Mapping[str, BrokerTopic]:
        """Those of these topics that exist."""

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create, and wait until clients can use them. One that exists already is left as it is.

        Raises `ConfigError` where the broker refuses.
        """

    def alter(self, name: str, config: Mapping[str, str]) -> None:
        """Change these settings of a topic and leave its others. Raises `ConfigError` where the broker refuses."""

    def close(self) -> None:
        """Release the connections."""
