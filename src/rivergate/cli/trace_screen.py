"""How a trace looks on a terminal: a tree with bars on a time scale, key attributes below each span."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from rivergate.audit.stored import Named, StoredSpan
from rivergate.audit.tree import Node, TimeScale, tree_of
from rivergate.audit.wording import duration, moment, short, value_text
from rivergate.cli.review_screens import safe
from rivergate.domain.clock import rfc3339

_STAGE_STYLES = (("agent-", "cyan"), ("gate", "yellow"), ("review", "magenta"), ("effects", "green"))
_WORD_STYLES = {
    "allow": "green",
    "approved": "green",
    "done": "green",
    "modify": "green",
    "review": "yellow",
    "unknown": "yellow",
    "expired": "yellow",
    "deny": "red",
    "rejected": "red",
    "refused": "red",
    "failed": "red",
}
_KEYS = {
    "rivergate.verdict": "",
    "rivergate.review.result": "",
    "rivergate.outcome": "",
    "rivergate.rules": "by",
    "rivergate.proposal.id": "proposal",
    "rivergate.policy.digest": "policy",
    "rivergate.attempt": "attempt",
    "rivergate.cause": "caused by",
    "rivergate.muted": "muted",
}
"""Attributes worth a word below a span, in this order."""
_DIGESTS = {"rivergate.proposal.id", "rivergate.policy.digest"}
_AFTER, _TOOK = 12, 11  # columns of start and of duration: `+23 h 59 min`
_GAP = 2


def style_of(stage: str) -> str:
    """A stage's colour."""
    return next((style for prefix, style in _STAGE_STYLES if stage.startswith(prefix)), "blue")


