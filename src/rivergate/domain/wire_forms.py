"""The forms of text that the wire contract demands."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from rivergate.domain.clock import parse_rfc3339

ProposalId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The first 32 hex digits of a SHA-256; names the proposal and all that becomes of it."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Hex SHA-256."""


def _names_a_moment(text: str) -> str:
    parse_rfc3339(text)
    return text


Timestamp = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"), AfterValidator(_names_a_moment)
]
"""RFC 3339 in UTC with microseconds, of a day that there is: `domain.clock.parse_rfc3339` reads it."""
