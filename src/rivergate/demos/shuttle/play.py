"""The demo's two ways: live until somebody ends it, or a number of events, a reviewer, and a report."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from confluent_kafka import Producer

from rivergate.demos.shuttle.background import Background
from rivergate.demos.shuttle.events import Reading
from rivergate.demos.shuttle.feed import Feeder
from rivergate.demos.shuttle.follower import Follower
from rivergate.demos.shuttle.ledger import Ledger
from rivergate.demos.shuttle.plan import Plan
from rivergate.demos.shuttle.report import Replayed, Report, losses, report
from rivergate.demos.shuttle.reviewer import ScriptedReviewer
from rivergate.demos.shuttle.telemetry import ShuttleTelemetry, truths
from rivergate.demos.shuttle.topic_reader import TopicReader, app_topics, producer_settings, records_on
from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.domain.errors import RivergateError
from rivergate.runtime.replay.replaying import replay_in_own_process
from rivergate.runtime.session import Session, Tell

STALLED_S = 90.0
LOOK_S = 0.2
SAY_S = 2.0


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: readings (0 for endless), at which rate a second (0 for as fast as it goes), from which seed.

    `ahead` is how many readings may lie before the agents unread, 0 for any number. A script that ran on while an
    agent is away would have it read thousands of readings before the first of their labels.
    """

    events: int
    rate: float
    seed: int
    ahead: int = 0


def first_number(session: Session) -> int:
    """Number of the next reading: they go on where an earlier run on these topics ended, so that no id repeats."""
    app = session.options.app
    return records_on(session.bootstrap, Reading.topic_in(app.name), app.partitions)


def start_feeder(session: Session, script: Script, start: int) -> Background:
    """Play telemetry and truths from that reading on."""
    app, partitions = session.options.app.name, session.options.app.partitions
    plan = Plan(script.seed, partitions, start, script.events)

    def feed(stop: threading.Event) -> None:
        producer = Producer(dict(producer_settings(session.bootstrap)))
        follower = None
        if script.ahead:
            reader = TopicReader(session.bootstrap, Follower.topics(app))
            follower = Follower(reader, app, start, script.ahead)
        try:
            may_go_on = follower.may_go_on if follower else lambda _: True
            feeder = Feeder(producer, app, partitions, script.rate, may_go_on=may_go_on)
            feeder.run(plan.steps(ShuttleTelemetry()), stop)
        finally:
            if follower:
                follower.close()

    return Background("feeder", feed).start()


def play_to_the_end(session: Session, script: Script, tell: Tell, began: float) -> Report:
    """Feed, review, wait until all has settled, drain, count from the topics, replay. `began` by `time.monotonic`.

    Raises `RivergateError` where the run stalls.
    """
    tell(f"playing {script.events} readings", None)
    start, since_ms = first_number(session), time.time_ns() // 1_000_000
    reviewer = ScriptedReviewer(session.data.token_file, truths(start + script.events))
    feeder = start_feeder(session, script, start)
    reviewing = Background("reviewer", reviewer.run).start()
    try:
        _wait_until_settled(session, feeder, tell)
    finally:
        reviewing.stop()
        feeder.stop()
    tell("draining", None)
    session.stop()
    tell("replaying every shard in a process of its own", None)
    spec = session.options.supervisor(session.bootstrap)
    replayed = Replayed.of(replay_in_own_process(spec, tell), _ledger(session).agent_stage)
    tell("counting from the topics", None)
    broker = session.options.bootstrap or "local Apache Kafka"
    return report(
        _counted(session, since_ms),
        replayed,
        host=session.options.host,
        broker=broker,
        seconds=time.monotonic() - began,
    )


def _wait_until_settled(session: Session, feeder: Background, tell: Tell) -> None:
    ledger = _ledger(session)
    reader = TopicReader(session.bootstrap, app_topics(session.bootstrap, session.options.app.name))
    try:
        moved = said = time.monotonic()
        while True:
            session.demand_alive()
            if reader.poll(ledger.add, LOOK_S):
                moved = time.monotonic()
                if moved - said > SAY_S:
                    said = moved
                    tell(_counts(ledger), None)
                continue
            if feeder.done and not losses(ledger):
                return
            if time.monotonic() - moved > STALLED_S:
                left = ", ".join(f"{n} {what}" for what, n in losses(ledger).items())
                raise RivergateError(
                    f"nothing has moved for {STALLED_S:.0f} s: {left or 'the feeder is stuck'}",
                    where=str(session.data.logs),
                    remedy="`rivergate shards list` says which shard waits, and why",
                )
    finally:
        reader.close()


def _counts(ledger: Ledger) -> str:
    return f"{len(ledger.events)} readings, {len(ledger.proposals)} proposals, {len(ledger.actions)} actions"


def _counted(session: Session, since_ms: int) -> Ledger:
    """A fresh ledger, read from the beginning of every topic to its end."""
    ledger = _ledger(session, since_ms)
    reader = TopicReader(session.bootstrap, app_topics(session.bootstrap, session.options.app.name))
    try:
        reader.read_to_end(ledger.add)
    finally:
        reader.close()
    return ledger


def _ledger(session: Session, since_ms: int = 0) -> Ledger:
    app = session.options.app.name
    return Ledger(app, Reading.topic_in(app), ShuttleWatcher.name, since_ms)
