"""What runs on a data directory now: written by the supervisor, read by whoever wants to talk to it."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rivergate.domain.errors import AlreadyRunning, BadInput
from rivergate.runtime.lock import demand_unlocked
from rivergate.runtime.paths import DataDir

_LOG = logging.getLogger("rivergate.runtime")

LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class StageProcess:
    """One process: its slot, stage, incarnation and process id; a stage's spare has no shards."""

    slot: str
    stage: str
    incarnation: str
    pid: int
    alive: bool
    has_shards: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """The newest word of the supervisor. `topics` says that they are there, `error` why it gave up, `parked` why a shard
    (`stage/shard`) waits for a person, `recovering` how much of its recovery a shard has done (0 to 1).
    """

    pid: int
    app: str
    bootstrap: str
    host: str
    ready: bool
    error: str = ""
    processes: Sequence[StageProcess] = field(default=())
    topics: bool = False
    parked: Mapping[str, str] = field(default_factory=dict)
    recovering: Mapping[str, float] = field(default_factory=dict)


class RunningState:
    """Keeps the state file. One thread. What can't be written is tried again with the next word: the app runs on."""

    def __init__(self, data: DataDir, app: str, bootstrap: str, host: str) -> None:
        self._path = data.state_file
        self._app, self._bootstrap, self._host = app, bootstrap, host
        self._ready = False
        self._topics = False
        self._parked: Mapping[str, str] = {}
        self._recovering: Mapping[str, float] = {}
        self._written: Running | None = None
        self._refused = ""

    def update(
        self,
        processes: Sequence[StageProcess],
        *,
        ready: bool | None = None,
        topics: bool | None = None,
        parked: Mapping[str, str] | None = None,
        recovering: Mapping[str, float] | None = None,
    ) -> None:
        """Write what has changed."""
        self._ready = self._ready if ready is None else ready
        self._topics = self._topics if topics is None else topics
        self._parked = self._parked if parked is None else parked
        self._recovering = self._recovering if recovering is None else recovering
        self._write(
            Running(
                os.getpid(),
                self._app,
                self._bootstrap,
                self._host,
                self._ready,
                processes=tuple(processes),
                topics=self._topics,
                parked=self._parked,
                recovering=self._recovering,
            )
        )

    def fail(self, error: str) -> None:
        """Say why the supervisor gives up."""
        self._write(Running(os.getpid(), self._app, self._bootstrap, self._host, ready=False, error=error))

    def clear(self) -> None:
        """Nothing runs any more."""
        self._path.unlink(missing_ok=True)

    def _write(self, state: Running) -> None:
        if state == self._written:
            return
        aside = self._path.with_suffix(".part")
        try:
            aside.write_text(json.dumps(asdict(state)))
            aside.replace(self._path)
        except OSError as e:
            if self._refused != str(e):
                _LOG.warning("the data directory can't be written, so others see an old state of the app: %s", e)
            self._refused = str(e)
            return
        self._refused = ""
        self._written = state


def wait_for_topics(path: Path, stop: threading.Event) -> None:
    """Wait until the supervisor says that the topics are there, or until `stop`."""
    while not stop.is_set():
        found = read_running(path)
        if found is not None and found.topics:
            return
        stop.wait(LOOK_S)


def read_running(path: Path) -> Running | None:
    """What the file says, or None where nothing runs."""
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return Running(**(value | {"processes": tuple(StageProcess(**p) for p in value["processes"])}))


def running_now(data: DataDir) -> Running | None:
    """What the supervisor says that holds the data directory, or None where none does: one that was killed leaves its
    file behind.
    """
    found = read_running(data.state_file)
    if found is None:
        return None
    try:
        demand_unlocked(data.lock_file)
    except AlreadyRunning:
        return found
    return None


def demand_running(data: DataDir, app: str) -> Running:
    """The same where an operator wants something of it. Raises `BadInput`."""
    found = running_now(data)
    if found is None:
        raise BadInput(
            f"app {app} doesn't run on this data directory",
            where=str(data.root),
            remedy="start it with `rivergate run`",
        )
    return found
