"""Processes as Ray actors: named, detached, restarted for ever; the loop has a concurrency group of its own.

One Ray cluster is one trust domain, so agents and graphs live here and nothing else.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rivergate.domain.errors import ConfigError, StartRefused

_LOG = logging.getLogger("rivergate.runtime")


ENDED, SUPERSEDED = "ended", "superseded"


class WorkerActor:
    """The actor's class. Ray makes a lost actor anew; the supervisor then starts its loop again.

    There is one actor for a place in the plan, and one loop in it at a time. A supervisor may want a loop of its own while
    the one before still runs: that of a supervisor that was lost, or one that it can't reach any more. So it names each
    loop; the newest name that was announced (`make_way`) is the one that may run, and the one before it ends in good order.
    """

    def __init__(self, log_file: str, folder: str) -> None:
        os.chdir(folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._runs = ""
        self._wanted: str | None = None
        handler = logging.FileHandler(log_file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(threadName)s: %(message)s"))
        root = logging.getLogger("rivergate")
        root.addHandler(handler)
        root.setLevel(logging.INFO)

    def make_way(self, name: str) -> str:
        """From now on the loop of this name is wanted; another that runs is asked to end. Returns the name."""
        with self._lock:
            self._wanted = name
            if self._runs != name:
                self._stop.set()
        return name

    def run(self, entry: str, spec: str, name: str) -> str:
        """The loop; returns after `stop`, or once another is wanted, and says which it was. `entry` names MODULE:FUNCTION,
        which takes the spec's JSON and the stop event.

        Give what `make_way` will return as `name`: the two are in different concurrency groups, and Ray keeps no order
        between them, but it waits for what a call is given.
        """
        with self._lock:
            if self._wanted not in {None, name}:
                return SUPERSEDED if self._wanted else ENDED
            self._runs = name
            self._stop.clear()
        try:
            function_of(entry)(spec, self._stop)
        finally:
            with self._lock:
                self._runs = ""
        return SUPERSEDED if self._wanted not in {None, name, ""} else ENDED

    def process_id(self) -> int:
        """The actor's process."""
        return os.getpid()

    def stop(self, name: str) -> None:
        """Ask the loop of this name to end in good order, or not to begin."""
        with self._lock:
            if self._wanted in {None, name}:
                self._wanted = ""
            if self._runs == name:
                self._stop.set()


def function_of(entry: str) -> Callable[[str, threading.Event], None]:
    """The function that MODULE:FUNCTION names."""
    module, _, function = entry.partition(":")
    found: Callable[[str, threading.Event], None] = getattr(importlib.import_module(module), function)
    return found


