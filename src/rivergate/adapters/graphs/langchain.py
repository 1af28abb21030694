"""LangChain's model and tool as a graph sees them: one that is recorded, one that proposes instead of acting."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langgraph.runtime import get_runtime
from pydantic import ValidationError

from rivergate.adapters.graphs.run import CURRENT
from rivergate.domain.errors import BadInput
from rivergate.domain.event import Proposal
from rivergate.domain.ids import canonical

_TASK_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|:[0-9a-f-]{32,36}")


def place_of(config: RunnableConfig | None = None) -> str:
    """Where in the graph a call is made: superstep, node, and path of the task, without the ids that change each run."""
    metadata = ensure_config(config).get("metadata", {})
    namespace = _TASK_ID.sub("", str(metadata.get("langgraph_checkpoint_ns", "")))
    path = _TASK_ID.sub("", str(metadata.get("langgraph_path", "")))
    return f"{namespace}:{metadata.get('langgraph_step', 0)}:{path}"


def attempt_of() -> int:
    """Which attempt of its node a call is made in, from 1."""
    info = get_runtime().execution_info
    return info.node_attempt if info is not None else 1


def digest_of_messages(messages: Sequence[BaseMessage]) -> str:
    """Of what is said and called, without what LangGraph and LangChain add: ids that each run makes anew, and metadata."""
    said = [
        (m.type, m.content, [(c["name"], c["args"], c["id"]) for c in getattr(m, "tool_calls", ())]) for m in messages
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


class RecordedModel(BaseChatModel):
    """Asks the model behind it once for each place in the graph; from then on the recorded answer is given."""

    behind: Runnable[Any, Any]
    model_name: str

    @property
    def _llm_type(self) -> str:
        return "rivergate-recorded"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """The same with tools bound to the model behind."""
        bound = self.behind.bind_tools(tools, **kwargs)  # type: ignore[attr-defined]
        return RecordedModel(behind=bound, model_name=self.model_name)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager  # what a model answers is traced from its record

        def ask() -> dict[str, Any]:
            if stop:
                kwargs["stop"] = stop
            answer: AIMessage = self.behind.invoke(messages, **kwargs)
            return answer.model_dump(mode="json")

        asked = digest_of_messages(messages)
        answer = CURRENT.get().ask_model(place_of(), attempt_of(), self.model_name, asked, ask)
        return ChatResult(generations=[ChatGeneration(message=AIMessage.model_validate(answer))])


class GatedTool(BaseTool):
    """Proposes what the model asks for, and answers with what became of it. Arguments that don't fit go back at once."""

    proposal: type[Proposal]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 - LangChain's name
        """Called with a model's tool call, or by a node with the arguments alone."""
        del kwargs
        is_call = isinstance(input, Mapping) and input.get("type") == "tool_call"
        arguments = input["args"] if is_call else input
        call_id = str(input.get("id") or "") if is_call else ""
        status = "success"
        try:
            proposed = self.proposal.model_validate(arguments).model_dump(mode="json")
            canonical(proposed)
        except (ValidationError, BadInput) as e:
            status, answer = "error", f"not proposed: {e}"
        else:
            answer = CURRENT.get().propose(place_of(config), attempt_of(), call_id, self.name, proposed)
        return ToolMessage(answer, name=self.name, tool_call_id=call_id, status=status) if is_call else answer

    def _run(self, **arguments: Any) -> str:
        return str(self.invoke(arguments))


def gated_tools(proposes: Sequence[type[Proposal]]) -> list[BaseTool]:
    """A tool for each kind of proposal."""
    return [
        GatedTool(
            name=p.proposal_kind,
            description=(p.__doc__ or f"Propose {p.proposal_kind}.").strip(),
            args_schema=p,
            proposal=p,
        )
        for p in proposes
    ]


def recorded(make: Callable[[], BaseChatModel]) -> RecordedModel:
    """The model that a graph is built with."""
    model = make()
    name = getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__
    return RecordedModel(behind=model, model_name=str(name))


def plain(value: Any) -> Any:
    """A graph's result as JSON values: messages become objects, and what has no JSON form its text."""
    if isinstance(value, BaseMessage):
        return {"type": value.type, "content": value.content}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
