"""How a shard's state looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rivergate.audit.wording import duration, fields_text, moment, short, value_text
from rivergate.cli.review_screens import safe

_READABLE = 110
_MOST = 12

Found = dict[str, Any]


def state_screen(found: Found, width: int) -> RenderableType:
    """The whole screen: when, what the agent holds, what waits, what it would have said."""
    width = min(width, _READABLE)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=10, style="dim", no_wrap=True)
    table.add_column(width=width - 12)
    for name, value in found["attributes"].items():
        table.add_row(safe(name, 40), _described(value))
    table.add_row("", "")
    for name, sentences in _waiting(found):
        table.add_row(name, ", ".join(sentences))
    parts: list[RenderableType] = [*_heading(found), Text(""), table]
    if "prediction" in found:
        parts += [Text(""), _prediction(found["prediction"], width)]
    return Group(*parts)


def _heading(found: Found) -> Iterable[Text]:
    when = (
        f"after {found['commits']:,} commits" if found["before"] is None else f"just before it read {found['before']}"
    )
    yield Text.assemble((f"{found['stage']}/{found['shard']}", "bold"), f"  {safe(when, 200)}")
    start = found["start"]
    origin = f"from the snapshot after commit {start['seq']}" if start else "from nothing"
    yield Text(f"{moment(found['clock'])}, {origin}, {found['folded']} commits folded", style="dim")
    if (model := found["adopted"]) is not None:
        yield Text(
            f"began with model {short(model['digest'])}, imported by {safe(model['who'], 60)}: {safe(model['why'])}"
        )
    yield Text(f"state {short(found['digest'])}, {_size(found['bytes'])}", style="dim")
    for note in found["notes"]:
        yield Text(safe(note), style="yellow")


def _described(value: Found, *, deep: bool = True) -> RenderableType:
    if "figures" in value:
        return _figures(value["figures"])
    head = Text.assemble((value["type"], "bold cyan"))
    if "value" in value:
        return Text.assemble(head, "  ", safe(value_text(value["value"]), 300))
    if "text" in value:
        return Text.assemble(head, "  ", (safe(value["text"], 200), "dim"))
    if "length" in value:
        return Text.assemble(head, f"  {value['length']:,} entries")
    if "bytes" in value:
        head.append(f"  {_size(value['bytes'])}", style="dim")
    lines: list[RenderableType] = [head]
    if value.get("parameters") and deep:
        lines.append(Text(safe(fields_text(value["parameters"]), 400), style="dim"))
    columns = {name: value[name] for name in ("weights",) if value.get(name)}
    columns |= {name: v for name, v in value.get("fitted", {}).items() if isinstance(v, dict)}
    single = {name: v for name, v in value.get("fitted", {}).items() if not isinstance(v, dict)}
    single |= {"intercept": value["intercept"]} if value.get("intercept") else {}
    lines += [_numbers(numbers) for numbers in (value.get("summary"), single) if numbers]
    if columns:
        lines.append(_by_feature(columns))
    if "members" in value:
        first = value["members"]["first"]
        lines.append(Text(f"{value['members']['length']} members" + (f", {first[0]['type']} first" if first else "")))
        lines += [Padding(_described(m, deep=False), (0, 0, 0, 2)) for m in first]
    lines += [Padding(_described(step), (0, 0, 0, 2)) for step in value.get("steps", {}).values()]
    return Group(*lines)


def _numbers(numbers: Found) -> Text:
    shown = {name.replace("_", " "): value for name, value in list(numbers.items())[:_MOST]}
    return Text(safe(fields_text(shown), 600))


def _by_feature(columns: dict[str, Found]) -> RenderableType:
    """A line a feature: what was fitted for it, side by side."""
    features = list(dict.fromkeys(name for column in columns.values() for name in column))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("feature", no_wrap=True, overflow="ellipsis", max_width=24)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for feature in features[:_MOST]:
        table.add_row(safe(feature, 60), *(value_text(column.get(feature, "")) for column in columns.values()))
    if len(features) > _MOST:
        table.add_row(f"and {len(features) - _MOST} more")
    return Padding(table, (0, 0, 0, 2))


def _figures(f: Found) -> Text:
    """Never accuracy alone: balanced, and beside what repeating the last label would have reached."""
    return Text.assemble(
        f"{f['labels']:,} labels  ",
        ("accuracy ", "dim"),
        (f"{f['accuracy']:.1%}", "bold"),
        (f" (no change: {f['baseline_accuracy']:.1%})", "dim"),
        ("  balanced ", "dim"),
        (f"{f['balanced_accuracy']:.1%}", "bold"),
        (f" (no change: {f['baseline_balanced_accuracy']:.1%})", "dim"),
    )


def _waiting(found: Found) -> Iterable[tuple[str, list[str]]]:
    m, k, t = found["memory"], found["keyed"], found["timers"]
    oldest = [f"the oldest for {_seconds(m['oldest_s'])}"] if m["oldest_s"] is not None else []
    yield (
        "remembers",
        [
            f"{m['waiting']:,} events that wait for a label",
            *oldest,
            f"{m['labelled']:,} that had theirs",
            f"of {m['limit']:,} at most for {_seconds(m['max_age_s'])}",
        ],
    )
    yield (
        "",
        [
            f"{m['forgotten']:,} forgotten",
            f"{m['early_labels']:,} labels before their event",
            f"{m['expired_labels']:,} expired",
            f"{m['repeated_labels']:,} repeated",
        ],
    )
    used = [f"the oldest used {_seconds(k['oldest_s'])} ago"] if k["oldest_s"] is not None else []
    bound = f"of {k['limit']:,} at most for {_seconds(k['max_age_s'])}"
    yield "keyed", [f"{k['entries']:,} entries", *used, bound, f"{k['dropped']:,} dropped"]
    first = [f"{safe(x['name'], 40)} due {moment(x['due'])}" for x in t["next"][:3]]
    yield "timers", [f"{t['pending']:,} pending", *first]


def _prediction(p: Found, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=10, style="dim", no_wrap=True)
    table.add_column(width=width - 12)
    kept = p["remembered"]
    said = (
        "it would have remembered nothing of it"
        if kept is None
        else f"its prediction: {value_text(kept['prediction'])}"
    )
    table.add_row("predicts", Text(f"for this {p['event_class']} {safe(said, 300)}"))
    for proposal in p["proposals"]:
        what = Text.assemble((proposal["kind"], "bold"), f"  {safe(fields_text(proposal['arguments']), 300)}")
        table.add_row("proposes", what)
        reasons = [_reason(r) for r in proposal["reasons"][:_MOST]]
        table.add_row(
            "", f"confidence {proposal['confidence']!r}" + (f", because of {', '.join(reasons)}" if reasons else "")
        )
    for published in p["published"]:
        table.add_row(
            "publishes",
            Text.assemble((safe(published["type"], 60), "bold"), f"  {safe(value_text(published['value']), 300)}"),
        )
    for message in p["messages"]:
        table.add_row("sends", f"to {safe(message['to'], 60)}: {safe(value_text(message['message']), 300)}")
    if not (p["proposals"] or p["published"] or p["messages"]):
        table.add_row("", "and it would have proposed, published and sent nothing")
    return table


def _reason(r: Found) -> str:
    if not r.get("feature"):
        return safe(r.get("text", ""), 100)
    return f"{safe(r['feature'], 40)} {r.get('contribution') or 0.0:+.3g}".replace("-", "\N{MINUS SIGN}")


def _seconds(s: float) -> str:
    return duration(round(s * 1e9))


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1_000_000 else f"{n / 1e3:.1f} KB" if n >= 1000 else f"{n} bytes"
