"""From a folder and a port to a broker's process: settings written, log formatted, Java started, first answer heard."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rivergate.domain.errors import RivergateError
from rivergate.runtime.kafka.addresses import free_port
from rivergate.runtime.kafka.diagnosis import explain_exit, size_of, text_after
from rivergate.runtime.kafka.distribution import Distribution
from rivergate.runtime.kafka.errors import BrokerSilent
from rivergate.runtime.kafka.home import Home
from rivergate.runtime.kafka.process import TetheredProcess, scrubbed_environment
from rivergate.runtime.kafka.readiness import is_serving
from rivergate.runtime.kafka.settings import Front, java_options, log4j_properties, server_properties

FORMAT_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Launch:
    """One way to start one broker. `start_options` are further options for Java."""

    distribution: Distribution
    home: Home
    port: int
    heap_mb: int
    start_options: tuple[str, ...] = ()
    front: Front | None = None

    def prepare(self, cluster_id: str) -> None:
        """Write the settings, and give a new log its identity. The folder must be held."""
        root = self.home.root
        settings = server_properties(self.port, free_port(besides=self.port), self.front)
        (root / "server.properties").write_text(settings, "utf-8")
        (root / "log4j2.properties").write_text(log4j_properties(), "utf-8")
        self.home.clear_temporary()
        if not self.home.formatted():
            self._format(cluster_id)

    def spawn(self, keep_open: int) -> RunningBroker:
        """Start the broker's process, which keeps the descriptor open."""
        offset = size_of(self.home.log_file)
        command = self.distribution.command("kafka.Kafka", "server.properties", options=self.options())
        process = TetheredProcess(command, folder=self.home.root, output=self.home.output, keep_open=keep_open)
        return RunningBroker(process, self.home, self.port, offset)

    def options(self) -> tuple[str, ...]:
        """Options for Java."""
        return (*java_options(self.heap_mb, str(self.home.temporary.absolute())), *self.start_options)

    def _format(self, cluster_id: str) -> None:
        arguments = ("format", "-t", cluster_id, "-c", "server.properties")
        command = self.distribution.command("kafka.tools.StorageTool", *arguments, options=self.options())
        result = subprocess.run(
            command,
            cwd=self.home.root,
            env=scrubbed_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
        if result.returncode:
            self.home.output.write_text(result.stdout + result.stderr, "utf-8")
            said = result.stdout + result.stderr
            raise explain_exit(said, "", code=result.returncode, port=self.port, where=self.home.output)


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker's process and where its part of the log file begins."""

    process: TetheredProcess
    home: Home
    port: int
    log_offset: int

    def wait_until_serving(
        self,
        timeout_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        serving: Callable[[int], bool] = is_serving,
    ) -> None:
        """Return once clients are served. Raises what `why_ended` gives, or BrokerSilent after `timeout_s`."""
        deadline = monotonic() + timeout_s
        while not serving(self.port):
            if not self.process.alive:
                raise self.why_ended()
            if monotonic() > deadline:
                raise BrokerSilent(
                    f"Apache Kafka doesn't answer on port {self.port} after {timeout_s:.0f} s",
                    where=str(self.home.log_file),
                    remedy="its log says what it is at; a machine under load may need longer: start again",
                )
            sleep(0.02)

    def why_ended(self) -> RivergateError:
        """The reason for the end of a broker that nobody stopped."""
        output, log = text_after(self.home.output, 0), text_after(self.home.log_file, self.log_offset)
        where: Path = self.home.log_file if log else self.home.output
        return explain_exit(output, log, code=self.process.exit_code, port=self.port, where=where)
