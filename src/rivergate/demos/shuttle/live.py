"""Shows the live view until somebody ends it: a thread tails the topics, the main thread draws."""

from __future__ import annotations

import threading
import time

from rich.console import Console, RenderableType
from rich.live import Live

from rivergate.demos.shuttle.background import Background
from rivergate.demos.shuttle.events import Reading, ShardFigures
from rivergate.demos.shuttle.scene import Scene
from rivergate.demos.shuttle.screen import line, screen
from rivergate.demos.shuttle.topic_reader import TopicReader
from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.domain import names
from rivergate.domain.record import Record
from rivergate.runtime.session import Session

DRAW_S = 0.25
LINE_S = 5.0
WATCHED = (
    names.PROPOSALS,
    names.ACTIONS,
    names.DENIALS,
    names.OUTCOMES,
    names.LABELS,
    names.DEAD_LETTERS,
    names.SHARD_STATUS,
)


class Watching:
    """A scene that a thread of its own keeps up to date. `frame` and `told` may be called by another thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        app = session.options.app.name
        stage = names.agent_stage(ShuttleWatcher.name)
        self._scene = Scene(app, stage)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        late = [Reading.topic_in(app), ShardFigures.topic_in(app), names.journal_topic(app, stage)]
        late += [names.topic(app, n) for n in WATCHED]
        self._reader = TopicReader(session.bootstrap, [*late, names.topic(app, names.REVIEWS)], from_end=late)
        self._thread = Background("view", self._follow)

    def start(self) -> Watching:
        """Begin to read what happens from now on."""
        self._thread.start()
        return self

    def frame(self, width: int, height: int) -> RenderableType:
        """The view as it is now. Raises what made the reading fail."""
        _ = self._thread.done
        now = time.monotonic()
        with self._lock:
            return screen(self._scene, now, now - self._began, self._addresses(), width=width, height=height)

    def told(self) -> str:
        """The view as one line."""
        _ = self._thread.done
        with self._lock:
            return line(self._scene, time.monotonic())

    def stop(self) -> None:
        """End the thread and release its connections."""
        self._thread.stop()

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            batch: list[Record] = []
            self._reader.poll(batch.append, 0.2)
            now = time.monotonic()
            with self._lock:
                for record in batch:
                    self._scene.take(record, now)
        self._reader.close()

    def _addresses(self) -> dict[str, str]:
        session = self._session
        found = {"review page": session.review_url() or "starting …", "Kafka": session.bootstrap}
        if session.options.otlp:
            found["spans go to"] = session.options.otlp
        return found | {"data": str(session.data.root)}


def show_live(session: Session, feeder: Background, console: Console, ended: threading.Event) -> None:
    """Draw until `ended` is set. Raises what made the app or the feeder fail."""
    watching = Watching(session).start()
    try:
        if console.is_terminal:
            _draw(session, feeder, console, ended, watching)
        else:
            _tell(session, feeder, console, ended, watching)
    finally:
        feeder.ask_to_stop()
        watching.stop()


def _draw(session: Session, feeder: Background, console: Console, ended: threading.Event, watching: Watching) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while not ended.wait(DRAW_S):
            _check(session, feeder)
            live.update(watching.frame(console.width, console.height), refresh=True)


def _tell(session: Session, feeder: Background, console: Console, ended: threading.Event, watching: Watching) -> None:
    console.print(f"review page {session.review_url()}", soft_wrap=True, highlight=False, markup=False)
    while not ended.wait(LINE_S):
        _check(session, feeder)
        console.print(watching.told(), soft_wrap=True, highlight=False, markup=False)


def _check(session: Session, feeder: Background) -> None:
    session.demand_alive()
    _ = feeder.done
