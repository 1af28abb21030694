"""`Cause`: the record that makes an agent do something, as far as its outputs and spans depend on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Cause:
    """`event_id` names the cause itself and seeds the ids of its proposals; `subject` is the event it is about.

    The two differ for labels (the cause is the label's record) and timers (the cause is the timer).
    """

    event_id: str
    subject: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    traceparent: bytes
    needs_span: bool = False
