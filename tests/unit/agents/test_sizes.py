"""What is too large for a record fails where it is made, so that its event becomes a dead letter and no commit fails."""

from __future__ import annotations

import pytest

from rivergate.agents import Agent, Context
from rivergate.domain.event import Event, Proposal
from rivergate.testing import AgentTest


class Asked(Event, topic="asked"):
    how: str
    size: int


class Said(Event, topic="said"):
    text: str


class Speak(Proposal):
    text: str


class Speaker(Agent):
    consumes = (Asked,)
    publishes = (Said,)
    proposes = (Speak,)

    def on_event(self, event: Asked, ctx: Context) -> None:
        text = "x" * event.size
        if event.how == "propose":
            ctx.propose(Speak(text=text))
        elif event.how == "publish":
            ctx.publish(Said(text=text))
        else:
            ctx.send("speaker", {"text": text})


@pytest.mark.parametrize("how", ["propose", "publish", "send"])
def test_what_is_too_large_is_a_dead_letter(how: str) -> None:
    """The reason names both sizes; the next event is handled as if nothing had been."""
    with AgentTest(Speaker) as t:
        t.send(Asked(how=how, size=1_000_000))
        t.send(Asked(how="publish", size=3))
        assert [e.text for e in t.published if isinstance(e, Said)] == ["xxx"]
        (letter,) = t.dead_letters
        assert "above the limit of 900,000" in str(letter)
