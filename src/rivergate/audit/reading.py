"""What spans say: OTLP messages read into plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from rivergate.audit.stored import StoredSpan
from rivergate.domain.errors import BadInput
from rivergate.domain.record import Position

_ERROR = trace_pb2.Status.STATUS_CODE_ERROR


def spans_of(message: bytes, position: Position) -> list[StoredSpan]:
    """All spans of a `TracesData` message, in order. Raises `BadInput` where it isn't one."""
    try:
        data = trace_pb2.TracesData.FromString(message)
    except DecodeError as e:
        raise _malformed(position, f"not a TracesData message: {e}") from e
    spans = []
    for resource_spans in data.resource_spans:
        service = _service(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            spans += [_stored(span, service, position) for span in scope_spans.spans]
    if not spans:
        raise _malformed(position, "a message without spans")
    return spans


def _service(attributes: Iterable[KeyValue]) -> str:
    return next((a.value.string_value for a in attributes if a.key == "service.name"), "")


def _stored(span: trace_pb2.Span, service: str, position: Position) -> StoredSpan:
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in {0, 8}:
        raise _malformed(position, f"span {span.name!r} has ids of the wrong length")
    return StoredSpan(
        position=position,
        service=service,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        error=span.status.message if span.status.code == _ERROR else None,
        attributes=dict(_pairs(span.attributes)),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        events=tuple((e.name, e.time_unix_nano, dict(_pairs(e.attributes))) for e in span.events),
    )


def _pairs(attributes: Iterable[KeyValue]) -> Iterator[tuple[str, Any]]:
    for a in attributes:
        yield a.key, plain(a.value)


def plain(value: AnyValue) -> Any:
    """An attribute's value as Python has it; bytes as hex, nothing as None."""
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [plain(v) for v in value.array_value.values]
    if which == "kvlist_value":
        return dict(_pairs(value.kvlist_value.values))
    if which == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, which)


def _malformed(position: Position, what: str) -> BadInput:
    return BadInput(
        what, where=str(position), remedy="its bytes are kept, quarantined; find who else writes this topic"
    )
