"""The app, as `rivergate run deployed.app:app` names it where the test has copied it to."""

from __future__ import annotations

from pathlib import Path

from rivergate.runtime.app import App

HERE = Path(__file__).parent


def app() -> App:
    """One agent; nothing is proposed."""
    from .agent import Counter

    return App(
        "deployed",
        [Counter],
        HERE / "policy.yaml",
        topics=[HERE / "topics"],
        environment=["DEPLOYED_MORE"],
        partitions=2,
    )
