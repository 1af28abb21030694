"""The audit's ends on real things: a log that is followed, a receiver that goes down and comes back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from tests.unit.audit.story import Proposed, Story

from rivergate.adapters.audit_reader import SqliteAuditReader
from rivergate.adapters.audit_store import AuditStore, audit_topics, run_audit
from rivergate.adapters.kafka_identity import log_identity
from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.otlp_forward import OtlpForwarder, run_forwarder, traces_url
from rivergate.audit.errors import ReceiverUnavailable
from rivergate.audit.explain import explain
from rivergate.domain import names
from rivergate.domain.errors import ConfigError
from rivergate.domain.record import Record, TopicPartition
from rivergate.runtime.kafka import LocalKafka

PATIENCE_S = 30.0


class Receiver:
    """An OTLP/HTTP receiver on a port of its own. `answer` decides what it says to each request's bytes."""

    def __init__(self, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.requests: list[tuple[str, str]] = []
        self.answer: Callable[[bytes], tuple[int, bytes, Mapping[str, str]]] = lambda _: (200, b"", {})
        self.came = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, content, headers = outer.answer(body)
                with outer.came:  # before the answer: whoever gets it may look at once
                    outer.requests.append((self.path, self.headers["content-type"]))
                    if status == 200:
                        outer.bodies.append(body)
                    outer.came.notify_all()
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def spans(self) -> list[str]:
        """Names of the spans that were taken, in order."""
        found = []
        for body in self.bodies:
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [s.name for scope in resource_spans.scope_spans for s in scope.spans]
        return found

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until a request has made the condition true."""
        with self.came:
            return self.came.wait_for(condition, PATIENCE_S)

    def stop(self) -> None:
        """Go down."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ListTail:
    """`ports.Tail` over records in memory; `stop` is set when all has been given and nothing more is wanted."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._at: dict[TopicPartition, int] = {}

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        return [(topic, 3)]

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        return 0, max((r.offset + 1 for r in self._records if (r.topic, r.partition) == partition), default=0)

    def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        self._at = dict(positions)

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        found = [r for r in self._records if r.offset >= self._at.get((r.topic, r.partition), 1 << 60)][:limit]
        for r in found:
            self._at[r.topic, r.partition] = r.offset + 1
        if not found:
            threading.Event().wait(wait_s)
        return found

    def passed(self) -> Mapping[TopicPartition, int]:
        return {tp: at for tp, at in self._at.items() if at >= self.watermarks(tp)[1]}

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that is up."""
    running = Receiver()
    yield running
    running.stop()


@pytest.fixture
def span_records() -> list[Record]:
    """Span records of a few proposals."""
    story = Story()
    for n in range(5):
        Proposed(story, n).propose().allow().do()
    return [r for r in story.records if r.topic.endswith(names.OTLP_SPANS)]


def forwarder(receiver: Receiver, folder: Path, stop: threading.Event, identity: str = "log-1") -> OtlpForwarder:
    """A forwarder to the receiver whose pauses are short."""
    return OtlpForwarder(
        f"http://127.0.0.1:{receiver.port}", folder / "otlp.db", identity, stop, wait=lambda s: stop.wait(min(s, 0.02))
    )


def test_exact_bytes_arrive_once(receiver: Receiver, tmp_path: Path, span_records: list[Record]) -> None:
    """The receiver gets the log's bytes in order; a second start sends nothing again."""
    stop = threading.Event()
    first = forwarder(receiver, tmp_path, stop)
    first.write(span_records)
    assert b"".join(receiver.bodies) == b"".join(r.value or b"" for r in span_records)
    assert set(receiver.requests) == {("/v1/traces", "application/x-protobuf")}
    first.close()
    second = forwarder(receiver, tmp_path, stop)
    assert second.positions() == {(span_records[-1].topic, 3): span_records[-1].offset + 1}
    second.close()


def test_a_receiver_that_goes_down_and_comes_back_misses_nothing(tmp_path: Path, span_records: list[Record]) -> None:
    """Spans wait in the log while nobody listens, and go out in order when somebody does again."""
    stop = threading.Event()
    up = Receiver()
    port = up.port
    early, late = span_records[:6], span_records[6:]
    sink = forwarder(up, tmp_path, stop)
    sink.write(early)
    up.stop()
    runner = threading.Thread(target=run_forwarder, args=(ListTail(span_records), sink, [early[0].topic], stop))
    tried = threading.Event()
    post = sink._http.post

    def post_and_tell(*args: object, **kwargs: object) -> object:
        try:
            return post(*args, **kwargs)  # type: ignore[arg-type]
        finally:
            tried.set()

    sink._http.post = post_and_tell  # type: ignore[method-assign, assignment]
    runner.start()
    assert tried.wait(PATIENCE_S)
    back = Receiver(port)
    try:
        assert back.wait_for(lambda: len(b"".join(back.bodies)) == sum(len(r.value or b"") for r in late))
        assert back.spans()
        assert b"".join(back.bodies) == b"".join(r.value or b"" for r in late)
    finally:
        stop.set()
        runner.join(PATIENCE_S)
        back.stop()
        sink.close()
    assert not runner.is_alive()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 401, 404])
