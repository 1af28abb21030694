"""`rivergate produce TOPIC`: JSON lines from standard input onto a topic, each of them checked."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from rivergate.adapters.kafka_admin import KafkaAdmin
from rivergate.adapters.kafka_settings import BATCH_BYTES
from rivergate.adapters.kafka_writer import KafkaWriter
from rivergate.cli.topics import AppName, AsJson, Bootstrap, Folders, connected
from rivergate.domain.clock import Micros
from rivergate.domain.errors import BrokerUnavailable, ConfigError, UnknownTopic
from rivergate.domain.event import Event
from rivergate.domain.names import CONTROL
from rivergate.runtime.app import App, load_app
from rivergate.topics import Catalogue, TopicFile
from rivergate.topics.lines import LineForm
from rivergate.topics.near import did_you_mean
from rivergate.topics.producing import Produced, Target, checked_lines, write_lines

_SHOWN_PROBLEMS = 20
_INTERRUPTED = 130
_SPOOLED_BYTES = 64 * 1024**2
_PROGRESS_AFTER_S = 2.0


def produce(
    topic: Annotated[str, typer.Argument(help="The topic's name on the broker.")],
    reference: Annotated[
        str | None, typer.Argument(metavar="[MODULE:APP]", help="The app whose event classes the lines have to be.")
    ] = None,
    *,
    app_name: AppName = None,
    folders: Folders = None,
    bootstrap: Bootstrap = "127.0.0.1:9092",
    key: Annotated[str, typer.Option(metavar="FIELD", help="Field whose text is the record's key.")] = "",
    id_field: Annotated[
        str, typer.Option(metavar="FIELD", help="Field whose text is the ce_id, not a random one.")
    ] = "",
    ce_source: Annotated[
        str | None, typer.Option("--source", help="The events' ce_source; /rivergate/produce/TOPIC, if not given.")
    ] = None,
    ce_type: Annotated[str, typer.Option("--type", help="The events' ce_type, where the app doesn't say it.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing unless every line holds.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first line that doesn't hold.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write JSON lines from standard input to a topic. Good lines are written, bad ones are named; exits 1 then."""
    app = load_app(reference) if reference else None
    event = _event_class(app, app_name, topic, ce_type)
    declared = _declared(topic, app, app_name, folders)
    with connected(bootstrap) as admin:
        limit = _size_limit(admin, topic, declared, reference)
    target = Target(
        topic, limit, ce_source or f"/rivergate/produce/{topic}", event.event_type if event else ce_type or "event"
    )
    form = LineForm(event, (declared.json_schema if declared else None) or {}, key, id_field)
    report, interrupted = Produced(), False
    writer = KafkaWriter(bootstrap, batch_bytes=min(limit, BATCH_BYTES))
    try:
        _produce(sys.stdin.buffer, form, target, writer, report, strict=strict, fail_fast=fail_fast)
    except KeyboardInterrupt:
        interrupted = True
        writer.flush()
        report.written = writer.delivered
    finally:
        writer.close()
    _say(report, target, strict=strict, as_json=as_json)
    if report.failure is not None:
        raise BrokerUnavailable(
            f"{report.unwritten} lines weren't confirmed, the first of them line {report.first_unwritten}: "
            f"{report.failure.what}",
            where=bootstrap,
            remedy="once the broker answers, send the input again from that line on; with --id-field readers can tell "
            "repeats",
        )
    if interrupted or report.rejected:
        raise typer.Exit(_INTERRUPTED if interrupted else 1)


def _produce(
    stdin: BinaryIO,
    form: LineForm,
    target: Target,
    writer: KafkaWriter,
    report: Produced,
    *,
    strict: bool,
    fail_fast: bool,
) -> None:
    if not strict:
        lines = checked_lines(_with_progress(stdin, "writing"), form, target, report, fail_fast=fail_fast)
        write_lines(lines, target, writer, report, _now)
        return
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as kept:
        for raw in stdin:
            kept.write(raw)
        kept.seek(0)
        lines = checked_lines(_with_progress(kept, "checking"), form, target, report, fail_fast=fail_fast)
        for _ in lines:
            pass
        if not report.rejected:
            kept.seek(0)
            again = checked_lines(_with_progress(kept, "writing"), form, target, Produced())
            write_lines(again, target, writer, report, _now)


def _event_class(app: App | None, name: str | None, topic: str, ce_type: str) -> type[Event] | None:
    """The event class that the app declares for the topic, if an app is given. Raises `ConfigError`."""
    if app is None:
        return None
    by_topic: dict[str, Sequence[type[Event]]] = dict(app.events)
    if name:
        by_topic = {c.topic_in(name): classes for classes in by_topic.values() for c in classes[:1]}
    classes = by_topic.get(topic)
    if classes is None:
        raise ConfigError(
            f"app {name or app.name} declares no event on topic {topic!r}",
            remedy=did_you_mean(topic, by_topic, f"its topics are {', '.join(sorted(by_topic)) or 'none'}"),
        )
    by_type = {c.event_type: c for c in classes}
    if not ce_type and len(classes) == 1:
        return classes[0]
    if ce_type not in by_type:
        problem = f"no event of {topic!r} has the type {ce_type!r}" if ce_type else f"{topic!r} carries several events"
        raise ConfigError(problem, remedy=f"say which one: --type {' or --type '.join(sorted(by_type))}")
    return by_type[ce_type]


