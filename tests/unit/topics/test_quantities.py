from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rivergate.topics.near import near
from rivergate.topics.quantities import duration_text, parse_duration_ms, parse_size_bytes, size_text


@given(st.integers(1, 10_000), st.sampled_from("mhd"))
def test_durations_read_back_as_they_were_written(number: int, unit: str) -> None:
    """The text of a duration means the same duration."""
    ms = parse_duration_ms(f"{number}{unit}")
    assert parse_duration_ms(duration_text(ms)) == ms


def test_for_ever_reads_back() -> None:
    """Kafka's -1 is a word in files."""
    assert duration_text(parse_duration_ms("forever")) == "forever"


@given(st.integers(1, 10_000), st.sampled_from(["KiB", "MiB"]))
def test_sizes_read_back_as_they_were_written(number: int, unit: str) -> None:
    """The text of a size means the same size."""
    size = parse_size_bytes(f"{number} {unit}")
    assert parse_size_bytes(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "0d", "-1d", "30", "30 d", "1w", "30D", "٣d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="isn't a duration"):
        parse_duration_ms(text)


def test_suggestions_leave_out_what_looks_much_less_alike() -> None:
    """A clear best match stands alone."""
    assert near("rivergate.propsal.v1", ["rivergate.label.v1", "rivergate.proposal.v1"]) == ["rivergate.proposal.v1"]


def test_nothing_is_suggested_where_nothing_is_alike() -> None:
    """A wrong suggestion is worse than none."""
    assert near("telemetry", ["actions", "denials"]) == []
    assert near("telemetry", []) == []
