"""One run of a graph over one event: hands out what is recorded, and stops at the first thing that isn't."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

MODEL: Final = "model"
PROPOSAL: Final = "proposal"
RESULT: Final = "result"


class Suspended(BaseException):
    """The run can't get on before something has been committed or has come.

    Not an `Exception`, so that no node mistakes it for a failure that it may handle.
    """


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a run got to for the first time. `place` says where in the graph, the same in every run."""

    what: str
    place: str
    content: dict[str, Any]
    started_ns: int = 0
    ended_ns: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: with new steps, waiting for answers (neither steps nor result), with a result, or failed."""

    steps: tuple[Step, ...] = ()
    result: dict[str, Any] | None = None
    error: str = ""


@dataclass
class Run:
    """What the model and the tools of one run share. Nodes may call them from several threads.

    `given` are the recorded steps by place, `answers` what became of proposals by their ids.
    """

    given: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, str]
    stopwatch: Callable[[], int]
    steps: list[Step] = field(default_factory=list)
    _calls: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_model(self, place: str, model: str, ask: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
        """The model's answer at this place: the recorded one, or a new one that has to be committed first."""
        with self._lock:
            self._calls[place] += 1
            place = f"{place}#{self._calls[place]}"
        recorded = self.given.get(place)
        if recorded is not None:
            found: Mapping[str, Any] = recorded["response"]
            return found
        started = self.stopwatch()
        response = ask()
        with self._lock:
            self.steps.append(Step(MODEL, place, {"model": model, "response": response}, started, self.stopwatch()))
        raise Suspended

    def propose(self, place: str, call_id: str, kind: str, arguments: dict[str, Any]) -> str:
        """What became of the proposal made at this place; the arguments that were proposed first stand."""
        with self._lock:
            self._calls[place] += not call_id
            place = f"{place}#{call_id or self._calls[place]}"
        recorded = self.given.get(place)
        if recorded is None:
            now = self.stopwatch()
            content = {"kind": kind, "arguments": arguments, "call_id": call_id}
            with self._lock:
                self.steps.append(Step(PROPOSAL, place, content, now, now))
            raise Suspended
        answer = self.answers.get(recorded["proposal_id"])
        if answer is None:
            raise Suspended
        return answer


CURRENT: ContextVar[Run] = ContextVar("rivergate_graph_run")
"""The run that a node belongs to. LangGraph hands contexts on to the threads it starts."""
