"""All that a shard of an agent knows, how it is put into a snapshot, and how two of them are compared."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from rivergate.agents.agent import Agent
from rivergate.agents.keyed import KeyedState
from rivergate.agents.memory import EarlyLabel, Memory
from rivergate.agents.timers import Timers
from rivergate.domain.errors import SnapshotCorrupt

_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class ShardState:
    """The agent's instance (its model included) and what the runtime keeps for it."""

    agent: Agent
    memory: Memory
    keyed: KeyedState
    timers: Timers

    @classmethod
    def new(cls, agent: type[Agent]) -> ShardState:
        """The state before the first record."""
        return cls(agent(), Memory(*_memory_bounds(agent)), KeyedState(*_keyed_bounds(agent)), Timers())

    def bound(self, agent: type[Agent]) -> None:
        """The bounds that the present code declares, not those that the state was begun with."""
        self.memory.bound(*_memory_bounds(agent))
        self.keyed.limit, self.keyed.max_age = _keyed_bounds(agent)

    def dump(self) -> bytes:
        """Pickle, without the unseeded random generators that River's Gaussians carry along."""
        return dumped(self)

    @staticmethod
    def load(content: bytes) -> ShardState:
        """Inverse of `dump`. Only for bytes whose signature was checked. Raises `SnapshotCorrupt`."""
        try:
            state = pickle.loads(content)  # noqa: S301 - signed by us, checked by the caller
        except Exception as e:
            raise SnapshotCorrupt(
                f"the present code can't read the state: {e!r}",
                remedy="restore the code or the River version it was written with, or let the shard replay the log",
            ) from e
        if not isinstance(state, ShardState):
            raise SnapshotCorrupt(f"holds a {type(state).__name__}, not an agent's state")
        return state

    def digest(self) -> str:
        """Hex SHA-256 of a canonical pickle: equal states, equal digests, whichever way they came about."""
        return digest_of(self)


def _memory_bounds(agent: type[Agent]) -> tuple[int, int, int, int]:
    return (
        agent.remembered_events,
        agent.remembered_for // _MICROSECOND,
        agent.early_labels,
        agent.early_labels_for // _MICROSECOND,
    )


def _keyed_bounds(agent: type[Agent]) -> tuple[int, int]:
    return agent.keyed_entries, agent.keyed_for // _MICROSECOND


def dumped(value: object) -> bytes:
    """Pickle of a state or a model, without River's unseeded random generators."""
    buffer = io.BytesIO()
    _StatePickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def digest_of(value: object) -> str:
    """Hex SHA-256 of a canonical pickle: equal values, equal digests, whichever way they came about."""
    return hashlib.sha256(_canonical(pickle.loads(dumped(value)))).hexdigest()  # noqa: S301 - our own bytes


def _without_generator(obj: Any) -> Any:
    """River's `proba` distributions hold `_rng`, seeded or not; an unseeded one isn't state (made anew on load)."""
    kind = type(obj)
    if kind.__module__.startswith("river.proba") and getattr(obj, "seed", 0) is None and "_rng" in vars(obj):
        state = {k: v for k, v in vars(obj).items() if k != "_rng"}
        return _restore_without_generator, (kind, state)
    return NotImplemented


def _restore_without_generator(kind: type[Any], state: dict[str, Any]) -> Any:
    fresh = kind()
    vars(fresh).update(state)
    return fresh


class _StatePickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        return _without_generator(obj)


class _DigestPickler(pickle._Pickler):  # noqa: SLF001 - the C one can't leave values out of its memo
    """Writes equal values equally: whether two of them are one object, and how a set is laid out, depend on how the
    state came about, and after a restore on that.
    """

    def __init__(self, buffer: io.BytesIO, *, quick: bool) -> None:
        super().__init__(buffer, protocol=5)
        self._quick = quick
        self._flat: set[int] = set()

    def reducer_override(self, obj: Any) -> Any:
        if id(obj) in self._flat:
            raise _SharedError
        if type(obj) in (set, frozenset):
            return type(obj), (sorted(obj, key=_canonical),)
        if self._quick and type(obj) is OrderedDict:
            flat = _flat_dicts(obj)
            if flat is not None and flat.isdisjoint(self.memo):  # type: ignore[attr-defined] # typeshed has no fields for it
                self._flat |= flat
                return pickle.loads, (_without_memo(obj),)
        return _without_generator(obj)

    def memoize(self, obj: Any) -> None:
        if not isinstance(obj, _VALUES):
            super().memoize(obj)  # type: ignore[misc] # typeshed has no methods for it


_VALUES = (str, bytes, tuple, frozenset, date, time, timedelta, Decimal)
"""Types whose objects are their contents: nobody can change one of them and see the change elsewhere."""


_ATOMS = frozenset({str, bytes, int, float, bool, type(None)})


def _flat_dicts(remembered: OrderedDict[Any, Any]) -> set[int] | None:
    """Ids of the dicts in what is remembered, where all of it is numbers and text, as features mostly are.

    None where there is a set, an object of a user's, or one dict twice.
    """
    found: set[int] = set()
    for key, value in remembered.items():
        for part in (key, *value) if type(value) in (tuple, EarlyLabel) else (key, value):
            if type(part) is dict:
                plain = _ATOMS.issuperset(map(type, part)) and _ATOMS.issuperset(map(type, part.values()))
                if not plain or id(part) in found:
                    return None
                found.add(id(part))
            elif type(part) not in _ATOMS:
                return None
    return found


def _without_memo(value: Any) -> bytes:
    """Written by the C pickler, which is canonical where everything is flat, and many times as quick."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()


class _SharedError(Exception):
    """A dict that was written as flat stands elsewhere too."""


def _canonical(value: Any) -> bytes:
    try:
        return _written(value, quick=True)
    except _SharedError:
        return _written(value, quick=False)


def _written(value: Any, *, quick: bool) -> bytes:
    buffer = io.BytesIO()
    _DigestPickler(buffer, quick=quick).dump(value)
    return buffer.getvalue()