def test_a_receiver_in_trouble_is_asked_again(
    receiver: Receiver, tmp_path: Path, span_records: list[Record], status: int
) -> None:
    """Overload, errors and a wrong address or credential drop nothing: it tries until it is taken."""
    left = [3]

    def answer(_: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        left[0] -= 1
        return (status, b"not now", {"retry-after": "0"}) if left[0] > 0 else (200, b"", {})

    receiver.answer = answer
    sink = forwarder(receiver, tmp_path, threading.Event())
    sink.write(span_records)
    assert b"".join(receiver.bodies) == b"".join(r.value or b"" for r in span_records)
    assert sink.refused() == []
    sink.close()


def test_a_record_that_is_refused_for_good_blocks_nothing(
    receiver: Receiver, tmp_path: Path, span_records: list[Record]
) -> None:
    """Of a request that is called malformed each record goes alone; the culprit is noted, all others arrive."""
    bad = span_records[2]._replace(value=b"\xff\xff\xff")

    def answer(body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        return (400, b"malformed", {}) if b"\xff\xff\xff" in body else (200, b"", {})

    receiver.answer = answer
    sink = forwarder(receiver, tmp_path, threading.Event())
    sink.write([*span_records[:2], bad, *span_records[3:]])
    assert sink.refused() == [(*bad.position, 400, "malformed")]
    assert receiver.bodies == [r.value for r in (*span_records[:2], *span_records[3:])]
    assert sink.positions()[bad.topic, 3] == span_records[-1].offset + 1
    sink.close()


def test_rejected_spans_are_counted(receiver: Receiver, tmp_path: Path, span_records: list[Record]) -> None:
    """A receiver that takes a request and rejects some of its spans is heard."""
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="no")
    )
    receiver.answer = lambda _: (200, partial.SerializeToString(), {"content-type": "application/x-protobuf"})
    sink = forwarder(receiver, tmp_path, threading.Event())
    sink.write(span_records)
    assert sink.rejected_spans == 2
    sink.close()


def test_stopping_ends_the_waiting(tmp_path: Path, span_records: list[Record]) -> None:
    """With nobody listening the forwarder still ends when told to, and keeps its place."""
    stop = threading.Event()
    gone = Receiver()
    gone.stop()
    sink = forwarder(gone, tmp_path, stop)
    sink._wait = lambda _: stop.set() or True
    with pytest.raises(ReceiverUnavailable):
        sink.write(span_records)
    assert sink.positions() == {}
    sink.close()


def test_another_log_starts_from_its_beginning(receiver: Receiver, tmp_path: Path, span_records: list[Record]) -> None:
    """Positions are those of one log: another identity, or an end before the position, forgets them."""
    stop = threading.Event()
    sink = forwarder(receiver, tmp_path, stop)
    sink.write(span_records)
    sink.close()
    sink = forwarder(receiver, tmp_path, stop, identity="log-2")
    assert sink.positions() == {}
    sink.write(span_records)
    sink.compare({(span_records[0].topic, 3): (0, 1)})
    assert sink.positions() == {}
    sink.close()


def test_addresses_of_receivers() -> None:
    """A host and port is enough; a path stays; what is no address is an error."""
    assert traces_url("localhost:4318") == "http://localhost:4318/v1/traces"
    assert traces_url("https://otel.example/") == "https://otel.example/v1/traces"
    assert traces_url("http://h/custom/v1/traces") == "http://h/custom/v1/traces"
    with pytest.raises(ConfigError):
        traces_url("ftp://h")


# --- the store on a real log ---------------------------------------------------------------------------------


