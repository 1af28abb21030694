"""The kit that users test their agents with: no broker, and the very fold that runs in production."""

from rivergate.testing.agent_test import AgentTest, DeadLetter, Message
from rivergate.testing.recorded import demand_decides_as_recorded

__all__ = ["AgentTest", "DeadLetter", "Message", "demand_decides_as_recorded"]
