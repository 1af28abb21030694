"""The demo's app, alone and with a colleague who comes later."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rivergate.demos.shuttle.app import make_app
from rivergate.demos.shuttle.watcher import ShuttleWatcher
from rivergate.runtime.app import App


class Colleague(ShuttleWatcher):
    """The same eyes, another head."""

    name: ClassVar[str] = "colleague"


def before() -> App:
    """As it was for long."""
    return make_app("history", 2)


def after() -> App:
    """With the colleague."""
    return replace(before(), agents=[ShuttleWatcher, Colleague])
