"""What an agent would have done about an event: folded on a copy of its state, written nowhere."""

from __future__ import annotations

from typing import Any

import orjson

from rivergate.agents.fold import AgentFold
from rivergate.agents.memory import Kept
from rivergate.domain import names
from rivergate.domain.errors import BadInput, RecordFailed
from rivergate.domain.event import Event
from rivergate.domain.record import Output, Record
from rivergate.ports import Batch, Outputs
from rivergate.runtime.app import App

SOURCE, ID = "/rivergate/state", "predict"
EVENT_ID = f"{SOURCE}#{ID}"


def predict(app: App, fold: AgentFold, batch: Batch, text: str, event_class: str | None = None) -> dict[str, Any]:
    """{event_class, proposals, published, messages, remembered}: as if the event came next, at `batch.clock`.

    `remembered` is what the agent keeps of the event for its label, its prediction among it, or None. Raises
    `BadInput` for what isn't an event of the agent, or where its code raises.
    """
    cls = _class_of(app, batch.stage, event_class)
    try:
        event = cls.model_validate_json(text)
    except ValueError as e:
        raise BadInput(f"this is no {cls.__name__}: {e}", remedy="give its fields as one JSON object") from e
    headers = [("ce_source", SOURCE.encode()), ("ce_id", ID.encode()), ("ce_type", cls.event_type.encode())]
    offset = 1 << 62  # none that a record of the log has
    record = Record(cls.topic_in(app.name), batch.shard, offset, event.key_bytes(), text.encode(), headers)
    copy = AgentFold(app.name, app.agent(batch.stage))
    copy.load(fold.dump())
    timers = Outputs()
    copy.fold(batch, [], timers)  # what is due at this clock anyway isn't the event's doing
    out = Outputs()
    try:
        copy.fold(batch, [record], out)
    except RecordFailed as e:
        raise BadInput(f"the agent fails on it: {e.reason}", remedy="it would have become a dead letter") from e
    kept = copy.state.memory.events.get(EVENT_ID)
    return {
        "event_class": cls.__name__,
        "proposals": [_proposal(o) for o in out.records if o.topic == names.topic(app.name, names.PROPOSALS)],
        "messages": [
            orjson.loads(o.value or b"") for o in out.records if o.topic == names.topic(app.name, names.MESSAGES)
        ],
        "published": [_published(o) for o in out.records if names.system_name(app.name, o.topic) is None],
        "remembered": _remembered(kept),
    }


def _class_of(app: App, stage: str, wanted: str | None) -> type[Event]:
    classes = {e.__name__: e for e in app.agent(stage).consumes}
    if wanted is None and len(classes) == 1:
        return next(iter(classes.values()))
    if wanted is None or wanted not in classes:
        what = "which event?" if wanted is None else f"{stage} doesn't consume {wanted}"
        raise BadInput(what, remedy=f"give --event-class with one of {', '.join(classes)}")
    return classes[wanted]


def _proposal(output: Output) -> dict[str, Any]:
    value = orjson.loads(output.value or b"")
    return {name: value[name] for name in ("kind", "arguments", "confidence", "reasons", "expires_at")}


def _published(output: Output) -> dict[str, Any]:
    return {"topic": output.topic, "type": output.ce_type.decode(), "value": orjson.loads(output.value or b"null")}


def _remembered(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    features, prediction, _ = kept
    return {"prediction": _plain(prediction), "features": _plain(features)}


def _plain(value: Any) -> Any:
    """As JSON; what has none as its text."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))
    except TypeError:
        return repr(value)
