"""A line of a journal, read without the kernel's code: a commit record, or something that strayed there."""

from __future__ import annotations

from typing import Any

import orjson

from rivergate.domain.record import Record


def commit_in(record: Record) -> dict[str, Any] | None:
    """The commit record, if the line has its form and stands in the journal of its stage and shard."""
    try:
        value = orjson.loads(record.value or b"")
        stage, shard = value["stage"], value["shard"]
        counts = [value["seq"], value["spans"]["records"], *value["outputs"].values()]
        numbers = [n for _, *offsets in value["ranges"] for n in offsets]
        well_formed = all(type(n) is int for n in counts + numbers) and all(len(r) == 4 for r in value["ranges"])
        of_here = record.topic.endswith(f".journal.{stage}") and record.partition == shard
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return value if well_formed and of_here and isinstance(value.get("clock"), str) else None
