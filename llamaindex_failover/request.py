"""What one call asks of the engine: the model's settings, overridden by the call's keyword arguments.

Owns the names under which LlamaIndex programs pass settings (`max_completion_tokens`, `timeout`, OpenAI's dictionaries
for tools and response formats). A keyword that the engine does not know goes into the request's body as it is, as with
the framework's own LLMs; None means "not given".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from llamaindex_failover import tools
from shared_core.errors import ConfigurationError
from shared_core.messages import Message
from shared_core.request import JSONObject, JSONSchema, LLMRequest, ResponseFormat

__all__ = ["json_schema_of", "request_of"]

_RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "allow_parallel_tool_calls": "parallel_tool_calls",
        "fallbacks": "fallback_models",
        "max_completion_tokens": "max_tokens",
        "max_new_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "stop_sequences": "stop",
        "timeout": "deadline",
    }
)

_OURS = frozenset({"formatted", "stream", "stream_options", "use_chat_completions"})
"""Keywords that speak of how an answer is fetched, which the engine decides."""

_KNOWN = frozenset(field.name for field in fields(LLMRequest)) - {"messages", "extra_body", "extra_headers", "native"}


def request_of(
    messages: tuple[Message, ...],
    *sources: Mapping[str, Any],
    native: Callable[[int | None], Any] | None = None,
) -> LLMRequest:
    """The request; of several sources of settings the later one wins.

    Args:
        messages: The conversation.
        *sources: Settings by name.
        native: Makes the call in the framework's own objects; it is told the request's `max_tokens`.

    Raises:
        ConfigurationError: A setting has no form in a request.
    """
    known: dict[str, Any] = {}
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for source in sources:
        for given, value in source.items():
            if value is None:
                continue
            name = _RENAMED.get(given, given)
            if name in _KNOWN:
                translate = _TRANSLATED.get(name)
                known[name] = value if translate is None else translate(value)
            elif name == "extra_body":
                body |= value
            elif name == "extra_headers":
                headers |= value
            elif name not in _OURS:
                body[name] = value
    if not known.get("tools"):
        known.pop("tool_choice", None)
        known.pop("parallel_tool_calls", None)
    own = None if native is None else native(known.get("max_tokens"))
    return LLMRequest(messages=messages, extra_body=body, extra_headers=headers, native=own, **known)


def json_schema_of(output_cls: type[BaseModel]) -> JSONSchema:
    """The response format that asks for JSON of a pydantic class."""
    # A generic class has brackets in its name, which providers refuse.
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", output_cls.__name__)
    # Not strict: OpenAI's strict mode refuses schemas with optional fields, which pydantic checks afterwards anyway.
    return JSONSchema(name, output_cls.model_json_schema(), strict=None)


def _format(given: Any) -> ResponseFormat | None:
    match given:
        case JSONObject() | JSONSchema():
            return given
        case type() if issubclass(given, BaseModel):
            return json_schema_of(given)
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return JSONObject()
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema} as spec}:
            return JSONSchema(
                spec.get("name") or "answer",
                schema,
                strict=spec.get("strict"),
                description=spec.get("description"),
            )
    raise ConfigurationError(
        "response_format must be a pydantic class or a dictionary of type text, json_object or json_schema, "
        f"got {type(given).__name__}"
    )


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise ConfigurationError(f"{name} must be a list of strings, got {type(value).__name__}")
    return tuple(value)


_TRANSLATED: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "tools": tools.to_tools,
        "tool_choice": tools.to_choice,
        "response_format": _format,
        "stop": partial(_texts, "stop"),
        "fallback_models": partial(_texts, "fallback_models"),
    }
)
"""Settings whose form in a request is another one."""
