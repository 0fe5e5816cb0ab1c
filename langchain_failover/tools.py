"""Tools and tool choice: from everything that LangChain users write to the core's own types.

Conversion happens when a call is made, so what is bound to a model stays what the user gave. Schemas come from
LangChain's `convert_to_openai_tool`, as in every other chat model. A tool that a provider runs itself is passed on in
that provider's form, marked with whose form it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.utils.function_calling import convert_to_openai_tool

from shared_core.errors import ConfigurationError
from shared_core.request import BuiltinTool, NamedTool, Tool, ToolChoice

__all__ = ["ToolLike", "as_openai", "to_tool", "to_tool_choice"]

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool  # a tenth of a second, where nobody has a tool

ToolLike: TypeAlias = "Mapping[str, Any] | type | Callable[..., Any] | BaseTool"
"""What `bind_tools` takes."""

_RESPONSES_TOOLS = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "custom",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "shell",
        "tool_search",
        "web_search",
    }
)
"""Tools that OpenAI runs itself, all of its Responses API."""


def to_tool(tool: ToolLike, *, strict: bool | None = None) -> Tool | BuiltinTool:
    """One tool as the core knows it.

    Args:
        tool: A `BaseTool`, function, pydantic class, `TypedDict`, JSON schema, or a dict in OpenAI's, Anthropic's or
            Bedrock's form; a dict that describes a provider's own tool becomes a `BuiltinTool`.
        strict: Asks for arguments that follow the schema exactly, where the tool does not say so itself.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(tool, Mapping) and (origin := _builtin_origin(tool)):
        return BuiltinTool(spec=dict(tool), origin=origin)
    if isinstance(tool, Mapping) and tool.get("type") == "function" and "function" not in tool:
        function = dict(tool)  # OpenAI Responses form: the function's fields lie beside `type`
    else:
        converted = as_openai(tool, strict=strict)
        if converted.get("type") != "function":  # a LangChain tool made with `custom_tool`
            return BuiltinTool(spec=converted, origin="responses")
        function = converted["function"]
    stated = function.get("strict")
    marked = tool if isinstance(tool, Mapping) else getattr(tool, "extras", None)
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        # Anthropic and OpenAI demand an object schema, also of a tool without arguments.
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
        strict=strict if stated is None else stated,
        marks={"cache_control": marked["cache_control"]} if marked and marked.get("cache_control") else None,
    )


def as_openai(tool: ToolLike, *, strict: bool | None = None) -> dict[str, Any]:
    """`tool` in OpenAI's form; a tool that states its own `strict` keeps it.

    Raises:
        ValueError: It cannot be read as a tool.
    """
    raw = dict(tool) if isinstance(tool, Mapping) else tool
    if isinstance(raw, dict):
        if _builtin_origin(raw):
            return raw
        if raw.get("type") == "function" and isinstance(raw.get("function"), dict):
            raw = raw["function"]
        if raw.get("strict") is not None:
            strict = None
    return convert_to_openai_tool(raw, strict=strict)


def _builtin_origin(tool: Mapping[str, Any]) -> str | None:
    """Whose built-in tool a dict describes, as a wire or a provider; None for a function that the caller runs."""
    kind = tool.get("type")
    if _is_anthropic_builtin(tool):
        return "anthropic"
    if not isinstance(kind, str):
        # Gemini's built-in tools are bare keys: {"google_search": {}}.
        is_bare = len(tool) == 1 and "toolSpec" not in tool and isinstance(next(iter(tool.values())), Mapping)
        return "gemini" if is_bare else None
    if kind in {"function", "object"} or (kind == "custom" and "input_schema" in tool):
        return None
    if kind == "builtin_function":
        return "kimi"
    if kind.startswith("openrouter:"):
        return "openrouter"
    if kind in tool:
        return "openai" if kind == "custom" else "zhipu"  # Zhipu nests: {"type": "web_search", "web_search": {...}}
    if kind in _RESPONSES_TOOLS or kind.startswith("web_search_preview"):
        return "responses"
    is_function = any(key in tool for key in ("function", "input_schema", "parameters", "properties"))
    return None if is_function else "openai"


def _is_anthropic_builtin(tool: Mapping[str, Any]) -> bool:
    """Anthropic's server tools carry a date in their type: `web_search_20250305`."""
    kind = tool.get("type")
    if not isinstance(kind, str) or "name" not in tool:
        return False
    head, _, date = kind.rpartition("_")
    return bool(head) and len(date) == 8 and date.isdecimal()


def to_tool_choice(choice: Any, tools: Sequence[Tool | BuiltinTool]) -> ToolChoice | None:
    """What the model must call.

    Args:
        choice: "auto", "none", "any" or "required" or True, a tool's name, or a dict in OpenAI's or Anthropic's form;
            None and False leave it to the provider.
        tools: The tools of the call: a tool that is really called "any" is meant by that name.

    Raises:
        ConfigurationError: It names no tool of the call, or cannot be read.
    """
    if not choice:
        return None
    if choice is True:
        return "required"
    names = [tool.name for tool in tools if isinstance(tool, Tool)]
    if isinstance(choice, str):
        return _choice_by_name(choice, names)
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        if isinstance(name, str):
            return _named(name, names)
        if isinstance(choice.get("type"), str):
            return _choice_by_name(choice["type"], names)
    raise ConfigurationError(f"tool_choice cannot be read: {choice!r}")


def _choice_by_name(choice: str, names: Sequence[str]) -> ToolChoice:
    if choice in names:
        return NamedTool(choice)
    if choice == "auto":
        return "auto"
    if choice == "none":
        return "none"
    if choice in {"any", "required"}:
        return "required"
    return _named(choice, names)


def _named(name: str, names: Sequence[str]) -> NamedTool:
    if name not in names:
        raise ConfigurationError(f"tool_choice names {name!r}, which is not among the tools of the call: {names}")
    return NamedTool(name)
