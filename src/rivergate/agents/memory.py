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
    labels that wait; of events that had their label the newest `limit // 2` ids are known. Counters: `forgotten` events
    that fell out unlabelled, `expired_labels` labels whose event never came, `repeated` labels of an event that had one.
    """

    limit: int
    max_age: Micros
    early_limit: int
    early_max_age: Micros
    events: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    early: OrderedDict[str, EarlyLabel] = field(default_factory=OrderedDict)
    forgotten: int = 0
    expired_labels: int = 0
    repeated: int = 0
    labelled: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Snapshots made before hold labelled events among the others, as None."""
        for name, value in state[1].items():
            setattr(self, name, value)
        if "labelled" not in state[1]:
            self.labelled = OrderedDict.fromkeys(e for e, kept in self.events.items() if kept is None)
            self.events = OrderedDict((e, kept) for e, kept in self.events.items() if kept is not None)

    @property
    def known_labelled(self) -> int:
        """How many ids of labelled events are known, so that a second label is told from an early one."""
        return max(1, self.limit // 2)

    def bound(self, limit: int, max_age: Micros, early_limit: int, early_max_age: Micros) -> None:
        """Other bounds hold from the next `expire` on."""
        self.limit, self.max_age, self.early_limit, self.early_max_age = limit, max_age, early_limit, early_max_age

    def remember(self, event_id: str, features: Any, prediction: Any, now: Micros) -> None:
        """Keep what was known of an event. Remembering again replaces it, unless its label has come."""
        if event_id in self.labelled:
            return
        events = self.events
        if event_id in events:
            events.move_to_end(event_id)
        events[event_id] = (features, prediction, now)
        if len(events) > self.limit:
            events.popitem(last=False)
            self.forgotten += 1

    def take(self, event_id: str) -> Kept | None:
        """What was remembered of an event whose label has come; None where there is nothing, or a label came before."""
        found = self.events.pop(event_id, None)
        if found is not None:
            self.labelled[event_id] = None
            if len(self.labelled) > self.known_labelled:
                self.labelled.popitem(last=False)
        return found

    def wait(self, event_id: str, label: EarlyLabel) -> None:
        """Keep a label that found nothing until its event comes, unless it is a repeat."""
        if event_id in self.labelled or event_id in self.early:
            self.repeated += 1
            return
        self.early[event_id] = label
        if len(self.early) > self.early_limit:
            self.early.popitem(last=False)
            self.expired_labels += 1

    def take_early(self, event_id: str) -> EarlyLabel | None:
        """A label that came before its event, if there is one and the event has been remembered now."""
        return self.early.pop(event_id, None) if event_id in self.events else None

    def expire(self, now: Micros) -> None:
        """Forget what is older than the bounds. Called once a batch."""
        events, too_old = self.events, now - self.max_age
        while events and (next(iter(events.values()))[2] < too_old or len(events) > self.limit):
            events.popitem(last=False)
            self.forgotten += 1
        while len(self.labelled) > self.known_labelled:
            self.labelled.popitem(last=False)
        early, too_early = self.early, now - self.early_max_age
        while early and (next(iter(early.values())).at < too_early or len(early) > self.early_limit):
            early.popitem(last=False)
            self.expired_labels += 1
