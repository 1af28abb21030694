"""Runs a worker until it is told to stop: the same under processes and under Ray."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rivergate.adapters.kafka_assignments import FollowedAssignments
from rivergate.adapters.kafka_status import KafkaStatus
from rivergate.runtime.code import is_outdated
from rivergate.runtime.garbage import collect_rarely
from rivergate.runtime.process import leave
from rivergate.runtime.running import wait_for_topics
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import AGENT, driver_maker
from rivergate.runtime.supervision.arrivals import tell_arrival
from rivergate.runtime.turns import take_short_turns
from rivergate.runtime.worker import Worker

if TYPE_CHECKING:
    from rivergate.runtime.live_state import LiveState

_LOG = logging.getLogger("rivergate.runtime")

OUTDATED = 3
"""Exit code of a process that has old code."""


def run_worker(spec: ProcessSpec, stop: threading.Event) -> None:
    """Follow the assignments and run what is ours; returns after everything has drained.

    A process in which other code has run before, an actor's, ends instead: Ray makes a new one in its place, which the
    supervisor finds. Else it would go on with what it imported then, beside workers that have what is installed now.
    """
    if is_outdated():
        _LOG.warning(
            "%s ends: other code is installed than its process runs; a new one takes its place", spec.incarnation
        )
        leave(OUTDATED)
    make_driver = driver_maker(spec)
    collect_rarely()  # once more: now the app is imported too
    take_short_turns()
    wait_for_topics(spec.data.state_file, stop)
    assignments = FollowedAssignments(spec.bootstrap, spec.app.name, spec.security)
    status = KafkaStatus(spec.bootstrap, spec.app.name, spec.security)
    live = live_state(spec)
    tell_arrival(spec.data, spec.incarnation)
    try:
        Worker(spec.stage, spec.incarnation, assignments, make_driver, status.report, live).run(stop)
    finally:
        if live is not None:
            live.close()
        assignments.close()
        status.close()


def live_state(spec: ProcessSpec) -> LiveState | None:
    """What answers what is asked of agents' shards between two steps."""
    if spec.role != AGENT:
        return None
    from rivergate.runtime.live_state import LiveState

    return LiveState(spec.app.load(), spec.stage, spec.data)
