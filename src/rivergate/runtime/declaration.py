"""What an app declares, as plain data: the supervisor works from it and imports none of the app's code."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rivergate.domain import names
from rivergate.domain.errors import ConfigError
from rivergate.runtime.app import App

LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Declaration:
    """An `App` without its classes. `stages` gives every stage with a journal its number of shards; `agents` and `graphs`
    are those that Ray may host; `uses` names the users' topics that they read
    or publish to; `schemas` are the JSON schemas of each proposal kind's arguments.
    """

    name: str
    partitions: int
    stages: Mapping[str, int]
    agents: tuple[str, ...]
    graphs: tuple[str, ...]
    effectors: Mapping[str, str]
    policy: Path
    topics: tuple[Path, ...]
    uses: tuple[str, ...]
    schemas: Mapping[str, dict[str, Any]]

    @classmethod
    def of(cls, app: App) -> Declaration:
        """What this app declares."""
        return cls(
            name=app.name,
            partitions=app.partitions,
            stages=app.stages,
            agents=tuple(names.agent_stage(a.name) for a in app.agents),
            graphs=tuple(names.agent_stage(g.name) for g in app.graphs),
            effectors=dict(app.effectors),
            policy=app.policy.absolute(),
            topics=tuple(t.absolute() for t in app.topics),
            uses=tuple(app.events),
            schemas=app.schemas,
        )

    def write(self, path: Path) -> None:
        """Write it for the supervisor, whole or not at all."""
        value = asdict(self) | {"policy": str(self.policy), "topics": [str(t) for t in self.topics]}
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(value))
        aside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Declaration:
        """Inverse of `write`. Raises `ConfigError`."""
        try:
            value = json.loads(path.read_text())
            lists = {k: tuple(value[k]) for k in ("agents", "graphs", "uses")}
            topics = tuple(Path(t) for t in value["topics"])
            return cls(**(value | lists | {"policy": Path(value["policy"]), "topics": topics}))
        except (OSError, ValueError, TypeError, KeyError) as e:
            raise ConfigError(
                f"what the app declares can't be read: {e!r}",
                where=str(path),
                remedy="start it with `rivergate run` or `rivergate up`, which write it",
            ) from e


def wait_for_declaration(path: Path, stop: threading.Event) -> None:
    """Wait until whoever starts the app has loaded it and written what it declares, or until `stop`."""
    while not path.exists() and not stop.is_set():
        stop.wait(LOOK_S)
