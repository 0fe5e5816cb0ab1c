"""The Anthropic Messages wire, from the provider's side.

Event order after Anthropic's "Streaming messages": `message_start` with an empty message, for each block a
`content_block_start`, deltas and a `content_block_stop`, then `message_delta` with the stop reason and the cumulative
usage, then `message_stop`; `ping` anywhere. A thinking block ends with its signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared_core.simulator.asked import Answer, Asked, AskedTool, Tokens
from shared_core.simulator.wires.base import Frames, encoded, event, halves, text_of
from shared_core.simulator.wires.conversation import SIGNATURE, anthropic_complaint
from shared_core.simulator.wires.fields import mapped, mappings, picked, texts, whole_number

__all__ = ["AnthropicWire"]

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES = {"any": "required", "none": "none", "auto": "auto"}


class AnthropicWire:
    """Messages."""

    name = "anthropic"
    ping = event({"type": "ping"}, "ping")

    def read(self, body: Mapping[str, Any], model: str | None, stream: bool, /) -> Asked:
        """The request."""
        messages = mappings(body.get("messages"))
        contents = [message.get("content") for message in messages]
        found = [text_of(content) for content in [body.get("system"), *contents]]
        users = [_own_text(message.get("content")) for message in messages if message.get("role") == "user"]
        choice = mapped(body.get("tool_choice"))
        missing = [name for name in ("model", "max_tokens", "messages") if not body.get(name)]
        return Asked(
            model=model or str(body.get("model", "")),
            prompt=next((text for text in reversed(users) if text), ""),
            all_text="\n".join(text for text, _ in found),
            images=sum(images for _, images in found),
            results=_results(contents[-1]) if contents else None,
            max_tokens=whole_number(body.get("max_tokens")),
            stop=texts(body.get("stop_sequences")),
            tools=tuple(
                AskedTool(str(tool.get("name", "")), mapped(tool["input_schema"]))
                for tool in mappings(body.get("tools"))
                if "input_schema" in tool  # tools that the provider runs have none
            ),
            tool_choice=_CHOICES.get(str(choice.get("type", "auto")), str(choice.get("name", ""))),
            parallel=choice.get("disable_parallel_tool_use") is not True,
            json_schema=_schema(body),
            stream=stream or body.get("stream") is True,
            include_usage=True,
            problem=f"{missing[0]}: Field required" if missing else None,
            complaint=anthropic_complaint(messages),
        )

    def frames(self, answer: Answer) -> Frames:
        """Events, `message_stop` apart."""
        usage = _usage(answer.tokens)
        start = {**_message(answer), "content": [], "usage": {**usage, "output_tokens": 1}}
        opening = event({"type": "message_start", "message": start}, "message_start")
        content: list[bytes] = []
        for index, block in enumerate(_blocks(answer)):
            content += _block_frames(index, block, answer)
        delta = {"stop_reason": _reason(answer), "stop_sequence": answer.stopped_by}
        closing = event({"type": "message_delta", "delta": delta, "usage": usage}, "message_delta")
        return Frames(opening, content, closing, event({"type": "message_stop"}, "message_stop"))

    def whole(self, answer: Answer) -> bytes:
        """A message object."""
        ending = {"stop_reason": _reason(answer), "stop_sequence": answer.stopped_by}
        return encoded(
            {
                **_message(answer),
                "content": list(_blocks(answer)),
                **ending,
                "usage": _usage(answer.tokens),
            }
        )

    def error(self, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
        """An object of type `error`."""
        kind = code or _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        text = message if param is None else f"{param}: {message}"
        return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_simulated"}

    def error_event(self, error: Mapping[str, Any], _answer: Answer, _events_before: int, /) -> bytes:
        """The same object as an event called `error`."""
        return event(error, "error")

    def broken_event(self, data: str | None) -> bytes:
        """A delta cut in its text."""
        broken = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"bro'
        return b"event: content_block_delta\ndata: " + (data or broken).encode() + b"\n\n"

    def ceiling_error(self, limit: int, given: int) -> dict[str, Any]:
        """A 400 whose text states both numbers."""
        text = f"{given} > {limit}, which is the maximum allowed number of output tokens for this model"
        return self.error(400, text, param="max_tokens")


def _own_text(content: Any) -> str:
    """What the user wrote, without the tool results that share the message."""
    if isinstance(content, list):
        content = [part for part in content if mapped(part).get("type") != "tool_result"]
    return text_of(content)[0]


def _results(content: Any) -> str | None:
    found = [part for part in mappings(content) if part.get("type") == "tool_result"]
    return text_of(found)[0] if found else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    form = mapped(picked(body.get("output_config"), "format") or body.get("output_format"))
    return mapped(form.get("schema")) if form.get("type") == "json_schema" else None


def _message(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.number:08d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _reason(answer: Answer) -> str | None:
    if answer.finish == "stop" and answer.stopped_by is not None:
        return "stop_sequence"
    if answer.finish == "stop" and answer.refusal is not None:
        return "refusal"
    return _REASONS.get(answer.finish, answer.finish)


def _blocks(answer: Answer) -> Iterator[dict[str, Any]]:
    """The content blocks of the whole message."""
    if answer.reasoning:
        yield {"type": "thinking", "thinking": "".join(answer.reasoning), "signature": SIGNATURE}
    if answer.chunks or answer.refusal:
        yield {"type": "text", "text": answer.text + (answer.refusal or "")}
    for call in answer.calls:
        yield {"type": "tool_use", "id": call.id("toolu_"), "name": call.name, "input": _arguments(call.arguments)}


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _block_frames(index: int, block: dict[str, Any], answer: Answer) -> list[bytes]:
    """One frame a delta, with the block's start glued to the first and its stop to the last."""
    empty: dict[str, Any]
    deltas: list[dict[str, Any]]
    match block["type"]:
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in answer.reasoning]
        case "text":
            empty = {"type": "text", "text": ""}
            pieces = (*answer.chunks, answer.refusal) if answer.refusal else answer.chunks
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        case _:
            empty = {**block, "input": {}}
            call = next(call for call in answer.calls if call.id("toolu_") == block["id"])
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *halves(call.arguments))]
    frames = [_delta(index, delta) for delta in deltas]
    start = {"type": "content_block_start", "index": index, "content_block": empty}
    frames[0] = event(start, "content_block_start") + frames[0]
    if block["type"] == "thinking":
        frames[-1] += _delta(index, {"type": "signature_delta", "signature": SIGNATURE})
    frames[-1] += event({"type": "content_block_stop", "index": index}, "content_block_stop")
    return frames


def _delta(index: int, delta: Mapping[str, Any]) -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")


def _usage(tokens: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": tokens.input - tokens.cached - tokens.cache_written,
        "cache_creation_input_tokens": tokens.cache_written,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.output,
    }
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage
