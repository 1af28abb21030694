"""Puts the supervisor of an app together: lock, topics, keys, hosts."""

from __future__ import annotations

import logging
import threading

from rivergate.adapters.kafka_assignments import AssignmentLog
from rivergate.domain.errors import RivergateError
from rivergate.runtime import keys
from rivergate.runtime.declaration import Declaration, wait_for_declaration
from rivergate.runtime.lock import data_lock
from rivergate.runtime.noted_app import note_app
from rivergate.runtime.running import RunningState
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.first_start import Bootstrap
from rivergate.runtime.supervision.hosts import Host, LocalHost
from rivergate.runtime.supervision.plan import plan
from rivergate.runtime.supervision.scaled import forget_workers, noted_workers
from rivergate.runtime.supervision.supervisor import Supervisor

_LOG = logging.getLogger("rivergate.runtime")


def run_supervisor(spec: ProcessSpec, stop: threading.Event) -> None:
    """The supervisor's process: topics, keys, control, then everything else until `stop`."""
    wait_for_declaration(spec.data.declaration_file, stop)
    if not stop.is_set():
        supervisor, bootstrap = assemble(spec)
        supervisor.run(bootstrap, stop)


def assemble(spec: ProcessSpec) -> tuple[Supervisor, Bootstrap]:
    """The supervisor that `spec` describes. Its state file says what went wrong if this raises."""
    data = spec.data.make()
    host = str(spec.options.get("host", "ray"))
    data_lock(data.lock_file)
    state = RunningState(data, spec.app.name, spec.bootstrap, host)
    try:
        _LOG.info("starting app %s on %s", spec.app.name, spec.bootstrap)
        app = Declaration.read(data.declaration_file)
        note_app(data, spec.app)
        only = tuple(spec.options.get("stages", ()))
        if spec.options.get("workers") is not None:
            forget_workers(data)
        slots = plan(
            app,
            int(spec.options.get("workers") or 1),
            scaled=noted_workers(data),
            spares=int(spec.options.get("spares", 0)),
            otlp=bool(spec.options.get("otlp")),
            only=only,
        )
        keys.ensure_keys(data.keys)
        local = LocalHost()
        hosts: dict[bool, Host] = {False: local, True: local}
        if host == "ray" and any(s.under_ray for s in slots):
            from rivergate.runtime.supervision.ray_hosting import RayHost

            hosts[True] = RayHost(app.name, spec.options.get("ray_address"))
        name = "supervisor" + "".join(f".{s}" for s in sorted(only))
        assignments = AssignmentLog(spec.bootstrap, app.name, name, spec.security)
        told = ProcessSpec(
            spec.role,
            spec.stage,
            spec.incarnation,
            spec.app,
            spec.bootstrap,
            spec.data_dir,
            spec.security,
            spec.options | {"effectors": dict(app.effectors)},
        )
        return Supervisor(told, slots, hosts, assignments, state), Bootstrap(app, data, spec.bootstrap, slots)
    except RivergateError as e:
        state.fail(str(e))
        raise
