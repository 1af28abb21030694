"""The live view's layout: a scene as rich renderables, clean at 80 columns and at 140."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rivergate.demos.shuttle.scene import (
    ACTIONS,
    ALLOWED,
    DENIED,
    LABELS,
    MODIFIED,
    PROPOSALS,
    RATE_S,
    READINGS,
    REVIEW,
    WINDOW_S,
    Scene,
)

WIDE = 110
BLOCK = 8
"""Lines of a panel with figures, frame included."""
COLOURS = {ALLOWED: "green", MODIFIED: "cyan", REVIEW: "yellow", DENIED: "red"}


def screen(scene: Scene, at_s: float, up_s: float, addresses: Mapping[str, str], *, width: int, height: int) -> Group:
    """The whole view for a terminal of this size."""
    flow, learning = _flow(scene, at_s), _learning(scene, at_s)
    verdicts = _verdicts(scene, at_s)
    footer = _addresses(addresses)
    up = (f"up {_span(up_s)}", "dim")
    held_up = (_held_up(scene, "  "), "yellow")
    title = Text.assemble(("rivergate ", "bold"), (f"{scene.app} ", "bold cyan"), up, held_up, no_wrap=True)
    title.truncate(width, overflow="ellipsis")
    if width >= WIDE:
        rows = max(1, height - BLOCK - len(addresses) - 5)
        return Group(title, _row(width, flow, learning, verdicts), _row(width, _latest(scene, rows)), footer)
    return Group(title, _row(width, flow, learning), _row(width, verdicts, _latest(scene, BLOCK - 2)), footer)


def line(scene: Scene, at_s: float) -> str:
    """The view as one line, where there is no terminal."""
    now = scene.accuracy(at_s)
    return (
        f"{scene.rates[READINGS].total} readings ({scene.rates[READINGS].within(at_s, RATE_S) / RATE_S:.0f}/s, "
        f"lag {scene.lag}), {scene.rates[PROPOSALS].total} proposals: {scene.rates[ALLOWED].total} allowed, "
        f"{scene.rates[MODIFIED].total} modified, {scene.rates[DENIED].total} denied, {len(scene.waiting)} wait; "
        f"balanced accuracy {_share(now.balanced)}, accuracy {_share(now.accuracy)}, baseline {_share(now.baseline)}"
        f"{_held_up(scene, '; ')}"
    )


def _held_up(scene: Scene, before: str) -> str:
    """What running shards wait for, or nothing."""
    return before + "; ".join(f"{shard} {why}" for shard, why in sorted(scene.held_up.items())) if scene.held_up else ""


def _row(width: int, *panels: Panel) -> Columns:
    each = width // len(panels)
    for panel in panels:
        panel.width = each
    return Columns(panels, padding=0, width=each)


def _grid(*justify: str, least: int = 6) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for side in justify:
        right = side == "r"
        table.add_column(justify="right" if right else "left", no_wrap=True, min_width=least if right else None)
    return table


def _flow(scene: Scene, at_s: float) -> Panel:
    table = _grid("l", "r", "r")
    table.add_row("", Text("per second", "dim"), Text("in all", "dim"))
    for name in (READINGS, LABELS, PROPOSALS, ACTIONS):
        rate = scene.rates[name]
        table.add_row(name, f"{rate.within(at_s, RATE_S) / RATE_S:,.1f}", f"{rate.total:,}")
    lag = scene.lag
    table.add_row("lag", Text(f"{lag:,}", "yellow" if lag > 1000 else "green"), "")
    return _panel("flow", table)


def _learning(scene: Scene, at_s: float) -> Panel:
    now, ever = scene.accuracy(at_s), scene.accuracy(at_s, None)
    table = _grid("l", "r", "r")
    table.add_row("", Text(f"{WINDOW_S // 60} minutes", "dim"), Text("ever", "dim"))
    table.add_row("balanced accuracy", Text(_share(now.balanced), "bold green"), _share(ever.balanced))
    table.add_row("accuracy", _share(now.accuracy), _share(ever.accuracy))
    table.add_row("baseline accuracy", _share(now.baseline), _share(ever.baseline))
    table.add_row("labels learnt", f"{now.labels:,}", f"{ever.labels:,}")
    table.add_row("dead letters", "", f"{scene.dead_letters:,}")
    return _panel("learning", table)


def _verdicts(scene: Scene, at_s: float) -> Panel:
    table = _grid("l", "r", "r")
    table.add_row("", Text("last minute", "dim"), Text("in all", "dim"))
    for name, colour in COLOURS.items():
        rate = scene.rates[name]
        table.add_row(Text(name, colour), f"{rate.within(at_s, 60):,}", f"{rate.total:,}")
    waiting = len(scene.waiting)
    table.add_row(Text("reviews that wait", "bold"), Text(f"{waiting:,}", "bold yellow" if waiting else "dim"), "")
    return _panel("verdicts", table)


def _latest(scene: Scene, lines: int) -> Panel:
    table = _grid("l", "l", "r", "l", least=3)
    for machine, what, how, confidence in list(scene.latest)[:lines]:
        colour = COLOURS.get(how, "magenta")
        table.add_row(machine, what, f"{confidence:.0%}", Text(how, colour))
    return _panel("latest", table)


def _addresses(addresses: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, address in addresses.items():
        table.add_row(Text(name, "dim"), Text(address))
    table.add_row(Text("Ctrl-C", "dim"), Text("ends it; nothing is lost", "dim"))
    return table


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
