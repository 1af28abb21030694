"""Where an app keeps what belongs to this machine: keys, snapshots, views, logs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rivergate.domain.errors import BadInput, ConfigError


def default_data_dir(app: str) -> Path:
    """`$RIVERGATE_DATA_DIR/{app}` if that is set, else `~/.local/share/rivergate/{app}` (XDG)."""
    given = os.environ.get("RIVERGATE_DATA_DIR")
    if given:
        return Path(given) / app
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "rivergate" / app


def audit_db(data_dir: Path) -> Path:
    """The audit store's SQLite file."""
    return data_dir / "audit.db"


def from_anywhere(store: str) -> str:
    """The same store from whatever working directory: a path becomes absolute, a URL is so already."""
    return store if "://" in store or "::" in store else str(Path(store).expanduser().absolute())


@dataclass(frozen=True, slots=True)
class DataDir:
    """An app's data directory; `make` creates it readable by its owner alone."""

    root: Path

    def make(self) -> DataDir:
        """Create what is missing. Raises `ConfigError` where that can't be."""
        try:
            for folder in (self.root, self.keys, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as e:
            raise ConfigError(
                f"can't be a data directory: {e.strerror}",
                where=str(e.filename or self.root),
                remedy="name a folder that you may write to with --data-dir",
            ) from e
        return self

    @property
    def keys(self) -> Path:
        """Ed25519 keys, one file each (0600)."""
        return self.root / "keys"

    @property
    def snapshots(self) -> str:
        """URL of the snapshot store: as noted, else a folder in here."""
        try:
            return self._snapshots_file.read_text().strip()
        except FileNotFoundError:
            return str(self.root / "snapshots")

    def demand_snapshots_at(self, url: str) -> None:
        """Raise `BadInput` where the app's snapshots are elsewhere already."""
        noted = self.snapshots
        if from_anywhere(noted) == from_anywhere(url):
            return
        if self._snapshots_file.exists() or (self.root / "snapshots").exists():
            raise BadInput(
                f"--snapshots {url}: the app's snapshots are at {noted} already",
                where=str(self.root),
                remedy=f"leave the option out; or, while nothing runs, copy all from there and write the URL into {self._snapshots_file}",
            )

    def note_snapshots(self, url: str) -> None:
        """Keep snapshots at this URL from the first start on. Raises `BadInput` as `demand_snapshots_at` does."""
        self.demand_snapshots_at(url)
        whole = from_anywhere(url)
        if whole != self.snapshots:
            self._snapshots_file.write_text(f"{whole}\n")

    @property
    def _snapshots_file(self) -> Path:
        return self.root / "snapshots.url"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.root / "logs"

    @property
    def review_db(self) -> Path:
        """The review queue's view."""
        return self.root / "review.db"

    @property
    def audit_db(self) -> Path:
        """The audit store."""
        return audit_db(self.root)

    @property
    def forwarder_db(self) -> Path:
        """Where the forwarder of spans stands."""
        return self.root / "otlp-forwarder.db"

    @property
    def token_file(self) -> Path:
        """What lets this machine's user talk to the review service (0600)."""
        return self.root / "review-token.json"

    @property
    def state_file(self) -> Path:
        """What runs here now: addresses, process ids, readiness. Written by the supervisor."""
        return self.root / "running.json"

    @property
    def live(self) -> Path:
        """How the shards that run now can be asked what they know, a file each (0600)."""
        return self.root / "live"

    @property
    def declaration_file(self) -> Path:
        """What the app declares, written by whoever starts the supervisor."""
        return self.root / "declared.json"

    @property
    def app_file(self) -> Path:
        """Which app this directory is of, as it was last started. It stays when nothing runs."""
        return self.root / "app.json"

    @property
    def parked(self) -> Path:
        """One file for each shard that an operator has parked, with the reason. It stays when nothing runs."""
        return self.root / "parked"

    @property
    def scaled_file(self) -> Path:
        """How many workers stages were scaled to. It stays when nothing runs."""
        return self.root / "scaled.json"

    @property
    def beginnings_file(self) -> Path:
        """What `--from` and `--model` said of agents. It stays when nothing runs."""
        return self.root / "beginnings.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor while it runs."""
        return self.root / "supervisor.lock"
