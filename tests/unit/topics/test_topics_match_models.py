from __future__ import annotations

import re

from rivergate.domain import names
from rivergate.domain.wire import WIRE_MODELS
from rivergate.topics import Catalogue, TopicFile, system_dir

FILES: list[TopicFile] = [e.declared for e in Catalogue.load(()).entries]
NOT_TYPED = {
    "review_work",
    "control_pulse",
    "dead_letters",
    "journal.{stage}",
    "otlp_spans",
}
"""Topics whose records have no model: their form is a sentence."""

TOPIC_NAMES = {
    names.PROPOSALS, names.REVIEWS, names.REVIEW_WORK, names.DECISIONS, names.ACTIONS, names.DENIALS, names.OUTCOMES,
    names.LABELS, names.RESPONSES, names.MESSAGES, names.CONTROL, names.CONTROL_APPLIED, names.CONTROL_PULSE,
    names.ASSIGNMENTS, names.SHARD_STATUS, names.DEAD_LETTERS, names.REDRIVES, names.REKEY, names.OTLP_SPANS, f"{names.JOURNAL}.{{stage}}",
}  # fmt: skip


def stem(file: TopicFile) -> str:
    """The name without the app."""
    return file.name.removeprefix("{app}.")


def test_every_system_topic_has_a_file_and_no_other() -> None:
    """The code's constants and the files name the same topics."""
    assert {stem(f) for f in FILES} == TOPIC_NAMES
    assert {names.system_name("a", f"a.{t}") for t in TOPIC_NAMES} == names.SYSTEM


def test_every_record_type_lives_on_exactly_one_topic() -> None:
    """Whoever looks for a kind of record finds one place."""
    types = [t for f in FILES for t in f.ce_types]
    assert sorted(types) == sorted(WIRE_MODELS)


def test_every_topic_names_its_record_types_or_says_its_form() -> None:
    """A list where there are models, a sentence where there are none."""
    assert {stem(f) for f in FILES if not f.ce_types} == NOT_TYPED


def test_every_record_type_has_a_model() -> None:
    """Each `…_V1` constant is in the registry."""
    constants = {v for n, v in vars(names).items() if n.endswith("_V1")}
    assert constants == set(WIRE_MODELS)


def test_actions_are_written_by_the_gate_alone() -> None:
    """What ACLs enforce is what the file says."""
    assert next(f for f in FILES if stem(f) == names.ACTIONS).writers == ["gate"]


def test_a_file_is_named_after_its_topic() -> None:
    """`proposals.yaml` holds `{app}.proposals`."""
    files = {p.stem for p in system_dir().glob("*.yaml")}
    assert files == {re.sub(r"\.\{stage\}$", "", stem(f)) for f in FILES}
