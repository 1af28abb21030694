"""Reading an app's dead letters, and the notes of those that were redriven."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rivergate.domain import names
from rivergate.domain.clock import Micros
from rivergate.domain.dead_letter import DeadLetter, Redriven
from rivergate.domain.errors import BadInput, UnknownTopic
from rivergate.ports import LogArchive

_LOG = logging.getLogger("rivergate.kernel")


@dataclass(frozen=True, slots=True)
class Sought:
    """Which dead letters are meant: of all stages, topics and times where nothing is said."""

    stage: str | None = None
    topic: str | None = None
    since: Micros = 0

    def fits(self, letter: DeadLetter) -> bool:
        """Whether it is one of them."""
        return (
            letter.stage == (self.stage or letter.stage)
            and letter.origin.topic == (self.topic or letter.origin.topic)
            and letter.at >= self.since
        )


class DeadLetters:
    """An app's dead letters. One thread; whoever gave the archive closes it."""

    def __init__(self, archive: LogArchive, app: str) -> None:
        self._archive = archive
        self._app = app
        self._topic = names.topic(app, names.DEAD_LETTERS)

    def find(self, sought: Sought) -> Iterator[DeadLetter]:
        """All of these, partition by partition, in order. Raises `UnknownTopic`."""
        for topic, partition in self._archive.partitions(self._topic):
            start = self._archive.offset_at((topic, partition), sought.since) if sought.since else 0
            for record in self._archive.scan(topic, partition, start):
                letter = DeadLetter.of(self._app, record)
                if letter is None:
                    _LOG.warning("%s is no dead letter of a stage: passed over", record.position)
                elif sought.fits(letter):
                    yield letter

    def get(self, ids: Iterable[str]) -> Iterator[DeadLetter]:
        """The dead letters of these ids, in their order. Raises `BadInput` for an id that there is no letter of."""
        for text in ids:
            partition, offset = _place(text)
            if (self._topic, partition) not in self._archive.partitions(self._topic):
                raise _unknown(text)
            low, high = self._archive.watermarks((self._topic, partition))
            records = self._archive.read(self._topic, partition, offset, offset + 1) if low <= offset < high else ()
            letter = next((DeadLetter.of(self._app, r) for r in records), None)
            if letter is None:
                raise _unknown(text)
            yield letter

    def redriven(self) -> dict[str, Redriven]:
        """The newest redrive of each dead letter that has any, by its id."""
        topic = names.topic(self._app, names.REDRIVES)
        found = {}
        try:
            records = [r for tp in self._archive.partitions(topic) for r in self._archive.scan(*tp)]
        except UnknownTopic:  # the app hasn't been started since there are redrives
            return {}
        for r in records:
            v = r.json_object or {}
            try:
                note = Redriven(v["dead_letter"], v["by"], v["at"], v["corrected"])
            except KeyError:
                _LOG.warning("%s is no note of a redrive: passed over", r.position)
            else:
                found[note.letter] = note
        return found


def _place(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition("/")
    if not (partition.isdigit() and offset.isdigit()):
        raise BadInput(f"{text!r} names no dead letter", remedy=_LOOK)
    return int(partition), int(offset)


def _unknown(text: str) -> BadInput:
    return BadInput(f"there is no dead letter {text}", remedy=_LOOK)


_LOOK = "`rivergate dlq list` shows what there is, with ids like 2/17"
