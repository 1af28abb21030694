"""Where a commit that was folded again differs from what was recorded, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rivergate.domain import names
from rivergate.domain.journal import Muted
from rivergate.domain.record import BY_KEY, Output, Record
from rivergate.kernel.commit import stamp
from rivergate.kernel.past import Step
from rivergate.kernel.shard import ShardSpec

ABSENT = "(absent)"
_UNREPEATED = {"rg_reason", names.RG_MUTED}
"""A replay doesn't handle what was skipped, so it can't know the reason. That a commit is muted is compared as a whole, and
letters from before this header lack it.
"""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field: `value.arguments.minutes`, `key`, `header traceparent`. Values are JSON, or `(absent)`."""

    field: str
    recorded: Any
    again: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference of a commit: in words, and where an output differs, which one, where it stands, how, and
    which event it is about.
    """

    seq: int
    what: str
    output: int | None = None
    topic: str = ""
    place: str = ""
    fields: tuple[FieldDifference, ...] = ()
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """Outputs that were compared, those that are no longer on their topics, and the first difference, if any."""

    outputs: int
    gone: int
    difference: Difference | None


def compare(
    spec: ShardSpec, step: Step, written: Mapping[int, Record], may_be_lost: Callable[[Output], bool]
) -> Compared:
    """Hold a commit's outputs against the records `written` (by their number), one by one. One that isn't there is excused
    where it `may_be_lost`; and where the commit comes out otherwise, since then nobody knows where it stood.
    """
    recorded = step.recorded
    if step.failure:
        return Compared(0, 0, Difference(recorded.seq, f"the code fails now where it didn't then: {step.failure}"))
    headers_of = stamp(spec, recorded)
    total = sum(recorded.outputs.values())
    gone = 0
    for n in range(max(total, len(step.outputs))):
        again = step.outputs[n] if n < len(step.outputs) else None
        found = written.get(n)
        if found is None and again is not None and n < total:
            if step.identical and not may_be_lost(again):
                return Compared(n - gone, gone, _missing(recorded.seq, n, again))
            gone += 1
            continue
        difference = _of_output(recorded.seq, n, found, again, headers_of)
        if difference is not None:
            return Compared(n - gone, gone, difference)
    difference = None if step.identical else _of_the_whole(step, gone, total)
    return Compared(total - gone, gone, difference)


def _missing(seq: int, n: int, again: Output) -> Difference:
    what = f"output {n} was written then and isn't on its topic"
    return Difference(seq, what, n, again.topic, event_id=_event_of(again.value))


def _of_output(seq: int, n: int, found: Record | None, again: Output | None, headers_of: Any) -> Difference | None:
    if again is None:
        topic, place = (found.topic, str(found.position)) if found else ("", "")
        about = _event_of(found.value) if found else ""
        return Difference(seq, f"output {n} was written then and isn't now", n, topic, place, event_id=about)
    if found is None:
        fields = tuple(_fields("value", ABSENT, _json(again.value)))
        return Difference(
            seq, f"output {n} is written now and wasn't then", n, again.topic, "", fields, _event_of(again.value)
        )
    fields = tuple(_output_fields(found, again, dict(headers_of(again, n))))
    if not fields:
        return None
    names = ", ".join(f.field for f in fields[:3]) + (" …" if len(fields) > 3 else "")
    what = f"output {n} differs in {names}"
    return Difference(seq, what, n, found.topic, str(found.position), fields, _event_of(found.value))


def _output_fields(found: Record, again: Output, headers: Mapping[str, bytes]) -> Iterator[FieldDifference]:
    if found.topic != again.topic:
        yield FieldDifference("topic", found.topic, again.topic)
    if again.partition not in (BY_KEY, found.partition):
        yield FieldDifference("partition", found.partition, again.partition)
    if (found.key or b"") != (again.key or b""):
        yield FieldDifference("key", _text(found.key), _text(again.key))
    there = dict(found.headers or ())
    for name in sorted((there.keys() | headers.keys()) - _UNREPEATED):
        if there.get(name) != headers.get(name):
            yield FieldDifference(f"header {name}", _text(there.get(name)), _text(headers.get(name)))
    if found.value != again.value:
        differing = list(_fields("value", _json(found.value), _json(again.value)))
        yield from differing or [FieldDifference("value", _text(found.value), _text(again.value))]


def _of_the_whole(step: Step, gone: int, total: int) -> Difference:
    what = f"the digest is {step.digest[:12]} and was {step.recorded.digest[:12]}"
    then, now = step.recorded.muted, step.again.muted if step.again else None
    if then != now:
        what = f"what was muted differs: it would write {_withheld(now)}, and would have written {_withheld(then)}"
    elif gone:
        what += f"; {gone} of {total} outputs are no longer on their topics, the difference is in one of them"
    else:
        what += ", though its outputs are equal: the journal names another predecessor or other input"
    return Difference(step.recorded.seq, what)


def _withheld(muted: Muted | None) -> str:
    if muted is None:
        return "nothing, since it isn't muted"
    return f"{muted.outputs or 'nothing'} ({muted.digest[:12]})"


def _fields(path: str, recorded: Any, again: Any) -> Iterator[FieldDifference]:
    """Each leaf that differs, by its path."""
    if isinstance(recorded, dict) and isinstance(again, dict):
        for name in [*recorded, *(k for k in again if k not in recorded)]:
            yield from _fields(f"{path}.{name}", recorded.get(name, ABSENT), again.get(name, ABSENT))
    elif isinstance(recorded, list) and isinstance(again, list):
        for i in range(max(len(recorded), len(again))):
            one = recorded[i] if i < len(recorded) else ABSENT
            other = again[i] if i < len(again) else ABSENT
            yield from _fields(f"{path}[{i}]", one, other)
    elif recorded != again or type(recorded) is not type(again):
        yield FieldDifference(path, recorded, again)


def _json(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"null")
    except ValueError:
        return _text(value)


def _event_of(value: bytes | None) -> str:
    found = _json(value)
    return str(found.get("event_id", "")) if isinstance(found, dict) else ""


def _text(value: bytes | None) -> str:
    return ABSENT if value is None else value.decode(errors="backslashreplace")
