"""Running the review service: pages and API in this thread, the view's feed in another."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from rivergate.domain import names
from rivergate.domain.errors import ConfigError, RivergateError
from rivergate.domain.record import TopicPartition
from rivergate.domain.signing import SigningKey
from rivergate.kernel.sink import SinkDriver
from rivergate.ports import Clock, Tail, Writer
from rivergate.review.fact import TOPICS
from rivergate.review.ports import ReviewStore
from rivergate.review.service import ReviewService
from rivergate.web.application import make_application
from rivergate.web.credentials import Credentials, ensure_credentials
from rivergate.web.live_agents import NO_AGENTS, LiveAgents
from rivergate.web.site import Site, ViewStatus

_LOG = logging.getLogger("rivergate.review")

RETRY_S = 1.0
_GRACE_S = 2


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """Of one review service. Port 0 takes a free one; `trace_url` has `{trace_id}` where the trace's id goes.

    `name` is who decides in this run; empty: whom the token file names.
    """

    app: str
    token_file: Path
    host: str = "127.0.0.1"
    port: int = 0
    name: str = ""
    trace_url: str = ""


@dataclass(frozen=True, slots=True)
class ReviewParts:
    """What the service works with; `run_review_service` closes it. `identity` names the log (its topics' ids)."""

    store: ReviewStore
    writer: Writer
    tail: Tail
    key: SigningKey
    clock: Clock
    identity: Callable[[], str]
    agents: LiveAgents = NO_AGENTS


def run_review_service(
    settings: ReviewSettings,
    parts: ReviewParts,
    stop: threading.Event,
    on_ready: Callable[[Credentials], None] | None = None,
) -> None:
    """Serve until `stop` is set, in the calling thread. `on_ready` is told once the service answers.

    Installs no signal handlers. Raises `ConfigError` for an address that isn't loopback or is taken, and
    whatever ends the view's feed for good.
    """
    failures: list[BaseException] = []
    status = ViewStatus()
    done = threading.Event()
    try:
        with listening(settings.host, settings.port) as (listener, address):
            credentials = ensure_credentials(settings.token_file, address)
            credentials = replace(credentials, name=settings.name or credentials.name)
            service = ReviewService(settings.app, parts.store, parts.writer, parts.key, parts.clock)
            site = Site(service, credentials, settings.trace_url, status, parts.agents)
            server = _server(site, lambda: on_ready(credentials) if on_ready else None)

            def feed() -> None:
                try:
                    _feed(settings, parts, status, done)
                except BaseException as e:  # noqa: BLE001 - raised again in the calling thread
                    failures.append(e)
                    server.should_exit = True
                finally:
                    parts.tail.close()

            def watch() -> None:
                stop.wait()
                server.should_exit = True

            feeder = threading.Thread(target=feed, name="review-view", daemon=True)
            feeder.start()
            threading.Thread(target=watch, name="review-stop", daemon=True).start()
            server.run(sockets=[listener])
            done.set()
            feeder.join(timeout=5)
    finally:
        done.set()
        parts.writer.close()
        parts.store.close()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket on loopback and the service's address. Raises `ConfigError`."""
    try:
        loopback = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as e:
        raise ConfigError(f"{host!r} is no IP address", remedy="use 127.0.0.1") from e
    if not loopback.is_loopback:
        raise ConfigError(
            f"the review service won't listen on {host}: whoever reaches it could decide",
            remedy="use 127.0.0.1, and a tunnel such as `ssh -L` from elsewhere",
        )
    family = socket.AF_INET6 if loopback.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((str(loopback), port))
        except OSError as e:
            raise ConfigError(
                f"port {port} can't be used: {e.strerror}", where=host, remedy="name another one, or 0 for a free one"
            ) from e
        listener.listen(128)
        shown = f"[{loopback}]" if loopback.version == 6 else str(loopback)
        yield listener, f"http://{shown}:{listener.getsockname()[1]}"


def _server(site: Site, on_start: Callable[[], None]) -> uvicorn.Server:
    config = uvicorn.Config(
        make_application(site, on_start),
        log_config=None,
        access_log=False,  # the login's address carries the token
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
    )
    return _QuietServer(config)


class _QuietServer(uvicorn.Server):
    """Leaves signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


def _feed(settings: ReviewSettings, parts: ReviewParts, status: ViewStatus, done: threading.Event) -> None:
    """Check that the view is of this log, then follow it."""
    topics = [names.topic(settings.app, n) for n in TOPICS]
    while not done.is_set():
        try:
            reason = parts.store.adopt_log(parts.identity(), _ends(parts.tail, topics))
        except RivergateError as e:
            if not e.retryable:
                raise
            status.problem = e.what
            _LOG.warning("the review queue waits for its log: %s", e)
            done.wait(RETRY_S)
            continue
        status.problem = ""
        if reason is not None:
            status.rebuilt = reason
            _LOG.warning("the review queue's view is rebuilt from the log: %s", reason)
        break

    def tell(what: str) -> None:
        status.problem = what

    driver = SinkDriver(parts.tail, parts.store, topics, on_trouble=tell)
    watcher = threading.Thread(
        target=_tell_when_caught_up, args=(driver, status, done), name="review-catch-up", daemon=True
    )
    watcher.start()
    driver.run(done)


def _ends(tail: Tail, topics: list[str]) -> dict[TopicPartition, int]:
    return {tp: tail.watermarks(tp)[1] for topic in topics for tp in tail.partitions(topic)}


def _tell_when_caught_up(driver: SinkDriver, status: ViewStatus, done: threading.Event) -> None:
    while not done.is_set():
        if driver.wait_until_caught_up(0.5):
            status.caught_up = True
            return
