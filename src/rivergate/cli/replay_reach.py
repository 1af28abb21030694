"""What `rivergate doctor` says of replays: from when on, and what is about to go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from rivergate.audit.wording import moment
from rivergate.cli.app_place import place_of
from rivergate.cli.finding import Finding
from rivergate.cli.patience import patient_progress
from rivergate.domain.errors import RivergateError
from rivergate.runtime.replay.own_process import ask_own_process

SOON = 0.25
"""Share of a topic's retention that has to be left, else it is time to do something."""


def replay_findings(
    reference: str | None,
    app: str | None,
    partitions: int | None,
    data_dir: Path | None,
    bootstrap: str | None,
    snapshots: str | None,
) -> list[Finding]:
    """A finding for each shard of agents and gate; one where they can't be looked at."""
    try:
        spec = place_of(reference, app, partitions, data_dir, bootstrap, snapshots)
        with patient_progress(Console(stderr=True)) as tell:
            shards = ask_own_process(spec, {"what": "reach"}, tell)["shards"]
    except RivergateError as e:
        return [Finding(what="replay", ok=False, found=str(e).partition("\n")[0], remedy=e.remedy)]
    return [finding_of(shard) for shard in shards]


def finding_of(shard: dict[str, Any]) -> Finding:
    """What stands in a `reach` answer about one shard, in words."""
    what = f"replay {shard['stage']}/{shard['shard']}"
    if shard["newest"] is None:
        return Finding(what=what, ok=True, found="no commits yet")
    recovery = _soon(shard["recovery_lasts"])
    if recovery:
        start = "its newest snapshot" if shard["recovery"] is not None else "its beginning (it has no snapshot)"
        return Finding(
            what=what,
            ok=False,
            found=f"a recovery from {start} takes records that {recovery}",
            remedy="stop the app in good order and start it again, which takes a snapshot; raise the topic's retention, or "
            "lower --limit snapshot_age_s",
        )
    if shard["first"] is None:
        return Finding(what=what, ok=False, found=shard["why"], remedy="raise retention, keep the snapshot store")
    origin = "nothing" if shard["start"] is None else f"the snapshot after commit {shard['start']}"
    found = f"from commit {shard['first']} of {shard['newest']} on, {moment(shard['since'])}, beginning with {origin}"
    going = _soon(shard["lasts"])
    if going:
        remedy = "replay what matters before, or raise the topic's retention"
        return Finding(
            what=what, ok=False, found=f"{found}; its records {going}", remedy=remedy, needed_for="looking back"
        )
    return Finding(what=what, ok=True, found=found)


def _soon(lasts: dict[str, Any] | None) -> str:
    """When the first record goes, if that is soon; else nothing."""
    if lasts is None or lasts["share"] >= SOON:
        return ""
    return f"retention takes from {lasts['topic']}/{lasts['partition']} from {moment(lasts['until'])} on"
