"""Tools between LlamaIndex and the engine: what is offered, what must be called, what was called.

Owns the forms in which tools come (LlamaIndex tools, OpenAI's and Anthropic's dictionaries, the engine's own) and the
reading of calls, finished or still growing. Refuses to call anything: that is the framework's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from llama_index.core.tools.types import BaseTool, ToolMetadata, ToolOutput
from pydantic_core import from_json

from llamaindex_failover.messages import tool_calls_of
from shared_core.errors import ConfigurationError
from shared_core.request import BuiltinTool, NamedTool, Tool, ToolChoice

__all__ = ["arguments_of", "as_tools", "keep_first_call", "parsed", "selections", "specs", "to_choice", "to_tools"]

_DATED = re.compile(r"_\d{8}$")
"""How Anthropic versions the tools that it runs itself (`web_search_20250305`)."""

_CHOICES: Mapping[str, ToolChoice] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


class _Spec(dict[str, Any]):
    """A tool as OpenAI's dictionary that keeps the tool itself, for members, which make a form of their own of it."""

    tool: BaseTool


class _ToldMetadata(ToolMetadata):
    """Of a tool that is known by its schema alone."""

    def __init__(self, tool: Tool) -> None:
        super().__init__(description=tool.description, name=tool.name, fn_schema=None)
        self._schema = dict(tool.parameters)

    def get_parameters_dict(self) -> dict[str, Any]:
        """The schema as it was given."""
        return self._schema


class _ToldTool(BaseTool):
    """A tool that is known by its schema alone; it is offered, and called by whoever gave the schema."""

    def __init__(self, tool: Tool) -> None:
        self._metadata = _ToldMetadata(tool)

    @property
    def metadata(self) -> ToolMetadata:
        """What the model is told."""
        return self._metadata

    def __call__(self, _input: Any) -> ToolOutput:
        """Raises: there is nothing behind the schema."""
        raise NotImplementedError(f"the tool {self._metadata.name} is known by its schema alone")


def specs(tools: Iterable[BaseTool], *, strict: bool) -> list[dict[str, Any]]:
    """LlamaIndex tools as OpenAI's dictionaries: the form in which the framework's events show them."""
    found: list[dict[str, Any]] = []
    for tool in tools:
        spec = _Spec(tool.metadata.to_openai_tool(skip_length_check=True))
        spec.tool = tool
        if strict:
            spec["function"]["strict"] = True
            spec["function"]["parameters"]["additionalProperties"] = False
        found.append(spec)
    return found


def to_tools(given: Iterable[Any]) -> tuple[Tool | BuiltinTool, ...]:
    """Tools in the engine's form.

    Raises:
        ConfigurationError: Something is no tool.
    """
    return tuple(_tool(tool) for tool in given)


def as_tools(given: Iterable[Any]) -> list[BaseTool]:
    """The functions among them as LlamaIndex tools: the very ones that `specs` was given, wherever it was.

    Raises:
        ConfigurationError: Something is no tool.
    """
    found: list[BaseTool] = []
    for tool in given:
        if isinstance(tool, _Spec):
            found.append(tool.tool)
        elif isinstance(tool, BaseTool):
            found.append(tool)
        elif isinstance(made := _tool(tool), Tool):
            found.append(_ToldTool(made))
    return found


def to_choice(given: Any) -> ToolChoice | None:
    """A tool choice in the engine's form: a word, a tool's name, or a provider's dictionary.

    Raises:
        ConfigurationError: It is none of these.
    """
    match given:
        case None:
            return None
        case NamedTool():
            return given
        case str():
            return _CHOICES.get(given, NamedTool(given))
        case {"function": {"name": str(name)}} | {"type": "function" | "tool", "name": str(name)}:
            return NamedTool(name)
        case {"type": str(word)} if word in _CHOICES:
            return _CHOICES[word]
    raise ConfigurationError(f"tool_choice must be a word, a tool's name or a dictionary, got {type(given).__name__}")


def selections(response: ChatResponse, *, is_call_expected: bool) -> list[ToolSelection]:
    """The calls of a response, or of a stream's response so far.

    Raises:
        ValueError: A call is expected and there is none.
    """
    calls = tool_calls_of(response.message)
    if not calls and is_call_expected:
        raise ValueError("Expected at least one tool call, but got 0 tool calls.")
    return [
        ToolSelection(tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=arguments_of(call))
        for call in calls
    ]


def arguments_of(call: ToolCallBlock) -> dict[str, Any]:
    """The arguments of a call, as far as they have come; none if they are no JSON object."""
    given = call.tool_kwargs
    if isinstance(given, str):
        given = parsed(given)
    return given if isinstance(given, dict) else {}


def parsed(text: str) -> Any:
    """JSON that may still be growing; None if it is no JSON."""
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        pass
    try:  # slower, but it forgives line breaks inside strings, which some models write
        return parse_partial_json(text)
    except ValueError:
        return None


def keep_first_call(response: ChatResponse) -> None:
    """Drops all calls but the first, for callers that allow one at a time and a model that made several."""
    message = response.message
    first = next((block for block in message.blocks if isinstance(block, ToolCallBlock)), None)
    message.blocks = [block for block in message.blocks if block is first or not isinstance(block, ToolCallBlock)]
    if older := message.additional_kwargs.get("tool_calls"):
        message.additional_kwargs["tool_calls"] = older[:1]


def _tool(given: Any) -> Tool | BuiltinTool:
    match given:
        case Tool() | BuiltinTool():
            return given
        case BaseTool():
            return _tool(given.metadata.to_openai_tool(skip_length_check=True))
        case {"type": "function", "function": {"name": str(name)} as function}:
            return _function(name, function, function.get("parameters"))
        case {"type": "function", "name": str(name)}:
            return _function(name, given, given.get("parameters"))
        case {"name": str(name), "input_schema": schema}:
            return _function(name, given, schema)
        case {"type": str(kind)}:
            return BuiltinTool(given, origin="anthropic" if _DATED.search(kind) else "openai")
        case Mapping() if len(given) == 1:
            return BuiltinTool(given, origin="gemini")  # `{"google_search": {}}`
    raise ConfigurationError(f"a tool must be a LlamaIndex tool or a dictionary, got {type(given).__name__}")


def _function(name: str, spec: Mapping[str, Any], schema: Any) -> Tool:
    return Tool(name, spec.get("description") or "", schema or {}, strict=spec.get("strict"))
