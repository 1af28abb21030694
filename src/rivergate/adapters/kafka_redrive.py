"""Putting dead letters back where they came from, each with a note of it, in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
from confluent_kafka import KafkaError, KafkaException

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import error_of, transaction_error, translated
from rivergate.adapters.kafka_fence import fencing_producer
from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.dead_letter import DeadLetter
from rivergate.domain.errors import BadInput, CommitUnknown, Fenced, RivergateError, UnknownTopic
from rivergate.domain.record import Headers, Output

COMMIT_S = 10.0


class KafkaRedriver:
    """One thread; use it in `with`, which fences whoever redrives dead letters of the same app.

    Notes that are read after that are all there will be before ours: two people never put the same letter back unseen.
    Raises `BrokerUnavailable`.
    """

    def __init__(self, bootstrap: str, app: str, security: Mapping[str, str] | None = None) -> None:
        self._bootstrap = bootstrap
        self._app = app
        self._notes = names.topic(app, names.REDRIVES)
        self._settings = kafka_settings.transactional(bootstrap, f"{app}.redrive", security)

    def __enter__(self) -> Self:
        self._producer = fencing_producer(self._settings, self._notes, "taking redrives over")
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._producer.purge()

    def put_back(self, letters: Sequence[DeadLetter], by: str, at: Micros, value: bytes | None = None) -> None:
        """Put all of these back, or none. A `value` takes the place of theirs.

        Raises `Fenced` (nothing was put back), `CommitUnknown` (the notes tell), `BadInput` for a record above its
        topic's limit, `UnknownTopic` where its topic or partition is gone. After any of these the object is of no
        further use.
        """
        self._demand_places(letters)
        try:
            self._producer.begin_transaction()
            for letter in letters:
                self._write(*letter.redriven(value))
                self._write(*_note(self._notes, letter, by, at, corrected=value is not None))
            self._producer.commit_transaction(COMMIT_S)
        except KafkaException as e:
            with contextlib.suppress(KafkaException):  # if it can't be aborted, the next redrive's fence does it
                self._producer.abort_transaction(COMMIT_S)
            raise self._failed(e, letters) from e

    def _demand_places(self, letters: Sequence[DeadLetter]) -> None:
        try:
            there = self._producer.list_topics(timeout=COMMIT_S).topics
        except KafkaException as e:
            raise translated(e, "looking for topics", self._bootstrap) from e
        for topic, partition in {(self._notes, 0), *(x.origin[:2] for x in letters)}:
            if topic not in there or partition not in there[topic].partitions:
                raise UnknownTopic(
                    f"there is no partition {partition} of topic {topic!r}",
                    where=self._bootstrap,
                    remedy="create the app's topics with `rivergate topics apply`, or start it, which does so",
                )

    def _write(self, output: Output, headers: Headers) -> None:
        given: Any = headers
        self._producer.produce(output.topic, output.value, output.key, output.partition, headers=given)

    def _failed(self, e: KafkaException, letters: Sequence[DeadLetter]) -> RivergateError:
        """What went wrong, with what it means for whoever asked."""
        if error_of(e).code() == KafkaError.MSG_SIZE_TOO_LARGE:
            largest = max(letters, key=lambda x: len(x.record.value or b""))
            return BadInput(
                f"dead letter {largest.id}: with its origin beside it, the record is above the limit of "
                f"{largest.origin.topic}; nothing was put back",
                where=self._bootstrap,
                remedy="raise `max_message_bytes` in the topic's file and run `rivergate topics apply`",
            )
        error = transaction_error(e, "putting dead letters back")
        if isinstance(error, Fenced):
            return Fenced(
                "somebody else redrives dead letters of this app; nothing was put back",
                remedy="see with `rivergate dlq list` what is left, then redrive that",
            )
        if isinstance(error, CommitUnknown):
            return CommitUnknown(
                f"nobody knows whether they were put back ({error.what})",
                remedy="`rivergate dlq list` tells once the broker answers",
            )
        return error


def _note(topic: str, letter: DeadLetter, by: str, at: Micros, *, corrected: bool) -> tuple[Output, Headers]:
    event_id, first = letter.event_id, letter.first_origin
    value = {
        "dead_letter": letter.id,
        "event_id": event_id,
        "origin": {"topic": first.topic, "partition": first.partition, "offset": first.offset},
        "stage": letter.stage,
        "corrected": corrected,
        "by": by,
        "at": rfc3339(at),
    }
    headers = event_headers(names.source(letter.app, "operator"), names.REDRIVEN_V1, f"{letter.id}/{at}", at)
    return Output(topic, 0, letter.id.encode(), orjson.dumps(value)), headers
