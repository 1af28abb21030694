"""The bytes that we write are the messages that OpenTelemetry's own classes read."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from rivergate.audit.otlp import MAX_BYTES, MAX_SPANS, SpanEncoder
from rivergate.audit.resource import resource_of
from rivergate.domain.span import Span

RESOURCE = {"service.name": "shop.gate", "service.namespace": "shop", "service.instance.id": "worker-1"}

texts = st.text(max_size=300)
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(),
    st.lists(texts, max_size=5),
)
attributes = st.dictionaries(st.text(min_size=1, max_size=40), values, max_size=8)
trace_ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
times = st.integers(min_value=0, max_value=2**64 - 1)
spans = st.builds(
    Span,
    name=texts,
    trace_id=trace_ids,
    span_id=span_ids,
    start_ns=times,
    end_ns=times,
    parent_id=st.one_of(st.just(""), span_ids),
    kind=st.integers(min_value=1, max_value=5),
    attributes=attributes,
    links=st.lists(st.tuples(trace_ids, span_ids), max_size=3),
    events=st.lists(st.tuples(texts, times, attributes), max_size=3),
    error=texts,
)


def official(value: Any) -> AnyValue:
    """The attribute value as OpenTelemetry's class has it."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=v) for v in value]))
    return AnyValue(string_value=value)


def official_span(span: Span) -> trace_pb2.Span:
    """The span as OpenTelemetry's class has it."""

    def pairs(given: dict[str, Any]) -> list[KeyValue]:
        return [KeyValue(key=k, value=official(v)) for k, v in given.items()]

    made = trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=span.kind,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=pairs(span.attributes),
        links=[trace_pb2.Span.Link(trace_id=bytes.fromhex(t), span_id=bytes.fromhex(s)) for t, s in span.links],
        events=[
            trace_pb2.Span.Event(name=n, time_unix_nano=at, attributes=pairs(given)) for n, at, given in span.events
        ],
    )
    if span.error:
        made.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        made.status.message = span.error
    return made


def read(messages: list[bytes]) -> list[trace_pb2.Span]:
    """All spans of the messages, in order."""
    found = []
    for message in messages:
        for resource_spans in trace_pb2.TracesData.FromString(message).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                found += scope_spans.spans
    return found


def plain(number: int, **kwargs: Any) -> Span:
    """A span with a number for an id."""
    return Span("work", f"{1:032x}", f"{number:016x}", 1, 2, **kwargs)


@given(st.lists(spans, min_size=1, max_size=4))
def test_every_span_reads_back_as_the_same_span(given: list[Span]) -> None:
    """Any attributes, links, events and errors survive, twice over (the second time from the caches)."""
    encoder = SpanEncoder(RESOURCE, "0.1.0")
    expected = [official_span(s).SerializeToString(deterministic=True) for s in given]
    for _ in range(2):
        assert [s.SerializeToString(deterministic=True) for s in read(encoder.encode(given))] == expected


def test_a_message_names_its_resource_and_scope() -> None:
    """Whoever reads one message knows which process of which app it comes from."""
    [message] = SpanEncoder(RESOURCE, "0.1.0").encode([plain(1)])
    [resource_spans] = trace_pb2.TracesData.FromString(message).resource_spans
    assert {a.key: a.value.string_value for a in resource_spans.resource.attributes} == RESOURCE
    assert resource_spans.scope_spans[0].scope.name == "rivergate"
    assert resource_spans.scope_spans[0].scope.version == "0.1.0"


def test_a_message_is_an_export_request_too() -> None:
    """The same bytes can be posted to any OTLP receiver."""
    [message] = SpanEncoder(RESOURCE, "0.1.0").encode([plain(1)])
    request = ExportTraceServiceRequest.FromString(message)
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "work"


def test_no_spans_make_no_message() -> None:
    """A commit without spans writes no span record."""
    assert SpanEncoder(RESOURCE, "0.1.0").encode([]) == []


@pytest.mark.parametrize("size", [10, 3_000])
def test_messages_stay_within_their_bounds(size: int) -> None:
    """Many or large spans are spread over several messages, in order, none of them lost."""
    given = [plain(n + 1, attributes={"text": "x" * size}) for n in range(1201)]
    messages = SpanEncoder(RESOURCE, "0.1.0").encode(given)
    assert max(map(len, messages)) <= MAX_BYTES
    assert max(len(read([m])) for m in messages) <= MAX_SPANS
    assert [int.from_bytes(s.span_id) for s in read(messages)] == list(range(1, 1202))


def test_a_span_too_large_alone_is_cut_and_says_so() -> None:
    """It keeps its identity and what fits, and counts what it lost."""
    long = "é" * MAX_BYTES
    span = plain(
        7,
        attributes={"rivergate.proposal.id": "ab" * 16, "text": long, "after": True},
        events=[("e", 5, {"text": long})],
        links=[(f"{2:032x}", f"{n:016x}") for n in range(1, 40_000)],
        error="it broke",
    )
    [message] = SpanEncoder(RESOURCE, "0.1.0").encode([span])
    [found] = read([message])
    assert len(message) <= MAX_BYTES
    assert [a.key for a in found.attributes] == ["rivergate.proposal.id", "after"]
    assert (found.dropped_attributes_count, found.dropped_events_count) == (1, 1)
    assert len(found.links) + found.dropped_links_count == 39_999
    assert found.status.message == "it broke"


def test_what_otlp_has_no_type_for_becomes_text() -> None:
    """Integers beyond 64 bits, lone surrogates and foreign types never break a commit."""
    span = plain(1, attributes={"big": 2**70, "odd": "a\ud800b", "none": None})
    [found] = read(SpanEncoder(RESOURCE, "0.1.0").encode([span]))
    assert [a.value.string_value for a in found.attributes] == [str(2**70), "a?b", "None"]


@pytest.mark.parametrize("bad", ["", "xyz", "0_" * 16, "ab" * 3])
def test_a_malformed_id_becomes_its_hash(bad: str) -> None:
    """A traceparent that somebody else garbled costs no span."""
    span = plain(1)
    span.trace_id = bad
    [found] = read(SpanEncoder(RESOURCE, "0.1.0").encode([span]))
    assert len(found.trace_id) == 16


def test_not_a_number_is_kept() -> None:
    """Floats go as they are, NaN and infinity too."""
    span = plain(1, attributes={"nan": math.nan, "inf": -math.inf})
    [found] = read(SpanEncoder(RESOURCE, "0.1.0").encode([span]))
    assert math.isnan(found.attributes[0].value.double_value)
    assert found.attributes[1].value.double_value == -math.inf


def test_the_resource_says_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Service, namespace and instance are ours, the SDK's own names and the environment's additions come with it."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    found = resource_of("shop", "gate", "gate-1")
    assert found["service.name"] == "shop.gate"
    assert found["service.namespace"] == "shop"
    assert found["service.instance.id"] == "gate-1"
    assert found["telemetry.sdk.language"] == "python"
    assert found["deployment.environment.name"] == "test"
