"""The demo's app after its engineer has changed one constant."""

from __future__ import annotations

from rivergate.demos.shuttle import watcher
from rivergate.demos.shuttle.app import make_app
from rivergate.runtime.app import App


def app() -> App:
    """From a lower probability on, shutting down is thought of for longer."""
    watcher.SURE = 0.8
    return make_app()
