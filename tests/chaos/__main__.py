"""`python -m tests.chaos`: rounds of strikes against an app on a real Kafka, each judged from its topics."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.cluster import Cluster
from tests.chaos.findings import Found, Kind
from tests.chaos.inside import FOLDER
from tests.chaos.plan import RoundPlan, plan_round
from tests.chaos.playing import Report, Round
from tests.chaos.summary import summary

NAMED = 20


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next ones count on from it")
    parser.add_argument("--faults", default="all", help="names, comma-separated, or `all`, or `none`")
    parser.add_argument("--hosts", default="local", help="local, ray, or both: rounds take turns")
    parser.add_argument("--events", type=int, default=700)
    parser.add_argument("--rate", type=float, default=70.0, help="events a second")
    parser.add_argument("--strikes", type=int, default=3, help="a round")
    parser.add_argument("--plant", default="", help="a fault to plant, which the checks then have to find")
    parser.add_argument("--keep", type=Path, help="folder for brokers and rounds; what failed stays there")
    parser.add_argument("--json", action="store_true", help="nothing on stdout but the summary")
    return parser.parse_args(given)


def main() -> int:
    """Play the rounds; returns 0 if nothing was found."""
    asked = arguments()
    logging.getLogger("rivergate").addHandler(logging.NullHandler())
    folder = (asked.keep or Path(tempfile.mkdtemp(prefix="chaos-"))).absolute()
    hosts = asked.hosts.split(",")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    reports: list[Report] = []
    with contextlib.suppress(KeyboardInterrupt), Cluster(folder / "broker") as cluster:  # what was played is told
        for i in range(asked.rounds):
            plan = plan_round(
                asked.seed + i,
                hosts[i % len(hosts)],
                asked.faults,
                events=asked.events,
                rate=asked.rate,
                strikes=asked.strikes,
                plant=asked.plant,
            )
            reports.append(play(plan, cluster, folder))
    print(json.dumps(summary(reports)))  # noqa: T201 - the answer
    return 1 if any(r.found for r in reports) else 0


def play(plan: RoundPlan, cluster: Cluster, folder: Path) -> Report:
    """One round, told on stderr. What failed keeps its topics and its folder."""
    name = f"c{plan.seed}-{plan.host}"
    played = Round(plan, cluster, folder / name, name)
    try:
        report = played.play()
    except Exception as e:  # noqa: BLE001 - the rounds go on; this one has failed
        traceback.print_exc()
        report = played.report
        report.found.append(Found(Kind.LOST, "round", f"it didn't come to its end: {e!r}"))
    if report.found:
        tell(f"round {plan.seed} on {plan.host} FAILED: {len(report.found)} findings; kept in {folder}; again with")
        tell(f"    {plan.command}")
        for told in report.told:
            tell(f"    {told}")
        for found in report.found[:NAMED]:
            tell(f"    {found}")
    else:
        if not plan.plant:
            played.clear()
        struck = ", ".join(s.fault for s in plan.strikes) or "nothing"
        tell(
            f"round {plan.seed} on {plan.host} held against {struck}: {report.actions} actions, {report.seconds:.1f} s"
        )
    return report


def tell(line: str) -> None:
    """To whoever watches."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    sys.exit(main())
