"""Responses made of values that are known to be valid, without having them validated once more.

A stream makes three of the framework's objects for each piece of text, and validating them would cost more than all
the rest that is done for it.

Invariants: what is made is equal to its validated twin, dumps, copies and pickles like it, and shares nothing mutable
with any other but what it was given. A field that the framework adds has its default here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
)
from pydantic import BaseModel

__all__ = ["assistant_message", "chat_response", "completion_response", "text_response"]

_Model = TypeVar("_Model", bound=BaseModel)

_new = object.__new__
# An instance of a model has these four slots and nothing else.
_set_values = vars(BaseModel)["__dict__"].__set__
_set_names = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


_MESSAGE = ChatMessage(role=MessageRole.ASSISTANT)
# All fields in their order, which dumps keep. What is mutable among them, or has no default, is given each time.
_IN_BLOCK: Mapping[str, Any] = vars(TextBlock(text=""))
_IN_MESSAGE: Mapping[str, Any] = vars(_MESSAGE)
_IN_CHAT: Mapping[str, Any] = vars(ChatResponse(message=_MESSAGE))
_IN_COMPLETION: Mapping[str, Any] = vars(CompletionResponse(text=""))


def text_response(text: str, raw: dict[str, Any], delta: str) -> ChatResponse:
    """An assistant's text alone, as nearly every response of a stream is; written out, since each call would count."""
    block = _new(TextBlock)
    _set_values(block, {**_IN_BLOCK, "text": text})
    _set_names(block, {"text"})
    _set_extra(block, None)
    _set_private(block, None)
    said = _new(ChatMessage)
    _set_values(said, {**_IN_MESSAGE, "blocks": [block], "additional_kwargs": {}})
    _set_names(said, {"role", "blocks", "additional_kwargs"})
    _set_extra(said, None)
    _set_private(said, None)
    made = _new(ChatResponse)
    _set_values(made, {**_IN_CHAT, "message": said, "delta": delta, "raw": raw, "additional_kwargs": {}})
    _set_names(made, {"message", "delta", "raw", "additional_kwargs"})
    _set_extra(made, None)
    _set_private(made, None)
    return made


def assistant_message(blocks: list[ContentBlock], extra: dict[str, Any]) -> ChatMessage:
    """An assistant's message."""
    values = {**_IN_MESSAGE, "blocks": blocks, "additional_kwargs": extra}
    return _made(ChatMessage, values, {"role", "blocks", "additional_kwargs"})


def chat_response(said: ChatMessage, delta: str, raw: dict[str, Any], extra: dict[str, Any]) -> ChatResponse:
    """A response of a chat."""
    values = {**_IN_CHAT, "message": said, "delta": delta, "raw": raw, "additional_kwargs": extra}
    return _made(ChatResponse, values, {"message", "delta", "raw", "additional_kwargs"})


def completion_response(text: str, delta: str | None, raw: Any, extra: dict[str, Any]) -> CompletionResponse:
    """A response of a completion."""
    values = {**_IN_COMPLETION, "text": text, "delta": delta, "raw": raw, "additional_kwargs": extra}
    return _made(CompletionResponse, values, {"text", "delta", "raw", "additional_kwargs"})


def _made(cls: type[_Model], values: dict[str, Any], names: set[str]) -> _Model:
    made = _new(cls)
    _set_values(made, values)
    _set_names(made, names)
    _set_extra(made, None)
    _set_private(made, None)
    return made