def write_to(bootstrap: str, records: Sequence[Record]) -> None:
    """Put the records onto the log."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "enable.idempotence": True})
    for r in records:
        producer.produce(r.topic, r.value, r.key, partition=r.partition, headers=list(r.headers or []))
    assert producer.flush(PATIENCE_S) == 0


def fill(kafka: LocalKafka, app: str, path: Path, wanted: int) -> AuditStore:
    """Run the audit until `wanted` records are stored; the store is still open then."""
    topics = audit_topics(app)
    store = AuditStore(path, app, log_identity(kafka.bootstrap, topics))
    stop = threading.Event()
    stored = [0]

    def count(n: int) -> None:
        stored[0] += n
        if stored[0] >= wanted:
            stop.set()

    tail = KafkaTail(kafka.bootstrap, f"{app}.audit")
    runner = threading.Thread(target=run_audit, args=(tail, store, topics, stop), kwargs={"on_batch": count})
    runner.start()
    runner.join(PATIENCE_S)
    stop.set()
    assert stored[0] == wanted
    return store


def make_topics(bootstrap: str, *topics: str) -> None:
    """Create topics of four partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(t, 4) for t in topics]).values():
        future.result(PATIENCE_S)


def test_the_store_follows_a_real_log(kafka: LocalKafka, tmp_path: Path) -> None:
    """From Kafka into the database, in two runs, and an explanation that reads the event's own record from the log."""
    app = f"a{uuid.uuid4().hex[:10]}"
    make_topics(kafka.bootstrap, *audit_topics(app), f"{app}-telemetry")
    story = Story(app)
    p = Proposed(story, 0)
    p.place["topic"] = f"{app}-telemetry"
    p.propose().review()
    p.settle("approved", p.decide(note="stop it")).do().label(value=True)
    named = [*(p.record.headers or []), ("rg_origin", p.event_id.encode())]
    event = p.record._replace(topic=f"{app}-telemetry", given=named)
    write_to(kafka.bootstrap, [event, *story.records[:6]])
    fill(kafka, app, tmp_path / "audit.db", 6).close()
    write_to(kafka.bootstrap, story.records[6:])
    store = fill(kafka, app, tmp_path / "audit.db", len(story.records) - 6)
    assert store.rebuilt == ""
    reader, log = SqliteAuditReader(tmp_path / "audit.db"), KafkaReader(kafka.bootstrap, f"{app}.test")
    try:
        e = explain(p.id, reader.records_of(p.id), lambda t, n, at: next(iter(log.read(t, n, at, at + 1)), None))
        assert (e.state, e.findings) == ("done", ())
        assert e.event.fields == {"line": "line-4", "sensors": {"s1": 3.2, "s9": 81.0}}
        assert len(reader.trace(p.trace_id)) == 4
    finally:
        log.close()
        reader.close()
        store.close()


def test_a_log_made_anew_rebuilds_the_view(kafka: LocalKafka, tmp_path: Path) -> None:
    """Topics that were deleted and created again are another log: nothing of the old one is left in the view."""
    app = f"a{uuid.uuid4().hex[:10]}"
    topics = audit_topics(app)
    make_topics(kafka.bootstrap, *topics)
    story = Story(app)
    gone = Proposed(story, 1).propose().allow()
    write_to(kafka.bootstrap, story.records)
    fill(kafka, app, tmp_path / "audit.db", len(story.records)).close()
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_topics(topics).values():
        future.result(PATIENCE_S)
    make_anew(kafka.bootstrap, topics)
    other = Story(app)
    here = Proposed(other, 2).propose().deny()
    write_to(kafka.bootstrap, other.records)
    store = fill(kafka, app, tmp_path / "audit.db", len(other.records))
    assert "was a view of log" in store.rebuilt
    reader = SqliteAuditReader(tmp_path / "audit.db")
    assert reader.records_of(gone.id) == []
    assert explain(here.id, reader.records_of(here.id)).state == "denied"
    assert "rebuilt" in reader.notes()[0][1]
    reader.close()
    store.close()


def make_anew(bootstrap: str, topics: Sequence[str]) -> None:
    """Create topics that are just being deleted: the broker refuses until they are gone."""
    for _ in range(100):
        try:
            make_topics(bootstrap, *topics)
        except KafkaException:
            threading.Event().wait(0.1)
        else:
            return
        topics = [t for t in topics if t not in known(bootstrap)]
    pytest.fail("the topics weren't made anew")


def known(bootstrap: str) -> set[str]:
    """Names of the broker's topics."""
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=PATIENCE_S).topics)
