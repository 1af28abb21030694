"""Values that others wrote, as text that can't deceive: escaped, capped, with invisible characters shown."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from markupsafe import Markup, escape

from rivergate.domain.clock import SECOND, Micros, parse_rfc3339, to_datetime

VALUE_CHARS = 4000
_PLAIN_CONTROLS = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
# Blank to the eye, though Unicode counts them as letters or spaces.
_BLANK = {"\u00a0", "\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"}


def visible(text: Any, cap: int = VALUE_CHARS) -> Markup:
    """The text escaped, each invisible or direction-changing character as its code point, at most `cap` characters."""
    whole = str(text)
    shown: list[str] = []
    plain: list[str] = []
    for character in whole[:cap]:
        if _is_hidden(character):
            shown.append(str(escape("".join(plain))))
            plain.clear()
            name = unicodedata.name(character, "control character")
            shown.append(str(Markup('<span class="odd" title="{}">U+{:04X}</span>').format(name, ord(character))))
        else:
            plain.append(character)
    shown.append(str(escape("".join(plain))))
    if len(whole) > cap:
        shown.append(str(Markup('<span class="cut">… {} more characters</span>').format(len(whole) - cap)))
    return Markup("".join(shown))  # noqa: S704 - every part was escaped above


def _is_hidden(character: str) -> bool:
    if character in _PLAIN_CONTROLS:
        return False
    return character in _BLANK or unicodedata.category(character) in _HIDDEN


def value_text(value: Any) -> str:
    """A JSON value as text: strings as they are, the rest as indented JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def type_name(value: Any) -> str:
    """The JSON type of a value, in one word."""
    if isinstance(value, bool):
        return "boolean"
    names = {str: "text", int: "integer", float: "number", list: "list", dict: "object", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def clock_time(at: str | None) -> str:
    """`24 Nov 12:31:07` in UTC."""
    return to_datetime(parse_rfc3339(at)).strftime("%d %b %H:%M:%S") if at else "\N{EN DASH}"


def time_left(expires_at: str | None, now: Micros) -> str:
    """`12 min 5 s`, or `passed`."""
    if not expires_at:
        return "\N{EN DASH}"
    seconds = (parse_rfc3339(expires_at) - now) // SECOND
    if seconds < 0:
        return "passed"
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def percent(share: float | None) -> str:
    """`93 %`."""
    return "\N{EN DASH}" if share is None else f"{share * 100:.0f} %"


def signed(number: float | None) -> str:
    """`+0.42`, with a true minus sign."""
    return "" if number is None else f"{number:+.3g}".replace("-", "\N{MINUS SIGN}")
