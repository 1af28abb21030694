"""The review service as a process of the runtime, which names this entry and never imports it."""

from __future__ import annotations

import threading

from rivergate.adapters.kafka_identity import log_identity
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.adapters.review_store import SqlReviewStore
from rivergate.domain import names
from rivergate.review.fact import TOPICS
from rivergate.runtime import keys
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.stages import wall_clock
from rivergate.web.server import ReviewParts, ReviewSettings, run_review_service


def run_review(spec: ProcessSpec, stop: threading.Event) -> None:
    """Serve the review queue until `stop`."""
    data = spec.data
    topics = [names.topic(spec.app.name, n) for n in TOPICS]
    settings = ReviewSettings(
        app=spec.app.name,
        identity=log_identity(spec.bootstrap, topics, spec.security),
        token_file=data.token_file,
        port=int(spec.options.get("review_port", 0)),
        trace_url=str(spec.options.get("trace_url", "")),
    )
    parts = ReviewParts(
        store=SqlReviewStore(str(spec.options.get("review_store", f"sqlite:///{data.review_db}"))),
        writer=KafkaWriter(spec.bootstrap, spec.security),
        tail=KafkaTail(spec.bootstrap, f"{spec.app.name}.review-view", spec.security),
        key=keys.load_key(data.keys, keys.REVIEW),
        clock=wall_clock,
    )
    run_review_service(settings, parts, stop)
