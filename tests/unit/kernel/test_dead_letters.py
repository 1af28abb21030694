from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.unit.kernel.transactor_world import START, World, run

from rivergate.domain.clock import SECOND
from rivergate.domain.dead_letter import DeadLetter
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Headers, Record
from rivergate.kernel.dead_letters import DeadLetters, Sought


def letters(world: World) -> DeadLetters:
    """The dead letters of the world's app."""
    return DeadLetters(world.broker.reader(), world.app)


def put_back(world: World, letter: DeadLetter, value: bytes | None = None) -> None:
    """What a redrive writes to the log."""
    output, headers = letter.redriven(value)
    world.broker.append(output.topic, output.partition, output.value, key=output.key, headers=headers)


def ids(found: Iterable[DeadLetter]) -> list[str]:
    """Ids of dead letters."""
    return [x.id for x in found]


def test_a_dead_letter_tells_where_it_came_from_and_keeps_the_events_id_however_often_it_fails() -> None:
    """A redriven record that fails again stands elsewhere; its new letter remembers where it stood first."""
    world = World()
    world.put(1)
    world.put(2, "raise")
    transactor = run(world.transactor())
    [letter] = letters(world).find(Sought())
    assert (letter.id, letter.stage, letter.origin) == ("0/0", "agent-summing", ("plant-in", 0, 1))
    assert (letter.at, letter.event_id) == (START, "plant-in/0/1")
    assert "told to fail" in letter.reason
    for _ in range(2):
        *_, newest = letters(world).find(Sought())
        put_back(world, newest)
        while transactor.step():
            pass
    first, second, third = letters(world).find(Sought())
    assert [x.event_id for x in (first, second, third)] == ["plant-in/0/1"] * 3
    assert {third.first_origin} == {first.origin} != {third.origin}
    assert letter.headers == third.headers == []
    put_back(world, third, b'{"n": 5}')
    while transactor.step():
        pass
    assert [v["sum"] for v in world.written()] == [1, 6]
    assert len(world.dead()) == 3


def test_dead_letters_are_found_by_stage_topic_and_time() -> None:
    """Each condition alone leaves others out; what no stage wrote is passed over."""
    world = World()
    world.put(1, "raise")
    transactor = run(world.transactor())
    world.now += 60 * SECOND
    world.put(2, "raise")
    while transactor.step():
        pass
    world.broker.append("plant.dead_letters", 0, b"a line that somebody wrote")
    found = letters(world)
    assert ids(found.find(Sought())) == ["0/0", "0/2"]
    assert ids(found.find(Sought(stage="agent-summing", topic="plant-in"))) == ["0/0", "0/2"]
    assert ids(found.find(Sought(stage="gate"))) == ids(found.find(Sought(topic="plant-out"))) == []
    assert ids(found.find(Sought(since=START + SECOND))) == ["0/2"]
    assert ids(found.get(["0/2", "0/0"])) == ["0/2", "0/0"]


@pytest.mark.parametrize("text", ["0/1", "0/4", "0/99", "1/0", "0", "x/0", "0/-1"])
def test_an_id_without_a_dead_letter_is_named(text: str) -> None:
    """A marker, a foreign line, what is beyond the end, another partition, and what is no id at all."""
    world = World()
    world.put(1, "raise")
    run(world.transactor())
    world.broker.append("plant.dead_letters", 0, b"2")
    world.broker.append("plant.dead_letters", 0, b"3", headers=[("rg_origin", b"plant-in"), ("rg_commit", b"a/0/0/0")])
    world.broker.append("plant.dead_letters", 0, b"4", headers=[("rg_origin", b"plant-in/0/0")])
    with pytest.raises(BadInput, match=f"dead letter.*{text}|{text}.*dead letter"):
        list(letters(world).get([text]))


def letter_of(topic: str, headers: Headers | None = None) -> DeadLetter:
    """A dead letter of a record that stood on this topic."""
    ours = [("rg_origin", f"{topic}/2/7".encode()), ("rg_commit", b"gate/0/4/1"), ("rg_reason", b"why")]
    found = DeadLetter.of("plant", Record("plant.dead_letters", 2, 3, b"k", b"{}", [*(headers or ()), *ours]))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("topic", "headers", "possible"),
    [
        ("telemetry", [], True),
        ("plant.own", [], True),
        ("other.proposals", [], True),
        ("plant.decisions", [], True),
        ("plant.proposals", [("ce_source", b"/rivergate/plant/door")], True),
        ("plant.proposals", [("ce_source", b"/rivergate/plant/agent-a")], False),
        ("plant.actions", [], False),
        ("plant.labels", [], False),
        ("plant.journal.gate", [], False),
    ],
)
def test_only_events_decisions_and_door_proposals_go_back(topic: str, headers: Headers, possible: bool) -> None:
    """What a stage wrote follows from something else; to put it back would forge a stage's word."""
    assert (letter_of(topic, headers).why_not() == "") is possible


def test_what_is_put_back_is_what_it_was() -> None:
    """Bytes, key, partition and the producer's headers in their order; of ours, its origin and whom it is for."""
    given = [("ce_source", b"/shop"), ("ce_id", b"7"), ("x", b"\xff"), ("x", b"2")]
    letter = letter_of("telemetry", given)
    output, headers = letter.redriven()
    assert (output.topic, output.partition, output.key, output.value) == ("telemetry", 2, b"k", b"{}")
    assert headers == [*given, ("rg_origin", b"telemetry/2/7"), ("rg_for", b"/rivergate/plant/gate")]
    assert letter.event_id == "/shop#7"
    corrected, same = letter.redriven(b"")
    assert (corrected.value, same) == (b"", headers)


def test_the_newest_note_of_a_redrive_is_told() -> None:
    """An app from before there were redrives has none; foreign lines are passed over."""
    world = World()
    world.broker.create("plant.dead_letters", 1)
    assert letters(world).redriven() == {}
    for at in ("2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"):
        note = b'{"dead_letter": "0/3", "by": "ada", "at": "%s", "corrected": false}' % at.encode()
        world.broker.append("plant.redrives", 0, note)
    world.broker.append("plant.redrives", 0, b"nonsense")
    [(name, note_found)] = letters(world).redriven().items()
    assert (name, note_found.by, note_found.at) == ("0/3", "ada", "2026-01-02T00:00:00.000000Z")


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "traceparent", "rg_origin", "rg_for", "x"])
def test_headers_without_a_value_park_nothing(name: str) -> None:
    """Kafka has null values: such a record becomes a dead letter, is replayed, and goes back as it was."""
    world = World()
    null: Headers = [(name, None)]  # type: ignore[list-item]
    world.broker.append("plant-in", 0, b"not json", headers=null)
    world.put(2)
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [2]
    assert world.replay().difference == ""
    (letter,) = letters(world).find(Sought())
    assert letter.headers == ([] if name.startswith("rg_") else null)
    assert letter.event_id == "plant-in/0/0"
    put_back(world, letter, b'{"n": 1, "text": ""}')
    run(world.transactor())
    assert [v["sum"] for v in world.written()] == [2, 3]
