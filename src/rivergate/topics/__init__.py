"""Topics as code: `topics/*.yaml` say what each topic is for, and the broker is brought to it where that is safe."""

from rivergate.topics.apply import Applied, apply_topics, plan_topics
from rivergate.topics.catalogue import Catalogue, system_dir
from rivergate.topics.changes import Change, diff
from rivergate.topics.model import TopicFile, TopicSpec
from rivergate.topics.ports import BrokerTopic, TopicAdmin

__all__ = [
    "Applied",
    "BrokerTopic",
    "Catalogue",
    "Change",
    "TopicAdmin",
    "TopicFile",
    "TopicSpec",
    "apply_topics",
    "diff",
    "plan_topics",
    "system_dir",
]
