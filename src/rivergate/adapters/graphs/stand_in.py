"""A stand-in for a language model, for tests and demos on machines without one. It understands nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

_OBJECT = re.compile(r"\{[^{}]*\}")


class OfflineStandInModel(BaseChatModel):
    """Answers from the prompt alone, by rule, and the same every time.

    Asked for the first time, it calls the tool that the prompt names (else the first) with what the prompt's last
    flat JSON object has of the tool's arguments. Once a tool has answered, it repeats the answer. Without tools
    it says that it is a stand-in.
    """

    tools: list[dict[str, Any]] = Field(default_factory=list)
    model_name: str = "offline-stand-in"

    @property
    def _llm_type(self) -> str:
        return "rivergate-offline-stand-in"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """A stand-in that knows these tools."""
        del kwargs
        return OfflineStandInModel(tools=[convert_to_openai_tool(t)["function"] for t in tools])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage(f"The tool {last.name} answered: {last.content}")
        prompt = str(last.content)
        if not self.tools:
            return AIMessage(f"This is a stand-in, not a language model. It was asked: {prompt}")
        tool = next((t for t in self.tools if t["name"] in prompt), self.tools[0])
        objects = _OBJECT.findall(prompt)
        known = json.loads(objects[-1]) if objects else {}
        arguments = {k: v for k, v in known.items() if k in tool["parameters"].get("properties", {})}
        call_id = hashlib.sha256(prompt.encode()).hexdigest()[:16]
        return AIMessage(
            f"The stand-in calls {tool['name']}.",
            tool_calls=[{"name": tool["name"], "args": arguments, "id": call_id, "type": "tool_call"}],
        )
