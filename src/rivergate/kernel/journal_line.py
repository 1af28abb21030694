"""A line of a journal as a commit record of its shard, or as something that strayed there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rivergate.domain.errors import BadInput
from rivergate.domain.journal import RESTRICT, CommitRecord
from rivergate.kernel.shard import ShardSpec

_LOG = logging.getLogger("rivergate.kernel")


def warn(stray: str) -> None:
    """Say it in the process's log."""
    _LOG.warning("passed over: %s", stray)


def commit_of(spec: ShardSpec, raw: bytes, offset: int, tell: Callable[[str], None] = warn) -> CommitRecord | None:
    """The commit record; None, after telling where and what, for a line that isn't one of this stage and shard.

    Kafka can't delete single records, so a line that somebody else wrote must not stop a shard for good.
    """
    topic, partition = spec.journal
    where = f"{topic}/{partition}/{offset}"
    try:
        record = CommitRecord.from_json(raw, where)
    except BadInput as e:
        tell(str(e))
        return None
    if (record.stage, record.shard) != (spec.stage, spec.shard):
        other = BadInput(f"a commit record of {record.stage}/{record.shard}", where=where, remedy=RESTRICT)
        tell(str(other))
        return None
    return record
