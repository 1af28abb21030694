"""The demo's agent: learns online which readings mean trouble, and proposes what to do about them."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from river.linear_model import LogisticRegression
from river.preprocessing import StandardScaler

from rivergate.agents import Agent, Context
from rivergate.demos.shuttle.events import FIGURES_EVERY, Inspect, Reading, ShardFigures, ShutDown
from rivergate.domain.event import Label
from rivergate.learning import Prequential, linear_contributions

ALARM = 0.5
"""Probability of trouble above which a reading counts as an alarm."""
SURE = 0.9
"""Probability of trouble from which shutting down is thought of."""
MEMORY = 0.7
"""Share of a machine's unrest that the next reading keeps: about the last three readings count."""
UNREST = 1.6
"""Unrest from which an alarm asks for a shutdown: two sure alarms in a row are enough."""
ASK_AGAIN = timedelta(minutes=2)
"""Time within which nobody is asked twice to stop the same machine."""


class ShuttleWatcher(Agent):
    """Predicts trouble from nine sensors, learns when the truth comes, proposes `inspect` and `shut_down`."""

    name: ClassVar[str] = "watcher"
    consumes = (Reading,)
    proposes = (Inspect, ShutDown)
    publishes = (ShardFigures,)

    def __init__(self) -> None:
        self.model = StandardScaler() | LogisticRegression()
        self.figures = Prequential()

    def on_event(self, event: Reading, ctx: Context) -> None:
        """Predict, remember, and propose where the reading is an alarm."""
        trouble = self.model.predict_proba_one(event.sensors).get(True, 0.0)
        alarm = trouble > ALARM
        ctx.remember(event, features=event.sensors, prediction=alarm)
        machine = ctx.keyed(event.machine)
        unrest = machine["unrest"] = MEMORY * machine.get("unrest", 0.0) + trouble
        if not alarm:
            return
        reasons = linear_contributions(self.model, event.sensors)
        asked = machine.get("asked")
        if unrest >= UNREST and (asked is None or ctx.now - asked >= ASK_AGAIN):
            machine["asked"] = ctx.now
            minutes = 10 if trouble < SURE else round(20 * unrest)
            proposal: Inspect | ShutDown = ShutDown(machine=event.machine, minutes=minutes)
        else:
            proposal = Inspect(machine=event.machine, minutes=round(40 * unrest))
        ctx.propose(proposal, confidence=trouble, reasons=reasons, expires_in=timedelta(minutes=30))

    def on_label(self, label: Label, ctx: Context) -> None:
        """Count the prediction of then, and learn from the features of then."""
        trouble = bool(label.value)
        self.figures.update(trouble, label.prediction)
        self.model.learn_one(label.features, trouble)
        if self.figures.labels % FIGURES_EVERY == 0:
            ctx.publish(self._told(ctx.shard))

    def _told(self, shard: int) -> ShardFigures:
        yes, no = self.figures.model.get(True, {}), self.figures.model.get(False, {})
        baseline = self.figures.baseline
        return ShardFigures(
            shard=str(shard),
            true_alarms=yes.get(True, 0),
            missed=yes.get(False, 0),
            false_alarms=no.get(True, 0),
            true_quiet=no.get(False, 0),
            baseline_labels=sum(sum(row.values()) for row in baseline.values()),
            baseline_correct=sum(row.get(label, 0) for label, row in baseline.items()),
        )
