from __future__ import annotations

from io import StringIO
from typing import Any

import orjson
import pytest
from rich.console import Console

from rivergate.demos.shuttle.events import ShardFigures
from rivergate.demos.shuttle.scene import ALLOWED, DENIED, READINGS, REVIEW, WINDOW_S, Rate, Scene
from rivergate.demos.shuttle.screen import line, screen
from rivergate.domain import names
from rivergate.domain.record import Record

ADDRESSES = {"review page": "http://127.0.0.1:41813/login?token=" + "x" * 43, "Kafka": "127.0.0.1:9092"}


def put(scene: Scene, topic: str, value: Any, ce_type: str = "", at_s: float = 100.5, offset: int = 0) -> None:
    """A record comes."""
    scene.take(Record(topic, 0, offset, None, orjson.dumps(value), [("ce_type", ce_type.encode())]), at_s)


def busy() -> Scene:
    """A scene in which every kind of record has come."""
    scene = Scene("shuttle", "agent-watcher")
    for n in range(20):
        put(scene, "shuttle-telemetry", {}, "shuttle.reading", offset=n)
    put(
        scene,
        "shuttle.journal.agent-watcher",
        {
            "stage": "agent-watcher",
            "shard": 0,
            "seq": 0,
            "clock": "2026-01-01T00:00:00.000000Z",
            "ranges": [["shuttle-telemetry", 0, 0, 15], ["shuttle.labels", 0, 0, 9]],
            "outputs": {},
            "spans": {"records": 1},
        },
    )
    put(scene, "shuttle.journal.agent-watcher", {"a line": "that strayed there"})
    for pid, kind in (("a", "inspect"), ("b", "shut_down"), ("c", "shut_down"), ("d", "shut_down")):
        value = {"proposal_id": pid, "kind": kind, "arguments": {"machine": "furnace-12"}, "confidence": 0.93}
        put(scene, "shuttle.proposals", value, names.PROPOSAL_V1)
    put(scene, "shuttle.actions", {"proposal_id": "a", "verdict": "allow"}, names.ACTION_V1)
    for pid in "bd":
        put(scene, "shuttle.reviews", {"proposal_id": pid}, names.REVIEW_OPENED_V1)
    put(scene, "shuttle.denials", {"proposal_id": "c"}, names.DENIAL_V1)
    put(scene, "shuttle.reviews", {"proposal_id": "b", "result": "approved"}, names.REVIEW_SETTLED_V1)
    put(scene, "shuttle.actions", {"proposal_id": "b", "verdict": "review"}, names.ACTION_V1)
    put(scene, "shuttle.outcomes", {"proposal_id": "b"}, names.OUTCOME_V1)
    put(scene, "shuttle.labels", {"event_id": "x"}, names.LABEL_V1)
    put(scene, "shuttle.dead_letters", {})
    return scene


def figures(labels: int, *, hits: int, shard: str = "0") -> ShardFigures:
    """Figures with so many labels, half of them trouble."""
    half = labels // 2
    return ShardFigures(
        shard=shard,
        true_alarms=hits,
        missed=half - hits,
        false_alarms=0,
        true_quiet=half,
        baseline_labels=labels - 1,
        baseline_correct=0,
    )


def test_a_scene_counts_what_came() -> None:
    """Verdicts, waiting reviews, lag and the latest, each proposal under the verdict it got."""
    scene = busy()
    assert [scene.rates[v].total for v in (ALLOWED, REVIEW, DENIED)] == [1, 2, 1]
    assert (scene.waiting, scene.settled["approved"], scene.dead_letters) == ({"d"}, 1, 1)
    assert scene.lag == 5
    assert [line.how for line in scene.latest] == ["approved", "denied", "review", "review", "allowed"]


