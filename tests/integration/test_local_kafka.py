"""The local Apache Kafka for real: restarts, crashes, and what goes wrong around it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from rivergate.domain.errors import RivergateError
from rivergate.runtime.kafka import BrokerCrashed, DataDirInUse, LocalKafka, PortInUse
from rivergate.runtime.kafka.distribution import ensure_distribution
from rivergate.runtime.kafka.holding import process_runs


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker of the test's own, not yet started, that doesn't outlive the test."""
    broker = LocalKafka(tmp_path / "data", heap_mb=256)
    yield broker
    broker.stop()


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def write_in_a_transaction(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Create the topic and commit the values to its only partition."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(20)


def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """What a `read_committed` reader sees from the beginning."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [m.value() for m in consumer.consume(count, 30) if not m.error()]
    finally:
        consumer.close()


def test_what_was_committed_survives_a_sigkill_and_a_restart(own: LocalKafka) -> None:
    """The same data, under the same address, after a crash and after a clean end; no client need be told."""
    own.start()
    address, values = own.bootstrap, [b"%d" % n for n in range(1000)]
    for n in range(3):  # a kill just after a commit finds its markers unwritten, now and then
        write_in_a_transaction(address, f"kept{n}", values)
        own.kill()
        assert not own.alive
        own.start()
        assert own.bootstrap == address
        assert read(address, f"kept{n}", 1000) == values
    own.stop()
    own.start()
    assert read(address, "kept0", 1000) == values


@pytest.mark.parametrize("end", [LocalKafka.stop, LocalKafka.kill])
def test_a_log_that_has_served_is_settled_before_the_next_broker(own: LocalKafka, end: Callable[[Any], None]) -> None:
    """The old registration is seen to end, so that the next broker begins without it."""
    told: list[str] = []

    def tell(doing: str, _share: float | None) -> None:
        told.append(doing)

    own.start(tell)
    assert not any("settling" in t for t in told)
    end(own)
    own.start(tell)
    assert any("settling" in t for t in told)
    log = own.log_file.read_text()
    settling = log.rpartition("Kafka version: ")[0].partition("Fencing broker 1 ")[2]
    assert "Processed maybeFenceStaleBroker" in settling.partition("due to signal SIGTERM")[0]
    assert "DUPLICATE_BROKER_REGISTRATION" not in log


def test_a_broker_that_is_stopped_under_load_loses_no_marker(own: LocalKafka) -> None:
    """Its transaction coordinator never finds a partition without a leader, whose markers it would skip."""
    own.start()
    topics, stop = [f"busy{n}" for n in range(6)], threading.Event()
    for topic in topics:
        write_in_a_transaction(own.bootstrap, topic, [b"first"])

    def commit(number: int) -> None:
        with contextlib.suppress(KafkaException):  # the broker goes, as it should
            producer = Producer({"bootstrap.servers": own.bootstrap, "transactional.id": f"busy-{number}"})
            producer.init_transactions(20)
            while not stop.is_set():
                producer.begin_transaction()
                for topic in topics:
                    producer.produce(topic, b"more")
                producer.commit_transaction(5)
                commits.append(number)

    for _ in range(3):
        commits: list[int] = []
        stop.clear()
        writers = [threading.Thread(target=commit, args=(n,)) for n in range(8)]
        for writer in writers:
            writer.start()
        assert until(lambda: len(commits) > 100)  # noqa: B023 - looked at in this round
        own.stop()
        stop.set()
        own.start()
        for writer in writers:
            writer.join()
    assert "Couldn't find leader endpoint" not in own.log_file.read_text()


def test_another_start_on_the_directory_finds_port_and_cluster(own: LocalKafka, tmp_path: Path) -> None:
    """Cluster id and address are kept in the data directory."""
    own.start()
    first = own.bootstrap, own.pid, AdminClient({"bootstrap.servers": own.bootstrap}).list_topics(timeout=20).cluster_id
    own.stop()
    assert own.pid is None
    with LocalKafka(tmp_path / "data", heap_mb=256) as again:
        cluster = AdminClient({"bootstrap.servers": again.bootstrap}).list_topics(timeout=20).cluster_id
        assert (again.bootstrap, cluster) == (first[0], first[2])
        assert again.pid != first[1]


def test_an_unknown_topic_is_not_created_by_reading(kafka: LocalKafka) -> None:
    """A topic exists because somebody declared it."""
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    client.list_topics("a-typo", timeout=20)
    assert "a-typo" not in client.list_topics(timeout=20).topics


def test_it_listens_on_the_loopback_address_alone(kafka: LocalKafka) -> None:
    """Nobody else on the network reaches it."""
    host, port = kafka.bootstrap.split(":")
    assert host == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", int(port)), timeout=2)


def test_a_port_in_use(tmp_path: Path) -> None:
    """Said before anything is started, and nothing is left held."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = LocalKafka(tmp_path, port)
        with pytest.raises(PortInUse, match=f"port {port} is in use by another program"):
            broker.start()
    assert not broker.alive


def test_a_second_broker_on_the_same_directory(kafka: LocalKafka) -> None:
    """The message names the process that holds the directory, at once."""
    began = time.monotonic()
    with pytest.raises(DataDirInUse, match=f"process {kafka.pid} on {kafka.bootstrap}") as caught:
        LocalKafka(kafka.data_dir).start()
    assert time.monotonic() - began < 2
    assert caught.value.pid == kafka.pid
    assert kafka.alive


def test_a_damaged_log_is_said_without_a_stack_trace(own: LocalKafka) -> None:
    """The reason comes out of Kafka's log, in words, and the process is gone."""
    own.start()
    own.stop()
    meta = own.data_dir / "kafka" / "log" / "meta.properties"
    good = meta.read_bytes()
    meta.write_text("scribble\n")
    with pytest.raises(BrokerCrashed, match="whose log this is") as caught:
        own.start()
    assert "\tat " not in str(caught.value)
    assert "Exception" not in str(caught.value)
    assert not own.alive
    meta.unlink()
    with pytest.raises(RivergateError, match="has gone"):
        own.start()
    meta.write_bytes(good)
    own.start()
    assert own.alive


def test_an_interrupted_format_is_done_again(own: LocalKafka) -> None:
    """A first start that was killed before the log had its identity hinders no second one."""
    own.start()
    own.stop()
    log = own.data_dir / "kafka" / "log"
    for path in log.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    (log / "meta.properties").unlink()
    own.start()
    assert own.alive


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    """Java's own refusal, in words."""
    with pytest.raises(BrokerCrashed, match="didn't get the memory"):
        LocalKafka(tmp_path, heap_mb=1_000_000_000).start()


def test_a_broker_killed_from_outside_is_noticed(own: LocalKafka) -> None:
    """Whoever watches learns that it ended and how."""
    own.start()
    assert own.why_ended() is None
    os.kill(own.pid or 0, signal.SIGKILL)
    assert until(lambda: not own.alive)
    assert "was killed from outside" in str(own.why_ended())
    assert own.pid is None


OWNER = """
import sys, threading, time
from pathlib import Path
from rivergate.runtime.kafka import LocalKafka
kafka = LocalKafka(Path(sys.argv[1]), heap_mb=256)
starter = threading.Thread(target=kafka.start)  # the thread that starts it ends; the broker must not
starter.start(); starter.join()
print(kafka.pid, flush=True)
time.sleep(600)
"""


def test_the_broker_ends_with_its_owner(tmp_path: Path) -> None:
    """It outlives the thread that started it, ends after its owner's SIGKILL, and the directory is free again."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        time.sleep(1.5)
        assert process_runs(pid)
    finally:
        owner.kill()
        owner.communicate()
    with LocalKafka(tmp_path, heap_mb=256) as next_one:  # waits for the one that is ending
        assert next_one.alive
        assert not process_runs(pid)


def test_the_broker_ends_with_its_tether(own: LocalKafka) -> None:
    """Whoever kills the process in between kills the broker (Linux)."""
    if sys.platform != "linux":
        pytest.skip("only Linux can tie a process to its parent")
    own.start()
    pid = own.pid or 0
    tether = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(tether, signal.SIGKILL)
    assert until(lambda: not process_runs(pid))


def copied_cache(root: Path) -> Path:
    """A cache of the test's own with the same jars."""
    found = ensure_distribution()
    folder = root / "kafka" / found.folder.name
    folder.mkdir(parents=True)
    for jar in found.class_path:
        shutil.copy2(jar, folder / jar.name)
    return folder


def test_a_tampered_jar_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched again; without a network the start is refused, with what to do, and nothing is started."""
    folder = copied_cache(tmp_path / "cache")
    jar = next(folder.glob("kafka-server-4*.jar"))
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    jar.write_bytes(content)
    monkeypatch.setenv("RIVERGATE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr("rivergate.runtime.kafka.fetch.TRIES", 1)
    with pytest.raises(RivergateError, match=rf"couldn't download {jar.name} \(the proxy doesn't answer\)") as caught:
        LocalKafka(tmp_path / "data").start()
    assert "check the network" in caught.value.remedy
    assert "://" not in str(caught.value)


CLI = """
import typer
from rivergate.cli.broker import broker
app = typer.Typer(); app.command()(broker); app()
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_in_the_foreground(tmp_path: Path, ending: signal.Signals) -> None:
    """One JSON line says where it is; Ctrl-C and SIGTERM end it within seconds, with nothing left and exit code 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--data-dir", str(tmp_path), "--json"]
    process = subprocess.Popen([sys.executable, "-c", CLI, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        assert said["bootstrap"] == f"127.0.0.1:{port}"
        assert process_runs(said["pid"])
        process.send_signal(ending)
        assert process.communicate(timeout=10)[0] == ""
        assert process.returncode == 0
        assert not process_runs(said["pid"])
    finally:
        process.kill()
        process.wait()
