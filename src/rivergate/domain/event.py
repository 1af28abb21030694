"""Typed events and proposals: what engineers declare for their agents."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from rivergate.domain.errors import ConfigError

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case(name: str) -> str:
    """`ShutDown` → `shut_down`."""
    return _CAPITAL.sub("_", name).lower()


class Event(BaseModel):
    """An immutable fact on a topic: `class Reading(Event, topic="telemetry", key="line")`.

    `topic` is the topic's name on the broker, in which `{app}` stands for the app's name; `key` the field whose
    text is the record's key; `type` the `ce_type` of events that agents publish (the class name in snake case, if
    not given). Fields that a record has and the class lacks are ignored; a missing or ill-typed field makes a
    dead letter.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    event_topic: ClassVar[str] = ""
    event_key: ClassVar[str] = ""
    event_type: ClassVar[str] = ""

    def __init_subclass__(cls, topic: str = "", key: str = "", type: str = "", **kwargs: Any) -> None:  # noqa: A002 - CloudEvents' word
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, topic: str = "", key: str = "", type: str = "", **kwargs: Any) -> None:  # noqa: A002 - CloudEvents' word
        super().__pydantic_init_subclass__(**kwargs)
        cls.event_topic = topic or cls.event_topic
        cls.event_key = key or cls.event_key
        cls.event_type = type or snake_case(cls.__name__)
        if cls.event_key and cls.event_key not in cls.model_fields:
            raise ConfigError(
                f"event {cls.__name__} has no field {cls.event_key!r} to be its key",
                remedy=f"name one of {', '.join(sorted(cls.model_fields))}",
            )

    @classmethod
    def topic_in(cls, app: str) -> str:
        """The topic's full name for an app."""
        return cls.event_topic.replace("{app}", app)

    def key_bytes(self) -> bytes | None:
        """The record's key, or None where the class declares none."""
        return str(getattr(self, self.event_key)).encode() if self.event_key else None


class Proposal(BaseModel):
    """An action that an agent wants; its fields are the action's arguments, its class names the kind.

    `class ShutDown(Proposal)` has the kind `shut_down`, unless `kind="…"` is given. Arguments must have an
    RFC 8785 form: no NaN, no integers from 2⁵³ on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    proposal_kind: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.proposal_kind = kind or snake_case(cls.__name__)


class Reason(BaseModel):
    """Why an agent proposes: a sentence, or a feature with its value and its contribution to the score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    feature: str = ""
    value: float | str | bool | None = None
    contribution: float | None = Field(default=None, description="in units of the model's raw score")


class Label(NamedTuple):
    """Late truth about an earlier event, joined to what the agent remembered of it.

    `features` and `prediction` are those of then (None where the agent remembered none). `source` is
    `outcome`, `decision` or `topic`.
    """

    event_id: str
    value: Any
    source: str
    features: Any = None
    prediction: Any = None
    proposal_id: str | None = None
