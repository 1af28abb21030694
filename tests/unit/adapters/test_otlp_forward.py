"""What the forwarder posts where its own file can't be written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from rivergate.adapters.otlp_forward import OtlpForwarder
from rivergate.audit.errors import AuditStoreUnavailable
from rivergate.domain.record import Record

RECORDS = [Record("shop.otlp_spans", p, n, None, b"%d/%d " % (p, n), None) for p in range(2) for n in range(3)]
WHOLE = b"0/0 0/1 0/2 1/0 1/1 1/2 "
POSITIONS = {("shop.otlp_spans", 0): 3, ("shop.otlp_spans", 1): 3}


class World:
    """A forwarder, the bodies that its receiver took, and the file with the positions."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "otlp.db"
        self.taken: list[bytes] = []
        self.refuses = b"nothing"
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.forwarder = OtlpForwarder("http://receiver", self.path, "log-1", threading.Event(), http=http)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.refuses in request.content:
            return httpx.Response(400)
        self.taken.append(request.content)
        return httpx.Response(200)

    def change(self, sql: str) -> None:
        """Alter the file, as another process."""
        with closing(sqlite3.connect(self.path, timeout=0)) as db:
            db.execute(sql)
            db.commit()

    def fill_the_disk(self) -> None:
        """No position can be noted from now on."""
        self.change("CREATE TRIGGER full BEFORE INSERT ON positions BEGIN SELECT RAISE(FAIL, 'disk is full'); END")

    def make_room(self) -> None:
        """Positions can be noted again."""
        self.change("DROP TRIGGER full")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A forwarder that has sent nothing yet."""
    made = World(tmp_path)
    yield made
    made.forwarder.close()


def test_what_cannot_be_noted_is_posted_once(world: World) -> None:
    """The sink tries again every second, with more records each time; the receiver gets the new ones, in order."""
    world.fill_the_disk()
    for n in (4, 4, 6):
        with pytest.raises(AuditStoreUnavailable, match="disk is full"):
            world.forwarder.write(RECORDS[:n])
    assert b"".join(world.taken) == WHOLE
    assert world.forwarder.positions() == {}
    world.make_room()
    world.forwarder.write(RECORDS)
    assert b"".join(world.taken) == WHOLE
    assert world.forwarder.positions() == POSITIONS


def test_what_was_taken_beside_a_refused_record_is_posted_once(world: World) -> None:
    """Then records go one by one, and each is remembered alone."""
    world.refuses = b"1/1"
    world.fill_the_disk()
    for _ in range(3):
        with pytest.raises(AuditStoreUnavailable):
            world.forwarder.write(RECORDS)
    world.make_room()
    world.forwarder.write(RECORDS)
    assert sorted(b"".join(world.taken).split()) == sorted(set(WHOLE.split()) - {b"1/1"})
    assert [offset for _, _, offset, _, _ in world.forwarder.refused()] == [1]
    assert world.forwarder.positions() == POSITIONS


def test_a_log_made_anew_is_sent_whole(world: World) -> None:
    """What was sent of the log before says nothing about this one."""
    world.forwarder.write(RECORDS)
    world.forwarder.compare(dict.fromkeys(POSITIONS, (0, 1)))
    world.forwarder.write(RECORDS)
    assert b"".join(world.taken) == 2 * WHOLE
