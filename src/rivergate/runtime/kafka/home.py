"""The broker's folder inside a data directory, and what is remembered there."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from rivergate.domain.errors import ConfigError
from rivergate.runtime.usable import usable


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same over restarts: Kafka's cluster id, and the port that clients know."""

    cluster_id: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """`{data_dir}/kafka`. Relative paths in Kafka's settings start here, so no path needs quoting there."""

    data_dir: Path

    @property
    def root(self) -> Path:
        """The broker's working directory."""
        return self.data_dir / "kafka"

    @property
    def meta(self) -> Path:
        """Kafka's own note of which cluster and node the log belongs to; there once the log was formatted."""
        return self.root / "log" / "meta.properties"

    @property
    def log_file(self) -> Path:
        """What Kafka logs."""
        return self.root / "broker.log"

    @property
    def output(self) -> Path:
        """What the Java process itself says, of its newest start."""
        return self.root / "broker.out"

    @property
    def lock(self) -> Path:
        """Held by the broker as long as it runs."""
        return self.root / "broker.lock"

    @property
    def temporary(self) -> Path:
        """Where Java unpacks its native libraries; emptied at each start."""
        return self.root / "tmp"

    def make(self) -> None:
        """Create the folder, its owner's alone; raises ConfigError where that can't be."""
        with usable(self.data_dir):
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)

    def clear_temporary(self) -> None:
        """Throw away what a killed broker left there."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()

    def identity(self) -> Identity:
        """The remembered identity, or a new one for a new folder."""
        try:
            return Identity(**json.loads((self.root / "identity.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Identity(cluster_id=_cluster_id())

    def remember(self, identity: Identity) -> None:
        """Write the identity; readers see the old or the new one, whole."""
        draft = self.root / "identity.json.new"
        draft.write_text(json.dumps(asdict(identity)) + "\n", encoding="utf-8")
        draft.replace(self.root / "identity.json")

    def has_served(self) -> bool:
        """Whether a broker ran on the log before."""
        return (self.root / "log" / "__cluster_metadata-0").exists()

    def formatted(self) -> bool:
        """Whether the log has been given its identity; raises ConfigError where it lost it."""
        if self.meta.exists():
            return True
        if self.has_served():
            raise ConfigError(
                "the broker's log holds data, and the file that says whose it is has gone",
                where=str(self.meta),
                remedy="put that file back from a copy, or move the folder `kafka` away to begin with an empty log",
            )
        return False


def _cluster_id() -> str:
    """22 characters as Kafka writes its ids, never starting with a dash, which its tools take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
