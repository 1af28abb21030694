from __future__ import annotations

from collections.abc import Mapping

import pytest

from rivergate.domain.errors import ConfigError
from rivergate.topics import Applied, BrokerTopic, Catalogue, Change, TopicSpec, apply_topics, diff

SPECS = {s.name: s for s in Catalogue.for_app("shuttle", 4, {"gate": 1})}
PROPOSALS = SPECS["shuttle.proposals"]
JOURNAL = SPECS["shuttle.journal.gate"]
DAY = 86_400_000


def there(
    spec: TopicSpec, partitions: int | None = None, *, written: bool = True, **config: str
) -> dict[str, BrokerTopic]:
    """The broker's topic as declared, save what is given; dots in settings are written as underscores."""
    changed = {k.replace("_", "."): v for k, v in config.items()}
    return {spec.name: BrokerTopic(spec.name, partitions or spec.partitions, {**spec.config, **changed}, written)}


def only(spec: TopicSpec, broker: Mapping[str, BrokerTopic]) -> Change:
    """The single change of a topic."""
    (change,) = diff([spec], broker)
    return change


def test_a_missing_topic_is_created() -> None:
    """What isn't there loses nothing by being made."""
    assert only(PROPOSALS, {}).kind == "create"


def test_a_topic_as_declared_is_the_same() -> None:
    """Nothing is done twice."""
    assert only(PROPOSALS, there(PROPOSALS)).kind == "same"


def test_settings_that_the_file_does_not_decide_are_left_alone() -> None:
    """What operators set beside the file is theirs."""
    assert only(PROPOSALS, there(PROPOSALS, segment_ms="1000")).kind == "same"


@pytest.mark.parametrize(
    ("config", "altered"),
    [
        ({"retention_ms": str(7 * DAY)}, {"retention.ms": str(30 * DAY)}),
        ({"retention_bytes": "1000"}, {"retention.bytes": "-1"}),
        ({"max_message_bytes": "1000"}, {"max.message.bytes": "1048588"}),
    ],
)
def test_what_keeps_more_is_altered(config: dict[str, str], altered: dict[str, str]) -> None:
    """A longer retention, no limit by size and larger records are safe."""
    change = only(PROPOSALS, there(PROPOSALS, **config))
    assert (change.kind, change.config) == ("alter", altered)


@pytest.mark.parametrize(
    ("config", "reason", "remedy"),
    [
        ({"retention_ms": str(60 * DAY)}, "removes records", "write `retention: 60d` in proposals.yaml"),
        ({"retention_ms": "-1"}, "removes records", "write `retention: forever` in proposals.yaml"),
        ({"max_message_bytes": "4194304"}, "today's limit", "write `max_message_bytes: 4194304` in proposals.yaml"),
        ({"cleanup_policy": "compact"}, "was compacted", "declare a new topic"),
        ({"message_timestamp_type": "LogAppendTime"}, "times would mean something else", "another name"),
    ],
)
def test_what_loses_data_is_refused_with_a_remedy(config: dict[str, str], reason: str, remedy: str) -> None:
    """Each refusal says why and what to do instead."""
    change = only(PROPOSALS, there(PROPOSALS, **config))
    assert change.kind == "refuse"
    assert reason in change.reason
    assert remedy in change.remedy


def test_a_topic_with_another_partition_count_is_refused() -> None:
    """Another count moves keys; the remedy names the count that the topic has."""
    change = only(PROPOSALS, there(PROPOSALS, 8))
    assert (change.kind, change.what) == ("refuse", "partitions 8 → 4")
    assert "give the app 8 partitions" in change.remedy


def test_a_journal_keeps_its_shards_and_its_stamps() -> None:
    """A journal's past can't be split, and its times can't change their meaning."""
    changes = diff([JOURNAL], there(JOURNAL, 2, message_timestamp_type="CreateTime"))
    assert [c.kind for c in changes] == ["refuse", "refuse"]
    assert "run the stage with 2 shards" in changes[0].remedy


def test_compacting_an_input_is_refused() -> None:
    """Whoever replays would find gaps."""
    pulse = SPECS["shuttle.control_pulse"]
    change = only(pulse, there(pulse, cleanup_policy="delete"))
    assert change.kind == "refuse"
    assert "finds gaps" in change.reason


def test_an_empty_topic_may_become_anything_but_wider() -> None:
    """Where no record ever was, no setting can lose one."""
    config = {"retention_ms": "-1", "message_timestamp_type": "LogAppendTime", "max_message_bytes": "4194304"}
    changes = diff([PROPOSALS], there(PROPOSALS, written=False, **config))
    assert [c.kind for c in changes] == ["alter"] * 3


def test_the_safe_part_of_a_topic_is_altered_beside_a_refusal() -> None:
    """One refusal doesn't hold back what is safe."""
    changes = diff([PROPOSALS], there(PROPOSALS, 8, retention_ms=str(DAY)))
    assert {c.kind for c in changes} == {"refuse", "alter"}


class FakeAdmin:
    """A broker in memory."""

    def __init__(self, topics: dict[str, BrokerTopic]) -> None:
        self.topics = topics

    def names(self) -> list[str]:
        return sorted(self.topics)

    def describe(self, names: list[str]) -> dict[str, BrokerTopic]:
        return {n: self.topics[n] for n in names if n in self.topics}

    def create(self, specs: list[TopicSpec]) -> None:
        for s in specs:
            self.topics[s.name] = BrokerTopic(s.name, s.partitions, dict(s.config), written=False)

    def alter(self, name: str, config: Mapping[str, str]) -> None:
        t = self.topics[name]
        self.topics[name] = BrokerTopic(name, t.partitions, {**t.config, **config}, t.written)

    def close(self) -> None:
        pass


def test_applying_twice_changes_nothing_the_second_time() -> None:
    """After the first time the broker has what the files say."""
    admin = FakeAdmin(there(PROPOSALS, retention_ms=str(DAY)))
    specs = list(SPECS.values())
    first = apply_topics(admin, specs)
    assert len(first.of("create")) == len(specs) - 1
    assert len(first.of("alter")) == 1
    assert {c.kind for c in apply_topics(admin, specs).changes} == {"same"}


def test_a_refused_topic_is_left_as_it_was() -> None:
    """Refusing means not touching."""
    admin = FakeAdmin(there(PROPOSALS, 8))
    before = dict(admin.topics)
    applied = apply_topics(admin, [PROPOSALS])
    assert admin.topics == before
    with pytest.raises(ConfigError, match=r"shuttle.proposals: partitions 8 → 4 was refused(.|\n)*→ give the app 8"):
        applied.demand()


def test_an_app_may_start_where_nothing_was_refused() -> None:
    """`demand` is silent then."""
    applied: Applied = apply_topics(FakeAdmin({}), [PROPOSALS])
    applied.demand()
    assert applied.of("refuse") == []
