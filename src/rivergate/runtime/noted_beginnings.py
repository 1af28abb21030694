"""How new agents begin: what `--from` and `--model` said is noted, since a shard that hasn't made its first commit knows of it
by nothing else. It may come to begin at a later start: the first was ended too early, or the shard was parked.
"""

from __future__ import annotations

import json

from rivergate.domain.errors import ConfigError
from rivergate.runtime.paths import DataDir

Said = dict[str, str]
"""What an option says, by stage."""


def note_beginnings(data: DataDir, begin: Said, models: Said) -> tuple[Said, Said]:
    """Add what a start says to what was noted, in one go; returns all of it. The newest word on a stage holds: shards that have
    begun don't ask. Raises `ConfigError` where what was noted can't be read.
    """
    begun, adopted = _noted(data)
    begun, adopted = begun | begin, adopted | models
    if begin or models:
        aside = data.beginnings_file.with_suffix(".part")
        aside.write_text(json.dumps({"from": begun, "models": adopted}) + "\n")
        aside.replace(data.beginnings_file)
    return begun, adopted


def _noted(data: DataDir) -> tuple[Said, Said]:
    try:
        value = json.loads(data.beginnings_file.read_text())
        return dict(value["from"]), dict(value["models"])
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ConfigError(
            f"can't be read: {e!r}",
            where=str(data.beginnings_file),
            remedy="delete it, and say --from and --model once more of agents that haven't begun everywhere",
        ) from e
