"""The audit services as processes: the store that fills, and the forwarder of spans."""

from __future__ import annotations

import logging
import threading

from rivergate.adapters.audit_store import AuditStore, audit_topics
from rivergate.adapters.audit_store import run_audit as fill
from rivergate.adapters.kafka_identity import log_identity
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.adapters.otlp_forward import OtlpForwarder, run_forwarder
from rivergate.domain import names
from rivergate.runtime.spec import ProcessSpec

_LOG = logging.getLogger("rivergate.audit")


def run_audit(spec: ProcessSpec, stop: threading.Event) -> None:
    """Fill the audit store until `stop`."""
    topics = audit_topics(spec.app.name)
    identity = log_identity(spec.bootstrap, topics, spec.security)
    store = AuditStore(spec.data.audit_db, spec.app.name, identity)
    tail = KafkaTail(spec.bootstrap, f"{spec.app.name}.audit", spec.security)
    try:
        fill(tail, store, topics, stop)
    finally:
        store.close()


def run_otlp(spec: ProcessSpec, stop: threading.Event) -> None:
    """Forward spans to the endpoint of the options until `stop`."""
    topics = [names.topic(spec.app.name, names.OTLP_SPANS)]
    identity = log_identity(spec.bootstrap, topics, spec.security)
    forwarder = OtlpForwarder(str(spec.options["otlp"]), spec.data.forwarder_db, identity, stop=stop)
    tail = KafkaTail(spec.bootstrap, f"{spec.app.name}.otlp", spec.security)
    try:
        run_forwarder(tail, forwarder, topics, stop)
    finally:
        forwarder.close()
