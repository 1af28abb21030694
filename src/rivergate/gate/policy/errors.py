"""Errors in policy files, with the place in the file."""

from __future__ import annotations

from dataclasses import dataclass

from rivergate.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a policy file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class PolicyError(ConfigError):
    """A policy can't be put in force. `place` is where it says what can't be, if that is one place."""

    def __init__(self, what: str, place: Place | None = None, *, file: str = "", remedy: str = "") -> None:
        super().__init__(what, where=str(place) if place else file, remedy=remedy)
        self.place = place