def test_what_shards_wait_for_is_shown_until_they_read_on() -> None:
    """In the title, cut where it is too long, and in the line without a terminal."""
    scene = busy()
    status = {"stage": "gate", "shard": 0, "state": "running", "reason": "waits for people (8,000 reviews are open)"}
    put(scene, "shuttle.shard_status", status, names.SHARD_STATUS_V1)
    put(scene, "shuttle.shard_status", status | {"stage": "agent-watcher"}, names.SHARD_STATUS_V1)
    assert line(scene, 101.0).endswith("; gate/0 waits for people (8,000 reviews are open)")
    out = StringIO()
    Console(file=out, width=80).print(screen(scene, 101.0, 1.0, {}, width=80, height=24))
    assert "agent-watcher/0 waits for people (8,000" in out.getvalue().splitlines()[0]
    for stage in ("gate", "agent-watcher"):
        put(scene, "shuttle.shard_status", status | {"stage": stage, "reason": ""}, names.SHARD_STATUS_V1)
    assert "waits" not in line(scene, 101.0)


def test_a_parked_shard_lags_and_is_shown() -> None:
    """It commits nothing while the view looks on, so no commit says how far it is."""
    scene = Scene("shuttle", "agent-watcher")
    for offset in (70, 71, 72):
        scene.take(Record("shuttle-telemetry", 1, offset, b"m", b"{}", []), 100.0)
    assert scene.lag == 3
    status = {
        "stage": "agent-watcher",
        "shard": 1,
        "state": "parked",
        "reason": "parked by ada: its feed lies\n→ resume it",
    }
    put(scene, "shuttle.shard_status", status, names.SHARD_STATUS_V1)
    assert line(scene, 101.0).endswith("; agent-watcher/1 parked by ada: its feed lies")


def test_rates_forget() -> None:
    """A rate is over the last whole seconds; the total stays."""
    rate = Rate()
    for second in range(300):
        rate.add(second, 2)
    assert (rate.total, rate.within(300, 10), rate.within(305, 10)) == (600, 20, 10)
    assert rate.within(300, 10 * WINDOW_S) <= 2 * (WINDOW_S + 1)


def test_accuracy_is_of_the_window_and_ever() -> None:
    """What was counted before the window is taken off; shards add up; a fresh shard counts from nought."""
    scene = Scene("shuttle", "agent-watcher")
    for at_s, told in ((0.0, figures(50, hits=0)), (200.0, figures(100, hits=25))):
        put(scene, "shuttle-figures", told.model_dump(), at_s=at_s)
    put(scene, "shuttle-figures", figures(50, hits=25, shard="1").model_dump(), at_s=200.0)
    now, ever = scene.accuracy(200.0), scene.accuracy(200.0, None)
    assert (now.labels, now.accuracy, now.balanced, now.baseline) == (100, 1.0, 1.0, 0.0)
    assert (ever.labels, ever.accuracy) == (150, pytest.approx(125 / 150))


def test_nothing_labelled_yet_is_no_figure() -> None:
    """Before the first label there is no accuracy, not one of nought."""
    assert Scene("shuttle", "agent-watcher").accuracy(1.0) == (0, None, None, None)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40)])
def test_the_view_fits_the_terminal(width: int, height: int) -> None:
    """No line is wider and the whole isn't higher than the terminal; figures and addresses are there in full."""
    scene = busy()
    put(scene, "shuttle-figures", figures(100, hits=25).model_dump())
    console = Console(file=StringIO(), width=width, height=height, color_system=None)
    console.print(screen(scene, 101.0, 75.0, ADDRESSES, width=width, height=height))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    assert "75.0%" in text
    assert "up 1:15" in text
    assert "furnace-12" in text
    assert "…" not in text
    assert ADDRESSES["review page"] in text.replace("\n", "").replace(" ", "") or width == 140


def test_without_a_terminal_it_is_a_line() -> None:
    """The same figures as a sentence."""
    scene = busy()
    said = line(scene, 101.0)
    assert f"{scene.rates[READINGS].total} readings" in said
    assert "lag 5" in said
    assert "1 wait" in said
