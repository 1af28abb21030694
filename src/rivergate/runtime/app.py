"""`App`: what belongs together under one name, as its engineers declare it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rivergate.domain import names
from rivergate.domain.errors import ConfigError
from rivergate.domain.event import Event, Proposal

if TYPE_CHECKING:
    from rivergate.agents import Agent

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


@dataclass(frozen=True)
class App:
    """Agents, the policy they stand under, and the effectors that act.

    `effectors` maps a proposal's kind to `MODULE:NAME` of a callable that makes its effector from the app's
    data directory: only the effects process imports it, so that no agent ever holds what it holds. `topics`
    are folders with the files of users' topics. `environment` names variables that agents and graphs may see beside
    the allow-list, such as a language model's key; no other process gets them. `partitions` is the one count of all inputs and system topics.
    """

    name: str
    agents: Sequence[type[Agent]]
    policy: Path
    effectors: Mapping[str, str] = field(default_factory=dict)
    graphs: Sequence[Any] = ()
    topics: Sequence[Path] = ()
    environment: Sequence[str] = ()
    partitions: int = 4

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} can't name an app", remedy="use lower-case letters, digits, - and _, a letter first"
            )
        if self.partitions < 1:
            raise ConfigError(f"{self.partitions} partitions", remedy="an app needs at least one")
        stages = [names.agent_stage(a.name) for a in self.agents] + [names.agent_stage(g.name) for g in self.graphs]
        twice = {s for s in stages if stages.count(s) > 1}
        if twice:
            raise ConfigError(
                f"two agents are named {', '.join(sorted(twice))}", remedy="give one of them another `name`"
            )

    @property
    def stages(self) -> dict[str, int]:
        """Every stage with a journal and its number of shards."""
        stages = {names.agent_stage(a.name): self.partitions for a in (*self.agents, *self.graphs)}
        return stages | {names.GATE: 1, names.EFFECTS: self.partitions}

    @property
    def proposals(self) -> dict[str, type[Proposal]]:
        """Proposal classes by kind."""
        return {p.proposal_kind: p for a in (*self.agents, *self.graphs) for p in a.proposes}

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """JSON schema of each kind's arguments."""
        return {kind: p.model_json_schema() for kind, p in sorted(self.proposals.items())}

    @property
    def events(self) -> dict[str, list[type[Event]]]:
        """Event classes by topic, read or published."""
        found: dict[str, list[type[Event]]] = {}
        for agent in (*self.agents, *self.graphs):
            for event in (*agent.consumes, *agent.publishes):
                classes = found.setdefault(event.topic_in(self.name), [])
                if event not in classes:
                    classes.append(event)
        return found

    def agent(self, stage: str) -> type[Agent]:
        """The agent class of a stage. Raises `ConfigError`."""
        for agent in self.agents:
            if names.agent_stage(agent.name) == stage:
                return agent
        raise ConfigError(f"app {self.name} has no agent for stage {stage!r}")


def load_app(reference: str) -> App:
    """The app that `MODULE:NAME` names; NAME may be an `App` or a callable without arguments that makes one.

    The current directory is importable, as with `python -m`. Raises `ConfigError`.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{reference!r} doesn't name an app", remedy="write MODULE:NAME, as in `fleet.app:app`")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        raise ConfigError(f"no module {e.name!r}", where=reference, remedy="run from the folder that holds it") from e
    found = getattr(module, attribute, None)
    if callable(found):
        found = found()
    if not isinstance(found, App):
        raise ConfigError(f"{attribute!r} of {module_name} isn't an App", where=reference)
    return found
