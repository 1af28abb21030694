"""A topic file's fields, and what becomes of one when an app's name and numbers are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rivergate.topics.quantities import LEAST_MAX_MESSAGE_BYTES, parse_duration_ms, parse_size_bytes

ABOVE_INPUTS = "inputs + "
"""Begin of a `max_message_bytes` that is relative to the largest of the inputs."""

_NAME = re.compile(r"[A-Za-z0-9._{}-]{1,200}")
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


class TopicFile(BaseModel):
    """One topic as its YAML file declares it; see `docs/guides/topics.md`.

    `name` may hold `{app}`, and with `partitions: shards` holds `{stage}`: such a file stands for one topic a
    stage. `schema_` (in the file: `schema`) is a list of `ce_type`s, or a sentence. Exactly one of `retention`
    and `cleanup` says how long records stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)

    name: str
    partitions: Literal["app", "shards", 1]
    key: str = Field(min_length=1)
    schema_: list[str] | str = Field(alias="schema", min_length=1)
    retention: str | None = None
    cleanup: Literal["compact"] | None = None
    timestamps: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    max_message_bytes: int | str | None = None
    json_schema: dict[str, Any] | None = None
    writers: list[str] = Field(min_length=1)
    readers: list[str] = Field(min_length=1)
    why: str = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _name_is_legal(cls, name: str) -> str:
        for placeholder in _PLACEHOLDER.findall(name):
            if placeholder not in {"app", "stage"}:
                raise ValueError(f"{{{placeholder}}} stands for nothing here: only {{app}} and {{stage}} do")
        if not _NAME.fullmatch(name):
            raise ValueError("a topic's name has up to 200 letters, digits, dots, underscores and hyphens")
        return name

    @field_validator("partitions", mode="before")
    @classmethod
    def _true_is_no_number(cls, partitions: object) -> object:
        if isinstance(partitions, bool):
            raise ValueError("true and false are no numbers")  # noqa: TRY004 - pydantic takes a ValueError
        return partitions

    @field_validator("retention")
    @classmethod
    def _retention_is_a_duration(cls, text: str | None) -> str | None:
        if text is not None:
            parse_duration_ms(text)
        return text

    @field_validator("max_message_bytes")
    @classmethod
    def _size_is_legal(cls, size: int | str | None) -> int | str | None:
        if size is not None:
            if isinstance(size, str) and size.startswith(ABOVE_INPUTS):
                parse_size_bytes(size.removeprefix(ABOVE_INPUTS))
            elif parse_size_bytes(size) < LEAST_MAX_MESSAGE_BYTES:
                raise ValueError(f"{size} is too little: batches of small records have up to 1 MiB")
        return size

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if (self.retention is None) == (self.cleanup is None):
            raise ValueError("exactly one of `retention` and `cleanup: compact` says how long records stay")
        if ("{stage}" in self.name) != (self.partitions == "shards"):
            raise ValueError("`partitions: shards` and {stage} in the name belong together: one topic a stage")
        return self

    @property
    def ce_types(self) -> tuple[str, ...]:
        """The record types on the topic, or none where the schema is a sentence."""
        return tuple(self.schema_) if isinstance(self.schema_, list) else ()


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be on the broker: full name, number of partitions, Kafka's settings.

    `config` holds what the file decides and nothing else; other settings of the topic are the broker's affair.
    `system` tells rivergate's own topics from those of users.
    """

    name: str
    partitions: int
    config: Mapping[str, str]
    declared: TopicFile
    path: Path
    system: bool

    @property
    def compacted(self) -> bool:
        """Whether only the newest record of a key is kept."""
        return self.config["cleanup.policy"] == "compact"

    @property
    def max_message_bytes(self) -> int:
        """Size limit of a record batch."""
        return int(self.config["max.message.bytes"])
