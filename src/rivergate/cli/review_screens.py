"""How the command line shows the queue and one review."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.review.view import DecisionView, ReviewDetail, ReviewItem
from rivergate.web.display import clock_time, percent, signed, time_left, type_name, value_text

STYLES = {
    "open": "yellow",
    "approved": "green",
    "confirmed": "green",
    "counted": "green",
    "done": "green",
    "rejected": "red",
    "refused": "red",
    "failed": "red",
    "sent": "yellow",
    "overdue": "yellow",
    "unknown": "yellow",
    "expired": "yellow",
}
_VALUE_CHARS = 2000
_BAR = 12
_SOON_S = 300


def safe(value: Any, cap: int = _VALUE_CHARS) -> str:
    """Text of others for a terminal: control and direction-changing characters as their code points."""
    text = str(value)
    shown = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else f"⟨U+{ord(c):04X}⟩"
        for c in text[:cap]
    )
    return shown if len(text) <= cap else f"{shown}… {len(text) - cap} more characters"


def styled(word: str) -> Text:
    """A state in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def queue_table(items: list[ReviewItem], state: str, now: Micros) -> Table:
    """The queue as a table."""
    table = Table(box=None, header_style="dim", pad_edge=False, expand=True)
    for column in ("ID", "KIND", "TIME LEFT" if state == "open" else "STATE"):
        table.add_column(column, no_wrap=True)
    table.add_column("WHAT IS PROPOSED", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("CONF.", justify="right", no_wrap=True)
    table.add_column("APPROVALS", justify="right", no_wrap=True)
    for i in items:
        where: Text = styled("unknown" if i.unresolved else str(i.state))
        if i.state == "open":
            where = Text(time_left(i.expires_at, now), style="yellow" if _soon(i.expires_at, now) else "")
        approvals = "" if i.state == "none" else f"{i.approvals} of {i.quorum}{' +sent' if i.unanswered else ''}"
        table.add_row(
            Text(i.proposal_id[:12], style="cyan"),
            Text(safe(i.kind, 40), style="bold"),
            where,
            Text(safe(i.headline)),
            percent(i.confidence),
            approvals,
        )
    return table


def _soon(expires_at: str | None, now: Micros) -> bool:
    return bool(expires_at) and parse_rfc3339(str(expires_at)) - now < _SOON_S * 1_000_000


def detail_screen(r: ReviewDetail, now: Micros) -> RenderableType:
    """All that is known of one review."""
    parts: list[RenderableType] = [_head(r, now), Text(), _heading("What would be done"), _arguments(r.arguments)]
    if r.rules:
        parts += [Text(), _heading("Why a person is asked" if r.state != "none" else "Why it was allowed"), _rules(r)]
    if r.reasons:
        parts += [Text(), _heading("Why the agent proposes it"), _reasons(r)]
    if r.decisions:
        parts += [Text(), _heading("Decisions"), *(decision_line(d) for d in r.decisions)]
    parts += [Text(), _heading("History"), _history(r)]
    title = Text.assemble((safe(r.kind, 60), "bold"), " ", (r.proposal_id, "cyan"))
    return Panel(Group(*parts), title=title, title_align="left", border_style="dim")


def _heading(text: str) -> Text:
    return Text(text.upper(), style="dim")


def _head(r: ReviewDetail, now: Micros) -> Table:
    grid = _grid()
    state = styled("not reviewed" if r.state == "none" else str(r.state))
    if r.state == "open":
        state.append(f"  {time_left(r.expires_at, now)} left", style="bold")
    grid.add_row("state", state)
    if r.state != "none":
        grid.add_row("approvals", f"{r.approvals} of {r.quorum}, tier {r.tier}, revision {r.revision}")
    grid.add_row("agent", f"{safe(r.agent or 'unknown', 60)}, confidence {percent(r.confidence)}")
    if r.denial:
        grid.add_row("denied", Text(safe(r.denial), style="red"))
    for o in r.outcomes:
        said = f" by {safe(o.by, 60)}, {o.answer}" if o.by else ""
        grid.add_row(
            "resolution" if o.by else "outcome", styled(o.status).append(f"{said}  {safe(value_text(o.detail), 300)}")
        )
    grid.add_row("event", safe(r.event_id, 200))
    grid.add_row("trace", r.trace_id)
    grid.add_row("digest", r.arguments_digest)
    return grid


def _arguments(arguments: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in arguments.items():
        grid.add_row(
            Text(safe(name, 80), style="bold"), Text(type_name(value), style="dim"), Text(safe(value_text(value)))
        )
    return grid


def _rules(r: ReviewDetail) -> Group:
    lines = []
    for rule in r.rules:
        line = Text.assemble((safe(rule.name, 100), "bold"), (f" {safe(rule.verdict, 30)}", "dim"))
        if rule.message:
            line.append(f"  {safe(rule.message, 600)}")
        for name, value in rule.values.items():
            line.append(f"\n  {safe(name, 80)} = ", style="dim").append(
                safe(json.dumps(value, ensure_ascii=False), 300)
            )
        lines.append(line)
    return Group(*lines)


def _reasons(r: ReviewDetail) -> Group:
    sentences = [Text(safe(reason.text, 600)) for reason in r.reasons if not reason.feature]
    grid = Table.grid(padding=(0, 2))
    for reason in (reason for reason in r.reasons if reason.feature):
        value = "" if reason.value is None else safe(value_text(reason.value), 40)
        bar = Text("█" * max(1, round(abs(reason.share) * _BAR)), style="cyan" if reason.share >= 0 else "yellow")
        grid.add_row(Text(safe(reason.feature, 80)), value, signed(reason.contribution), bar)
    return Group(*sentences, grid)


def decision_line(d: DecisionView) -> Text:
    """A decision with the gate's answer, in one line."""
    line = Text.assemble((d.verdict, "bold"), f" by {safe(d.by, 60)}  ", (d.answer, STYLES.get(d.answer, "")))
    if d.answer == "counted":
        line.append(f" {d.approvals} of {d.needed}")
    if d.reason:
        line.append(f"  {safe(d.reason, 400)}")
    if d.note:
        line.append(f"  “{safe(d.note, 400)}”", style="italic")
    return line


def _history(r: ReviewDetail) -> Table:
    grid = Table.grid(padding=(0, 2))
    for s in r.history:
        grid.add_row(
            Text(clock_time(s.at), style="dim"), Text(safe(s.what, 160)), Text(safe(s.detail, 300), style="dim")
        )
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    return grid


def counts_line(counts: dict[str, int]) -> str:
    """How much of what there is, in words."""
    return ", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "no reviews yet"