def trace_screen(
    named: Named, spans: Sequence[StoredSpan], batches: Sequence[StoredSpan], width: int, *, everything: bool = False
) -> RenderableType:
    """The whole screen. `everything` shows every attribute and event of each span."""
    parts: list[RenderableType] = [_header(named, spans), Text("")]
    nodes = [node for root in tree_of(spans) for node in root.walk()]
    names = min(max(len(_guide(n)) + len(n.span.name) + 2 for n in nodes), max(20, width // 3))
    stages = min(max(len(n.span.stage) for n in nodes), 16)
    bars = max(10, width - names - stages - _AFTER - _TOOK - 4 * _GAP)
    scale = TimeScale(spans, bars)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(width=names, no_wrap=True, overflow="ellipsis")
    table.add_column(width=stages, no_wrap=True, overflow="ellipsis")
    table.add_column(width=bars, no_wrap=True, overflow="crop")
    table.add_column(width=_AFTER, justify="right", no_wrap=True)
    table.add_column(width=_TOOK, justify="right", no_wrap=True)
    table.add_row(*(Text(t, style="dim") for t in ("SPAN", "STAGE", "", "AFTER", "TOOK")))
    for node in nodes:
        lines = _below(node, named, everything=everything)
        table.add_row(*_row(node, scale))
        if lines:
            parts.append(table)
            parts += [_indented(node, line, width) for line in lines]
            table = _again(table)
    parts.append(table)
    parts += _breaks(scale)
    if batches:
        parts += [Text(""), _batches(batches)]
    proposals = list(dict.fromkeys(pid for s in spans if not s.muted for pid in s.proposal_ids))
    if proposals:
        why = named.id if named.kind == "proposal" else proposals[0]
        parts += [Text(""), Text(f"rivergate explain {short(why)}", style="dim")]
    return Group(*parts)


def _again(table: Table) -> Table:
    """An empty table of the same columns, so that lines of text can stand between rows."""
    fresh = Table.grid(padding=(0, _GAP, 0, 0))
    for c in table.columns:
        fresh.add_column(width=c.width, justify=c.justify, no_wrap=True, overflow=c.overflow)
    return fresh


def _header(named: Named, spans: Sequence[StoredSpan]) -> Text:
    start, end = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
    errors = sum(s.error is not None for s in spans)
    text = Text.assemble(("trace ", "dim"), (named.trace_id, "bold"), "\n")
    event = next((str(s.attributes["rivergate.event.id"]) for s in spans if "rivergate.event.id" in s.attributes), "")
    if event:
        text.append_text(Text.assemble(("event ", "dim"), safe(event, 200), "\n"))
    stages = len({s.stage for s in spans})
    facts = [
        f"{len(spans)} span{'s' if len(spans) != 1 else ''} of {stages} stage{'s' if stages != 1 else ''}",
        duration(max(0, end - start)),
        moment(rfc3339(start // 1000)),
    ]
    text.append(" · ".join(facts), style="dim")
    if errors:
        text.append(f" · {errors} error{'s' if errors != 1 else ''}", style="bold red")
    return text


def _guide(node: Node) -> str:
    """The branches of the tree to the left of a span's name."""
    if node.depth == 0:
        return ""
    bars = "".join("  " if last else "│ " for last in node.last[1:-1])
    return bars + ("└ " if node.last[-1] else "├ ")


def _row(node: Node, scale: TimeScale) -> tuple[Text, ...]:
    span = node.span
    failed = span.error is not None
    style = style_of(span.stage)
    name = Text.assemble((_guide(node), "dim"), ("✗ " if failed else "", "bold red"), (safe(span.name, 200), "bold"))
    return (
        name,
        Text(safe(span.stage, 60), style=style),
        _bar(span, scale, "red" if failed else style),
        Text(f"+{duration(max(0, span.start_ns - scale.start))}", style="dim"),
        Text(duration(span.duration_ns)),
    )


def _bar(span: StoredSpan, scale: TimeScale, style: str) -> Text:
    cells = [(" ", "")] * scale.width
    for column, _, _ in scale.breaks:
        for c in range(column, min(column + scale.BREAK, scale.width)):
            cells[c] = ("┊" if c == column + 1 else " ", "dim")
    first, length = scale.bar(span)
    for c in range(first, first + length):
        broken = any(column <= c < column + scale.BREAK for column, _, _ in scale.breaks)
        cells[c] = ("╌" if broken and length > 1 else "━", style)
    text = Text()
    for character, cell_style in cells:
        text.append(character, style=cell_style)
    return text


def _below(node: Node, named: Named, *, everything: bool) -> list[Text]:
    """The lines under a span: its error, what is worth a word, or everything."""
    span = node.span
    lines = [Text(f"✗ {safe(span.error or 'failed', 300)}", style="red")] if span.error is not None else []
    if everything:
        lines += [
            Text.assemble((f"{safe(k, 80)}  ", "dim"), safe(value_text(v), 300)) for k, v in span.attributes.items()
        ]
        lines += [Text.assemble(("link  ", "dim"), f"{trace_id}/{span_id}") for trace_id, span_id in span.links]
    else:
        line = _key_line(span, named)
        lines += [line] if line else []
    for name, at, attributes in span.events:
        said = ", ".join(safe(value_text(v), 200) for v in attributes.values())
        after = duration(max(0, at - span.start_ns))
        lines.append(Text.assemble(("• ", "dim"), safe(name, 80), (f"  {said}  +{after}", "dim")))
    return lines


def _key_line(span: StoredSpan, named: Named) -> Text | None:
    a = span.attributes
    words: list[Text] = []
    topic, partition = a.get("messaging.destination.name"), a.get("messaging.destination.partition.id")
    if topic and partition is not None:
        place = f"{topic}/{partition}/{a.get('messaging.kafka.offset', '')}"
        words.append(Text.assemble(("read ", "dim"), safe(place, 120)))
    for key, label in _KEYS.items():
        if key not in a or a[key] in ("", [], None) or (key == "rivergate.cause" and a[key] in {"event", topic}):
            continue
        shown = _value(key, a[key])
        style = _WORD_STYLES.get(shown, "") if not label else ""
        if key == "rivergate.proposal.id" and named.kind == "proposal" and named.id in span.proposal_ids:
            style = "bold"
        words.append(Text.assemble((f"{label} " if label else "", "dim"), (safe(shown, 120), style)))
    return Text("  ").join(words) if words else None


def _value(key: str, value: object) -> str:
    given = value if isinstance(value, list) else [value]
    return ", ".join(short(str(v)) if key in _DIGESTS else value_text(v) for v in given)


def _indented(node: Node, line: Text, width: int) -> Text:
    bars = "".join("  " if last else "│ " for last in node.last[1:])
    own = "│ " if node.children else "  "
    text = Text.assemble((bars + own, "dim"), line)
    text.truncate(width, overflow="ellipsis")
    return text


def _breaks(scale: TimeScale) -> list[RenderableType]:
    """What the broken pieces of the time scale stand for."""
    if not scale.breaks:
        return []
    pauses = ", ".join(duration(b - a) for _, a, b in scale.breaks)
    return [Text(""), Text(f"┊ stands for {pauses} in which nothing began or ended", style="dim")]


def _batches(batches: Sequence[StoredSpan]) -> RenderableType:
    """The commits that this trace's spans were part of."""
    rows = [
        (
            Text(safe(s.attributes.get("rivergate.commit") or s.name, 40), style=style_of(s.stage)),
            Text(str(s.attributes.get("messaging.batch.message_count", ""))),
            Text(duration(s.duration_ns)),
            Text(short(s.trace_id), style="dim"),
            Text(
                safe(str(s.attributes.get("messaging.destination.name") or "a timer").replace(",", " "), 200),
                style="dim",
            ),
        )
        for s in batches
    ]
    table = Table.grid(padding=(0, _GAP, 0, 0))
    heads = ("COMMITTED IN", "RECORDS", "TOOK", "TRACE", "READ")
    for n, head in enumerate(heads):
        justify: JustifyMethod = "right" if head in {"RECORDS", "TOOK"} else "left"
        if head == "READ":
            table.add_column(no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(
                no_wrap=True, justify=justify, min_width=max(len(head), *(row[n].cell_len for row in rows))
            )
    table.add_row(*(Text(t, style="dim") for t in heads))
    for row in rows:
        table.add_row(*row)
    return table
