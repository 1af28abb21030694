"""A graph as an agent on a log in memory; the test plays gate and effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from rivergate.adapters.graphs import GraphAgent
from rivergate.adapters.graphs.stand_in import OfflineStandInModel
from rivergate.adapters.graphs.work import GraphWork
from rivergate.audit.otlp import SpanEncoder
from rivergate.domain.clock import SECOND, Micros
from rivergate.domain.event import Event, Proposal
from rivergate.domain.journal import CommitRecord
from rivergate.kernel.brake import Brake
from rivergate.kernel.commit import Hook, no_hook
from rivergate.kernel.performer import Performer
from rivergate.kernel.shard import ShardSpec
from rivergate.kernel.snapshots import SnapshotStore
from rivergate.kernel.tools import Limits, Tools
from rivergate.testing.memory_log import MemoryBroker
from rivergate.testing.memory_shard_log import MemoryShardLog

NOW: Micros = 1_900_000_000 * SECOND


class Alarm(Event, topic="alarms", key="machine"):
    machine: str
    code: int


class Restart(Proposal):
    """Restart a machine."""

    machine: str


def build(model: Any, tools: Any) -> Any:
    """The usual loop: the model calls tools until it has an answer."""
    bound = model.bind_tools(tools)
    graph = StateGraph(MessagesState)
    graph.add_node("agent", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile()


def prompt(event: Alarm) -> dict[str, Any]:
    """The graph's input."""
    return {"messages": [("user", f'Alarm. If need be, restart: {{"machine": "{event.machine}"}}')]}


class Counted(OfflineStandInModel):
    """The stand-in, which counts how often it is really asked."""

    asked: list[str]

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        self.asked.append(str(messages[-1].content))
        return super()._answer(messages)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        bound = cast("OfflineStandInModel", super().bind_tools(tools, **kwargs))
        made = Counted(asked=[], tools=bound.tools)
        made.asked = self.asked
        return made


class GraphWorld:
    """One shard of the agent `triage`."""

    def __init__(self, **changes: Any) -> None:
        self.asked: list[str] = []
        self.app = "plant"
        self.passed_s = 0.0
        self.broker = MemoryBroker(auto_create=1, clock_ms=lambda: self._now() // 1000)
        agent = GraphAgent(
            "triage", build, self._model, consumes=[Alarm], proposes=[Restart], prompt=prompt, retry_s=0.0
        )
        self.agent = replace(agent, **changes)
        inputs = tuple((t, 0) for t in self.agent.inputs(self.app))
        self.spec = ShardSpec(self.app, self.agent.stage, 0, inputs, "c" * 64, "w")

    def _model(self) -> BaseChatModel:
        made = Counted(asked=[])
        made.asked = self.asked
        return made

    def _now(self) -> Micros:
        return NOW + int(self.passed_s * SECOND)

    def alarm(self, machine: str, code: int = 1, ce_id: str = "") -> None:
        """An event; with `ce_id` it has an id of its own, else that of its position."""
        value = orjson.dumps({"machine": machine, "code": code})
        headers = [("ce_source", b"/plc"), ("ce_id", ce_id.encode())] if ce_id else []
        self.broker.append("alarms", 0, value, key=machine.encode(), headers=headers)

    def answer(self, pid: str, status: str = "done", **more: Any) -> None:
        """What effects write, or for `denied` the gate."""
        if status == "denied":
            topic, ce_type, value = "denials", b"rivergate.denial.v1", {"reason": "not today"}
        else:
            topic, ce_type, value = "outcomes", b"rivergate.outcome.v1", {"status": status, "detail": "restarted"}
        raw = orjson.dumps({"proposal_id": pid, **value, **more})
        self.broker.append(f"plant.{topic}", 0, raw, headers=[("ce_type", ce_type)])

    def performer(
        self, hook: Hook = no_hook, output_bytes: int = 900_000, at_once: int = 256, brake: Brake | None = None
    ) -> Performer:
        """A new owner of the shard, opened."""
        tools = Tools(
            snapshots=cast("SnapshotStore", None),
            reader=self.broker.reader,
            encoder=SpanEncoder({"service.name": self.app}, "0"),
            clock=self._now,
            versions={},
            monotonic=lambda: self.passed_s,
            hook=hook,
            brake=brake or Brake(),
        )
        made = Performer(
            self.spec,
            MemoryShardLog(self.broker, self.spec),
            lambda: GraphWork(self.app, self.agent),
            tools,
            Limits(batch=50, wait_s=0.0, output_bytes=output_bytes, open=at_once),
            replies=self.agent.replies(self.app),
            recalls=self.agent.recalls(self.app),
        )
        made.open()
        return made

    def values(self, topic: str) -> list[dict[str, Any]]:
        """JSON values on a system topic."""
        return [orjson.loads(r.value or b"") for r in self.broker.records(f"plant.{topic}")]

    def letters(self) -> list[tuple[bytes, bytes]]:
        """Where each dead letter came from, and why."""
        found = self.broker.records("plant.dead_letters")
        return [(r.header("rg_origin") or b"", r.header("rg_reason") or b"") for r in found]

    def results(self) -> list[str]:
        """Last message of each graph that has ended."""
        ended = [v for v in self.values("responses") if v["what"] == "result"]
        return [v["result"]["messages"][-1]["content"] for v in ended]

    def journal(self) -> list[CommitRecord]:
        """The shard's commit records."""
        return [CommitRecord.from_json(r.value or b"") for r in self.broker.records(self.spec.journal[0])]


def run_until(performer: Performer, reached: Callable[[], bool]) -> None:
    """Step until something holds."""
    for _ in range(3000):
        performer.step()
        if reached():
            return
    raise AssertionError("never came")


@contextmanager
def owner(world: GraphWorld) -> Iterator[Performer]:
    """A performer that ends without a word, as a killed process does; its threads are waited for."""
    performer = world.performer()
    yield performer
    performer._deeds.close()
