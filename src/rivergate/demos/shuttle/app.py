"""The demo as an app, for `rivergate up rivergate.demos.shuttle.app:app` too."""

from __future__ import annotations

from pathlib import Path

from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.runtime.app import App

HERE = Path(__file__).parent
REFERENCE = f"{__name__}:app"
WORK_ORDERS = "rivergate.effects:work_orders"


def make_app(name: str = "shuttle", partitions: int = 4) -> App:
    """The demo's app under a name and a partition count of one's own."""
    return App(
        name=name,
        agents=[ShuttleWatcher],
        policy=HERE / "policy.yaml",
        effectors={"inspect": WORK_ORDERS, "shut_down": WORK_ORDERS},
        topics=[HERE / "topics"],
        partitions=partitions,
    )


def app() -> App:
    """The app as it is named where nobody says otherwise."""
    return make_app()
