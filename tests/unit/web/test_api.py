from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.unit.review import kit
from tests.unit.web.conftest import World

from rivergate.domain import names
from rivergate.domain.errors import BrokerUnavailable

REVIEW = f"/api/v1/reviews/{kit.proposal_id(1)}"


def seen(**more: Any) -> dict[str, Any]:
    """A decision about review 1 as it was opened."""
    digest = kit.opened(1)["arguments_digest"]
    return {"verdict": "approve", "decision_id": "decision-1", "seen_digest": digest, "seen_revision": 0} | more


def test_a_program_lists_and_reads_reviews(world: World) -> None:
    """The list has counts; a detail has all that the page shows."""
    program = world.program()
    listed = program.get("/api/v1/reviews").json()
    assert [r["proposal_id"] for r in listed["reviews"]] == [kit.proposal_id(1)]
    assert (listed["counts"], listed["caught_up"]) == ({"open": 1}, True)
    assert program.get(REVIEW[:-20]).json()["arguments"] == kit.arguments(1)


def test_a_program_decides(world: World) -> None:
    """202: it is on the log, and the gate will answer."""
    answer = world.program().post(f"{REVIEW}/decision", json=seen(note="ok"))
    assert answer.status_code == 202
    assert answer.json()["answer"] == "sent"
    value = orjson.loads(world.log.sent[0][0].value or b"")
    assert (value["auth_method"], value["by"]) == ("local-token", "operator")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (seen(verdict="maybe"), 422, "malformed"),
        (seen(seen_digest="0" * 64), 409, "changed"),
        ({"verdict": "approve"}, 422, "BadInput"),
        (seen(surprise=1), 422, "BadInput"),
        (seen(seen_revision=-1), 422, "BadInput"),
    ],
)
def test_errors_have_a_code_a_message_and_a_remedy(world: World, body: dict[str, Any], status: int, code: str) -> None:
    """A program can tell them apart, a person can read them."""
    answer = world.program().post(f"{REVIEW}/decision", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]
    assert world.log.sent == []


def test_a_settled_review_and_an_unknown_id(world: World) -> None:
    """409 and 404, the latter with near matches."""
    world.happened(names.REVIEW_SETTLED_V1, kit.settled(1, "rejected"))
    program = world.program()
    assert program.post(f"{REVIEW}/decision", json=seen()).json()["error"]["code"] == "settled"
    unknown = program.get(f"/api/v1/reviews/{kit.proposal_id(1)[:3]}zzz")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["near"] == [kit.proposal_id(1)]
    assert program.get("/api/v1/nowhere").json()["error"]["code"] == "404"


def test_a_broker_that_is_away_is_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision isn't on the log, and the answer says so."""

    def away(*_: object) -> tuple[int, int]:
        raise BrokerUnavailable("the broker doesn't answer", remedy="start it")

    monkeypatch.setattr(world.log, "send", away)
    answer = world.program().post(f"{REVIEW}/decision", json=seen())
    assert answer.status_code == 503
    assert answer.json()["error"]["remedy"] == "start it"


def test_health_tells_whether_the_view_follows_the_log(world: World) -> None:
    """Open to everybody, and of nothing else."""
    assert world.browser().get("/healthz").json()["ok"] is True
    world.site.status.caught_up = False
    assert world.program().get("/api/v1/healthz").json()["ok"] is False
