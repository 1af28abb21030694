"""Kafka's OffsetDelete request, which the Python client doesn't offer: one socket, version 0 of the protocol."""

from __future__ import annotations

import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterable

from tests.checker.line import Partition

API_KEY, VERSION = 47, 0
ANSWER_S = 30.0
NOT_YET = {14, 15, 16}
"""The coordinator loads, isn't available, or isn't this one."""


def delete_offsets(bootstrap: str, group: str, places: Iterable[Partition]) -> str:
    """Delete the group's committed offsets of these partitions; what the broker has against it, or nothing.

    A broker that has just started coordinates nothing yet: it is asked again for a while.
    """
    request = _request(group, places)
    deadline = time.monotonic() + ANSWER_S
    while True:
        answer = _ask(bootstrap, request)
        error = struct.unpack_from(">h", answer, 4)[0]
        if error not in NOT_YET or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if error:
        return f"error {error} for group {group}"
    return ", ".join(f"error {e} for {topic}/{p}" for topic, p, e in _results(answer[10:]) if e)


def _request(group: str, places: Iterable[Partition]) -> bytes:
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic, partition in places:
        by_topic[topic].append(partition)
    body = _text(group) + struct.pack(">i", len(by_topic))
    for topic, partitions in by_topic.items():
        body += _text(topic) + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
    return struct.pack(">hhi", API_KEY, VERSION, 1) + _text("chaos") + body


def _ask(bootstrap: str, request: bytes) -> bytes:
    host, _, port = bootstrap.partition(":")
    with socket.create_connection((host, int(port)), ANSWER_S) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(request)) + request)
        return answers.read(*struct.unpack(">i", answers.read(4)))


def _results(body: bytes) -> Iterable[tuple[str, int, int]]:
    at = 4
    for _ in range(struct.unpack_from(">i", body, 0)[0]):
        length = struct.unpack_from(">h", body, at)[0]
        topic = body[at + 2 : at + 2 + length].decode()
        count = struct.unpack_from(">i", body, at + 2 + length)[0]
        at += 6 + length
        for _ in range(count):
            partition, error = struct.unpack_from(">ih", body, at)
            yield topic, partition, error
            at += 6


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw
