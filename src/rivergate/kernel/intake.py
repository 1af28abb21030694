"""Intake: from where on a shard reads each of its inputs, and what of them it leaves out for now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rivergate.domain.record import Output, TopicPartition
from rivergate.kernel.brake import NONE, Brake, Inputs
from rivergate.kernel.shard import Standing
from rivergate.ports import Fold, ShardLog


class Intake:
    """Does what the brake says. What is left out is read later from where the shard stands: nothing is lost or read twice.

    The shard's thread only.
    """

    def __init__(self, log: ShardLog, brake: Brake) -> None:
        self._log = log
        self._brake = brake
        self._starts: Mapping[TopicPartition, int] = {}
        self._left_out = NONE

    def read_from(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these inputs from here on; what is left out stays so. While nothing is in flight."""
        self._brake.ask()  # so that a new owner knows soon
        self._starts = positions
        self._seek(positions)

    def adapt(self, fold: Fold | None, standing: Standing, also: Inputs = NONE) -> None:
        """Leave out what the brake holds back, and `also` this; read the rest. While nothing is in flight."""
        self._brake.ask()
        wanted = self._brake.held(fold) | also
        if wanted != self._left_out:
            self._left_out = wanted
            self._seek({tp: standing.positions.get(tp, start) for tp, start in self._starts.items()})

    def has_to_change(self, fold: Fold) -> bool:
        """Whether `adapt` would leave out something else; also while a commit is in flight."""
        return self._brake.held(fold) != self._left_out

    def wrote(self, outputs: Sequence[Output]) -> None:
        """The shard has written this, or is about to."""
        self._brake.wrote(outputs)

    def _seek(self, positions: Mapping[TopicPartition, int]) -> None:
        self._log.seek({tp: at for tp, at in positions.items() if tp not in self._left_out})
