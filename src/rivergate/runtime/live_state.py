"""What an agent's shards know now: asked over the loopback address (`asking_live.py`), answered by the worker that runs them.

A worker leaves a file for each of its shards in `{data_dir}/live` (0600) with an address and a key of its own; whoever may
read it may ask. A question is looked at by the shard's own thread between two commits, so that the answer is of a state
that is committed, whole, and never changes under the eye; the shard pays for describing it, or for one copy of it.
Anybody on the machine may connect, so who dawdles is hung up on, and there is room for a few at a time.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from typing import Any

from rivergate.agents.fold import AgentFold
from rivergate.domain.clock import rfc3339
from rivergate.domain.errors import BadInput, RivergateError
from rivergate.kernel.shard import Standing
from rivergate.kernel.transactor import Transactor
from rivergate.ports import Batch
from rivergate.runtime.app import App
from rivergate.runtime.asking_live import ANSWER_S, REMEDY, NotLive, door_of
from rivergate.runtime.paths import DataDir
from rivergate.runtime.replay.prediction import predict
from rivergate.runtime.replay.state_report import state_report
from rivergate.runtime.worker import Driver

_LOG = logging.getLogger("rivergate.runtime")

LARGEST = 1 << 20
"""Bytes of a question."""
VISITORS = 16
"""How many may be there at once; one more is turned away, and may come again."""
TALK_S = 5.0
"""How long a visitor may take to ask, and then to take the answer."""


Look = Callable[[Transactor], Any]
Asked = queue.SimpleQueue[tuple[Look, Future[Any]]]


class LiveState:
    """The worker's side, for all of its shards: implements `worker.Aside`. `answer` and `forget` belong to each shard's
    thread, the rest to the worker's.
    """

    def __init__(self, app: App, stage: str, data: DataDir) -> None:
        self._app, self._stage, self._data = app, stage, data
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0))
        self._closed = False
        self._known: dict[int, tuple[Driver, Asked]] = {}
        self._lock = threading.Lock()  # nothing is asked of a shard any more once it's forgotten
        self._doors: set[int] = set()
        self._chairs = threading.Semaphore(VISITORS)
        threading.Thread(target=self._serve, name="live-state", daemon=True).start()

    def answer(self, shard: int, driver: Driver) -> None:
        """Answer what has been asked of the shard; the first call makes it known. Between two commits only."""
        assert isinstance(driver, Transactor)  # noqa: S101 - agents have no other
        known, asked = self._known.get(shard, (None, queue.SimpleQueue()))
        if known is not driver:  # it has come, or come back from somebody else
            asked = queue.SimpleQueue()
            self._known[shard] = driver, asked
            with suppress(OSError):
                self._make_known(shard)
        while not asked.empty():
            look, answer = asked.get()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(look(driver))
            except BaseException as e:  # noqa: BLE001 - a question must not harm the shard
                answer.set_exception(e)

    def forget(self, shard: int, driver: Driver) -> None:
        """Let go of a driver that has ended, with the whole state it holds, and tell those who still ask."""
        with self._lock:
            known, asked = self._known.get(shard, (None, queue.SimpleQueue()))
            if known is not driver:  # it was never known, or somebody else has come in its place
                return
            del self._known[shard]
        while not asked.empty():
            _, answer = asked.get()
            if answer.set_running_or_notify_cancel():
                answer.set_exception(self._gone(shard))

    def close(self) -> None:
        """Answer nothing any more."""
        self._closed = True
        with suppress(OSError):
            Client(self._listener.address).close()  # wakes the thread that waits for visitors
        self._listener.close()
        for shard in tuple(self._doors):
            path = door_of(self._data, self._stage, shard)
            with suppress(OSError, ValueError):
                if json.loads(path.read_text())["key"] == self._key.hex():  # else it is its new owner's already
                    path.unlink()

    def _make_known(self, shard: int) -> None:
        self._doors.add(shard)
        path = door_of(self._data, self._stage, shard)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.part")
        host, port = self._listener.address
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as f:
            json.dump({"host": host, "port": port, "key": self._key.hex()}, f)
        aside.replace(path)

    # --- threads of the server -----------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._closed:
            with suppress(OSError):
                visitor = self._listener.accept()
                if self._chairs.acquire(blocking=False):
                    threading.Thread(target=self._talk, args=(visitor,), name="live-state-answer", daemon=True).start()
                else:
                    visitor.close()

    def _talk(self, visitor: Connection) -> None:
        try:
            with visitor, suppress(OSError, EOFError, AuthenticationError):
                with hung_up_after(visitor, TALK_S):
                    deliver_challenge(visitor, self._key)
                    answer_challenge(visitor, self._key)
                    question = visitor.recv_bytes(LARGEST)
                answer = json.dumps(self._told(question)).encode()
                with hung_up_after(visitor, TALK_S):
                    visitor.send_bytes(answer)
        finally:
            self._chairs.release()

    def _told(self, question: bytes) -> dict[str, Any]:
        try:
            return self._answer_to(json.loads(question))
        except RivergateError as e:
            return {"error": e.what, "remedy": e.remedy, "bad": isinstance(e, BadInput)}
        except BaseException as e:  # noqa: BLE001 - whoever asks gets an answer
            _LOG.exception("a question about %s wasn't answered", self._stage)
            return {"error": f"a fault of rivergate: {e!r}", "remedy": "look into the worker's log", "bad": False}

    def _answer_to(self, ask: Mapping[str, Any]) -> dict[str, Any]:
        shard, event = int(ask["shard"]), ask.get("event")
        told: dict[str, Any]
        if event is None:
            standing, told = self._ask_shard(shard, described)
        else:
            standing, state = self._ask_shard(shard, copied)
            fold = AgentFold(self._app.name, self._app.agent(self._stage))
            fold.load(state)
            batch = Batch(self._app.name, self._stage, shard, standing.seq, standing.clock, lambda: 0)
            told = {"prediction": predict(self._app, fold, batch, event, ask.get("event_class"))}
        where = {"app": self._app.name, "stage": self._stage, "shard": shard}
        adopted = None if standing.adopted is None else asdict(standing.adopted)
        return where | {"commits": standing.seq, "clock": rfc3339(standing.clock), "adopted": adopted} | told

    def _ask_shard(self, shard: int, look: Look) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            _, asked = self._known.get(shard, (None, None))
            if asked is None:
                raise self._gone(shard)
            asked.put((look, answer))
        try:
            return answer.result(ANSWER_S)
        except TimeoutError as e:
            answer.cancel()
            raise NotLive(f"{self._stage}/{shard} didn't answer within {ANSWER_S:.0f} s", remedy=REMEDY) from e

    def _gone(self, shard: int) -> NotLive:
        return NotLive(f"{self._stage}/{shard} isn't run here", remedy=REMEDY)


@contextmanager
def hung_up_after(visitor: Connection, limit_s: float) -> Iterator[None]:
    """End the conversation where the block takes longer, however slowly the other side goes on: what waits there then
    raises EOFError or OSError.
    """
    with socket.socket(fileno=os.dup(visitor.fileno())) as line:
        hanging_up = threading.Timer(limit_s, _hang_up, (line,))
        hanging_up.daemon = True
        hanging_up.start()
        try:
            yield
        finally:
            hanging_up.cancel()
            hanging_up.join()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # the other side has gone
        line.shutdown(socket.SHUT_RDWR)


def described(shard: Transactor) -> tuple[Standing, dict[str, Any]]:
    """Where a shard stands, and what it knows there."""
    fold = shard.fold
    assert isinstance(fold, AgentFold)  # noqa: S101 - only agents' shards are made known
    return shard.standing, state_report(fold, shard.standing.clock, whole=False)


def copied(shard: Transactor) -> tuple[Standing, bytes]:
    """Where a shard stands, and its state as a snapshot has it."""
    return shard.standing, shard.fold.dump()
