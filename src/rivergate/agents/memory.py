"""Events that wait for their label, and labels that came before their event: both bounded, both counted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rivergate.domain.clock import Micros

Kept = tuple[Any, Any, Micros]
"""Features and prediction of when the event was handled, and the shard's clock then. A bare tuple is pickled in a third of
the time that one with names takes, and snapshots are full of them."""


class Remembered(tuple[Any, Any, Micros]):
    """What snapshots made before hold in a `Kept`'s place: unpickled, it is one."""

    __slots__ = ()

    def __new__(cls, *parts: Any) -> Any:
        """The bare tuple."""
        return tuple(parts)


class EarlyLabel(NamedTuple):
    """A label that waits for its event."""

    value: Any
    source: str
    proposal_id: str | None
    at: Micros


@dataclass(slots=True)
class Memory:
    """Joins late truth to the features of then. The first label of an event binds.

    `limit` and `max_age` bound the remembered events, `early_limit` and `early_max_age` (microseconds) the
    labels that wait. Counters: `forgotten` events that fell out unlabelled, `expired_labels` labels whose
    event never came, `repeated` labels of an event that had one.
    """

    limit: int
    max_age: Micros
    early_limit: int
    early_max_age: Micros
    events: OrderedDict[str, Kept | None] = field(default_factory=OrderedDict)
    early: OrderedDict[str, EarlyLabel] = field(default_factory=OrderedDict)
    forgotten: int = 0
    expired_labels: int = 0
    repeated: int = 0

    def remember(self, event_id: str, features: Any, prediction: Any, now: Micros) -> None:
        """Keep what was known of an event. Remembering again replaces it, unless its label has come."""
        events = self.events
        if event_id in events and events[event_id] is None:
            return
        events[event_id] = (features, prediction, now)
        if len(events) > self.limit:
            self._drop_oldest()

    def take(self, event_id: str) -> Kept | None:
        """What was remembered of an event whose label has come; None where there is nothing, or a label came before."""
        found = self.events.get(event_id)
        if found is not None:
            self.events[event_id] = None
        return found

    def wait(self, event_id: str, label: EarlyLabel) -> None:
        """Keep a label that found nothing until its event comes, unless it is a repeat."""
        if event_id in self.events or event_id in self.early:
            self.repeated += 1
            return
        self.early[event_id] = label
        if len(self.early) > self.early_limit:
            self.early.popitem(last=False)
            self.expired_labels += 1

    def take_early(self, event_id: str) -> EarlyLabel | None:
        """A label that came before its event, if there is one and the event has been remembered now."""
        return self.early.pop(event_id, None) if self.events.get(event_id) is not None else None

    def expire(self, now: Micros) -> None:
        """Forget what is older than the bounds. Called once a batch."""
        events = self.events
        superfluous = len(events) - self.limit // 2
        too_old = now - self.max_age
        while events:
            event_id = next(iter(events))
            oldest = events[event_id]
            if superfluous <= 0 if oldest is None else oldest[2] >= too_old:
                break
            del events[event_id]
            superfluous -= 1
            self.forgotten += oldest is not None
        while self.early and now - next(iter(self.early.values())).at > self.early_max_age:
            self.early.popitem(last=False)
            self.expired_labels += 1

    def _drop_oldest(self) -> None:
        _, gone = self.events.popitem(last=False)
        if gone is not None:
            self.forgotten += 1
