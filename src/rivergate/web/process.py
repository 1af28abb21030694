"""The review service as a process of an app: where its parts come from."""

from __future__ import annotations

import logging
import threading
import time

from rivergate.adapters.kafka_identity import log_identity
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.adapters.review_store import SqlReviewStore
from rivergate.domain import names
from rivergate.review.fact import TOPICS
from rivergate.runtime import keys
from rivergate.runtime.spec import ProcessSpec
from rivergate.web.live_agents import LiveAgents
from rivergate.web.server import ReviewParts, ReviewSettings, run_review_service

_LOG = logging.getLogger("rivergate.review")


def run_review(spec: ProcessSpec, stop: threading.Event) -> None:
    """Serve the review queue until `stop`.

    Options: `review_port` (0 takes a free one), `review_db` (a URL; SQLite in the data directory if not given),
    `trace_url` (with `{trace_id}` where the trace's id goes), `reviewer_name` (for this run instead of the token
    file's).
    """
    data, app = spec.data, spec.app.name
    topics = [names.topic(app, n) for n in TOPICS]
    settings = ReviewSettings(
        app=app,
        token_file=data.token_file,
        port=int(spec.options.get("review_port") or 0),
        name=str(spec.options.get("reviewer_name") or ""),
        trace_url=str(spec.options.get("trace_url") or ""),
    )
    parts = ReviewParts(
        store=SqlReviewStore(
            str(spec.options.get("review_db") or f"sqlite:///{data.review_db}"),
            effects=bool(spec.options.get("effectors")),
        ),
        writer=KafkaWriter(spec.bootstrap, spec.security),
        tail=KafkaTail(spec.bootstrap, f"{app}.review", spec.security),
        key=keys.load_key(data.keys, keys.REVIEW),
        clock=lambda: time.time_ns() // 1000,
        identity=lambda: log_identity(spec.bootstrap, topics, spec.security),
        agents=LiveAgents.of(data),
    )
    run_review_service(settings, parts, stop, lambda c: _LOG.info("the review queue is at %s", c.address))
