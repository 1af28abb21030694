"""A running app is asked over HTTP what its agent knows, and says what the log says."""

from __future__ import annotations

import json
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.integration.test_hung_worker import until

from rivergate.demos.shuttle.app import REFERENCE
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.session import RunOptions, Session, running
from rivergate.runtime.spec import AppRef

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

READING = {"machine": "pump-01", "sensors": {f"f{n}": float(n) for n in range(1, 10)}}


def ask(session: Session, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer of the API to whoever may read the token file."""
    token = json.loads(session.data.token_file.read_text())
    request = urllib.request.Request(  # noqa: S310 - its own address
        f"{token['address']}/api/v1/agents{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token['token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def known(value: Any) -> Any:
    """An answer without the sizes of objects, which grow by being looked at."""
    return {k: known(v) for k, v in value.items() if k != "bytes"} if isinstance(value, dict) else value


@pytest.mark.parametrize("host", ["local", "ray"])
def test_the_present_state_over_http(kafka: LocalKafka, tmp_path: Path, host: str) -> None:
    """The events that were read are in it; a prediction leaves no trace in it."""
    name = f"t{uuid.uuid4().hex[:8]}"
    with running(RunOptions(AppRef(REFERENCE, name, 2), tmp_path, kafka.bootstrap, host)) as session:
        assert until(lambda: session.data.token_file.exists() and session.review_url() is not None)
        assert ask(session, "") == {"watcher": 2}
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for _ in range(5):
            producer.produce(f"{name}-telemetry", json.dumps(READING).encode(), b"pump-01", partition=1)
        producer.flush(10)
        assert until(lambda: ask(session, "/watcher/shards/1/state")["memory"]["waiting"] == 5)
        assert ask(session, "/watcher/shards/0/state")["memory"]["waiting"] == 0
        before = ask(session, "/watcher/shards/1/state")
        told = ask(session, "/watcher/shards/1/predict", {"event": READING})
        assert told["prediction"]["remembered"] is not None
        assert known(ask(session, "/watcher/shards/1/state")) == known(before)
    assert not list(session.data.live.glob("*.json"))