def _declared(topic: str, app: App | None, name: str | None, folders: Sequence[Path] | None) -> TopicFile | None:
    """The topic's file, if the app or `--topics` has one."""
    dirs = [*(app.topics if app else ()), *(folders or ())]
    if not dirs:
        return None
    own = name or (app.name if app else "{app}")
    files = [e.declared for e in Catalogue.load(dirs).entries]
    for declared in files:
        if declared.name.replace("{app}", own) == topic:
            return declared
    if own == "{app}":
        _demand_app(topic, [f.name for f in files if f.name != topic and "{app}" in f.name])
    return None


def _demand_app(topic: str, patterns: Iterable[str]) -> None:
    """A file that may be the topic's holds its schema: without the app's name it would go unchecked."""
    for pattern in patterns:
        before, _, after = pattern.partition("{app}")
        if topic.startswith(before) and topic.endswith(after) and len(topic) > len(before) + len(after):
            raise ConfigError(
                f"topic {topic!r} may be {pattern!r}, whose schema the lines would have to hold",
                remedy=f"say which app it is of: --app {topic.removeprefix(before).removesuffix(after)}",
            )


def _size_limit(admin: KafkaAdmin, topic: str, declared: TopicFile | None, reference: str | None) -> int:
    """The topic's limit in bytes. Raises `UnknownTopic`, and `ConfigError` for a topic that isn't for people."""
    there = admin.names()
    if topic not in there:
        apps = {n.removesuffix(f".{CONTROL}") for n in there if n.endswith(f".{CONTROL}")}
        own = [n for n in there if n.partition(".")[0] not in apps]
        remedy = did_you_mean(topic, own, "create it: declare it in a topic file and run `rivergate topics apply`")
        if declared is not None:
            remedy = f"it is declared, so create it: rivergate topics apply {reference or '…'}"
        raise UnknownTopic(f"there is no topic {topic!r}", remedy=remedy)
    _refuse_system_topic(topic, there)
    return int(admin.describe([topic])[topic].config["max.message.bytes"])


def _refuse_system_topic(topic: str, there: Iterable[str]) -> None:
    app, _, rest = topic.partition(".")
    if f"{app}.{CONTROL}" not in there:
        return
    for entry in Catalogue.load(()).entries:
        stem = entry.declared.name.removeprefix("{app}.")
        if rest == stem or (stem.startswith("journal.") and rest.startswith("journal.")):
            raise ConfigError(
                f"{topic} is a system topic of app {app}, written by {' and '.join(entry.declared.writers)} alone",
                remedy="write events to one of the app's own topics, and let its agents and its gate do the rest",
            )


def _with_progress(lines: Iterable[bytes], doing: str) -> Iterator[bytes]:
    """The same lines; what takes longer than two seconds shows on a terminal how far it is."""
    console = Console(stderr=True)
    if not console.is_terminal or sys.stdin.isatty():
        yield from lines
        return
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,} lines"), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(doing, total=None)
    began = time.monotonic()
    shown = False
    try:
        for number, line in enumerate(lines, 1):
            if number % 1000 == 0:
                if not shown and time.monotonic() - began > _PROGRESS_AFTER_S:
                    bar.start()
                    shown = True
                bar.update(task, completed=number)
            yield line
    finally:
        if shown:
            bar.stop()


def _say(report: Produced, target: Target, *, strict: bool, as_json: bool) -> None:
    if as_json:
        problems = [{"line": int(p.where.split()[1]), "problem": p.what, "remedy": p.remedy} for p in report.problems]
        counts = {"lines": report.lines, "written": report.written, "rejected": report.rejected}
        typer.echo(json.dumps({"topic": target.topic, **counts, "unwritten": report.unwritten, "problems": problems}))
        return
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        errors.print(Text.assemble((f"{problem.where}: ", "bold red"), problem.what, (f"\n→ {problem.remedy}", "dim")))
    if report.rejected > _SHOWN_PROBLEMS:
        errors.print(f"and {report.rejected - _SHOWN_PROBLEMS:,} more lines that don't hold")
    words = f"{report.written:,} of {report.lines:,} lines written to {target.topic}"
    if strict and report.rejected:
        words += ": with --strict nothing is, unless every line holds"
    Console(soft_wrap=True, highlight=False).print(words)


def _now() -> Micros:
    return time.time_ns() // 1000
