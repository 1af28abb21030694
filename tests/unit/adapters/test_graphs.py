from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Send
from tests.unit.adapters.graph_world import Alarm, Counted, GraphWorld, Restart, build, owner, run_until
from tests.unit.kernel.brake_world import Stopwatch

from rivergate.adapters.graphs import GraphAgent
from rivergate.domain.errors import ConfigError
from rivergate.domain.ids import proposal_id
from rivergate.domain.wire import ProposalRecord, read
from rivergate.kernel.brake import Awaited, Brake, TooFarBehind
from rivergate.testing.memory_lag import MemoryLag
from rivergate.testing.memory_log import Fate


def waits(world: GraphWorld) -> bool:
    """Every open event waits for an answer."""
    return bool(world.values("proposals")) and bool(world.journal()[-1].open)


def test_a_graph_proposes_waits_and_goes_on_with_the_outcome() -> None:
    """The tool's result is what came of the proposal; each model call is paid once."""
    world = GraphWorld()
    world.alarm("press-1")
    performer = world.performer()
    run_until(performer, lambda: waits(world))
    (raw,) = world.broker.records("plant.proposals")
    proposal = read(raw)
    assert isinstance(proposal, ProposalRecord)
    assert (proposal.kind, proposal.arguments) == ("restart", {"machine": "press-1"})
    assert proposal.proposal_id == proposal_id("plant", "triage", "alarms/0/0", 0)
    assert proposal.reasons == ({"text": "The stand-in calls restart."},)
    world.answer(proposal.proposal_id)
    run_until(performer, lambda: bool(world.results()))
    assert world.results() == ['The tool restart answered: {"status":"done","detail":"restarted"}']
    assert len(world.asked) == 2
    assert world.journal()[-1].open == ()
    assert [v["what"] for v in world.values("responses")] == ["model", "proposal", "model", "result"]


def test_a_denial_is_the_tools_result_too() -> None:
    """With its reason."""
    world = GraphWorld()
    world.alarm("press-1")
    performer = world.performer()
    run_until(performer, lambda: waits(world))
    world.answer(world.values("proposals")[0]["proposal_id"], "denied")
    run_until(performer, lambda: bool(world.results()))
    assert '{"status":"denied","reason":"not today"}' in world.results()[0]


def test_a_redriven_event_of_another_stage_is_passed_over() -> None:
    """The graph has handled it; one that is for the graph begins a run."""
    world = GraphWorld()
    for stage in (b"agent-other", b"agent-triage"):
        headers = [("rg_origin", b"alarms/0/%d" % len(stage)), ("rg_for", b"/rivergate/plant/" + stage)]
        world.broker.append("alarms", 0, b'{"machine": "press-1", "code": 1}', headers=headers)
    run_until(world.performer(), lambda: waits(world))
    assert [v["event_id"] for v in world.values("proposals")] == ["alarms/0/12"]
    assert [p[2] for p in world.journal()[-1].open] == [1]


def test_an_unknown_outcome_is_not_an_answer() -> None:
    """A person has to settle it first."""
    world = GraphWorld()
    world.alarm("press-1")
    performer = world.performer()
    run_until(performer, lambda: waits(world))
    pid = world.values("proposals")[0]["proposal_id"]
    world.answer(pid, "unknown")
    world.answer("0" * 32)
    for _ in range(20):
        performer.step()
    assert world.results() == []
    world.answer(pid, "failed", effect="none")
    run_until(performer, lambda: bool(world.results()))
    assert '"status":"failed"' in world.results()[0]


