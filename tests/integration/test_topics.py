from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.cli.produce import produce
from rivergate.cli.topics import topics
from rivergate.domain.errors import BadInput, BrokerUnavailable, ConfigError, UnknownTopic
from rivergate.domain.record import BY_KEY, Output, Record
from rivergate.runtime.kafka import LocalKafka
from rivergate.runtime.kafka.addresses import free_port
from rivergate.topics import Catalogue, TopicSpec, apply_topics

HEADERS = [("ce_id", b"1")]
READINGS = """\
name: {name}
partitions: app
key: line
schema: [reading]
retention: {retention}
max_message_bytes: 2 MiB
json_schema:
  type: object
  properties: {{ sensors: {{ type: object, additionalProperties: {{ type: number }} }} }}
  required: [line]
writers: [machines]
readers: [agents]
why: What machines say.
"""

cli = typer.Typer()
cli.add_typer(topics, name="topics")
cli.command()(produce)


@pytest.fixture
def admin(kafka: LocalKafka) -> Iterator[KafkaAdmin]:
    """The broker's administration."""
    admin = KafkaAdmin(kafka.bootstrap)
    yield admin
    admin.close()


@pytest.fixture
def app() -> str:
    """An app's name that no other test has."""
    return f"app-{uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path: Path, app: str) -> Path:
    """A folder with the file of one user's topic, `{app}-readings`."""
    declare(tmp_path, app)
    return tmp_path


def declare(folder: Path, app: str, retention: str = "7d") -> None:
    """Write the topic's file."""
    text = READINGS.format(name=f"{app}-readings", retention=retention)
    (folder / "readings.yaml").write_text(text, encoding="utf-8")


def run(kafka: LocalKafka, *arguments: str, stdin: str | bytes = "") -> Result:
    """The command line on the running broker."""
    return CliRunner().invoke(cli, [*arguments, "--bootstrap", kafka.bootstrap], input=stdin)


def specs(app: str, partitions: int = 2) -> list[TopicSpec]:
    """An app with a gate alone."""
    return Catalogue.for_app(app, partitions, {"gate": 1})


def read_all(kafka: LocalKafka, topic: str) -> list[Record]:
    """Every record of the topic."""
    tail = KafkaTail(kafka.bootstrap, f"test-{uuid4()}")
    try:
        ends = {p: tail.watermarks(p)[1] for p in tail.partitions(topic)}
        tail.seek(dict.fromkeys(ends, 0))
        found: list[Record] = []
        deadline = time.monotonic() + 20
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            found += tail.poll(1000, 0.5)
        return found
    finally:
        tail.close()


def test_apply_makes_the_broker_as_declared(kafka: LocalKafka, admin: KafkaAdmin, app: str, folder: Path) -> None:
    """Every topic has its count and its settings, and a second time there is nothing to do."""
    arguments = ("topics", "apply", "--app", app, "--partitions", "3", "--topics", str(folder), "--json")
    first = orjson.loads(run(kafka, *arguments).stdout)
    assert {c["change"] for c in first["changes"]} == {"create"}
    declared = Catalogue.for_app(app, 3, {"gate": 1, "effects": 3}, [folder])
    there = admin.describe([s.name for s in declared])
    for spec in declared:
        assert there[spec.name].partitions == spec.partitions
        assert {k: there[spec.name].config[k] for k in spec.config} == spec.config
        assert not there[spec.name].written
    second = orjson.loads(run(kafka, *arguments).stdout)
    assert {c["change"] for c in second["changes"]} == {"same"}


def test_new_topics_can_be_written_to_at_once(kafka: LocalKafka, admin: KafkaAdmin, app: str) -> None:
    """`create` returns when every partition has a leader that answers."""
    apply_topics(admin, specs(app))
    writer = KafkaWriter(kafka.bootstrap)
    try:
        assert [writer.send(Output(f"{app}.labels", p, None, b"{}"), HEADERS) for p in (0, 1)] == [(0, 0), (1, 0)]
    finally:
        writer.close()


def test_a_topic_that_was_found_missing_is_found_once_created(admin: KafkaAdmin, app: str) -> None:
    """The client remembers what it was told about topics; new ones are seen all the same."""
    first, *others = specs(app)
    apply_topics(admin, others)
    assert apply_topics(admin, [first]).of("create")
    assert set(admin.describe([first.name])) == {first.name}


def test_two_applies_at_once_are_harmless(kafka: LocalKafka, app: str) -> None:
    """Two supervisors that start together both succeed."""
    admins = [KafkaAdmin(kafka.bootstrap) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda a: apply_topics(a, specs(app)), admins))
    assert [one.of("refuse") for one in applied] == [[], [], []]


