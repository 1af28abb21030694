"""A request to end a transaction that reaches the broker while a later transaction is open."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from tests.chaos.cluster import Cluster
from tests.chaos.proxy import END_TXN, HOLD, MEET, Rule
from tests.checker.reading import TopicsReader

from rivergate.adapters.kafka_log import KafkaShardLog
from rivergate.domain.errors import CommitUnknown, RivergateError
from rivergate.kernel.shard import ShardSpec

pytestmark = pytest.mark.slow

APP, OUT, JOURNAL = "late", "late.outputs", "late.journal.gate"
LATE_S = 2.0


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker with a proxy before it, and the topics that are written."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap})
        for made in admin.create_topics([NewTopic(OUT, 1), NewTopic(JOURNAL, 1)]).values():
            made.result()
        yield running


def test_a_late_end_of_one_transaction_does_not_commit_the_next(cluster: Cluster) -> None:
    """The session hears that a connection broke, and a new one's epoch bars the request of then."""
    log = KafkaShardLog(cluster.for_app, ShardSpec(APP, "gate", 0, (), "code", "worker"))
    log.open()
    striking = threading.Thread(
        target=cluster.proxy.strike, args=(Rule("late", HOLD, END_TXN, f"{APP}.gate.", LATE_S), 10.0)
    )
    striking.start()
    _write(log, b"committed")
    log.commit()
    committed_at = time.monotonic()
    striking.join()
    with pytest.raises(CommitUnknown, match="a connection to the broker broke"):
        log.begin()
    log.recycle()
    _write(log, b"aborted")
    time.sleep(max(0.0, committed_at + LATE_S + 1.0 - time.monotonic()))
    log.abort()
    log.close()
    with TopicsReader(cluster.bootstrap) as reader:
        assert [x.value for x in reader.read([OUT])[OUT]] == [b"committed"]


def test_a_session_that_goes_on_loses_its_next_transaction_to_the_late_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why a session begins anew: the request of then commits what is aborted."""
    monkeypatch.setattr(KafkaShardLog, "_heard", lambda *_: None)
    monkeypatch.setattr(KafkaShardLog, "_disconnected", lambda _: None)
    log = KafkaShardLog(cluster.for_app, ShardSpec(APP, "gate", 0, (), "code", "worker"))
    log.open()
    striking = threading.Thread(
        target=cluster.proxy.strike, args=(Rule("late", MEET, END_TXN, f"{APP}.gate.", LATE_S), 10.0)
    )
    striking.start()
    _write(log, b"committed")
    log.commit()
    striking.join()
    log.begin()
    log.write(OUT, 0, None, b"aborted", [])
    log._live().flush(10.0)
    with contextlib.suppress(RivergateError):
        log.abort()
    log.close()
    with TopicsReader(cluster.bootstrap) as reader:
        assert [x.value for x in reader.read([OUT])[OUT]] == [b"committed", b"aborted"]


def _write(log: KafkaShardLog, value: bytes) -> None:
    log.begin()
    log.write(OUT, 0, None, value, [])
    log.write_journal(value)
    log._live().flush(10.0)
