"""Dead letters: records that a stage couldn't handle, and what is put back when they are redriven."""

from __future__ import annotations

from dataclasses import dataclass

from rivergate.domain import names
from rivergate.domain.clock import Micros
from rivergate.domain.record import Headers, Output, Position, Record


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter of an app: `stage` couldn't handle the record that stood at `origin`, because of `reason`.

    `record` is the letter as it lies on the dead-letter topic: the record's own bytes and headers, `rg_*` replaced.
    """

    app: str
    record: Record
    stage: str
    origin: Position
    first_origin: Position
    reason: str

    @classmethod
    def of(cls, app: str, record: Record) -> DeadLetter | None:
        """What a record of the dead-letter topic tells, or None for one that no stage has written."""
        commit, origin = _text(record, "rg_commit"), _text(record, "rg_origin")
        try:
            stood = Position.parse(origin)
            first = Position.parse(_text(record, "rg_first_origin") or origin)
        except ValueError:
            return None
        stage = commit.partition("/")[0]
        return cls(app, record, stage, stood, first, _text(record, "rg_reason")) if stage else None

    @property
    def id(self) -> str:
        """Its partition and offset on the dead-letter topic: `2/17`."""
        return f"{self.record.partition}/{self.record.offset}"

    @property
    def at(self) -> Micros:
        """When it was set aside."""
        return self.record.timestamp_ms * 1000

    @property
    def headers(self) -> Headers:
        """The record's own headers."""
        return [(k, v) for k, v in self.record.headers or () if not k.startswith("rg_")]

    @property
    def event_id(self) -> str:
        """The id that the record had, and that it keeps when it is redriven."""
        return self.record._replace(given=self._redriven_headers()).event_id

    @property
    def is_muted(self) -> bool:
        """Whether its agent was muted when it set the record aside: it wouldn't have acted on it."""
        return self.record.header(names.RG_MUTED) is not None

    @property
    def is_event(self) -> bool:
        """Whether it comes from a users' topic."""
        return names.system_name(self.app, self.origin.topic) is None

    def why_not(self) -> str:
        """Why it can't be redriven, or nothing: what stages alone write follows from something else."""
        name = names.system_name(self.app, self.origin.topic)
        if self.is_event or name == names.DECISIONS:
            return ""
        if name == names.PROPOSALS and _text(self.record, "ce_source").endswith("/door"):
            return ""
        return f"stages alone write {self.origin.topic}, so nothing is put back there"

    def redriven(self, value: bytes | None = None) -> tuple[Output, Headers]:
        """What goes back to where it came from, for the stage that had set it aside; a `value` takes its value's place."""
        at, record = self.origin, self.record
        return (
            Output(at.topic, at.partition, record.key, record.value if value is None else value),
            self._redriven_headers(),
        )

    def _redriven_headers(self) -> Headers:
        stage = names.source(self.app, self.stage).encode()
        return [*self.headers, ("rg_origin", str(self.first_origin).encode()), (names.RG_FOR, stage)]


def _text(record: Record, header: str) -> str:
    return (record.header(header) or b"").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Redriven:
    """A note that a dead letter was put back. `at` is RFC 3339; `corrected` says that its value was replaced."""

    letter: str
    by: str
    at: str
    corrected: bool
