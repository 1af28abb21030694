"""Murmur2 as Kafka's default partitioner uses it: where the broker's clients would put a key, without one of them."""

from __future__ import annotations

_M = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """32-bit hash; the algorithm is Austin Appleby's MurmurHash2 with Kafka's seed."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key. A record without a key, which Kafka spreads at random, goes to partition 0."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions
