"""What every peer writes by hand: rivergate's eight headers, records of a proposal's shape, a model with late labels.

Nothing of rivergate is imported, since peers have environments of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Headers = list[tuple[str, bytes]]
PROPOSING = 10
"""One event in so many makes a learner propose."""


class Stamps:
    """Headers of what one loop writes."""

    def __init__(self, app: str, name: str) -> None:
        self.app = app
        self.name = name
        self.commits = 0
        self._place = b""
        self._common: Headers = []

    def start_batch(self, commits: int) -> None:
        """So many commits lie behind."""
        self.commits = commits
        self._place = f"{self.name}/0/{commits}/".encode()
        self._common = [
            ("ce_specversion", b"1.0"),
            ("ce_source", f"/bare/{self.app}/{self.name}".encode()),
            ("ce_time", datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()),
            ("content-type", b"application/json"),
        ]

    def headers(self, ce_id: bytes, ce_type: bytes, traceparent: bytes, n: int) -> Headers:
        """The eight headers that rivergate writes too."""
        return [
            *self._common,
            ("ce_id", ce_id),
            ("ce_type", ce_type),
            ("traceparent", traceparent),
            ("rg_commit", self._place + b"%d" % n),
        ]

    def copy_headers(self, traceparent: bytes, n: int) -> Headers:
        """Of the copy of a batch's record `n`."""
        return self.headers(b"0-%d-%d" % (self.commits, n), b"bench.copy", traceparent, n)

    def proposal_headers(self, number: int, traceparent: bytes, n: int) -> Headers:
        """Of the proposal that event `number`, a batch's record `n`, made."""
        return self.headers(b"%032x" % number, b"rivergate.proposal.v1", traceparent, n)

    def proposal(self, value: dict[str, Any], event_id: str, topic: str, offset: int, sure: float) -> dict[str, Any]:
        """A record of a proposal's shape; its id and digest are mere text."""
        return {
            "proposal_id": f"{value['n']:032x}",
            "app": self.app,
            "agent": self.name,
            "kind": "inspect",
            "arguments": {"line": value["line"], "n": value["n"]},
            "arguments_digest": "0" * 64,
            "confidence": sure,
            "reasons": [{"text": "one in ten"}],
            "event_id": event_id,
            "ordinal": 0,
            "event": {"topic": topic, "partition": 0, "offset": offset},
            "expires_at": "2030-01-01T00:00:00.000000Z",
        }


def copied(value: dict[str, Any]) -> dict[str, Any]:
    """What a pass-through writes."""
    return {"line": value["line"], "n": value["n"], "sensors": value["sensors"]}


def event_id_of(headers: dict[str, bytes]) -> str:
    """The event's id, as rivergate makes it of the producer's headers."""
    return f"{headers['ce_source'].decode()}#{headers['ce_id'].decode()}"


def logistic_regression() -> Any:
    """The model of the River rows."""
    from river.linear_model import LogisticRegression
    from river.preprocessing import StandardScaler

    return StandardScaler() | LogisticRegression()


def adaptive_tree() -> Any:
    """The model of the rows on workers."""
    from river.preprocessing import StandardScaler
    from river.tree import HoeffdingAdaptiveTreeClassifier

    return StandardScaler() | HoeffdingAdaptiveTreeClassifier(seed=1)


Predict = Callable[[str, dict[str, Any]], float]
"""Given an event's id and value, what the model says of it; it is remembered until its label comes."""
Label = Callable[[dict[str, Any]], None]


def learning(model: Any, counts: dict[str, int]) -> tuple[Predict, Label]:
    """A learner by hand: predict and remember; learn when the label comes, early or late."""
    remembered: dict[str, Any] = {}
    early: dict[str, bool] = {}
    counts["learned"] = 0

    def learn(event_id: str, truth: bool) -> None:
        model.learn_one(remembered.pop(event_id), truth)
        counts["learned"] += 1

    def predict(event_id: str, value: dict[str, Any]) -> float:
        sure: float = model.predict_proba_one(value["sensors"]).get(True, 0.0)
        remembered[event_id] = value["sensors"]
        if event_id in early:
            learn(event_id, early.pop(event_id))
        return sure

    def label(value: dict[str, Any]) -> None:
        if value["event_id"] in remembered:
            learn(value["event_id"], value["value"])
        else:
            early[value["event_id"]] = value["value"]

    return predict, label
