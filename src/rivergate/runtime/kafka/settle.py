"""Before a broker starts on a log that has served already: the registration of the broker before is ended.

A node that is broker and controller at once finds itself registered when it comes back, as leader of everything, until the
controller in it has seen the old broker's session end. A transaction whose markers were still to be written is lost in
that time: its coordinator takes partitions without a leader for deleted ones, skips the markers, and `read_committed`
readers wait for them for ever. So the controller alone runs first, with short sessions, until it has ended the old one;
that takes a second, and the broker itself needn't wait for it any more. That it has decided so isn't enough: it gathers
what it writes for 25 ms, and ended within them it forgets.

It makes no difference whether the broker was killed or told to end: one that takes leave of its controller while it still
serves loses markers in the same way, so ours just ends (`controlled.shutdown.enable` in settings.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rivergate.runtime.kafka.addresses import free_port
from rivergate.runtime.kafka.diagnosis import size_of, text_after
from rivergate.runtime.kafka.launch import Launch
from rivergate.runtime.kafka.process import TetheredProcess
from rivergate.runtime.kafka.settings import controller_properties, log4j_properties

SETTINGS = "settle.properties"
DECIDES = "org.apache.kafka.controller.QuorumController"
"""Whose debug lines tell what has been written."""
ACTIVE = "Becoming the active controller"
FENCED = "Fencing broker 1 "
WRITTEN = "Processed maybeFenceStaleBroker"  # behind FENCED: a write is processed once it is committed
START_S = 60.0
FENCING_S = 5.0
"""How long an active controller is given; it needs half a second. Without a registration there is nothing to end."""


def settle(launch: Launch, keep_open: int) -> bool:
    """Run the controller until the old broker's registration has ended; whether it was seen to end.

    The folder must be held. Whatever goes wrong here is said by the broker's own start, which follows.
    """
    home = launch.home
    home.clear_temporary()
    (home.root / "log4j2.properties").write_text(log4j_properties(debug=DECIDES), "utf-8")
    (home.root / SETTINGS).write_text(controller_properties(free_port(besides=launch.port)), "utf-8")
    offset = size_of(home.log_file)
    command = launch.distribution.command("kafka.Kafka", SETTINGS, options=launch.options())
    process = TetheredProcess(command, folder=home.root, output=home.output, keep_open=keep_open)
    try:
        return wait_for_end(lambda: text_after(home.log_file, offset), lambda: process.alive)
    finally:
        process.stop(5.0)


def wait_for_end(
    said: Callable[[], str],
    alive: Callable[[], bool],
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether the controller has `said` that it wrote the end of the old registration, in the time that it is given."""
    deadline = monotonic() + START_S
    active = False
    while alive() and monotonic() < deadline:
        log = said()
        if WRITTEN in log.partition(FENCED)[2]:
            return True
        if ACTIVE in log and not active:
            active, deadline = True, monotonic() + FENCING_S
        sleep(0.02)
    return WRITTEN in said().partition(FENCED)[2]
