"""How dead letters look on a terminal, and as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.table import Table
from rich.text import Text

from rivergate.cli.screen import screen
from rivergate.domain.clock import rfc3339
from rivergate.domain.dead_letter import DeadLetter, Redriven

_SHOWN_BYTES = 512
_WIDTH = 16


def as_dict(letter: DeadLetter, redriven: Redriven | None, *, whole: bool = False) -> dict[str, Any]:
    """A dead letter as JSON; the `whole` one has its headers, its key and its value too, in base64 where not text."""
    said: dict[str, Any] = {
        "id": letter.id,
        "at": rfc3339(letter.at),
        "stage": letter.stage,
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "offset": letter.origin.offset,
        "event_id": letter.event_id,
        "reason": letter.reason,
        "muted": letter.is_muted,
        "redriven": None
        if redriven is None
        else {"at": redriven.at, "by": redriven.by, "corrected": redriven.corrected},
    }
    if whole:
        said["first_origin"] = str(letter.first_origin)
        said["headers"] = [[k, _text_or_base64(v)] for k, v in letter.headers]
        said["key"] = _text_or_base64(letter.record.key)
        said["value"] = _text_or_base64(letter.record.value)
    return said


def print_letters(letters: Sequence[DeadLetter], redriven: Mapping[str, Redriven], count: int) -> None:
    """A line for each, and how many there are if that is more."""
    console = screen()
    if not letters:
        console.print("no dead letters")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "when", "stage", "from"):
        table.add_column(column, no_wrap=True)
    table.add_column("why")
    for x in letters:
        why = Text(x.reason.partition("\n")[0])
        if x.is_muted:
            why.append("\nwhile it was muted", "yellow")
        if (done := redriven.get(x.id)) is not None:
            why.append(f"\nredriven {_moment(done.at)} by {done.by}", "green")
        table.add_row(x.id, _moment(rfc3339(x.at)), x.stage, str(x.origin), why)
    console.print(table)
    if count > len(letters):
        console.print(f"{len(letters):,} of {count:,}; --limit shows more", style="dim")


def print_letter(letter: DeadLetter, redriven: Redriven | None) -> None:
    """Everything about one."""
    console = screen(soft_wrap=True)
    said = {
        "dead letter": f"{letter.id} on {letter.record.topic}",
        "set aside": f"{rfc3339(letter.at)} by {letter.stage}{', while it was muted' if letter.is_muted else ''}",
        "came from": str(letter.origin),
        "event id": letter.event_id,
        "why": letter.reason,
        "redriven": "no" if redriven is None else _redriven(redriven),
    }
    if letter.first_origin != letter.origin:
        said["came from"] += f", redriven; it stood first at {letter.first_origin}"
    if why_not := letter.why_not():
        said["redriven"] = f"can't be: {why_not}"
    for name, text in said.items():
        console.print(Text.assemble((f"{name:<12}", "bold"), text))
    console.print(Text.assemble(("\nkey         ", "bold"), _shown(letter.record.key)))
    console.print(Text("headers", "bold"))
    for name, value in letter.headers:
        console.print(Text(f"  {name}: {_shown(value)}"))
    console.print(Text("value", "bold"))
    console.print(Text(_pretty(letter.record.value)))


def _redriven(done: Redriven) -> str:
    return f"at {done.at} by {done.by}{', with another value' if done.corrected else ''}"


def _pretty(value: bytes | None) -> str:
    """JSON with indents; anything else as its first bytes."""
    if not value:
        return "  none" if value is None else "  empty"
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        more = (
            f"\n  … {len(value):,} bytes in all: `rivergate dlq show --value` writes them"
            if len(value) > _SHOWN_BYTES
            else ""
        )
        return "\n".join(_hex_lines(value[:_SHOWN_BYTES])) + more


def _hex_lines(content: bytes) -> list[str]:
    rows = [(at, content[at : at + _WIDTH]) for at in range(0, len(content), _WIDTH)]
    return [f"  {at:04x}  {row.hex(' '):<{3 * _WIDTH}} {_printable(row)}" for at, row in rows]


def _printable(row: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 else "." for b in row)


def _shown(value: bytes | None) -> str:
    text = "none" if value is None else value.decode(errors="replace")
    return text if text.isprintable() else f"0x{(value or b'').hex()}"


def _text_or_base64(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")
