"""Changes to a running app that take a while: asked for in a file, answered in another, one after the other.

Both lie in the data directory beside the other commands: `change.ID.json` holds the question until the supervisor takes
it, `change.ID.answer` what has become of it so far. Whoever asked removes the answer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rivergate.domain.errors import RivergateError
from rivergate.runtime.paths import DataDir
from rivergate.runtime.supervision.moves import Done, Moves, Reports, Steps
from rivergate.runtime.supervision.scaled import note_workers

_LOG = logging.getLogger("rivergate.runtime")

LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for: `workers` processes for the one stage, or new processes for these stages, or for all of them.

    From then on processes see these values of variables in `environment`, which the app declares; they may be secrets.
    """

    stages: tuple[str, ...] = ()
    workers: int | None = None
    environment: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """How far a change is. `waits_for` says in words what it waits for, `moved` holds `Moved` as JSON, `error` (`what`,
    `where`, `remedy`) why it ended early: what was moved until then stays moved.
    """

    done: bool
    waits_for: str = ""
    moved: tuple[dict[str, Any], ...] = ()
    started: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    error: dict[str, str] = field(default_factory=dict)


def ask(data: DataDir, change: Change) -> str:
    """Ask the supervisor of this data directory; the id of the question."""
    asked = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"
    _folder(data).mkdir(mode=0o700, exist_ok=True)
    _write(_folder(data) / f"change.{asked}.json", asdict(change))
    return asked


def answer_to(data: DataDir, asked: str) -> Answer | None:
    """The newest answer; None while the supervisor hasn't taken the question."""
    try:
        value: dict[str, Any] = json.loads(_answer(data, asked).read_text())
    except FileNotFoundError:
        return None
    return Answer(**(value | {k: tuple(value[k]) for k in ("moved", "started", "ended")}))


def wait_for_answer(data: DataDir, asked: str, tell: Callable[[str], None], demand_alive: Callable[[], None]) -> Answer:
    """The last answer, once it is there; `tell` hears what is waited for. Raises what `demand_alive` raises, and the
    error that ended the change.
    """
    while True:
        answer = answer_to(data, asked)
        if answer is not None and answer.done:
            _answer(data, asked).unlink(missing_ok=True)
            if answer.error:
                raise RivergateError(**answer.error)
            return answer
        demand_alive()
        tell(answer.waits_for if answer else "waits for the supervisor")
        time.sleep(LOOK_S)


class Changes:
    """Takes them from the data directory and makes them. One thread, the supervisor's.

    `environ` is what hosts give new processes, as far as they may see it.
    """

    def __init__(self, data: DataDir, moves: Moves, environ: MutableMapping[str, str] = os.environ) -> None:
        self._data = data
        self._moves = moves
        self._environ = environ
        self._asked = ""
        self._change = Change()
        self._steps: Steps = iter(())
        self._told: Answer | None = None
        for left in _folder(data).glob("change.*"):  # nobody waits for these any more
            left.unlink(missing_ok=True)

    @property
    def under_way(self) -> bool:
        """Whether a change has begun and not ended."""
        return bool(self._asked)

    def go_on(self, reports: Callable[[], Reports]) -> None:
        """Take the next step, or the next change. `reports` is asked only where there is something to do."""
        if not self._asked and not self._take_next():
            return
        self._moves.reports = reports()
        try:
            waits_for = next(self._steps, None)
            if waits_for is None and self._change.workers is not None:
                note_workers(self._data, self._change.stages[0], self._change.workers)
        except Exception as e:  # noqa: BLE001 - a change that can't be made ends; the app goes on
            _LOG.warning("%s ends early: %s", self._change, e, exc_info=not isinstance(e, RivergateError))
            told = e if isinstance(e, RivergateError) else RivergateError(f"{e!r}", remedy="see supervisor.log")
            self._tell("", {"what": told.what, "where": told.where, "remedy": told.remedy}, done=True)
            return
        self._tell(waits_for or "", {}, done=waits_for is None)

    def _take_next(self) -> bool:
        path = min(_folder(self._data).glob("change.*.json"), default=None)
        if path is None:
            return False
        try:
            value = json.loads(path.read_text())
            workers = None if value["workers"] is None else int(value["workers"])
            environment = {str(k): str(v) for k, v in value["environment"].items()}
            self._change = Change(tuple(map(str, value["stages"])), workers, environment)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as e:
            _LOG.warning("%s asks for nothing that there is: %r", path, e)
            return False
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
        _LOG.info("begins: %s", self._change)
        self._asked = path.name.split(".")[1]
        self._environ.update(environment)
        self._moves.done = Done()
        stages = self._change.stages
        self._steps = self._moves.restart(stages) if workers is None else self._moves.scale(stages[0], workers)
        return True

    def _tell(self, waits_for: str, error: dict[str, str], *, done: bool) -> None:
        found = self._moves.done
        moved = tuple(map(asdict, found.moved))
        answer = Answer(done, waits_for, moved, tuple(found.started), tuple(found.ended), error)
        if answer != self._told:
            try:
                _write(_answer(self._data, self._asked), asdict(answer))
            except OSError as e:  # whoever asked sees an old answer
                _LOG.warning("what has become of %s can't be written: %s", self._change, e)
        self._told = None if done else answer
        self._asked = "" if done else self._asked


def _folder(data: DataDir) -> Path:
    return data.root / "commands"


def _answer(data: DataDir, asked: str) -> Path:
    return _folder(data) / f"change.{asked}.answer"


def _write(path: Path, value: dict[str, Any]) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(value))
    aside.replace(path)
