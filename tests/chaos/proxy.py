"""A proxy before the broker that reads the header of every request and can strike single ones by their API key.

It runs as a process of its own, `python -m tests.chaos.proxy PORT BROKER_PORT`: rules come as JSON lines on its standard
input, and whatever a rule struck is told as a JSON line on its standard output. It can also end, at once, the connections
over which transactions with ids of one beginning were written. It ends when its input does.

A Kafka request is a length (4 bytes), API key (2), version (2), correlation id (4), and the rest; the answer is a
length, the correlation id, and the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field

PRODUCE, END_TXN, ADD_OFFSETS, TXN_OFFSETS = 0, 26, 25, 28
DELAY, CUT, MUTE, HOLD, MEET = "delay", "cut", "mute", "hold", "meet"
ANSWER_S = 5.0


@dataclass
class Rule:
    """Strikes the next `count` requests with this key whose bytes contain `about`.

    `delay` keeps the request, and all behind it, for a while. `cut` loses it and closes the connection. `mute` passes it
    on and loses the answer with the connection. `hold` closes the client's connection and gives the request to the
    broker later, when the client may have long asked again over another one. `meet` holds an EndTxn too, and lets it reach
    the broker at the worst moment: between the first records of the next transaction of the same transactional id and
    the rest of them; after `seconds` without such a transaction it is lost.
    """

    name: str
    do: str
    key: int
    about: str
    seconds: float = 0.0
    count: int = 1

    def fits(self, request: bytes) -> bool:
        """Whether this request is struck."""
        return (
            self.count > 0 and int.from_bytes(request[:2], signed=True) == self.key and self.about.encode() in request
        )


@dataclass
class Meeting:
    """A held request, and the transactional id whose next transaction it is to meet."""

    transactional_id: bytes
    due: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_until_over(self) -> None:
        """A while at most: either side may be gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self.over.wait()


