"""Ports on the loopback address."""

from __future__ import annotations

import os
import random
import socket

from rivergate.runtime.kafka.errors import PortInUse

# Below the range from which systems take the ports of outgoing connections (Linux from 32768, macOS from 49152): a
# client that keeps calling a port of that range while the broker is down can be given this very port as its own and
# connect to itself, and any other program may have it when the broker comes back.
CHOICE = range(20000, 32768)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(*, besides: int | None = None) -> int:
    """A port that nobody listens on."""
    for port in random.SystemRandom().sample(CHOICE, 200):
        if port != besides and is_free(port):
            return port
    raise PortInUse("found no free port", remedy="name one with --port")


def demand(port: int, option: str = "--port") -> int:
    """The port, if it is free; raises PortInUse. `option` is what names another one."""
    if port < 1024 and os.geteuid():
        raise PortInUse(f"port {port} is for the administrator alone", remedy=f"choose one above 1023 with {option}")
    if not is_free(port):
        raise PortInUse(
            f"port {port} is in use by another program",
            remedy=f"end that program (`lsof -i :{port}` or `ss -ltnp` names it), or choose another port with {option}",
        )
    return port
