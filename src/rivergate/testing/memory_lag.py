"""`ports.Lag` on a `MemoryBroker`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rivergate.domain.record import TopicPartition
from rivergate.testing.memory_log import MemoryBroker


class MemoryLag:
    """See `ports.Lag` for the contract. An answer is there as soon as it is asked for; `away` leaves it empty."""

    def __init__(self, broker: MemoryBroker, group: str, partitions: Iterable[TopicPartition]) -> None:
        self._broker = broker
        self._group = group
        self._partitions = list(partitions)
        self._reads_from: dict[TopicPartition, int] = {}
        self._answer: Mapping[TopicPartition, int] | None = None
        self.away = False

    def ask(self) -> bool:
        """Look at the broker now."""
        if self._answer is not None:
            return False
        self._answer = {} if self.away else {tp: self._behind(tp) for tp in self._partitions}
        return True

    def answer(self) -> Mapping[TopicPartition, int] | None:
        """What was seen when it was asked."""
        found, self._answer = self._answer, None
        return found

    def _behind(self, tp: TopicPartition) -> int:
        with self._broker.changed:
            _, end = self._broker.watermarks(tp)
            committed = self._broker.offsets.get((self._group, tp))
        if committed is not None:
            self._reads_from[tp] = committed[0]
        return max(0, end - self._reads_from.setdefault(tp, end))