@pytest.mark.parametrize("answered", ["before", "while nobody owns the shard", "after"])
def test_a_crash_while_waiting_changes_nothing(answered: str) -> None:
    """The successor hands out what is recorded: no model call and no proposal is made again, no answer is lost."""
    world = GraphWorld()
    world.alarm("press-1")
    world.alarm("press-2")
    with owner(world) as first:
        run_until(first, lambda: len(world.values("proposals")) == 2 and len(world.asked) == 2)
        pids = [v["proposal_id"] for v in world.values("proposals")]
        if answered == "before":
            world.answer(pids[0])
            run_until(first, lambda: len(world.results()) == 1)
    if answered == "while nobody owns the shard":
        world.answer(pids[0])
    second = world.performer()
    if answered == "after":
        world.answer(pids[0])
    world.answer(pids[1], "denied")
    run_until(second, lambda: len(world.results()) == 2)
    assert len(world.values("proposals")) == 2
    assert len(world.asked) == 4
    assert any("denied" in r for r in world.results())
    assert any("restarted" in r for r in world.results())


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("nth", range(5))
def test_a_failed_commit_at_any_point_doubles_nothing(fate: Fate, nth: int) -> None:
    """What was committed is handed out, what wasn't is done again: one proposal, one result."""
    world = GraphWorld()
    world.alarm("press-1")
    performer = world.performer()
    commits = 0

    def step_on() -> bool:
        nonlocal commits
        if len(world.journal()) == nth and not commits:
            commits = 1
            world.broker.fates.append(fate)
        for v in world.values("proposals"):
            if commits < 2:
                commits = max(commits, 1) + 1
                world.answer(v["proposal_id"])
        return bool(world.results())

    step_on()
    run_until(performer, step_on)
    assert len(world.values("proposals")) == 1
    assert len(world.results()) == 1
    places = [v["place"] for v in world.values("responses")]
    assert len(set(places)) == len(places)


def test_more_than_the_bound_may_wait_and_answers_still_come_through() -> None:
    """Events beyond the bound stay on the log; outcomes are read all the same, else nothing would ever end."""
    world = GraphWorld()
    for n in range(8):
        world.alarm(f"press-{n}")
    performer = world.performer(at_once=3)
    answered: set[str] = set()

    def answer_all() -> bool:
        for v in world.values("proposals"):
            if v["proposal_id"] not in answered:
                answered.add(v["proposal_id"])
                world.answer(v["proposal_id"])
        return len(world.results()) == 8

    run_until(performer, lambda: len(world.values("proposals")) == 3)
    run_until(performer, answer_all)
    assert max(len(r.open) for r in world.journal()) == 3


@pytest.mark.parametrize(
    ("error", "reason"), [(ValueError("code 7"), b"ValueError: code 7"), (SystemExit(3), b"SystemExit: 3")]
)
def test_a_graph_that_keeps_failing_goes_to_the_dead_letters(error: BaseException, reason: bytes) -> None:
    """After its attempts, named as skipped in the commit that gives it up; the next event is handled."""

    def fail(event: Alarm) -> dict[str, Any]:
        if event.code == 7:
            raise error
        return {"messages": [("user", "no tool, please {}")]}

    world = GraphWorld(prompt=fail)
    world.alarm("press-1", 7)
    performer = world.performer()
    run_until(performer, lambda: bool(world.broker.records("plant.dead_letters")))
    (letter,) = world.broker.records("plant.dead_letters")
    assert (letter.header("rg_origin"), letter.header("rg_reason")) == (b"alarms/0/0", reason)
    assert world.journal()[-1].skipped == (("alarms", 0, 0),)
    assert world.journal()[-1].open == ()


def test_an_event_that_is_none_goes_to_the_dead_letters_at_once() -> None:
    """With the field that is wrong."""
    world = GraphWorld()
    world.broker.append("alarms", 0, b'{"machine": "press-1"}')
    run_until(world.performer(), lambda: bool(world.broker.records("plant.dead_letters")))
    (letter,) = world.broker.records("plant.dead_letters")
    assert letter.header("rg_reason") == b"field code: Field required"


def test_arguments_that_do_not_fit_go_back_to_the_model_and_are_never_proposed() -> None:
    """The tool's result says what is wrong."""

    def without_machine(event: Alarm) -> dict[str, Any]:
        return {"messages": [("user", "restart")]}

    world = GraphWorld(prompt=without_machine)
    world.alarm("press-1")
    run_until(world.performer(), lambda: bool(world.results()))
    assert world.values("proposals") == []
    assert "not proposed" in world.results()[0]


