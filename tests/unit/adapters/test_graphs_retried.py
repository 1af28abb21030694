"""A node that is retried within a run, or asks something else in the next one, is never given another call's answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy
from tests.unit.adapters.graph_world import Alarm, Counted, GraphWorld, owner, run_until

from rivergate.adapters.graphs.run import Run, Suspended

TWICE = RetryPolicy(max_attempts=2, initial_interval=0.0, jitter=False, retry_on=ConnectionError)


def failing(monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    """The model repeats what it is asked, but the first time that it is asked `question` the line drops."""
    dropped: list[str] = []

    def answer(self: Counted, messages: list[BaseMessage]) -> AIMessage:
        asked = str(messages[-1].content)
        self.asked.append(asked)
        if asked == question and not dropped:
            dropped.append(asked)
            raise ConnectionError("dropped")
        return AIMessage(f"answer to {asked}")

    monkeypatch.setattr(Counted, "_answer", answer)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts, which are LangGraph's to time


def of_one_node(node: Callable[[Any, Any], list[Any]]) -> Callable[[Any, Any], Any]:
    """Builds a graph of one node, which is retried; `node(model, tool)` gives its messages."""

    def build(model: Any, tools: Any) -> Any:
        graph = StateGraph(MessagesState)
        graph.add_node("node", lambda state: {"messages": node(model, tools[0])}, retry_policy=TWICE)
        graph.add_edge(START, "node")
        return graph.compile()

    return build


def answers(world: GraphWorld) -> list[str]:
    """What the graph ended with, without its prompt."""
    (result,) = [v["result"] for v in world.values("responses") if v["what"] == "result"]
    return [m["content"] for m in result["messages"][1:]]


def three_calls(model: Any, tool: Any) -> list[Any]:
    """A node that leaves retrying to LangGraph."""
    return [model.invoke(question) for question in ("one", "two", "three")]


def three_calls_retried_inside(model: Any, tool: Any) -> list[Any]:
    """A node that tries again by itself."""
    patient = model.with_retry(retry_if_exception_type=(ConnectionError,), wait_exponential_jitter=False)
    return [patient.invoke(question) for question in ("one", "two", "three")]


@pytest.mark.parametrize("node", [three_calls, three_calls_retried_inside])
@pytest.mark.parametrize("question", ["one", "two", "three"])
def test_a_call_that_is_retried_within_a_run_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch, question: str, node: Callable[[Any, Any], list[Any]]
) -> None:
    """Each call gets its own answer, and each is paid once, save the one that failed."""
    failing(monkeypatch, question)
    world = GraphWorld(graph=of_one_node(node))
    world.alarm("press-1")
    run_until(world.performer(), lambda: bool(world.results()))
    assert answers(world) == ["answer to one", "answer to two", "answer to three"]
    assert sorted(world.asked) == sorted(["one", "two", "three", question])


def test_a_node_that_is_retried_proposes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it proposed before the call that failed is its first proposal in every attempt."""

    def node(model: Any, tool: Any) -> list[Any]:
        return [("ai", tool.invoke({"machine": "press-1"})), model.invoke("one")]

    failing(monkeypatch, "one")
    world = GraphWorld(graph=of_one_node(node))
    world.alarm("press-1")
    performer = world.performer()
    run_until(performer, lambda: bool(world.values("proposals")))
    world.answer(world.values("proposals")[0]["proposal_id"])
    run_until(performer, lambda: bool(world.results()) or len(world.values("proposals")) > 1)
    assert len(world.values("proposals")) == 1


@pytest.mark.parametrize(("recorded", "asked_anew"), [({"asked": "a"}, False), ({"asked": "b"}, True), ({}, False)])
def test_an_answer_to_other_messages_is_no_answer(recorded: dict[str, str], asked_anew: bool) -> None:
    """An older version recorded no digest; what it recorded counts."""
    run = Run({"p#1": {"response": {"content": "old"}, **recorded}}, {}, lambda: 0)
    try:
        assert run.ask_model("p", 1, "m", "a", dict) == {"content": "old"}
    except Suspended:
        assert run.steps[0].content == {"model": "m", "asked": "a", "response": {}}
    assert bool(run.steps) is asked_anew


def test_a_node_that_asks_something_else_in_every_run_is_given_up() -> None:
    """A clock in a prompt would be asked about for ever."""
    ticks = iter(range(1000))
    world = GraphWorld(prompt=lambda event: {"messages": [("user", f'at {next(ticks)}: {{"machine": "m"}}')]})
    world.alarm("press-1")
    run_until(world.performer(), lambda: bool(world.letters()))
    ((_, reason),) = world.letters()
    assert reason.startswith(b"asks something else in every run at ")
    assert len(world.asked) == 4
    ids = [r.header("ce_id") for r in world.broker.records("plant.responses")]
    assert len(set(ids)) == 4, "each record has an id of its own"


def test_what_was_proposed_stands_when_a_new_version_asks_otherwise() -> None:
    """A new wording must not make the graph propose once more what may have been done."""
    words = ["Restart"]

    def prompt(event: Alarm) -> dict[str, Any]:
        return {"messages": [("user", f'{words[-1]}: {{"machine": "{event.machine}"}}')]}

    world = GraphWorld(prompt=prompt)
    world.alarm("press-1")
    with owner(world) as first:
        run_until(first, lambda: bool(world.values("proposals")))
    words.append("Restart, please")
    second = world.performer()
    world.answer(world.values("proposals")[0]["proposal_id"])
    run_until(second, lambda: bool(world.results()))
    assert len(world.values("proposals")) == 1
    assert len(world.asked) == 2
