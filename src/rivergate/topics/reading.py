"""One topic file from text to model, strictly: what isn't known is an error with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rivergate.domain.errors import ConfigError
from rivergate.domain.wire import WIRE_MODELS
from rivergate.topics.json_schema import faulty_place
from rivergate.topics.model import TopicFile
from rivergate.topics.near import did_you_mean
from rivergate.topics.source import YamlSource

FIELDS: Final = tuple(f.alias or name for name, f in TopicFile.model_fields.items())
"""The fields of a topic file, as they are written."""


def read_topic_file(path: Path) -> tuple[TopicFile, YamlSource]:
    """Raises `ConfigError` with file, line and a suggestion."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"can't be read: {e}", where=str(path), remedy="topic files are UTF-8 text") from e
    source = YamlSource.parse(path, text)
    try:
        topic = TopicFile.model_validate(source.value)
    except ValidationError as e:
        raise _as_config_error(source, e.errors(include_url=False)[0]) from e
    for place, ce_type in enumerate(topic.ce_types):
        if ce_type.startswith("rivergate.") and ce_type not in WIRE_MODELS:
            raise ConfigError(
                f"no record type is named {ce_type!r}",
                where=source.where(("schema", place)),
                remedy=did_you_mean(ce_type, WIRE_MODELS, "rivergate.domain.wire lists them"),
            )
    fault = faulty_place(topic.json_schema) if topic.json_schema else None
    if fault:
        faulty, problem = fault
        raise ConfigError(
            f"json_schema: {problem}",
            where=source.where(("json_schema", *faulty)),
            remedy="correct it; the draft is 2020-12 of json-schema.org",
        )
    return topic, source


def _as_config_error(source: YamlSource, first: ErrorDetails) -> ConfigError:
    place = [p for p in first["loc"] if isinstance(p, int) or p in source.value or len(first["loc"]) == 1]
    field = str(first["loc"][0]) if first["loc"] else ""
    where = source.where(place)
    if first["type"] == "extra_forbidden":
        return ConfigError(
            f"unknown field {field!r}",
            where=where,
            remedy=did_you_mean(field, FIELDS, f"the fields are {', '.join(FIELDS)}"),
        )
    if first["type"] == "missing":
        return ConfigError(f"field {field!r} is missing", where=str(source.path), remedy=f"add a line `{field}: …`")
    said = first["msg"].removeprefix("Value error, ")
    problem = f"{field}: {said}" if field else said
    return ConfigError(problem, where=where, remedy=_remedy(field, first["input"]))


def _remedy(field: str, given: object) -> str:
    if field == "partitions":
        return "write `app` (as many as the app has), `1`, or `shards` (one a shard, for journals)"
    if isinstance(given, str) and field in {"timestamps", "cleanup"}:
        known = {"timestamps": ("CreateTime", "LogAppendTime"), "cleanup": ("compact",)}[field]
        return did_you_mean(given, known, f"write {' or '.join(known)}")
    return "correct the line; docs/guides/topics.md describes every field"
