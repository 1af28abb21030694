"""What a process of ours is told when it starts: plain JSON, without any secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rivergate.domain.errors import ConfigError
from rivergate.runtime.app import App, load_app
from rivergate.runtime.paths import DataDir


@dataclass(frozen=True, slots=True)
class AppRef:
    """An app by its import path, with what the command line overrides, and the variables that its agents may see."""

    reference: str
    name: str
    partitions: int
    environment: tuple[str, ...] = ()

    def load(self) -> App:
        """Import it. Raises `ConfigError`."""
        return replace(load_app(self.reference), name=self.name, partitions=self.partitions)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: `role` is a stage with a journal (agent, graph, gate, effects) or a service (review, audit, otlp).

    `incarnation` names this start of it; `options` hold what the role needs beside that.
    """

    role: str
    stage: str
    incarnation: str
    app: AppRef
    bootstrap: str
    data_dir: str
    security: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> DataDir:
        """The data directory."""
        return DataDir(Path(self.data_dir))

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ProcessSpec:
        """Inverse of `to_json`. Raises `ConfigError`."""
        try:
            value = json.loads(text)
            app = value["app"] | {"environment": tuple(value["app"]["environment"])}
            return cls(**(value | {"app": AppRef(**app)}))
        except (ValueError, TypeError, KeyError) as e:
            raise ConfigError(f"not a process spec: {e}") from e
