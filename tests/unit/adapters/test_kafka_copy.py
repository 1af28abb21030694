"""Copies in a transaction, where the producer can't take one more, or has lost its transaction."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from rivergate.adapters import kafka_copy
from rivergate.adapters.kafka_copy import Copy, KafkaCopier
from rivergate.domain.errors import BadInput, CommitUnknown, ConfigError, Fenced, RivergateError


class FullProducer:
    """Takes a record once it was polled; ends with a fence, if it is told to."""

    def __init__(self, *, fenced: bool = False) -> None:
        self.taken: list[str] = []
        self._fenced = fenced
        self._room = False

    def begin_transaction(self) -> None:
        """Begin."""

    def produce(self, topic: str, *_: Any, **__: Any) -> None:
        """One record, if there is room."""
        if not self._room:
            raise BufferError("Local: Queue full")
        self._room = False
        self.taken.append(topic)

    def poll(self, wait_s: float) -> int:
        """A wait makes room."""
        self._room = self._room or wait_s > 0
        return 0

    def flush(self, _: float) -> int:
        """All is written."""
        self._room = True
        return 0

    def commit_transaction(self, _: float) -> None:
        """Commit, or hear that somebody else has."""
        if self._fenced:
            raise KafkaException(KafkaError(KafkaError._FENCED))

    abort_transaction = flush

    def purge(self) -> None:
        """Nothing is left."""


class UntellingProducer(FullProducer):
    """The broker has each record, and doesn't say where."""

    def produce(self, topic: str, *_: Any, **given: Any) -> None:
        """One record, which is confirmed at once."""
        self.taken.append(topic)
        if "on_delivery" in given:
            given["on_delivery"](None, self)

    def offset(self) -> int | None:
        """As of a message."""


def write(producer: FullProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two copies and a note."""
    monkeypatch.setattr(kafka_copy, "fencing_producer", lambda *_: producer)
    with KafkaCopier("", "new", "notes") as copier:
        copier.write([Copy("copies", 0, b"k", b"{}", [], 0)] * 2, lambda _: (b"", b"{}", []))


def test_it_waits_while_the_producer_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large records fill it before they are a transaction's worth."""
    producer = FullProducer()
    write(producer, monkeypatch)
    assert producer.taken == ["copies", "copies", "notes"]


def test_a_fence_may_be_the_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which ends a transaction that takes too long; so the message names both."""
    with pytest.raises(Fenced, match="taken over, or the broker's transaction timeout has passed"):
        write(FullProducer(fenced=True), monkeypatch)


def test_a_copy_of_which_nobody_says_where_it_is_isnt_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The note would tell of a wrong end, from which the next copy would go on."""
    producer = UntellingProducer()
    with pytest.raises(CommitUnknown, match="DUPLICATE_SEQUENCE_NUMBER"):
        write(producer, monkeypatch)
    assert "notes" not in producer.taken


class RefusingProducer(FullProducer):
    """The broker refuses a copy, or the transaction as a whole: then messages time out, and the reason is another call's."""

    def __init__(self, code: int, *, whole: bool) -> None:
        super().__init__()
        self._refused = KafkaError(code)
        self._whole = whole
        self._begun = False

    def begin_transaction(self) -> None:
        """Once; a second time librdkafka says why the first can't go on."""
        if self._begun and self._whole:
            raise KafkaException(self._refused)
        self._begun = True

    def produce(self, topic: str, *_: Any, **given: Any) -> None:
        """One record."""
        if not self._whole and "on_delivery" in given:
            given["on_delivery"](self._refused, self)

    def flush(self, _: float) -> int:
        """All is answered, or nothing."""
        return int(self._whole)

    abort_transaction = FullProducer.flush


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigError, "permit"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ConfigError, "new.rekey"),
        (KafkaError.INVALID_TIMESTAMP, BadInput, "message.timestamp"),
        (KafkaError.INVALID_RECORD, BadInput, "copies"),
    ],
)
def test_what_the_broker_will_always_refuse_isnt_tried_again(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: type[RivergateError], remedy: str, *, whole: bool
) -> None:
    """It ends with the broker's words and what to do."""
    with pytest.raises(kind, match=KafkaError(code).name()) as caught:
        write(RefusingProducer(code, whole=whole), monkeypatch)
    assert remedy in caught.value.remedy
    assert not caught.value.retryable
