"""Which app a data directory belongs to: noted at each start, for commands that come when nothing runs any more."""

from __future__ import annotations

import json
from dataclasses import asdict

from rivergate.domain.errors import ConfigError
from rivergate.runtime.paths import DataDir
from rivergate.runtime.spec import AppRef


def note_app(data: DataDir, app: AppRef) -> None:
    """Write it down, in one go."""
    aside = data.app_file.with_suffix(".part")
    aside.write_text(json.dumps(asdict(app)) + "\n")
    aside.replace(data.app_file)


def noted_app(data: DataDir) -> AppRef | None:
    """What was noted, or None where no app has started here. Raises `ConfigError` where it can't be read."""
    try:
        value = json.loads(data.app_file.read_text())
        return AppRef(value["reference"], value["name"], value["partitions"], tuple(value["environment"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ConfigError(
            f"can't be read: {e!r}", where=str(data.app_file), remedy="name the app as MODULE:APP, or start it once"
        ) from e
