"""The service as a whole on a log in memory: it starts, follows, serves, stops, and ends with what ends it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from tests.unit.review import kit
from tests.unit.review.memory_store import MemoryStore

from rivergate.domain import names
from rivergate.domain.errors import ConfigError, RivergateError, UnknownTopic
from rivergate.domain.record import Record
from rivergate.domain.signing import SigningKey
from rivergate.web.credentials import Credentials, load_credentials
from rivergate.web.server import ReviewParts, ReviewSettings, run_review_service


class Running:
    """A service in a thread of its own; leave the block to stop it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.log = kit.MemoryLog()
        self.store = MemoryStore()
        self.settings = ReviewSettings(kit.APP, folder / "token.json", **settings)
        self.stop = threading.Event()
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.credentials: Credentials | None = None
        self.error: BaseException | None = None
        self.identity = lambda: "log-1"

    def run(self) -> None:
        """The thread's work."""
        key = SigningKey(bytes(32))
        parts = ReviewParts(self.store, self.log, self.log, key, lambda: kit.START, self.identity)
        try:
            run_review_service(self.settings, parts, self.stop, self._told)
        except BaseException as e:  # noqa: BLE001 - the test looks at it
            self.error = e
        self.ended.set()

    def _told(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.ready.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        assert self.ended.wait(10)


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It says where it is once it answers, follows the log, and ends within seconds."""
    with Running(tmp_path) as service:
        assert service.ready.wait(10)
        assert service.credentials == load_credentials(tmp_path / "token.json")
        service.log.append(names.REVIEW_OPENED_V1, kit.opened(1))
        headers = {"Authorization": f"Bearer {service.credentials.token}"}
        address = f"{service.credentials.address}/api/v1/reviews"
        with httpx.Client(headers=headers) as http:
            while not http.get(address).json()["reviews"]:
                assert not service.ended.is_set()
            assert httpx.get(f"{service.credentials.address}/healthz").json()["app"] == kit.APP
    assert service.error is None


def test_a_name_for_this_run_stays_out_of_the_file(tmp_path: Path) -> None:
    """A scripted reviewer decides under its own name; whoever comes later is asked for nothing."""
    with Running(tmp_path, name="scripted-reviewer") as service:
        assert service.ready.wait(10)
        assert service.credentials is not None
        assert service.credentials.name == "scripted-reviewer"
    assert load_credentials(tmp_path / "token.json").name == "operator"


def test_what_ends_the_feed_ends_the_service(tmp_path: Path) -> None:
    """A queue that no longer follows the log must not look alive."""
    service = Running(tmp_path)

    def gone() -> str:
        raise UnknownTopic("no topic 'fleet.reviews'")

    service.identity = gone
    with service:
        assert service.ended.wait(10)
    assert isinstance(service.error, UnknownTopic)


def test_a_log_that_is_away_at_first_is_waited_for(tmp_path: Path) -> None:
    """The page is there meanwhile and says that the view isn't."""
    service = Running(tmp_path)
    back = threading.Event()

    class Away(RivergateError):
        retryable = True

    def sometimes() -> str:
        if not back.is_set():
            raise Away("the broker doesn't answer")
        return "log-1"

    service.identity = sometimes
    with service:
        assert service.ready.wait(10)
        assert service.credentials is not None
        health = f"{service.credentials.address}/healthz"
        while httpx.get(health).json()["problem"] != "the broker doesn't answer":
            assert not service.ended.is_set()
        back.set()
        while not httpx.get(health).json()["ok"]:
            assert not service.ended.is_set()
    assert service.error is None


def test_a_view_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """An empty queue beside a full disk must not look like one that nothing waits in."""
    service = Running(tmp_path)
    room, store = threading.Event(), service.store

    class Full(RivergateError):
        retryable = True

    class FullStore(MemoryStore):
        def write(self, records: Sequence[Record]) -> None:
            if not room.is_set():
                raise Full("no space left on the device")
            store.write(records)

    service.store = FullStore()
    service.log.append(names.REVIEW_OPENED_V1, kit.opened(1))
    with service:
        assert service.ready.wait(10)
        assert service.credentials is not None
        health = f"{service.credentials.address}/healthz"
        while httpx.get(health).json()["problem"] != "no space left on the device":
            assert not service.ended.is_set()
        room.set()
        while not httpx.get(health).json()["ok"]:
            assert not service.ended.is_set()
    assert service.error is None


def test_an_address_that_is_not_loopback_is_refused(tmp_path: Path) -> None:
    """Before anything is served."""
    with Running(tmp_path, host="192.0.2.1") as service:
        assert service.ended.wait(10)
    assert isinstance(service.error, ConfigError)
    assert not (tmp_path / "token.json").exists()
