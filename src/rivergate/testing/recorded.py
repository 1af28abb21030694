"""Recorded shards as a test: does the present code still decide as was recorded?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rivergate.domain.errors import ReplayMismatch

if TYPE_CHECKING:
    from rivergate.kernel.comparing import Difference
    from rivergate.kernel.replay import ReplayedPart
    from rivergate.runtime.app import App

_MOST_FIELDS = 5


def demand_decides_as_recorded(app: App, recording: Path | str, *, snapshot_key: Path | str | None = None) -> int:
    """Fold a recording again with the app's present code; returns how many commits were compared.

    `recording` is a file of `rivergate replay --save`; one that begins with a snapshot is read with the app's public
    `snapshot_key` alone (`keys/snapshots.pub`). What went to the dead letters then isn't tried again. Raises
    `ReplayMismatch` with the first difference, field by field.

    `def test_decides_as_recorded(): demand_decides_as_recorded(fleet.app, "tests/watcher-0.rec")`
    """
    from rivergate.runtime.replay.recording import Recording
    from rivergate.runtime.replay.replay_recording import replay_recording

    key = Path(snapshot_key) if snapshot_key is not None else None
    parts = replay_recording(app, Recording.load(Path(recording)), key)
    for part in parts:
        if part.difference is not None:
            raise ReplayMismatch(
                f"the present code decides otherwise than was recorded: {_told(part, part.difference)}",
                where=str(recording),
                remedy="undo the change, or, if it is meant, record anew and deploy it after a drain or with "
                "--accept-new-code WHO:WHY",
            )
    return sum(part.commits for part in parts)


def _told(part: ReplayedPart, difference: Difference) -> str:
    return "; ".join([f"{part.stage}/{part.shard}, commit {difference.seq}: {difference.what}", *_fields(difference)])


def _fields(difference: Difference) -> Iterator[str]:
    for f in difference.fields[:_MOST_FIELDS]:
        yield f"{f.field} was {_brief(f.recorded)}, is {_brief(f.again)}"


def _brief(value: Any) -> str:
    return repr(value)[:120]
