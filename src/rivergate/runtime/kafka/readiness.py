"""Asking a broker whether it serves: one request of Kafka's protocol over a bare socket, no client needed."""

from __future__ import annotations

import socket
import struct

METADATA, VERSION, CORRELATION = 3, 1, 7
CLIENT = b"rivergate"


def is_serving(port: int, timeout_s: float = 1.0) -> bool:
    """Whether a broker answers on the loopback port and counts at least one broker as usable.

    ApiVersions is answered by a broker that the controller hasn't let in yet; a metadata answer that lists it is what
    clients need.
    """
    body = struct.pack(">hhih", METADATA, VERSION, CORRELATION, len(CLIENT)) + CLIENT + struct.pack(">i", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            (length,) = struct.unpack(">i", _exactly(connection, 4))
            if not 8 <= length <= 1 << 20:
                return False
            answer = _exactly(connection, length)
    except OSError:
        return False
    correlation, brokers = struct.unpack_from(">ii", answer)
    return bool(correlation == CORRELATION and brokers > 0)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionError
        received += chunk
    return received
