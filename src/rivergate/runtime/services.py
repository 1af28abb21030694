"""The audit services as processes: the store that fills, and the forwarder of spans."""

from __future__ import annotations

import logging
import threading

from rivergate.adapters.audit_store import AuditStore, audit_topics
from rivergate.adapters.audit_store import run_audit as fill
from rivergate.adapters.kafka_identity import log_identity
from rivergate.adapters.kafka_tail import KafkaTail
from rivergate.runtime.spec import ProcessSpec

_LOG = logging.getLogger("rivergate.audit")


def run_audit(spec: ProcessSpec, stop: threading.Event) -> None:
    """Fill the audit store until `stop`."""
    topics = audit_topics(spec.app.name)
    identity = log_identity(spec.bootstrap, topics, spec.security)
    store = AuditStore(spec.data.audit_db, spec.app.name, identity)
    tail = KafkaTail(spec.bootstrap, f"{spec.app.name}.audit", spec.security)
    fill(tail, store, topics, stop)
