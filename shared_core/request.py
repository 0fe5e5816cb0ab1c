"""What a caller asks for, independent of who will answer.

A request is immutable, so attempts can never share mutable settings: what one target needs changed (a lower
`max_tokens`, a parameter left out) is changed on a copy made with `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

from shared_core.errors import ConfigurationError
from shared_core.messages import Message
from shared_core.records import record

__all__ = ["BuiltinTool", "JSONObject", "JSONSchema", "LLMRequest", "NamedTool", "ResponseFormat", "Tool", "ToolChoice"]


@record(frozen=True, slots=True)
class Tool:
    """A function that the model may call.

    Attributes:
        name: What the model calls it.
        description: What it does, for the model.
        parameters: JSON Schema object of its arguments.
        strict: Whether arguments must follow the schema exactly; None leaves it to the provider.
        marks: Provider-specific markers (`cache_control` …), sent only where they are understood.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class BuiltinTool:
    """A tool that the provider runs itself (web search …), in that provider's own form; `origin` names the wire."""

    spec: Mapping[str, Any]
    origin: str


@record(frozen=True, slots=True)
class NamedTool:
    """Tool choice: exactly this tool must be called."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedTool


@record(frozen=True, slots=True)
class JSONObject:
    """Response format: any JSON object ("JSON mode")."""


@record(frozen=True, slots=True)
class JSONSchema:
    """Response format: JSON that follows `schema`."""

    name: str
    schema: Mapping[str, Any]
    strict: bool | None = True
    description: str | None = None


ResponseFormat: TypeAlias = JSONObject | JSONSchema


@record(frozen=True, slots=True, kw_only=True)
class LLMRequest:
    """One call.

    Attributes:
        messages: The conversation.
        model: First link of the chain ("openai/gpt-4.1"); empty to begin with the fallbacks.
        fallback_models: Further links, before the manager's own.
        max_tokens: Highest number of tokens to generate; None leaves it to the provider.
        temperature: Sampling temperature.
        top_p: Nucleus sampling.
        stop: Stop sequences.
        seed: Sampling seed.
        presence_penalty: Penalty for tokens that occurred already.
        frequency_penalty: Penalty by how often a token occurred.
        tools: Tools that the model may call.
        tool_choice: Which of them it must call; None leaves it to the provider.
        parallel_tool_calls: Whether several calls may come in one answer.
        response_format: JSON mode or JSON schema.
        reasoning_effort: "none", "minimal", "low", "medium", "high", or what the provider calls it.
        user: An opaque id of the end user, for the provider's abuse detection.
        extra_body: Further fields of the request body, merged in last and sent as they are.
        extra_headers: Further HTTP headers.
        deadline: Seconds for the whole call, instead of the policy's.
        native: The call in its framework's own objects, for members of that framework; meaningless to all others. If
            it has an `is_whole` that is true, members answer in one piece, and are silent until then.
    """

    messages: tuple[Message, ...] = ()
    model: str = ""
    fallback_models: tuple[str, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tools: tuple[Tool | BuiltinTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    deadline: float | None = None
    native: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        tokens = self.max_tokens
        if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1):
            raise ConfigurationError(f"max_tokens must be at least 1 and a whole number, got {tokens!r}")
        if self.deadline is not None and not 0 < self.deadline < float("inf"):
            raise ConfigurationError(f"deadline must be more than 0 seconds, got {self.deadline}")
