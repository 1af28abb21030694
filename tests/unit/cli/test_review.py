from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from tests.unit.review import kit
from tests.unit.web.conftest import HOST, TOKEN, World
from typer.testing import CliRunner, Result

from rivergate.cli import review_client
from rivergate.cli.review import review
from rivergate.cli.review_client import Refused, ReviewClient, ServiceUnreachable
from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.web.credentials import Credentials


class Terminal:
    """Runs `rivergate review …` against a site in this process; the gate counts each decision as it comes."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.result = "counted"
        http: Any = TestClient(world.program().app, base_url=HOST)
        monkeypatch.setattr(
            "rivergate.cli.review._client", lambda *_: ReviewClient(Credentials("operator", TOKEN, HOST), http)
        )
        send = world.log.send

        def send_and_judge(record: Any, headers: Any) -> tuple[int, int]:
            place = send(record, headers)
            value = json.loads(record.value)
            world.store.write(world.log.records["fleet.decisions", 0])
            if "decision_id" in value and self.result:
                world.happened(names.DECISION_JUDGED_V1, kit.judged(1, value["decision_id"], self.result, "not you"))
            if self.result == "counted":
                settled = kit.settled(1, "approved", value["decision_id"])
                world.happened(names.REVIEW_SETTLED_V1, settled)
            return place

        monkeypatch.setattr(world.log, "send", send_and_judge)

    def run(self, *arguments: str) -> Result:
        """One command."""
        return CliRunner().invoke(review, arguments)


@pytest.fixture
def terminal(world: World, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A fresh one for each test."""
    return Terminal(world, monkeypatch)


@pytest.fixture
def world() -> World:
    """One open review."""
    return World()


def test_list_and_show(terminal: Terminal) -> None:
    """For people as tables, for programs as JSON."""
    assert kit.proposal_id(1)[:12] in terminal.run("list").stdout
    assert json.loads(terminal.run("list", "--json").stdout)["counts"] == {"open": 1}
    shown = terminal.run("show", kit.proposal_id(1)[:6]).stdout
    assert "costly-shutdown" in shown
    assert "sensor_7" in shown
    assert json.loads(terminal.run("show", kit.proposal_id(1), "--json").stdout)["arguments"] == kit.arguments(1)


def test_approve_waits_for_the_gates_answer(terminal: Terminal) -> None:
    """And says what became of the review."""
    done = terminal.run("approve", kit.proposal_id(1), "--yes", "--note", "fine", "--json")
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["decision"]["answer"], answer["decision"]["note"]) == (
        "approved",
        "confirmed",
        "fine",
    )


def test_a_refused_decision_exits_with_one(terminal: Terminal) -> None:
    """With the gate's reason."""
    terminal.result = "refused"
    done = terminal.run("deny", kit.proposal_id(1), "--yes")
    assert done.exit_code == 1
    assert "not you" in done.stdout


def test_an_answer_that_does_not_come_is_not_a_failure(terminal: Terminal) -> None:
    """The decision is on the log; the command says that it is only sent."""
    terminal.result = ""
    done = terminal.run("approve", kit.proposal_id(1), "--yes", "--wait", "0")
    assert done.exit_code == 0
    assert "hasn't answered" in done.stderr


def test_nobody_to_confirm_means_no_decision(terminal: Terminal) -> None:
    """A script has to say --yes."""
    done = terminal.run("approve", kit.proposal_id(1))
    assert isinstance(done.exception, BadInput)
    assert "--yes" in done.exception.remedy
    assert terminal.world.log.sent == []


def test_settled_and_unknown_reviews_are_errors_in_words(terminal: Terminal) -> None:
    """From the service, with its remedies."""
    terminal.world.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "expired"))
    settled = terminal.run("approve", kit.proposal_id(1), "--yes").exception
    assert isinstance(settled, Refused)
    assert "settled already: expired" in settled.what
    unknown = terminal.run("show", kit.proposal_id(1)[:4] + "0000").exception
    assert isinstance(unknown, Refused)
    assert kit.proposal_id(1) in unknown.remedy
    assert isinstance(terminal.run("show", "../healthz").exception, BadInput)


def test_terminal_sequences_of_others_are_shown_not_obeyed(terminal: Terminal) -> None:
    """An argument can't clear the screen or hide a line."""
    terminal.world.happened(names.REVIEW_OPENED_V1, kit.opened(2, {"x": "\x1b[2J\u202eevil"}, kind="k\x1b]0;t\x07"))
    for shown in (terminal.run("list").stdout, terminal.run("show", kit.proposal_id(2)).stdout):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "U+001B" in terminal.run("show", kit.proposal_id(2)).stdout


def test_brackets_of_others_are_text(terminal: Terminal) -> None:
    """An argument can't break the screen, nor style or hide a part of itself."""
    odd = "[/x] [red]gone[/red] [type=missing]"
    terminal.world.happened(
        names.REVIEW_OPENED_V1, kit.opened(2, {"x": odd}, kind="[bold]k[/]", event_id="[/event]#1", tier="[/t]")
    )
    shown = terminal.run("show", kit.proposal_id(2)).stdout
    for text in (odd, "[bold]k[/]", "[/event]#1", "[/t]"):
        assert text in shown
    assert "[bold]k[/]" in terminal.run("list").stdout


def test_a_service_that_is_not_there_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether no app ever ran here or the one that did is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIVERGATE_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(ServiceUnreachable, match="no review service") as nothing:
        review_client.find_credentials(None, None)
    assert "rivergate up" in nothing.value.remedy

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    http = httpx.Client(base_url=HOST, transport=httpx.MockTransport(refuse))
    with pytest.raises(ServiceUnreachable, match="doesn't answer"):
        ReviewClient(Credentials("operator", TOKEN, HOST), http).reviews("open", "", 1)


def test_something_else_at_the_address_is_named() -> None:
    """Another program may have taken the port."""
    http = httpx.Client(base_url=HOST, transport=httpx.MockTransport(lambda _: httpx.Response(200, text="hello")))
    with pytest.raises(BadInput, match="something else"):
        ReviewClient(Credentials("operator", TOKEN, HOST), http).reviews("open", "", 1)
