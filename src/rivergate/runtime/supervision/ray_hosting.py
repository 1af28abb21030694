"""The Ray host: `hosts.Host` over `adapters.ray_host`."""

from __future__ import annotations

import os
import threading

from rivergate.adapters.ray_host import RayCluster
from rivergate.domain.errors import RivergateError
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.run_worker import run_worker
from rivergate.runtime.spec import ProcessSpec
from rivergate.runtime.supervision.hosts import Running


class RayHost:
    """Runs workers as actors, one for each slot of the plan (`spec.options["slot"]`)."""

    def __init__(self, app: str, address: str | None = None) -> None:
        self._environ = dict(os.environ)
        self._cluster = RayCluster(f"rivergate-{app}", address)

    def start(self, spec: ProcessSpec) -> Running:
        """See `Host.start`. Variables that have changed since the cluster was made are given to the actor alone."""
        slot = str(spec.options["slot"])
        now = {n: os.environ[n] for n in spec.app.environment if n in os.environ}
        changed = {n: value for n, value in now.items() if value != self._environ.get(n)}
        log = spec.data.logs / f"{slot}.log"
        entry = f"{__name__}:run_in_actor"
        return self._cluster.start(slot, spec.incarnation, entry, spec.to_json(), log, changed)

    def close(self) -> None:
        """End the cluster, if it is ours."""
        self._cluster.close()


def run_in_actor(spec: str, stop: threading.Event) -> None:
    """The loop of an actor."""
    described = ProcessSpec.from_json(spec)
    try:
        run_worker(described, stop)
    except RivergateError as e:
        leave_ending(described.data, described.incarnation, e)
        raise
