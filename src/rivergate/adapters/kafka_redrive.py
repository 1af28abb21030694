"""Putting dead letters back where they came from, each with a note of it, in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
from confluent_kafka import KafkaError, KafkaException, Message

from rivergate.adapters import kafka_settings
from rivergate.adapters.kafka_errors import transaction_error, translated
from rivergate.adapters.kafka_fence import fencing_producer
from rivergate.domain import names
from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.cloudevents import event_headers
from rivergate.domain.dead_letter import DeadLetter
from rivergate.domain.errors import BadInput, CommitUnknown, Fenced, RivergateError
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
        topic's limit, `UnknownTopic` where its topic or partition is gone.
        """
        failed: list[RivergateError] = []
        try:
            self._producer.begin_transaction()
            for letter in letters:
                self._write(*letter.redriven(value), letter, failed)
                self._write(*_note(self._notes, letter, by, at, corrected=value is not None), letter, failed)
            self._producer.flush(COMMIT_S)
            if not failed:
                self._producer.commit_transaction(COMMIT_S)
        except KafkaException as e:
            failed = failed or [_ended(transaction_error(e, "putting dead letters back"))]
        if failed:
            with contextlib.suppress(KafkaException):  # if it can't be aborted, the next redrive's fence does it
                self._producer.abort_transaction(COMMIT_S)
            raise failed[0]

    def _write(self, output: Output, headers: Headers, letter: DeadLetter, failed: list[RivergateError]) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(self._undelivered(error, output, letter))

        given: Any = headers
        try:
            self._producer.produce(
                output.topic, output.value, output.key, output.partition, headers=given, on_delivery=delivered
            )
        except KafkaException as e:
            failed.append(self._undelivered(e.args[0], output, letter))
            raise

    def _undelivered(self, error: KafkaError, output: Output, letter: DeadLetter) -> RivergateError:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return BadInput(
                f"dead letter {letter.id}: with its origin beside it, the record is above the limit of {output.topic}",
                where=self._bootstrap,
                remedy="raise `max_message_bytes` in the topic's file and run `rivergate topics apply`",
            )
        return translated(KafkaException(error), f"putting dead letter {letter.id} back", self._bootstrap)


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


def _ended(error: RivergateError) -> RivergateError:
    """What went wrong, with what it means for whoever asked."""
    if isinstance(error, Fenced):
        return Fenced(
            "somebody else redrives dead letters of this app; nothing was put back", remedy="look again, then"
        )
    if isinstance(error, CommitUnknown):
        return CommitUnknown(
            f"nobody knows whether they were put back ({error.what})",
            remedy="`rivergate dlq list` tells once the broker answers",
        )
    return error