class RayCluster:
    """A Ray instance of our own on this machine, or the one at `address`. One thread.

    The environment of our process is what the actors get, so it has to be scrubbed before this is made.
    """

    def __init__(self, namespace: str, address: str | None = None) -> None:
        try:
            import ray
        except ImportError as e:
            raise ConfigError("Ray isn't installed", remedy="pip install ray, or run with --host local") from e
        self._ray = ray
        self._namespace = namespace
        self._processes: dict[str, RayProcess] = {}
        self._here = address is None
        settings: dict[str, Any] = {"namespace": namespace, "log_to_driver": False, "logging_level": logging.WARNING}
        if address is None:
            settings |= {
                "address": "local",
                "include_dashboard": False,
                "num_cpus": os.cpu_count() or 1,
                "_node_ip_address": "127.0.0.1",
                "object_store_memory": 80 * 1024 * 1024,
            }
        else:
            settings["address"] = address
        with _signals_kept():
            ray.init(**settings)

    def start(
        self, place: str, name: str, entry: str, spec: str, log_file: Path, environment: Mapping[str, str]
    ) -> RayProcess:
        """Run `entry` under this name in the place's actor, instead of what ran there. The actor is made if there is none,
        with these variables beside the cluster's. Raises `StartRefused`.
        """
        before = self._processes.get(place)
        try:
            actor = before.actor if before and not before.is_dead() else self._actor(place, log_file, environment)
            self._processes[place] = RayProcess(self._ray, actor, name, entry, spec, here=self._here)
        except Exception as e:  # Ray's errors have no common root: some are Python's own
            raise StartRefused(
                f"Ray starts nothing for {name}: {_last_line_of(e)}",
                remedy="see `ray status`, and the logs of Ray's head",
            ) from e
        return self._processes[place]

    def _actor(self, place: str, log_file: Path, environment: Mapping[str, str]) -> Any:
        options: dict[str, Any] = {
            "name": place,
            "lifetime": "detached",
            "get_if_exists": True,
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": 0,
            "scheduling_strategy": "SPREAD",  # a node that is lost should take few with it, and no spare
        }
        if environment:
            options["runtime_env"] = {"env_vars": dict(environment)}
        remote: Any = self._ray.remote  # its overloads lack concurrency groups
        kind = remote(concurrency_groups={"loop": 1, "control": 2})(WorkerActor)
        return kind.options(**options).remote(str(log_file), str(Path.cwd()))

    def close(self) -> None:
        """Kill the actors that are still ours and, where Ray is our own, end it."""
        for process in self._processes.values():
            process.kill()
        self._ray.shutdown()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray makes SIGTERM an exit on the spot; ours is a request to drain, so the handlers are put back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RayProcess:
    """One run of an actor's loop, `here` if that is on this machine. See `runtime.hosts.Running`."""

    def __init__(self, ray: Any, actor: Any, name: str, entry: str, spec: str, *, here: bool) -> None:
        self._ray = ray
        self._here = here
        self.actor = actor
        self._name = name
        self._pid = 0
        self._announced = self._control("make_way", name)
        self._loop = actor.run.options(concurrency_group="loop").remote(entry, spec, self._announced)
        self._pid_answer = self._control("process_id")

    @property
    def pid(self) -> int:
        """Process id, 0 while the actor hasn't answered."""
        if not self._pid and self._ready(self._pid_answer):
            with contextlib.suppress(Exception):
                self._pid = int(self._ray.get(self._pid_answer))
        return self._pid

    def alive(self) -> bool:
        """Whether the loop still runs. On this machine a dead process is seen at once; Ray takes a second and a half."""
        return not (self._here and self._pid and _has_ended(self._pid)) and not self._ready(self._loop)

    def why_ended(self) -> str:
        """What Ray says of it."""
        if self.alive():
            return "runs"
        if not self._ready(self._loop):
            return f"its process {self._pid} has gone"
        outcome = self._outcome(self._loop)
        return _last_line_of(outcome) if isinstance(outcome, Exception) else str(outcome)

    def never_began(self) -> bool:
        """Whether its name couldn't even be announced: Ray lets calls fail while it makes an actor anew."""
        return isinstance(self._outcome(self._announced), self._ray.exceptions.ActorUnavailableError)

    def is_dead(self) -> bool:
        """Whether the actor has been killed for good."""
        return isinstance(self._outcome(self._loop), self._ray.exceptions.ActorDiedError)

    def _outcome(self, call: Any) -> str | Exception | None:
        """What a call returned or raised, or that it reached nobody; None while it runs."""
        if not self._ready(call):
            return None
        try:
            return str(self._ray.get(call))
        except Exception as e:  # noqa: BLE001 - whoever asks looks at it
            return e

    def ask_to_stop(self) -> None:
        """Ask the loop to end in good order."""
        with contextlib.suppress(Exception):
            self._control("stop", self._name)

    def kill(self) -> None:
        """Kill the actor for good, unless another supervisor's loop has taken it over."""
        if self._outcome(self._loop) != SUPERSEDED:
            with contextlib.suppress(Exception):
                self._ray.kill(self.actor, no_restart=True)

    def kill_hung(self) -> None:
        """End the actor's process, whose place Ray fills anew; a stopped one on this machine only a signal reaches."""
        with contextlib.suppress(Exception):
            if self._here and self.pid:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self._ray.kill(self.actor, no_restart=False)

    def _control(self, method: str, *arguments: str) -> Any:
        return getattr(self.actor, method).options(concurrency_group="control").remote(*arguments)

    def _ready(self, answer: Any) -> bool:
        done, _ = self._ray.wait([answer], timeout=0)
        return bool(done)


def _last_line_of(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1][:200]


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # Ray runs under another user: only Ray can tell
        return False
    return False
