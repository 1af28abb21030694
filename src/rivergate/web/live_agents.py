"""The agents of an app that can be asked what they know now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rivergate.domain import names
from rivergate.domain.errors import BadInput
from rivergate.runtime.asking_live import ask_live
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir


@dataclass(frozen=True, slots=True)
class LiveAgents:
    """Agents by name with their number of shards; `ask` is `ask_live` of their data directory. The methods raise `BadInput` where there is no such agent or shard, and
    whatever `ask` raises.
    """

    shards: Mapping[str, int]
    ask: Callable[..., dict[str, Any]]

    @classmethod
    def of(cls, data: DataDir) -> LiveAgents:
        """Those of the app that runs on this data directory."""
        declared = Declaration.read(data.declaration_file)
        prefix = names.agent_stage("")
        shards = {stage.removeprefix(prefix): declared.stages[stage] for stage in declared.agents}
        return cls(shards, partial(ask_live, data))

    def state(self, agent: str, shard: int) -> dict[str, Any]:
        """What a shard knows now."""
        return self.ask(self._stage(agent, shard), shard)

    def predict(self, agent: str, shard: int, event: str, event_class: str | None) -> dict[str, Any]:
        """What the agent would do about an event, whose fields come as JSON."""
        return self.ask(self._stage(agent, shard), shard, event=event, event_class=event_class)

    def _stage(self, agent: str, shard: int) -> str:
        if agent not in self.shards:
            raise BadInput(f"there is no agent {agent!r}", remedy=f"the agents are: {', '.join(self.shards) or 'none'}")
        if not 0 <= shard < self.shards[agent]:
            raise BadInput(
                f"agent {agent} has no shard {shard}", remedy=f"its shards are 0 to {self.shards[agent] - 1}"
            )
        return names.agent_stage(agent)


NO_AGENTS = LiveAgents({}, partial(ask_live, DataDir(Path())))
"""Where none are known, none is asked."""
