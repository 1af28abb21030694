"""How many workers stages were scaled to: noted, so that an app that is started again has as many."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rivergate.domain.errors import ConfigError
from rivergate.runtime.paths import DataDir


def note_workers(data: DataDir, stage: str, workers: int) -> None:
    """Write it down, in one go."""
    aside = data.scaled_file.with_suffix(".part")
    aside.write_text(json.dumps({**noted_workers(data), stage: workers}) + "\n")
    aside.replace(data.scaled_file)


def noted_workers(data: DataDir) -> Mapping[str, int]:
    """Workers of each stage that was scaled. Raises `ConfigError` where it can't be read."""
    try:
        return {str(stage): int(n) for stage, n in json.loads(data.scaled_file.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as e:
        raise ConfigError(
            f"can't be read: {e!r}", where=str(data.scaled_file), remedy="delete it, or start the app with --workers N"
        ) from e


def forget_workers(data: DataDir) -> None:
    """Somebody has said `--workers` since."""
    data.scaled_file.unlink(missing_ok=True)
