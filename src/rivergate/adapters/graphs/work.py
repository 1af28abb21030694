"""`GraphWork`: a graph as a performer's work. Its deeds are runs of the graph."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError

from rivergate.adapters.graphs.agent import GraphAgent
from rivergate.adapters.graphs.case import Case
from rivergate.adapters.graphs.run import CURRENT, Ended, Run, Suspended
from rivergate.domain import names
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.domain.event import Event
from rivergate.domain.record import Position, Record
from rivergate.kernel.history import History
from rivergate.kernel.work import OPEN, Deed, Failed, Known, Waits
from rivergate.ports import Batch, Outputs

_LOG = logging.getLogger("rivergate.graphs")


class GraphWork:
    """See `kernel.work.Work`. A run stops at the first model call or proposal that isn't recorded yet, and at a
    proposal without an answer; once the record is committed, or the answer has come, the graph runs again from the
    start. So a run after a crash is a run like any other.
    """

    def __init__(self, app: str, agent: GraphAgent) -> None:
        self._app = app
        self._agent = agent
        self._graph = built(agent)
        self._cases: dict[Position, Case] = {}
        self._waiting: dict[str, Position] = {}
        self._ids: dict[str, Position] = {}
        self._closing = threading.Event()
        self._types: dict[str, list[type[Event]]] = {}
        for event in agent.consumes:
            self._types.setdefault(event.topic_in(app), []).append(event)
        self._replies = agent.replies(app)
        self._source = names.source(app, agent.stage).encode()

    # --- kernel.work.Work ----------------------------------------------------------------------------------

    def plan(self, batch: Batch, record: Record, index: int, out: Outputs) -> Deed | None:
        """An event begins a run; an answer wakes the run that waits for it."""
        if record.topic in self._replies:
            return self._wake(record)
        if not record.is_for(self._source):
            return None
        try:
            case = self._case(batch, record)
        except BadInput as e:
            out.skip(index, e.what)
            return None
        return self._deed(case)

    def recover(
        self,
        batch: Batch,
        records: Sequence[Record],
        history: History,
        known: Mapping[Position, Known],
        out: Outputs,
    ) -> list[Deed]:
        """Every open event runs again, on the recorded steps and answers; nothing else is needed of a predecessor. One
        that can't be read any more is given up.
        """
        del known, out
        deeds = []
        for record in records:
            try:
                self._case(batch, record)
            except BadInput as e:
                deeds.append(Deed(record.position, None, partial(Failed, record, e.what), repeatable=True))
        partitions = sorted({r.partition for r in records})
        for partition in partitions:
            for r in history.scan(names.topic(self._app, names.RESPONSES), partition):
                step = r.json_object or {}
                position = self._ids.get(step.get("event_id", ""))
                if step.get("agent") != self._agent.name or position is None:
                    continue
                case = self._cases[position]
                if step.get("event") == case.at:  # else another run over the same event wrote it
                    case.remember(step)
                    self._waiting.update(dict.fromkeys(case.proposals, position))
        for topic in self._replies:
            for partition in partitions:
                for r in history.scan(topic, partition):
                    self._answer(r)
        return [*deeds, *(self._deed(case) for case in self._cases.values())]

    def finish(self, batch: Batch, deed: Deed, result: Any, out: Outputs) -> Deed | Waits | Failed | None:
        """New steps are written and the graph runs again; without any it waits; its result ends it. A deed that comes
        back with nothing was a time to wait for.
        """
        if isinstance(result, Failed):
            return result
        case, ended = self._cases[deed.position], Ended() if result is None else result
        assert isinstance(ended, Ended)  # noqa: S101 - what `_run` returns
        try:
            written = [case.record_step(batch, step) for step in ended.steps]
            if ended.result is not None:
                output, span = case.record_result(batch, ended.result)
                written.append(([output], span))
        except orjson.JSONEncodeError as e:
            return self._give_up(batch, case, f"what the graph made has no JSON form: {e}", out)
        largest = max((len(o.value or b"") for outputs, _ in written for o in outputs), default=0)
        if largest > out.limit_bytes:
            return self._give_up(batch, case, f"a record of {largest:,} bytes is above {out.limit_bytes:,}", out)
        for outputs, span in written:
            out.records += outputs
            out.spans.append(span)
        self._waiting.update(dict.fromkeys(case.proposals, deed.position))
        endless = self._endless(case, ended)
        if endless:
            return self._give_up(batch, case, endless, out)
        if ended.error:
            case.failures += 1
            if case.failures >= self._agent.attempts:
                return self._give_up(batch, case, ended.error, out)
            return self._deed(case, self._agent.retry_s * 2 ** (case.failures - 1))
        if ended.result is not None:
            self._forget(case)
            return None
        return self._deed(case) if ended.steps or case.woken else self._wait(batch, case, out)

    def interrupt(self) -> None:
        """Nothing is called off: a run that waits for another try would only begin at once."""

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._closing.set()

    # --- events and answers --------------------------------------------------------------------------------

    def _case(self, batch: Batch, record: Record) -> Case:
        classes = self._types.get(record.topic, [])
        cls = classes[0] if len(classes) == 1 else next((c for c in classes if c.event_type == record.ce_type), None)
        if cls is None:
            raise BadInput(f"ce_type {record.ce_type!r} is none that graph {self._agent.name} consumes")
        try:
            event = cls.model_validate_json(record.value or b"")
        except ValidationError as e:
            first = e.errors(include_url=False, include_input=False)[0]
            raise BadInput(f"field {'.'.join(map(str, first['loc']))}: {first['msg']}") from e
        case = Case(self._app, self._agent, record, event, batch.stopwatch(), batch.clock)
        holder = self._ids.setdefault(case.event_id, record.position)
        if holder != record.position:
            raise BadInput(f"its id is open already, since {holder}: that run answers for it")
        self._cases[record.position] = case
        return case

    def _wake(self, record: Record) -> Deed | None:
        case = self._answer(record)
        if case is None:
            return None
        if case.running:
            case.woken = True
            return None
        return self._deed(case)

    def _answer(self, record: Record) -> Case | None:
        """The case that an outcome or a denial is news for, having told it."""
        if record.ce_type not in (names.OUTCOME_V1, names.DENIAL_V1):
            return None
        value = record.json_object or {}
        pid = value.get("proposal_id")
        if not isinstance(pid, str):
            return None
        case = self._cases.get(self._waiting[pid]) if pid in self._waiting else None
        if case is None or pid in case.answers:
            return None
        if value.get("status") == "unknown":
            case.unsettled.add(pid)
            return None
        if record.ce_type == names.DENIAL_V1:
            answer = {"status": "denied", "reason": value.get("reason")}
        else:
            answer = {k: value[k] for k in ("status", "detail", "effect") if value.get(k) is not None}
        case.answers[pid] = orjson.dumps(answer).decode()
        return case

    def _endless(self, case: Case, ended: Ended) -> str:
        """Why there is no end to be hoped for, or nothing."""
        if case.steps > self._agent.max_steps:
            return f"no end after {self._agent.max_steps} steps"
        unsteady = [step.place for step in ended.steps if case.replaced[step.place] >= self._agent.attempts]
        if unsteady:
            return f"asks something else in every run at {unsteady[0]}: a node may depend on its input alone"
        return ""

    def _wait(self, batch: Batch, case: Case, out: Outputs) -> Deed | Waits | Failed:
        """The gate doesn't judge a proposal twice, so an event that comes again may wait for what was told before."""
        case.running = False
        left_s = case.wait_s(batch.clock)
        if left_s is None:
            return OPEN
        if left_s == 0:
            return self._give_up(batch, case, case.why_late(), out)
        return Deed(case.record.position, None, repeatable=True, after_s=left_s)

    def _give_up(self, batch: Batch, case: Case, reason: str, out: Outputs) -> Failed:
        out.spans.append(case.root_span(batch, error=reason))
        self._forget(case)
        return Failed(case.record, reason)

    def _forget(self, case: Case) -> None:
        del self._cases[case.record.position], self._ids[case.event_id]
        for pid in case.proposals:
            self._waiting.pop(pid, None)

    # --- runs ----------------------------------------------------------------------------------------------

    def _deed(self, case: Case, delay_s: float = 0.0) -> Deed:
        case.running, case.woken = True, False
        run = Run(dict(case.given), dict(case.answers), time.time_ns)
        return Deed(case.record.position, None, partial(self._run, case.event, run, delay_s), repeatable=True)

    def _run(self, event: Event, run: Run, delay_s: float) -> Ended:
        """In a thread of its own: one run of the graph, as far as it gets."""
        from rivergate.adapters.graphs.langchain import plain

        if delay_s:
            self._closing.wait(delay_s)
        token = CURRENT.set(run)
        try:
            result = self._graph.invoke(self._agent.prompt(event))
        except Suspended:
            return Ended(tuple(run.steps))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as e:  # noqa: BLE001 - whatever a graph raises is tried again, then given up
            _LOG.warning("graph %s failed: %r", self._agent.name, e)
            return Ended(tuple(run.steps), error=f"{type(e).__name__}: {e}")
        finally:
            CURRENT.reset(token)
        final = plain(result)
        return Ended(tuple(run.steps), result=final if isinstance(final, dict) else {"value": final})


def built(agent: GraphAgent) -> Any:
    """The agent's compiled graph, with a recorded model and gated tools. Raises `ConfigError`."""
    from langgraph.pregel import Pregel

    from rivergate.adapters.graphs.langchain import gated_tools, recorded

    graph = agent.graph(recorded(agent.model), gated_tools(agent.proposes))
    if not isinstance(graph, Pregel):
        raise ConfigError(
            f"graph {agent.name} gave a {type(graph).__name__}, which isn't a compiled graph",
            remedy="return builder.compile()",
        )
    if graph.checkpointer:
        raise ConfigError(
            f"graph {agent.name} was compiled with a checkpointer",
            remedy="compile it without: the log is its checkpoint, and two memories would contradict each other",
        )
    return graph
