"""One call in LlamaIndex's own words: what a member is given in place of the engine's request.

Owns which of a call's keyword arguments reach a member, and under which names. The settings of a `FailoverLLM` are
those of its model strings; a member has settings of its own, so that only what a single call asks for is passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index_instrumentation.span import active_span_id

from shared_core.adaptation import SETTINGS
from shared_core.messages import Message
from shared_core.records import record

__all__ = ["Native", "Prompt", "keywords"]

_ENGINES = frozenset(
    {
        *("model", "fallbacks", "fallback_models", "deadline", "timeout"),
        *("formatted", "stream", "stream_options", "use_chat_completions"),
        *("tools", "tool_choice", "tool_required", "parallel_tool_calls", "allow_parallel_tool_calls"),
        "response_format",
    }
)
"""Keywords that the engine answers to, or that reach a member in another form."""

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "max_completion_tokens": "max_tokens",
        "max_new_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "stop_sequences": "stop",
    }
)


class Prompt(list[ChatMessage]):
    """A completion's prompt as a conversation, which is what all but members get of it."""

    def __init__(self, text: str, *, is_formatted: bool) -> None:
        super().__init__([ChatMessage(role=MessageRole.USER, content=text)])
        self.text = text
        self.is_formatted = is_formatted


@record(slots=True)
class Native:
    """One call; made for each, so it is not frozen, which would take three times as long. Treat it as if it were.

    Attributes:
        messages: The conversation as the caller gave it.
        core: The same in the engine's form, message by message.
        kwargs: The call's keyword arguments.
        max_tokens: What the engine was asked for, to tell what it changed for a target.
        prompt: The prompt of a completion; None for a chat.
        is_formatted: The prompt is in the model's own format already.
        is_whole: The caller waits for the whole answer.
        handlers: Who is told of the call by the older callbacks.
        span: The span of the call, under which its attempts belong.
    """

    messages: Sequence[ChatMessage]
    core: tuple[Message, ...]
    kwargs: Mapping[str, Any]
    max_tokens: int | None
    prompt: str | None
    is_whole: bool
    handlers: Sequence[BaseCallbackHandler]
    is_formatted: bool = False
    span: str | None = field(default_factory=active_span_id.get)

    @classmethod
    def of(
        cls,
        messages: Sequence[ChatMessage],
        core: tuple[Message, ...],
        kwargs: Mapping[str, Any],
        *,
        max_tokens: int | None,
        is_whole: bool,
        handlers: Sequence[BaseCallbackHandler],
    ) -> Native:
        """The call with those messages and keywords."""
        prompt = messages if isinstance(messages, Prompt) else None
        return cls(
            messages=messages,
            core=core,
            kwargs=kwargs,
            max_tokens=max_tokens,
            prompt=None if prompt is None else prompt.text,
            is_formatted=prompt is not None and prompt.is_formatted,
            is_whole=is_whole,
            handlers=handlers,
        )

    def own(self) -> dict[int, ChatMessage]:
        """The caller's messages by the `id` of the engine's."""
        return {id(made): given for made, given in zip(self.core, self.messages, strict=True)}


def keywords(given: Mapping[str, Any], wire: str | None) -> dict[str, Any]:
    """A call's keywords as a member of `wire` takes them.

    What is known to have no field there is left out, as it is for model strings; what is not known stays as it is.
    """
    found = {name: value for name, value in given.items() if value is not None and name not in _ENGINES}
    if wire not in {"openai", "anthropic"}:
        return found  # what those classes take is their own affair
    fields = SETTINGS[wire]
    out: dict[str, Any] = {}
    for given_name, value in found.items():
        name = _SYNONYMS.get(given_name, given_name)
        if name == "max_tokens":
            out["max_tokens" if wire == "anthropic" else given_name] = value
        elif name not in SETTINGS["openai"]:
            out[given_name] = value
        elif "." not in (path := fields.get(name, ".")):
            out[path] = [value] if isinstance(value, str) and name == "stop" else value
    return out
