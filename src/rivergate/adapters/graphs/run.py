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

    `given` are the recorded steps by place, `answers` what became of proposals by their ids. LangGraph may try a node
    again within a run: the calls of each `attempt` are counted from the first, since they are the same calls.
    """

    given: Mapping[str, Mapping[str, Any]]
    answers: Mapping[str, str]
    stopwatch: Callable[[], int]
    steps: list[Step] = field(default_factory=list)
    _calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_model(
        self, node: str, attempt: int, model: str, asked: str, ask: Callable[[], dict[str, Any]]
    ) -> Mapping[str, Any]:
        """The model's answer at this place: the recorded one, or a new one that has to be committed first. `asked` is a
        digest of the messages: what was recorded of others is no answer to these. A call that raises isn't counted.
        """
        place = self._place(node, attempt)
        recorded = self.given.get(place)
        if recorded is not None and recorded.get("asked", asked) == asked:
            found: Mapping[str, Any] = recorded["response"]
            return found
        started = self.stopwatch()
        try:
            response = ask()
        except BaseException:
            with self._lock:
                self._calls[node, attempt] -= 1
            raise
        content = {"model": model, "asked": asked, "response": response}
        with self._lock:
            self.steps.append(Step(MODEL, place, content, started, self.stopwatch()))
        raise Suspended

    def propose(self, node: str, attempt: int, call_id: str, kind: str, arguments: dict[str, Any]) -> str:
        """What became of the proposal made at this place; the arguments that were proposed first stand."""
        place = f"{node}#{call_id}" if call_id else self._place(node, attempt)
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

    def _place(self, node: str, attempt: int) -> str:
        with self._lock:
            self._calls[node, attempt] += 1
            return f"{node}#{self._calls[node, attempt]}"


CURRENT: ContextVar[Run] = ContextVar("rivergate_graph_run")
"""The run that a node belongs to. LangGraph hands contexts on to the threads it starts."""
