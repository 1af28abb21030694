"""What a report looks like on the topic, whatever an agent gave as its reason."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from rivergate.adapters import kafka_status
from rivergate.adapters.kafka_status import REASON_CHARS, KafkaStatus
from rivergate.runtime.worker import ShardReport


@pytest.mark.parametrize("reason", ["broken \ud800 text", "long " * 400_000])
def test_every_reason_can_be_told(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer may raise with any text: one that couldn't be written would leave the shard running in everybody's eyes."""
    written: list[bytes] = []

    class Producer:
        def __init__(self, _: Any) -> None: ...

        def produce(self, _topic: str, value: bytes, *_: Any, **__: Any) -> None:
            written.append(value)

        def poll(self, _: float) -> None: ...

    monkeypatch.setattr(kafka_status, "Producer", Producer)
    KafkaStatus("h:1", "a").report(ShardReport("agent-x", 0, "w", "parked", reason))
    told = orjson.loads(written[0])
    assert told["state"] == "parked"
    assert told["reason"][:5] == reason[:5]
    assert len(told["reason"]) <= REASON_CHARS
