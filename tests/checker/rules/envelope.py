"""CloudEvents headers, required fields, times, and partition counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.line import Line
from tests.checker.rules.fields import ALONE, FIELDS, PLAIN, TIMES, TOGETHER, TOPICS

_HEADERS = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent")
_FIXED = {"ce_specversion": "1.0", "content-type": "application/json"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def headers_and_values(e: Evidence) -> Iterator[Finding]:
    """Every record of ours, but journals, spans and dead letters, is a CloudEvent with a JSON object in it."""
    yield from e.journals.problems
    for topic, lines in e.lines.items():
        name = topic.removeprefix(f"{e.app}.") if topic.startswith(f"{e.app}.") else ""
        if name in PLAIN or name.startswith("journal."):
            continue
        for line in lines:
            if e.is_ours(line) and line.where not in e.journals.skipped:
                yield from _headers(line)
                yield from _value(line, name)
                yield from _stamp(e, line)


def partition_counts(e: Evidence) -> Iterator[Finding]:
    """One count for the app's topics, one partition where the contract says so."""
    counts = {t.removeprefix(f"{e.app}."): n for t, n in e.partitions.items() if t.startswith(f"{e.app}.")}
    wanted = counts.get("proposals")
    for name, count in counts.items():
        if (name in ALONE and count != 1) or (name in TOGETHER and count != wanted):
            yield Finding(Rule.PARTITION_COUNT, f"{name} has {count}, proposals {wanted}")
    for commit in e.journals.by_name.values():
        for topic, *_ in commit.ranges:
            if topic not in commit.value["broadcast"] and e.partitions.get(topic) != wanted:
                yield Finding(Rule.PARTITION_COUNT, f"input {topic} has {e.partitions.get(topic)}, proposals {wanted}")


def _headers(line: Line) -> Iterator[Finding]:
    missing = [h for h in _HEADERS if not line.headers.get(h)]
    if missing:
        yield Finding(Rule.HEADERS_MISSING, f"{line.where}: {', '.join(missing)}")
    for name, value in _FIXED.items():
        if name in line.headers and line.header(name) != value:
            yield Finding(Rule.UNREADABLE, f"{line.where}: {name} is {line.header(name)!r}")
    if line.headers.get("traceparent") and not _TRACE.fullmatch(line.header("traceparent")):
        yield Finding(Rule.UNREADABLE, f"{line.where}: traceparent {line.header('traceparent')!r}")


def _value(line: Line, topic: str) -> Iterator[Finding]:
    if line.json is None:
        yield Finding(Rule.UNREADABLE, f"{line.where}: not a JSON object")
        return
    kind = line.kind.removeprefix("rivergate.").removesuffix(".v1")
    if topic in TOPICS and kind not in TOPICS[topic]:
        yield Finding(Rule.WRONG_TYPE, f"{line.where}: {line.kind!r}")
    missing = [f for f in FIELDS.get(kind, ()) if f not in line.json]
    if missing:
        yield Finding(Rule.UNREADABLE, f"{line.where}: a {kind} without {', '.join(missing)}")
    event = line.json.get("event")
    if "event" in FIELDS.get(kind, ()) and not _is_place(event):
        yield Finding(Rule.UNREADABLE, f"{line.where}: event is {event!r}")
    for name in TIMES & line.json.keys():
        if not _TIME.fullmatch(str(line.json[name])):
            yield Finding(Rule.WRONG_TIME, f"{line.where}: {name} is {line.json[name]!r}")


def _is_place(event: Any) -> bool:
    kinds = {"topic": str, "partition": int, "offset": int}
    return isinstance(event, dict) and all(isinstance(event.get(n), k) for n, k in kinds.items())


def _stamp(e: Evidence, line: Line) -> Iterator[Finding]:
    """The stage that committed it, under that commit's clock."""
    if not _TIME.fullmatch(line.header("ce_time")):
        yield Finding(Rule.WRONG_TIME, f"{line.where}: ce_time {line.header('ce_time')!r}")
    commit = e.journals.by_name.get(line.commit)
    if commit is None:
        return
    if line.header("ce_source") != f"/rivergate/{e.app}/{commit.stage}":
        yield Finding(Rule.WRONG_SOURCE, f"{line.where}: {line.header('ce_source')!r} of {commit.name}")
    if line.header("ce_time") != commit.value["clock"]:
        yield Finding(Rule.WRONG_TIME, f"{line.where}: {line.header('ce_time')}, clock {commit.value['clock']}")
