"""LangGraph graphs as agents: they consume events, and their tools propose instead of acting.

Nothing of LangGraph is imported before a graph is built.
"""

from rivergate.adapters.graphs.agent import GraphAgent

__all__ = ["GraphAgent"]
