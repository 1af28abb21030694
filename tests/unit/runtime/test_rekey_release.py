"""A release looks at both apps, and is refused where anything comes or is copied while it looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

import pytest
from tests.unit.runtime.test_rekey import NEW, OLD, STAGES, begun, made, write

from rivergate.adapters.kafka_copy import Note
from rivergate.domain import names
from rivergate.domain.journal import CommitRecord, Range
from rivergate.domain.wire import RekeyedRecord
from rivergate.runtime.rekey import facts
from rivergate.runtime.rekey import release as releasing
from rivergate.runtime.rekey.facts import Look
from rivergate.runtime.rekey.notes import beyond, first_note, left, noted
from rivergate.runtime.rekey.plan import Plan, plan_of
from rivergate.runtime.rekey.release import NotReleased, Released, release
from rivergate.testing.memory_log import MemoryBroker, MemoryReader


class QuietLook(Look):
    """Of apps that have read everything; the old one settles what `settles` does."""

    def settles(self) -> None:
        """Nothing."""

    def _old_stages(self) -> dict[str, int]:
        return {}

    def _running(self, stages: Mapping[str, int]) -> tuple[str, ...]:
        return ()

    def _unlearnt(self, stage: str, newest: RekeyedRecord) -> Iterator[tuple[str, int]]:
        return iter(())

    def _in_flight(self) -> Iterator[tuple[str, int]]:
        self.settles()
        return iter(())


class World:
    """Two apps, all read and copied, and a copier in memory; `fences` happens just before it fences."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan: Plan = plan_of(made(), "old", {})
        topics = dict.fromkeys(self.plan.topics, OLD) | dict.fromkeys(self.plan.topics.values(), NEW)
        journals = {names.journal_topic("new", s): NEW for s in STAGES}
        self.broker = MemoryBroker({**topics, **journals, "new.assignments": 1, self.plan.rekey: 1})
        for stage in STAGES:
            for shard in range(NEW):
                self.broker.append(names.journal_topic("new", stage), shard, begun(stage, shard))
        self.copied()
        self.fences = lambda: None
        world = self

        class Copier:
            def __init__(self, *_: object) -> None:
                """Nothing is fenced yet."""

            def __enter__(self) -> Self:
                world.fences()
                return self

            def __exit__(self, *_: object) -> None:
                """Nothing is left."""

            def write(self, _: object, note: Note) -> None:
                write(world.broker, world.plan, note({})[1])

        @contextmanager
        def reading(*_: object) -> Iterator[MemoryReader]:
            yield self.broker.reader()

        monkeypatch.setattr(releasing, "KafkaCopier", Copier)
        monkeypatch.setattr(releasing, "reading", reading)
        monkeypatch.setattr(releasing, "Look", QuietLook)

    @property
    def note(self) -> RekeyedRecord | None:
        """The newest one."""
        return noted(self.plan, self.broker.reader())

    def straggler(self) -> None:
        """A record comes on the old topics."""
        self.broker.append("old-numbers", 0, b"{}", key=b"k")

    def copied(self) -> None:
        """All that is there has been copied."""
        reader = self.broker.reader()
        note = first_note(self.plan, reader, "copy")
        note = beyond(note, left(note, reader)[0])
        write(self.broker, self.plan, note.model_dump_json(exclude_none=True).encode())

    def release(self) -> Released:
        """Ask for it."""
        return release(self.plan, "", "me", lambda: 1, lambda _: None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Ready for its release."""
    return World(monkeypatch)


def test_it_is_released_once(world: World) -> None:
    """The second time nothing happens."""
    assert world.release().pause is not None
    released = world.note
    assert released is not None
    assert released.released is not None
    assert world.release() == Released(released)
    assert world.note == released


def test_what_stands_on_the_new_topics_is_past_then(world: World) -> None:
    """Also the markers of the copy's transactions, which stand behind the last copy: else a shard would have to find them
    there, and its log would seem to lack records once retention has removed them.
    """
    newest = world.note
    assert newest is not None
    transaction = world.broker.transaction("copy")
    world.broker.append("new-numbers", 3, b"{}", key=b"k", transaction=transaction)
    world.broker.end("copy", commit=True)
    copied = newest.model_copy(update={"ends": (("new-numbers", 3, 1),)})
    write(world.broker, world.plan, copied.model_dump_json(exclude_none=True).encode())
    assert world.release().note.ends == (("new-numbers", 3, 2),)
    assert world.note == world.release().note


def test_a_record_that_comes_during_the_look_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy may have taken it by then, and a shard may have read it muted: neither app would act on it."""

    def settles(_: Look) -> None:
        world.straggler()
        world.copied()

    monkeypatch.setattr(QuietLook, "settles", settles)
    before = world.note
    with pytest.raises(NotReleased, match="1 records came"):
        world.release()
    assert world.note != before
    assert world.note is not None
    assert world.note.released is None


def test_what_is_noted_until_the_fence_isnt_taken_back(world: World) -> None:
    """The release says again what the newest note says, with the ends that held shards have read up to."""
    newest = world.note
    assert newest is not None

    def fences() -> None:
        again = newest.model_copy(update={"ends": (("new-numbers", 0, 7),)})
        write(world.broker, world.plan, again.model_dump_json(exclude_none=True).encode())

    world.fences = fences
    with pytest.raises(NotReleased, match="was copied meanwhile") as caught:
        world.release()
    assert "copy" in caught.value.remedy
    assert world.note is not None
    assert (world.note.ends, world.note.released) == ((("new-numbers", 0, 7),), None)


@pytest.mark.parametrize(("read", "left"), [(2, {}), (1, {"new-numbers (agent-counter/3)": 1}), (0, {})])
def test_what_was_read_stands_in_the_journal_too(
    world: World, monkeypatch: pytest.MonkeyPatch, read: int, left: dict[str, int]
) -> None:
    """Kafka forgets the committed offset of a partition that was quiet for a week."""
    monkeypatch.setattr(facts, "committed_offsets", lambda *_: {})
    monkeypatch.setattr(QuietLook, "_unlearnt", Look._unlearnt)
    for _ in range(2):
        world.broker.append("new-numbers", 3, b"{}", key=b"k")
    first = CommitRecord.from_json(begun(STAGES[0], 3))
    second = replace(first, seq=1, began=None, ranges=(Range("new-numbers", 3, 0, read),))
    world.broker.append(names.journal_topic("new", STAGES[0]), 3, second.to_json())
    if not read:  # and is gone by now
        world.broker.trim(("new-numbers", 3), 2)
    assert world.note is not None
    newest = world.note.model_copy(update={"ends": (("new-numbers", 3, 2),)})
    assert QuietLook(world.plan, "", world.broker.reader()).facts(newest).unlearnt == left