class Proxy:
    """All connections of one port."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self.rules: list[Rule] = []
        self._late: set[asyncio.Task[None]] = set()
        self._meetings: list[Meeting] = []
        self._connections: set[Connection] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, until either side ends it."""
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            writer.close()
            return
        connection = Connection(self, reader, writer, up_reader, up_writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def cut(self, beginning: str) -> int:
        """End the connections of transactional ids that begin so; how many there were."""
        theirs = [c for c in self._connections if c.writes_for(beginning.encode())]
        for connection in theirs:
            connection.end()
        return len(theirs)

    def struck(self, request: bytes) -> Rule | None:
        """The rule that this request falls under, if any; it is told."""
        for rule in self.rules:
            if rule.fits(request):
                rule.count -= 1
                print(json.dumps({"struck": rule.name, "left": rule.count}), flush=True)  # noqa: T201 - the answer
                return rule
        return None

    def meeting(self, request: bytes) -> Meeting:
        """Keep a place for this EndTxn behind the next records of its transactional id."""
        meeting = Meeting(transactional_id(request))
        self._meetings.append(meeting)
        return meeting

    def met(self, request: bytes) -> Meeting | None:
        """The meeting that this request is the first record of, if any."""
        if int.from_bytes(request[:2], signed=True) != PRODUCE:
            return None
        for meeting in self._meetings:
            if transactional_id(request) == meeting.transactional_id:
                self._meetings.remove(meeting)
                return meeting
        return None

    def missed(self, meeting: Meeting) -> None:
        """Nobody came."""
        if meeting in self._meetings:
            self._meetings.remove(meeting)

    def later(self, work: asyncio.Task[None]) -> None:
        """Keep hold of a task until it is done."""
        self._late.add(work)
        work.add_done_callback(self._late.discard)


class Connection:
    """A client's connection and ours to the broker."""

    def __init__(
        self,
        proxy: Proxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._up_reader, self._up_writer = up_reader, up_writer
        self._muted = b""
        self._held = False
        self._meeting: dict[bytes, Meeting] = {}
        self._writer_ids: set[bytes] = set()

    def writes_for(self, beginning: bytes) -> bool:
        """Whether records or ends of transactions whose id begins so went this way."""
        return any(i.startswith(beginning) for i in self._writer_ids)

    def end(self) -> None:
        """Lose it, for both sides and at once: what is under way in either direction doesn't arrive."""
        self._writer.transport.abort()
        self._up_writer.transport.abort()

    async def run(self) -> None:
        """Both directions, until one ends."""
        directions = {asyncio.create_task(self._requests()), asyncio.create_task(self._answers())}
        _, left = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        self._writer.close()
        if not self._held:
            self._up_writer.close()

    async def _requests(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await frame(self._reader)
                if int.from_bytes(request[:2], signed=True) in {PRODUCE, END_TXN}:
                    self._writer_ids.add(transactional_id(request))
                rule = self._proxy.struck(request)
                if rule is not None and rule.do == HOLD:
                    self._held = True
                    self._proxy.later(asyncio.create_task(self._send_late(request, rule.seconds)))
                    return
                if rule is not None and rule.do == MEET:
                    self._held = True
                    meeting = self._proxy.meeting(request)
                    self._proxy.later(asyncio.create_task(self._send_at(meeting, request, rule.seconds)))
                    return
                if rule is not None and rule.do == CUT:
                    return
                if rule is not None and rule.do == DELAY:
                    await asyncio.sleep(rule.seconds)
                if rule is not None and rule.do == MUTE:
                    self._muted = request[4:8]
                meeting = self._proxy.met(request)
                if meeting is None:
                    await self._send(request)
                else:
                    await self._send_and_meet(request, meeting)

    async def _answers(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                answer = await frame(self._up_reader)
                if self._muted and answer[:4] == self._muted:
                    return
                if (meeting := self._meeting.pop(answer[:4], None)) is not None:
                    meeting.due.set()
                    await meeting.wait_until_over()
                self._writer.write(len(answer).to_bytes(4) + answer)
                await self._writer.drain()

    async def _send(self, request: bytes) -> None:
        self._up_writer.write(len(request).to_bytes(4) + request)
        await self._up_writer.drain()

    async def _send_and_meet(self, request: bytes, meeting: Meeting) -> None:
        """Once the broker has these records the held request is let go; the answer, and what the client sends behind the
        records, wait for it.
        """
        self._meeting[request[4:8]] = meeting
        await self._send(request)
        await meeting.wait_until_over()

    async def _send_at(self, meeting: Meeting, request: bytes, seconds: float) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(seconds):
                await meeting.due.wait()
            async with asyncio.timeout(ANSWER_S):
                await self._send(request)
                while (await frame(self._up_reader))[:4] != request[4:8]:
                    pass  # answers of what was under way before
        self._proxy.missed(meeting)
        meeting.over.set()
        self._up_writer.close()

    async def _send_late(self, request: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._send(request)
            while await frame(self._up_reader):  # answers of what was under way before, and at last its own
                pass
        self._up_writer.close()


def transactional_id(request: bytes) -> bytes:
    """Of a Produce or an EndTxn, whose body begins with it. From the versions on that are called flexible a string's
    length is a varint, one more than the length, and the header ends with a list of tags, which clients leave empty.
    """
    flexible = int.from_bytes(request[2:4]) >= {PRODUCE: 9, END_TXN: 3}[int.from_bytes(request[:2])]
    at = 10 + max(0, int.from_bytes(request[8:10], signed=True))  # behind the client's name
    if flexible:
        return request[at + 2 : at + 1 + request[at + 1]]  # ids here are shorter than 127 bytes
    return request[at + 2 : at + 2 + max(0, int.from_bytes(request[at : at + 2], signed=True))]


async def frame(reader: asyncio.StreamReader) -> bytes:
    """The next request or answer, without its length."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


async def main(port: int, broker_port: int) -> None:
    """Serve until standard input ends."""
    proxy = Proxy(broker_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=2**22)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)  # noqa: T201 - the answer
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        proxy.rules = [r for r in proxy.rules if r.count > 0 and r.name != told.get("withdraw")]
        if "rule" in told:
            proxy.rules.append(Rule(**told["rule"]))
        if "cut" in told:
            print(json.dumps({"cut": proxy.cut(told["cut"])}), flush=True)  # noqa: T201 - the answer
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