def test_another_partition_count_is_refused(kafka: LocalKafka, admin: KafkaAdmin, app: str) -> None:
    """The command exits 1, says the count to keep, and has touched nothing."""
    apply_topics(admin, specs(app))
    result = run(kafka, "topics", "apply", "--app", app, "--partitions", "4")
    assert result.exit_code == 1
    assert "moves keys" in result.stdout
    assert "give the app 2 partitions" in result.stdout
    assert admin.describe([f"{app}.actions"])[f"{app}.actions"].partitions == 2
    with pytest.raises(ConfigError, match="partitions 2 → 4 was refused"):
        apply_topics(admin, specs(app, 4)).demand()


def test_retention_grows_and_never_shrinks(kafka: LocalKafka, admin: KafkaAdmin, app: str, folder: Path) -> None:
    """Longer is altered; shorter is refused once there are records, and the remedy names what the topic has."""
    arguments = ("--app", app, "--partitions", "2", "--topics", str(folder))
    topic = f"{app}-readings"
    run(kafka, "topics", "apply", *arguments)
    assert run(kafka, "produce", topic, stdin='{"line":"a"}\n').exit_code == 0

    declare(folder, app, "14d")
    altered = run(kafka, "topics", "apply", *arguments)
    assert altered.exit_code == 0
    assert "retention.ms 7d → 14d" in altered.stdout
    assert admin.describe([topic])[topic].config["retention.ms"] == str(14 * 86_400_000)

    declare(folder, app, "3d")
    refused = run(kafka, "topics", "diff", *arguments)
    assert refused.exit_code == 1
    assert "write `retention: 14d` in readings.yaml" in refused.stdout


def test_a_journal_with_records_keeps_its_stamps(kafka: LocalKafka, admin: KafkaAdmin, app: str) -> None:
    """A journal that something else made with producers' times isn't silently turned into one of ours."""
    journal = next(s for s in specs(app) if s.name == f"{app}.journal.gate")
    admin.create([journal])
    admin.alter(journal.name, {"message.timestamp.type": "CreateTime"})
    assert [c.kind for c in apply_topics(admin, [journal]).changes] == ["alter"]
    admin.alter(journal.name, {"message.timestamp.type": "CreateTime"})
    writer = KafkaWriter(kafka.bootstrap)
    writer.send(Output(journal.name, 0, None, b"{}"), HEADERS)
    writer.close()
    with pytest.raises(ConfigError, match="times would mean something else"):
        apply_topics(admin, [journal]).demand()


def test_list_shows_what_the_broker_lacks(kafka: LocalKafka, app: str) -> None:
    """With a broker, each topic says whether it is there."""
    said = orjson.loads(run(kafka, "topics", "list", "--app", app, "--partitions", "2", "--json").stdout)
    assert {t["on_broker"] for t in said["topics"]} == {None}


def test_a_setting_that_the_broker_refuses_is_said(admin: KafkaAdmin, app: str) -> None:
    """The broker's own reason, and no traceback."""
    apply_topics(admin, specs(app))
    with pytest.raises(ConfigError, match="the broker refused"):
        admin.alter(f"{app}.actions", {"retention.ms": "soon"})


def test_produce_writes_good_lines_and_names_bad_ones(kafka: LocalKafka, app: str, folder: Path) -> None:
    """Good lines arrive as CloudEvents with their key, bad ones are named with line and field; exit code 1."""
    run(kafka, "topics", "apply", "--app", app, "--partitions", "2", "--topics", str(folder))
    topic = f"{app}-readings"
    lines = '{"line":"a","id":"x1"}\n{"line":"a","sensors":{"t":"hot"}}\noops\n{"line":"b","id":"x2"}\n'
    options = ("--key", "line", "--id-field", "id", "--type", "reading", "--topics", str(folder))
    result = run(kafka, "produce", topic, *options, stdin=lines)
    assert result.exit_code == 1
    assert "2 of 4 lines written" in result.stdout
    assert "line 2: field sensors.t: 'hot' is not of type 'number'" in result.stderr
    assert "line 3: not JSON" in result.stderr
    found = {r.event_id: r for r in read_all(kafka, topic)}
    assert sorted(found) == [f"/rivergate/produce/{topic}#x1", f"/rivergate/produce/{topic}#x2"]
    first = found[f"/rivergate/produce/{topic}#x1"]
    assert (first.key, first.value, first.ce_type) == (b"a", b'{"line":"a","id":"x1"}', "reading")