def test_a_graph_without_an_end_is_given_up() -> None:
    """A bound on steps keeps an endless loop from costing for ever."""
    world = GraphWorld(max_steps=1)
    world.alarm("press-1")
    run_until(world.performer(), lambda: bool(world.broker.records("plant.dead_letters")))
    (letter,) = world.broker.records("plant.dead_letters")
    assert letter.header("rg_reason") == b"no end after 1 steps"


def test_a_checkpointer_is_refused() -> None:
    """Two memories would contradict each other."""

    def with_checkpointer(model: Any, tools: Any) -> Any:
        return build(model, tools).builder.compile(checkpointer=InMemorySaver())

    world = GraphWorld(graph=with_checkpointer)
    with pytest.raises(ConfigError, match="checkpointer"):
        world.performer()


def test_a_graph_that_is_not_compiled_is_refused() -> None:
    """The remedy is one call."""
    world = GraphWorld(graph=lambda model, tools: build(model, tools).builder)
    with pytest.raises(ConfigError, match=r"isn't a compiled graph(.|\n)*compile"):
        world.performer()


def test_a_graph_agent_says_what_it_reads_like_an_agent() -> None:
    """So that an App can hold both."""
    agent = GraphAgent("t", build, lambda: None, consumes=[Alarm], proposes=[Restart], prompt=lambda e: e)
    assert agent.inputs("plant") == ["alarms", "plant.outcomes", "plant.denials"]
    assert (agent.name, agent.stage, agent.publishes) == ("t", "agent-t", ())
    with pytest.raises(ConfigError, match="isn't a proposal class"):
        GraphAgent("t", build, lambda: None, consumes=[Alarm], proposes=[Alarm], prompt=lambda e: e)  # type: ignore[list-item]


def test_a_drain_leaves_what_is_open_to_the_next_owner() -> None:
    """It awaits the run in flight and commits what it got to, but begins no other."""
    world = GraphWorld()
    world.alarm("press-1")
    first = world.performer()
    first.step()
    first.drain()
    first.close()
    assert [v["what"] for v in world.values("responses")] == ["model"]
    assert world.journal()[-1].open == (("alarms", 0, 0),)
    second = world.performer()
    run_until(second, lambda: waits(world))
    assert len(world.asked) == 1


def test_garbage_among_the_answers_is_nobodys_answer() -> None:
    """It is read over."""
    world = GraphWorld()
    world.alarm("press-1")
    performer = world.performer()
    run_until(performer, lambda: waits(world))
    world.broker.append("plant.outcomes", 0, b"[1", headers=[("ce_type", b"rivergate.outcome.v1")])
    world.broker.append("plant.denials", 0, b"[1]", headers=[("ce_type", b"rivergate.denial.v1")])
    world.answer(world.values("proposals")[0]["proposal_id"])
    run_until(performer, lambda: bool(world.results()))
    assert "restarted" in world.results()[0]


def build_parallel(model: Any, tools: Any) -> Any:
    """Three branches at once, each of which calls the tool twice in one step; then a join."""
    (tool,) = tools
    graph = StateGraph(MessagesState)

    def branch(state: dict[str, Any]) -> dict[str, Any]:
        said = model.invoke([("user", state["machine"])])
        calls = [
            {"name": tool.name, "args": {"machine": f"{state['machine']}{x}"}, "id": f"{state['machine']}{x}"}
            for x in "ab"
        ]
        return {"messages": [said, *(tool.invoke({**c, "type": "tool_call"}) for c in calls)]}

    graph.add_node("branch", branch)
    graph.add_conditional_edges(START, lambda state: [Send("branch", {"machine": m}) for m in "xyz"], ["branch"])
    return graph.compile()


