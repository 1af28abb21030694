"""How an explanation looks on a terminal: sentences, the model's reasons as bars, a compact timeline."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rivergate.audit.explanation import Explanation
from rivergate.audit.narrative import Words, contributions, headline, narrative
from rivergate.audit.wording import between, moment
from rivergate.cli.review_screens import safe

_STYLES = {
    "name": "bold",
    "value": "cyan",
    "quote": "italic",
    "good": "bold green",
    "bad": "bold red",
    "wait": "yellow",
    "quiet": "dim",
}
_READABLE = 110  # columns of text; longer lines are hard to read
_BAR = 12
_MOST_REASONS = 8


def explanation_screen(e: Explanation, width: int) -> RenderableType:
    """The whole screen."""
    width = min(width, _READABLE)
    identity = Text.assemble(("proposal ", "dim"), e.proposal_id, (f"  of app {safe(e.app, 60)}", "dim"))
    parts: list[RenderableType] = [styled(headline(e)), identity, Text("")]
    parts += [Text(f"! {safe(finding)}", style="bold red") for finding in e.findings]
    if e.findings:
        parts.append(Text(""))
    story = Table.grid(padding=(0, 2, 0, 0))
    story.add_column(width=7, style="dim", no_wrap=True)
    story.add_column(width=width - 9)
    for heading, sentences in narrative(e):
        apart = "\n" if heading == "gate" else " "  # a line for each rule that spoke
        body: list[RenderableType] = [Text(apart).join(map(styled, sentences))]
        if heading == "agent" and contributions(e):
            body.append(_reasons(e))
        story.add_row(heading, Group(*body))
        story.add_row("", "")
    parts += [story, _timeline(e, width)]
    if e.trace_id:
        parts += [Text(""), Text(f"rivergate trace show {e.trace_id[:12]}", style="dim")]
    return Group(*parts)


def styled(words: Words) -> Text:
    """A sentence with its roles as colours; what others wrote is made harmless."""
    return Text.assemble(*((safe(text), _STYLES.get(role, "")) for text, role in words))


def _reasons(e: Explanation) -> RenderableType:
    """Contributions as bars around zero, the weightiest first."""
    found = contributions(e)
    most = max(abs(c) for _, _, c in found) or 1.0
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column(no_wrap=True, justify="right", max_width=16)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    for feature, value, contribution in found[:_MOST_REASONS]:
        length = max(1, round(_BAR * abs(contribution) / most)) if contribution else 0
        toward = contribution > 0
        left = Text(("" if toward else "━" * length).rjust(_BAR), style="blue")
        right = Text("━" * length if toward else "", style="magenta")
        number = f"{contribution:+.3g}".replace("-", "\N{MINUS SIGN}")
        table.add_row(safe(feature, 60), safe(value, 40), number, Text.assemble(left, ("│", "dim"), right))
    if len(found) > _MOST_REASONS:
        table.add_row(Text(f"and {len(found) - _MOST_REASONS} more", style="dim"), "", "", "")
    return Padding(table, (1, 0, 0, 0))


def _timeline(e: Explanation, width: int) -> RenderableType:
    """A line a record: clock time, the step since the line before, what, who, and where it stands on the log."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", style="cyan")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=18)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim", max_width=24)
    table.width = width
    day = before = ""
    for m in e.timeline:
        date, _, time = moment(m.at).removesuffix(" UTC").partition(", ")
        if date != day:
            table.add_row(Text(f"{date} UTC", style="dim"), "", "", "", "")
            day = date
        step = f"+{between(before, m.at)}" if before else ""
        place = m.place.removeprefix(f"{e.app}.")
        table.add_row(Text(time, style="dim"), step, safe(m.what, 120), safe(m.who, 40), safe(place, 120))
        before = m.at
    return table