def test_strict_writes_nothing_unless_every_line_holds(kafka: LocalKafka, app: str, folder: Path) -> None:
    """All or nothing, checked before the first record is written."""
    run(kafka, "topics", "apply", "--app", app, "--partitions", "1", "--topics", str(folder))
    topic = f"{app}-readings"
    bad = run(kafka, "produce", topic, "--strict", "--json", stdin='{"line":"a"}\noops\n')
    assert bad.exit_code == 1
    said = orjson.loads(bad.stdout)
    assert (said["written"], said["rejected"], said["problems"][0]["line"]) == (0, 1, 2)
    good = run(kafka, "produce", topic, "--strict", "--json", stdin='{"line":"a"}\n{"line":"b"}\n')
    assert orjson.loads(good.stdout)["written"] == 2
    assert len(read_all(kafka, topic)) == 2


def test_an_oversized_line_names_the_topics_limit(kafka: LocalKafka, app: str, folder: Path) -> None:
    """The limit is that of the topic, not the client's."""
    run(kafka, "topics", "apply", "--app", app, "--partitions", "1", "--topics", str(folder))
    result = run(kafka, "produce", f"{app}-readings", stdin='{"line":"' + "x" * 2_100_000 + '"}\n')
    assert result.exit_code == 1
    assert "above the limit of 2 MiB" in result.stderr
    assert "raise `max_message_bytes`" in result.stderr


def test_many_small_lines_and_a_large_one_go_through(kafka: LocalKafka, app: str, folder: Path) -> None:
    """Neither a batch of small records nor a record above the client's own default is in the topic's way."""
    run(kafka, "topics", "apply", "--app", app, "--partitions", "1", "--topics", str(folder))
    lines = '{"line":"a"}\n' * 30_000 + '{"line":"' + "x" * 1_500_000 + '"}\n'
    result = run(kafka, "produce", f"{app}-readings", "--json", stdin=lines)
    assert orjson.loads(result.stdout)["written"] == 30_001


def test_an_unknown_topic_suggests_the_one_that_was_meant(kafka: LocalKafka, app: str, folder: Path) -> None:
    """Nothing is created by a typing mistake."""
    run(kafka, "topics", "apply", "--app", app, "--partitions", "1", "--topics", str(folder))
    error = run(kafka, "produce", f"{app}-readngs", stdin="{}\n").exception
    assert isinstance(error, UnknownTopic)
    assert f"'{app}-readings'" in error.remedy


def test_system_topics_are_not_for_people(kafka: LocalKafka, admin: KafkaAdmin, app: str) -> None:
    """An action is never typed by hand past the gate."""
    apply_topics(admin, specs(app))
    error = run(kafka, "produce", f"{app}.actions", stdin="{}\n").exception
    assert isinstance(error, ConfigError)
    assert "written by gate alone" in error.what


def test_the_writer_says_what_a_topic_refuses(kafka: LocalKafka, admin: KafkaAdmin, app: str) -> None:
    """A record above the topic's limit and a topic that isn't there are told apart."""
    apply_topics(admin, specs(app))
    writer = KafkaWriter(kafka.bootstrap, timeout_s=4)
    try:
        noise = random.Random(1).randbytes(1_200_000)  # nothing that compression could make fit
        with pytest.raises(BadInput, match="above the limit of topic"):
            writer.send(Output(f"{app}.labels", BY_KEY, b"k", noise), HEADERS)
        with pytest.raises(UnknownTopic):
            writer.send(Output(f"{app}.nowhere", BY_KEY, b"k", b"{}"), HEADERS)
    finally:
        writer.close()


def test_a_broker_that_is_not_there_is_said_within_seconds() -> None:
    """Administration and produce give up after five seconds, with a remedy."""
    nowhere = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    error = CliRunner().invoke(cli, ["produce", "x", "--bootstrap", nowhere], input="{}\n").exception
    assert isinstance(error, BrokerUnavailable)
    assert nowhere in error.where
    assert "no Kafka broker answers" in error.what
    assert "--bootstrap" in error.remedy
    assert time.monotonic() - began < 10


def test_a_broker_that_goes_away_leaves_no_record_in_doubt(tmp_path: Path, app: str) -> None:
    """Every record is either confirmed or told as failed."""
    with LocalKafka(tmp_path) as kafka:
        admin = KafkaAdmin(kafka.bootstrap)
        apply_topics(admin, specs(app, 1))
        writer = KafkaWriter(kafka.bootstrap, timeout_s=2)
        writer.send(Output(f"{app}.labels", 0, b"k", b"{}"), HEADERS)
        kafka.kill()
        failed: list[Exception] = []
        for _ in range(10):
            writer.send_soon(Output(f"{app}.labels", 0, b"k", b"{}"), HEADERS, failed.append)
        writer.flush()
        assert (writer.delivered, len(failed)) == (1, 10)
        assert {type(e) for e in failed} == {BrokerUnavailable}
        writer.close()
