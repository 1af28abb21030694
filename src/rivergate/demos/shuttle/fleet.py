"""The demo's machines, and the partition that Kafka's default partitioner gives each."""

from __future__ import annotations

from collections import Counter

KINDS = ("pump", "press", "furnace", "turbine")


def murmur2(key: bytes) -> int:
    """Kafka's hash of a key, 32 bits: MurmurHash2 with Kafka's seed, as in Kafka's Java client."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's default partitioner puts records with this key."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def fleet(partitions: int, each: int = 12) -> list[str]:
    """Names of machines, `each` for every partition, so that all shards get about as much to do."""
    names: list[str] = []
    taken: Counter[int] = Counter()
    number = 0
    while len(names) < each * partitions:
        number += 1
        name = f"{KINDS[number % len(KINDS)]}-{number:02}"
        partition = partition_of(name, partitions)
        if taken[partition] < each:
            taken[partition] += 1
            names.append(name)
    return names
