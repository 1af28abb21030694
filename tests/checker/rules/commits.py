"""What a commit says that it wrote is what carries its name, and hashes to its digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.checker.digests import chained, spans_digest
from tests.checker.evidence import Evidence
from tests.checker.finding import Finding, Rule
from tests.checker.journals import Commit
from tests.checker.line import Line

STAGED = ("proposals", "reviews", "actions", "denials", "outcomes")
_IDENTITY = ("ce_id", "ce_type", "traceparent")
_META = ("stage", "shard", "seq", "clock", "ranges", "skipped", "code")


def contents(e: Evidence) -> Iterator[Finding]:
    """Outputs and spans of each commit: none missing, none too many, none changed."""
    for commit in e.journals.by_name.values():
        written = e.journals.outputs.get(commit.name, {})
        yield from _outputs(commit, {n: x for n, x in written.items() if not n.startswith("s")})
        yield from _spans(commit, {n: x for n, x in written.items() if n.startswith("s")})


def strays(e: Evidence) -> Iterator[Finding]:
    """Nothing is left of a commit that isn't in the journal, and what stages alone may write comes from one."""
    for name, written in e.journals.outputs.items():
        stage, shard, _ = name.split("/")
        trimmed = shard.isdigit() and e.journals.first_kept(stage, int(shard)) > 0
        if name not in e.journals.by_name and not trimmed:
            yield Finding(Rule.OF_NO_COMMIT, f"{name}: {next(iter(written.values())).where}")
    for topic in STAGED:
        for line in e.of(topic):
            from_door = topic == "proposals" and line.header("ce_source").endswith("/door")
            if line.commit.partition("/")[0] not in e.journals.stages and not from_door:
                yield Finding(Rule.OF_NO_STAGE, f"{line.where}: {line.header('rg_commit')!r}")


def _outputs(commit: Commit, written: Mapping[str, Line]) -> Iterator[Finding]:
    declared = {t: n for t, n in commit.value["outputs"].items() if n}
    found = Counter(x.topic for x in written.values())
    if found != declared or written.keys() != {str(n) for n in range(len(written))}:
        yield Finding(Rule.TORN_COMMIT, f"{commit.line.where}: declares {declared}, there are {dict(found)}")
        return
    parts: list[bytes] = []
    for n in range(len(written)):
        line = written[str(n)]
        parts += [line.topic.encode(), line.key, *(line.headers.get(h, b"") for h in _IDENTITY), line.value]
    v = commit.value
    if chained(v["previous"], parts, {n: v[n] for n in _META}) != v["digest"]:
        yield Finding(Rule.WRONG_DIGEST, f"{commit.line.where}: {v['digest'][:12]}")


def _spans(commit: Commit, written: Mapping[str, Line]) -> Iterator[Finding]:
    declared = commit.value["spans"]
    values = [written[n].value for n in (f"s{i}" for i in range(len(written))) if n in written]
    if (len(written), spans_digest(values)) != (declared["records"], declared["digest"]):
        yield Finding(Rule.TORN_SPANS, f"{commit.line.where}: {declared['records']} declared, {len(written)} there")
