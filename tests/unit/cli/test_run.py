from __future__ import annotations

import pytest

from rivergate.cli.run import beginnings
from rivergate.demos.shuttle.app import make_app
from rivergate.domain.errors import BadInput


def test_where_agents_begin_is_told_by_their_stages() -> None:
    """By the agent's name or its stage's."""
    app = make_app()
    assert beginnings(app, ["watcher=beginning"]) == {"agent-watcher": "beginning"}
    since = "2026-01-31T12:00:00+01:00"
    assert beginnings(app, [f"agent-watcher={since}"]) == {"agent-watcher": since}
    assert beginnings(app, []) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("watcher", "no time that has been"),
        ("watcher=yesterday", "no time that has been"),
        ("watcher=2026-01-31T12:00:00", "no time that has been"),
        ("watcher=9999-01-31T12:00:00Z", "no time that has been"),
        ("gate=beginning", "no agent 'gate'"),
        ("=beginning", "no agent ''"),
    ],
)
def test_what_names_no_agent_or_no_past_is_refused(text: str, what: str) -> None:
    """Before anything starts, with the text and what to write instead."""
    with pytest.raises(BadInput, match=what) as refused:
        beginnings(make_app(), [text])
    assert text in refused.value.what
    assert "watcher" in refused.value.remedy
