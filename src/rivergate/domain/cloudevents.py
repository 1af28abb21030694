"""CloudEvents 1.0 in Kafka's binary mode: the headers of whatever is written outside a stage's commit."""

from __future__ import annotations

from rivergate.domain.clock import Micros, rfc3339
from rivergate.domain.ids import span_id_of, trace_id_of, traceparent
from rivergate.domain.record import Headers


def event_headers(source: str, ce_type: str, ce_id: str, at: Micros, parent: bytes | None = None) -> Headers:
    """All headers of a CloudEvent whose data is a JSON object.

    Without a `parent` (a W3C traceparent) the trace follows from source and id, as it does for any event.
    """
    event_id = f"{source}#{ce_id}"
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_time", rfc3339(at).encode()),
        ("content-type", b"application/json"),
        ("traceparent", parent or traceparent(trace_id_of(event_id), span_id_of(event_id))),
    ]
