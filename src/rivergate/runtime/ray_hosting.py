"""The Ray host: `hosts.Host` over `adapters.ray_host`."""

from __future__ import annotations

import threading

from rivergate.adapters.ray_host import RayCluster
from rivergate.domain.errors import RivergateError
from rivergate.runtime.endings import leave_ending
from rivergate.runtime.hosts import Running
from rivergate.runtime.run_worker import run_worker
from rivergate.runtime.spec import ProcessSpec


class RayHost:
    """Runs workers as actors, one for each slot of the plan (`spec.options["slot"]`)."""

    def __init__(self, app: str, address: str | None = None) -> None:
        self._cluster = RayCluster(f"rivergate-{app}", address)

    def start(self, spec: ProcessSpec) -> Running:
        """See `Host.start`."""
        slot = str(spec.options["slot"])
        return self._cluster.start(slot, f"{__name__}:run_in_actor", spec.to_json(), spec.data.logs / f"{slot}.log")

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
