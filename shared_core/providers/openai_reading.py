"""What single values of an OpenAI-shaped answer mean: usage, finish reasons, reasoning, content parts, errors.

Pure functions from decoded JSON to the events' words. Every vendor's dialect of a field is known here and nowhere
else. Invariant: total. Whatever the types, they return something and raise nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from shared_core.events import FinishReason, ReasoningDelta, TextDelta, Usage, WireEvent

__all__ = ["content_parts", "details_in", "error_in", "finish_reason", "reasoning_in", "usage_in"]

_FINISH_REASONS: Mapping[str, FinishReason] = MappingProxyType(
    {
        "stop": "stop",
        "end_turn": "stop",
        "eos": "stop",
        "eos_token": "stop",
        "stop_sequence": "stop",
        "complete": "stop",
        "length": "length",
        "max_tokens": "length",
        "model_length": "length",  # Mistral: the model's window is full
        "model_context_window_exceeded": "length",  # Zhipu
        "tool_calls": "tool_calls",
        "tool_call": "tool_calls",
        "tool_use": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
        "sensitive": "content_filter",  # Zhipu
        "safety": "content_filter",
        "recitation": "content_filter",
        "refusal": "refusal",
        "error": "error",
        "network_error": "error",  # Zhipu
        "insufficient_system_resource": "error",  # DeepSeek
        "abort": "error",  # vLLM, SGLang
        "aborted": "error",
        "pause_turn": "pause",
    }
)

_NOT_DETAILS = frozenset(
    {"choices", "object", "usage", "obfuscation", "error", "base_resp", "type", "code", "message", "x_groq"}
)
"""Content and framing, told by other events; `obfuscation` is random padding."""


def finish_reason(raw: str) -> FinishReason:
    """The reason that a provider's word stands for; "other" for words that are not known.

    >>> finish_reason("sensitive")
    'content_filter'
    """
    return _FINISH_REASONS.get(raw.lower(), "other")


def _count(value: Any) -> int | None:
    if type(value) is int and value >= 0:
        return value
    if type(value) is float and value >= 0 and value.is_integer():
        return int(value)
    return None


def _first(*values: Any) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else {}


def usage_in(usage: Mapping[str, Any]) -> Usage | None:
    """Tokens that a `usage` object states; None if it states none.

    Cached tokens: OpenAI and most others in `prompt_tokens_details`, DeepSeek as `prompt_cache_hit_tokens`, Moonshot
    as `cached_tokens`. Reasoning tokens: in `completion_tokens_details`, or flat (Perplexity).
    """
    into, out = _mapping(usage.get("prompt_tokens_details")), _mapping(usage.get("completion_tokens_details"))
    input_tokens = _first(usage.get("prompt_tokens"), usage.get("input_tokens"))
    output_tokens = _first(usage.get("completion_tokens"), usage.get("output_tokens"))
    total = _count(usage.get("total_tokens"))
    if input_tokens is None and output_tokens is None and total is None:
        return None
    reasoning = _first(out.get("reasoning_tokens"), usage.get("reasoning_tokens"))
    input_tokens, output_tokens = input_tokens or 0, output_tokens or 0
    if reasoning and total == input_tokens + output_tokens + reasoning:
        output_tokens += reasoning  # xAI and Gemini count them beside `completion_tokens`
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens if total is None else total,
        cache_read_tokens=_first(
            into.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens")
        ),
        cache_write_tokens=_first(into.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")),
        reasoning_tokens=reasoning,
        audio_input_tokens=_count(into.get("audio_tokens")) or None,
    )


def content_parts(parts: list[Any]) -> Iterator[WireEvent]:
    """Events of `content` that comes as a list, as Mistral's reasoning models send it."""
    for part in parts:
        kind, text = (part.get("type"), part.get("text")) if type(part) is dict else ("text", part)
        if kind == "thinking":
            yield from (ReasoningDelta(thought) for thought in _thoughts(part.get("thinking")))
        elif type(text) is str and text:
            yield TextDelta(text)


def _thoughts(thinking: Any) -> Iterator[str]:
    for piece in thinking if type(thinking) is list else [thinking]:
        text = piece.get("text") if type(piece) is dict else piece
        if type(text) is str and text:
            yield text


def reasoning_in(delta: Mapping[str, Any]) -> Iterator[ReasoningDelta]:
    """Reasoning in a delta or a message, once, though vendors often say it in two fields."""
    found = False
    details = delta.get("reasoning_details")  # OpenRouter, MiniMax; the only one of the three with signatures
    for detail in details if type(details) is list else ():
        read = _detail(detail)
        if read is not None:
            found = True
            yield read
    if found:
        return
    for name in ("reasoning_content", "reasoning"):
        text = delta.get(name)
        if type(text) is str and text:
            yield ReasoningDelta(text)
            return


def _detail(detail: Any) -> ReasoningDelta | None:
    if type(detail) is not dict:
        return None
    text = detail.get("text") or detail.get("summary")
    text = text if type(text) is str else ""
    data, signature, id_ = (
        value if type(value) is str and value else None
        for value in (detail.get("data"), detail.get("signature"), detail.get("id"))
    )
    if not (text or data or signature):
        return None
    return ReasoningDelta(text, index=_count(detail.get("index")) or 0, signature=signature, data=data, id=id_)


def details_in(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """What a chunk says about the answer besides its content: every filled field that no other event tells."""
    return {name: value for name, value in chunk.items() if name not in _NOT_DETAILS and value not in (None, "", [])}


def error_in(chunk: Mapping[str, Any]) -> int | bool:
    """Whether a chunk or a whole answer is an error in disguise.

    Returns:
        The HTTP status that it states, or True if it states none; False if it is no error.
    """
    error = chunk.get("error")
    if error:
        return _status(error) or _status(chunk) or True
    base = _mapping(chunk.get("base_resp"))  # MiniMax
    if base.get("status_code"):
        return True
    if chunk.get("choices"):
        return False
    says_so = chunk.get("object") == "error" or chunk.get("type") == "error" or chunk.get("success") is False
    if says_so or any(chunk.get(name) for name in ("message", "msg", "error_msg", "error_code", "detail", "errors")):
        return _status(chunk) or True
    return False


def _status(error: Any) -> int | None:
    for name in ("status", "status_code", "code", "statusCode"):
        stated = _mapping(error).get(name)
        status = int(stated) if type(stated) is str and re.fullmatch("[0-9]{3}", stated) else _count(stated)
        if status is not None and 400 <= status <= 599:
            return status
    return None
