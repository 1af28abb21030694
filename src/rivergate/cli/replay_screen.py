"""How a replay's findings look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rivergate.audit.wording import moment, short, value_text
from rivergate.cli.review_screens import safe

_READABLE = 110
_MOST_ASKED = 8
_MOST_COMMITS = 3
_MOST_ALIKE = 3
_MOST_FIELDS = 20

Found = dict[str, Any]


def replay_screen(found: Found, width: int) -> RenderableType:
    """The whole screen: the answer first, then what was asked for, then each shard with its digests."""
    width = min(width, _READABLE)
    rows: list[RenderableType] = [_headline(found)]
    asked = found["asked"]
    rows += [_asked(f) for f in asked[:_MOST_ASKED]]
    if len(asked) > _MOST_ASKED:
        rows.append(Text(f"and {len(asked) - _MOST_ASKED} more", style="dim"))
    for part in found["parts"]:
        rows += [Text(""), _part(part, found["code"], width)]
        if part["difference"]:
            rows += [Text(""), _difference(part, width)]
    notes = found["notes"]
    rows += [Text("")] * bool(notes) + [Text(f"· {safe(note)}", style="dim") for note in _few_of_each(notes)]
    return Group(*rows)


def _few_of_each(notes: Sequence[str]) -> Iterator[str]:
    """None of what they say is left out, but of notes that give one reason (what stands behind the last semicolon) a few are
    enough: who asks for a hundred actions is told a hundred times that deeds aren't done again.
    """
    alike: dict[str, list[str]] = {}
    for note in notes:
        alike.setdefault(note.rpartition("; ")[2], []).append(note)
    for why, of_one in alike.items():
        yield from of_one[:_MOST_ALIKE]
        if len(of_one) > _MOST_ALIKE:
            yield f"{len(of_one) - _MOST_ALIKE} more: {why}"


def _headline(found: Found) -> Text:
    parts = found["parts"]
    commits, outputs = sum(p["commits"] for p in parts), sum(p["outputs"] for p in parts)
    if found["identical"]:
        what = f"{_count(commits, 'commit')} decided again, {_count(outputs, 'output')} compared"
        skipped = sum(p["skipped"] for p in parts)
        what += f", {_not_tried(skipped)}" if skipped else ""
        return Text.assemble(("identical", "bold green"), f"  {what}")
    differing = [p for p in parts if p["difference"]]
    part = next((p for p in differing if p["difference"] != p["superseded"]), differing[0])
    name = f"{part['stage']}/{part['shard']}, commit {part['difference']['seq']}"
    return Text.assemble(("differs", "bold red"), f"  {name}: {safe(part['difference']['what'], 300)}")


def _asked(f: Found) -> Text:
    said = Text.assemble((f"{f['kind']} ", "dim"), safe(f["id"], 80))
    if f["event_id"] and f["event_id"] != f["id"]:
        said.append_text(Text.assemble(("  of event ", "dim"), safe(f["event_id"], 80)))
    if f["event"] and f["kind"] == "event":
        said.append_text(Text.assemble(("  at ", "dim"), "/".join(str(x) for x in f["event"])))
    return said


def _part(part: Found, codes: dict[str, str], width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=10, style="dim", no_wrap=True)
    table.add_column(width=width - 12)
    table.add_row("shard", Text(f"{part['stage']}/{part['shard']}", style="bold"))
    if part["commits"] > _MOST_COMMITS:
        first, last = part["told"][0], part["told"][-1]
        since = f"{_count(part['commits'], 'commit')}, the newest {last['seq']} of {moment(last['clock'])}"
        table.add_row("compared", since if first is not last else str(last["seq"]))
        _digests(table, last)
    else:
        for told in part["told"]:
            table.add_row("commit", f"{told['seq']} of {moment(told['clock'])}")
            for topic, partition, start, end in told["ranges"]:
                table.add_row("", Text(f"read {safe(topic, 80)}/{partition} from {start} to {end - 1}", style="dim"))
            _digests(table, told)
    gone = f", {part['gone']} are no longer on their topics" if part["gone"] else ""
    equal = " equal" if not part["difference"] else " equal apart from it"
    table.add_row("outputs", f"{part['outputs']} compared with their topics,{equal}{gone}")
    if part["states"]:
        table.add_row("states", f"{part['states']} compared with snapshots")
    if part["skipped"]:
        table.add_row("skipped", _not_tried(part["skipped"]))
    start = part["start"]
    origin = f"the snapshot after commit {start['seq']} ({short(start['digest'])})" if start else "nothing"
    table.add_row("began from", f"{origin}, {_count(part['folded'], 'commit')} folded")
    code = codes[part["stage"]]
    if part["code"] and part["code"] != code:
        table.add_row("code", Text(f"{short(part['code'])} then, {short(code)} now", style="yellow"))
    for note in part["notes"]:
        table.add_row("note", Text(safe(note), style="yellow"))
    return table


def _digests(table: Table, told: Found) -> None:
    same = told["recorded"] == told["again"]
    table.add_row("recorded", told["recorded"])
    table.add_row("again", Text(told["again"] or "none: it failed", style="green" if same else "red"))


def _difference(part: Found, width: int) -> RenderableType:
    d = part["difference"]
    where = f"output {d['output']} of commit {d['seq']}" if d["output"] is not None else f"commit {d['seq']}"
    place = f"  {safe(d['place'] or d['topic'], 120)}" if d["place"] or d["topic"] else ""
    heading = Text.assemble((where, "bold"), (place, "dim"))
    if d["event_id"]:
        heading.append_text(Text.assemble(("\nof event ", "dim"), safe(d["event_id"], 120)))
    if not d["fields"]:
        return Group(heading, Text(safe(d["what"])))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), width=width)
    table.add_column("FIELD", ratio=2, overflow="fold")
    table.add_column("RECORDED", ratio=2, overflow="fold", style="green")
    table.add_column("AGAIN", ratio=2, overflow="fold", style="red")
    for f in d["fields"][:_MOST_FIELDS]:
        table.add_row(safe(f["field"], 200), safe(_exact(f["recorded"]), 200), safe(_exact(f["again"]), 200))
    more = len(d["fields"]) - _MOST_FIELDS
    rest = [Text(f"and {more} more fields", style="dim")] if more > 0 else []
    return Group(heading, Padding(table, (1, 0, 0, 0)), *rest)


def _not_tried(skipped: int) -> str:
    return f"{_count(skipped, 'dead letter')} {'was' if skipped == 1 else 'were'}n't tried again"


def _exact(value: Any) -> str:
    """Numbers with all their digits: the last one may be the difference."""
    return repr(value) if isinstance(value, float) else value_text(value)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
