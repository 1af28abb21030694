"""The app that chaos strikes: four shards that learn, proposals of all three fates, effectors of all three promises, and a
world that keeps a ledger.

It lies in a package of its own, because the digest of an agent's code covers its package: the harness may be edited
while a round runs, the app may not.
"""

from __future__ import annotations

from pathlib import Path

from rivergate.runtime.app import App

HERE = Path(__file__).parent
REFERENCE = f"{__name__}:app"
PARTITIONS = 4
TARGET = f"{__name__}.target"


def app() -> App:
    """The app, as every process of it loads it."""
    from tests.chaos.app.agent import Tracker

    return App(
        name="chaos",
        agents=[Tracker],
        policy=HERE / "policy.yaml",
        effectors={
            "note": f"{TARGET}:make",
            "halt": f"{TARGET}:make",
            "order": f"{TARGET}:make_forgetful",
            "page": f"{TARGET}:make_silent",
        },
        topics=[HERE / "topics"],
        partitions=PARTITIONS,
    )
