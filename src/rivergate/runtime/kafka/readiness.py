"""Asking a broker whether it serves: one request of Kafka's protocol over a bare socket, no client needed."""

from __future__ import annotations

import contextlib
import socket
import struct

METADATA, FIND_COORDINATOR, INIT_PRODUCER_ID = 3, 10, 22
VERSION, CORRELATION = 1, 7
GROUP, TRANSACTION, NOBODY = 0, 1, -1
CLIENT = b"rivergate"


def is_serving(port: int, timeout_s: float = 1.0) -> bool:
    """Whether a broker answers on the loopback port and counts at least one broker as usable.

    ApiVersions is answered by a broker that the controller hasn't let in yet; a metadata answer that lists it is what
    clients need.
    """
    try:
        answer = _answer(port, METADATA, struct.pack(">i", 0), timeout_s)
    except OSError:
        return False
    correlation, brokers = struct.unpack_from(">ii", answer)
    return bool(correlation == CORRELATION and brokers > 0)


def wake(port: int, timeout_s: float = 5.0) -> None:
    """Ask for a coordinator of transactions, one of groups, and a producer id.

    A broker gets these ready at the first question (the topics of coordinators once, a block of ids after each start), and
    tells who asks to come back, which librdkafka does after half a second. Asked now, it has them by the time that a
    client needs them.
    """
    name = struct.pack(">h", len(CLIENT)) + CLIENT
    questions = (
        (INIT_PRODUCER_ID, struct.pack(">hi", NOBODY, 1000)),
        (FIND_COORDINATOR, name + struct.pack(">b", TRANSACTION)),
        (FIND_COORDINATOR, name + struct.pack(">b", GROUP)),
    )
    for api, body in questions:
        with contextlib.suppress(OSError):
            _answer(port, api, body, timeout_s)


def _answer(port: int, api: int, body: bytes, timeout_s: float) -> bytes:
    """What the broker answers, from the correlation id on. Raises OSError."""
    request = struct.pack(">hhih", api, VERSION, CORRELATION, len(CLIENT)) + CLIENT + body
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", _exactly(connection, 4))
        if not 8 <= length <= 1 << 20:
            raise ConnectionError(f"an answer of {length} bytes")
        return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionError
        received += chunk
    return received