@pytest.mark.parametrize("crash_after", range(1, 9))
def test_parallel_branches_keep_their_answers_apart(crash_after: int) -> None:
    """Each branch gets its own model answers and outcomes, in whatever order threads run, after a crash too."""
    world = GraphWorld(graph=build_parallel)
    world.alarm("press-1")
    answered: set[str] = set()

    def answer_all() -> bool:
        for v in world.values("proposals"):
            if v["proposal_id"] not in answered:
                answered.add(v["proposal_id"])
                world.answer(v["proposal_id"], detail=v["arguments"]["machine"])
        return any(v["what"] == "result" for v in world.values("responses"))

    with owner(world) as first:
        run_until(first, lambda: answer_all() or len(world.journal()) >= crash_after)
    run_until(world.performer(), answer_all)
    proposals = world.values("proposals")
    assert sorted(v["arguments"]["machine"] for v in proposals) == ["xa", "xb", "ya", "yb", "za", "zb"]
    assert sorted(v["ordinal"] for v in proposals) == list(range(6))
    (result,) = [v["result"] for v in world.values("responses") if v["what"] == "result"]
    told = [m["content"] for m in result["messages"] if m["type"] == "tool"]
    assert sorted(told) == sorted(f'{{"status":"done","detail":"{m}"}}' for m in ("xa", "xb", "ya", "yb", "za", "zb"))


@pytest.mark.parametrize(("machine", "detail"), [("m" * 2000, ""), ("m", "d" * 900)])
def test_what_is_too_large_to_be_written_ends_the_case_and_no_more(machine: str, detail: str) -> None:
    """A step or a result above the limit makes a dead letter of the event; the broker would refuse it for ever."""
    world = GraphWorld()
    world.alarm(machine)
    performer = world.performer(output_bytes=2000)
    if detail:
        run_until(performer, lambda: waits(world))
        world.answer(world.values("proposals")[0]["proposal_id"], detail=detail)
    run_until(performer, lambda: bool(world.broker.records("plant.dead_letters")))
    (letter,) = world.broker.records("plant.dead_letters")
    assert b"is above 2,000" in (letter.header("rg_reason") or b"")
    written = [*world.broker.records("plant.responses"), *world.broker.records("plant.proposals")]
    assert all(len(r.value or b"") <= 2000 for r in written)
    assert world.journal()[-1].open == ()


def test_what_a_model_says_without_a_json_form_ends_the_case_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of forty digits among a tool call's arguments is such a thing."""
    answer = AIMessage(
        "", tool_calls=[{"name": "restart", "args": {"machine": 10**40}, "id": "1", "type": "tool_call"}]
    )
    monkeypatch.setattr(Counted, "_answer", lambda self, messages: answer)
    world = GraphWorld()
    world.alarm("press-1")
    run_until(world.performer(), lambda: bool(world.broker.records("plant.dead_letters")))
    (letter,) = world.broker.records("plant.dead_letters")
    assert b"no JSON form" in (letter.header("rg_reason") or b"")


def test_a_graph_reads_no_events_while_the_gate_is_behind_but_answers() -> None:
    """What is open goes on to its end; then the gate has caught up, and the rest is read."""
    world = GraphWorld()
    for n in range(6):
        world.alarm(f"press-{n}")
    proposals = ("plant.proposals", 0)
    lag = MemoryLag(world.broker, "plant.gate", [proposals])
    events = frozenset([("alarms", 0)])
    watch = Stopwatch()
    hold = TooFarBehind("proposals", lag, [Awaited("gate/0", proposals, events)], 2, watch)
    told: list[str] = []
    performer = world.performer(at_once=2, brake=Brake("triage/0", [hold], told.append))
    run_until(performer, lambda: len(world.values("proposals")) == 2)
    for v in world.values("proposals"):
        world.answer(v["proposal_id"])
    run_until(performer, lambda: len(world.results()) == 2)
    performer.step()
    assert world.journal()[-1].positions[0] == ("alarms", 0, 2), "four events wait on the log"
    assert told[-1].startswith("waits for gate/0 (")
    world.broker.offsets["plant.gate", proposals] = (world.broker.watermarks(proposals)[1], "")
    watch.s += 1
    run_until(performer, lambda: len(world.values("proposals")) == 4)
    assert "" in told, "it read on"
