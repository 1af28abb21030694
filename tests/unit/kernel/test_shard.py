from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from rivergate.domain.journal import CommitRecord, Range
from rivergate.domain.record import Record
from rivergate.kernel.shard import Standing, in_order

PARTITIONS = st.sampled_from([("a", 0), ("a", 1), ("b", 0), ("control", 0)])


@given(st.lists(PARTITIONS, max_size=40))
def test_a_batch_is_regrouped_into_ranges_that_say_in_which_order_it_is_folded(came: list[tuple[str, int]]) -> None:
    """Nothing is lost, partitions keep their order, broadcast topics come first, and the ranges replay the batch."""
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    records = []
    for topic, partition in came:
        offsets[topic, partition] += 2  # markers take offsets, so numbers jump
        records.append(Record(topic, partition, offsets[topic, partition], None, b"", None))
    ordered, ranges = in_order(records, ["control"])
    assert sorted(ordered) == sorted(records)
    again = [
        r for x in ranges for r in sorted(records) if (r.topic, r.partition) == x[:2] and x.start <= r.offset < x.end
    ]
    assert again == ordered
    assert len({x[:2] for x in ranges}) == len(ranges)
    if any(r.topic == "control" for r in records):
        assert ranges[0].topic == "control"


def test_a_standing_moves_with_each_commit_and_keeps_what_the_commit_did_not_read() -> None:
    """Positions of other partitions stay."""
    record = CommitRecord(
        "s", 0, 4, 2, "2026-01-01T00:00:00.000000Z", (Range("a", 0, 3, 9),), {}, 0, "", "c", "d4", "d3", "w"
    )
    after = Standing(seq=4, positions={("a", 0): 3, ("b", 0): 5}).after(record, 77)
    assert (after.seq, after.epoch, after.digest, after.journal_offset) == (5, 2, "d4", 77)
    assert after.positions == {("a", 0): 9, ("b", 0): 5}
