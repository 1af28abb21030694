from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.review import kit

from rivergate.domain.clock import SECOND, rfc3339
from rivergate.web.display import time_left, type_name, visible


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_markup_or_hides(text: str) -> None:
    """Whatever it is: no tags but ours, no character that turns the line around or isn't seen."""
    shown = str(visible(text))
    assert "<" not in shown.replace('<span class="odd"', "").replace('<span class="cut"', "").replace("</span>", "")
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200c\u200d\u200e\u200f\ufeff\x00"
    )


def test_hidden_characters_are_named() -> None:
    """As code points; line breaks and tabs stay what they are."""
    assert "U+202E" in visible("a\u202eb")
    assert "U+00A0" in visible("a\u00a0b")
    assert visible("a\n\tb") == "a\n\tb"


def test_the_cap_says_how_much_is_missing() -> None:
    """Nobody takes a part for the whole."""
    assert "… 5 more characters" in visible("x" * 15, 10)


def test_types_and_times_in_words() -> None:
    """A boolean isn't an integer; time left is rounded down."""
    assert [type_name(v) for v in (True, 1, 1.5, "x", [], {}, None)] == [
        "boolean",
        "integer",
        "number",
        "text",
        "list",
        "object",
        "null",
    ]
    now = kit.START
    left = {5: "5 s", 65: "1 min 5 s", 3700: "1 h 1 min", 90_000: "1 d 1 h", -1: "passed"}
    for seconds, words in left.items():
        assert time_left(rfc3339(now + seconds * SECOND), now) == words
