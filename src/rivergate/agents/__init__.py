"""The Agent API: what engineers write, and the fold that runs it."""

from rivergate.agents.agent import Agent
from rivergate.agents.context import Context

__all__ = ["Agent", "Context"]
