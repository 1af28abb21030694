"""Each log in turn."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from tests.conformance.shard_log.kit import Logs, in_memory, on_kafka

from rivergate.kernel.shard import ShardSpec
from rivergate.runtime.kafka import LocalKafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running local Kafka."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(params=["memory", "kafka"])
def logs(request: pytest.FixtureRequest) -> Iterator[Logs]:
    """Each log in turn."""
    app = f"t{uuid.uuid4().hex[:10]}"
    spec = ShardSpec(app, "s", 0, ((f"{app}-in", 0),), "c" * 64, "w")
    if request.param == "memory":
        yield in_memory(spec)
    else:
        yield from on_kafka(spec, request.getfixturevalue("kafka").bootstrap)
