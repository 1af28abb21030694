"""What integration tests share: one running Kafka."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rivergate.runtime.kafka import LocalKafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running local Kafka; `kafka.bootstrap` is its address. Tests use topics of their own and leave it running."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running
