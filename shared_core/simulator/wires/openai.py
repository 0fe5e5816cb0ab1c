"""The OpenAI Chat Completions wire, from the provider's side.

Shapes after OpenAI's API reference ("The chat completion chunk object", "The chat completion object", "Errors"): a
role-only chunk, a chunk for each delta, a chunk with the finish reason, with `stream_options.include_usage` a chunk
with empty `choices`, then `[DONE]`. Reasoning goes into `reasoning_content`, the field that compatible providers use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared_core.simulator.asked import Answer, Asked, AskedTool, Call, Tokens
from shared_core.simulator.wires.base import CREATED, Frames, encoded, event, halves, text_of
from shared_core.simulator.wires.conversation import chat_complaint
from shared_core.simulator.wires.fields import mapped, mappings, picked, texts, whole_number

__all__ = ["OpenAIWire"]

_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAIWire:
    """Chat Completions."""

    name = "openai"
    ping = b": ping\n\n"

    def read(self, body: Mapping[str, Any], model: str | None, _stream: bool, /) -> Asked:
        """The request."""
        messages = mappings(body.get("messages"))
        found = [text_of(message.get("content")) for message in messages]
        users = [text for message, (text, _) in zip(messages, found, strict=True) if message.get("role") == "user"]
        results = [text for message, (text, _) in zip(messages, found, strict=True) if message.get("role") == "tool"]
        has_results = bool(messages) and messages[-1].get("role") == "tool"
        # Azure names the deployment in the path, whatever the body says.
        name = model or body.get("model")
        return Asked(
            model=str(name or ""),
            prompt=users[-1] if users else "",
            all_text="\n".join(text for text, _ in found),
            images=sum(images for _, images in found),
            results="\n".join(results) if has_results else None,
            max_tokens=whole_number(picked(body, "max_completion_tokens", "max_tokens")),
            stop=texts(body.get("stop")),
            tools=tuple(_tools(body.get("tools"))),
            tool_choice=_choice(body.get("tool_choice")),
            parallel=body.get("parallel_tool_calls") is not False,
            json_schema=_schema(body.get("response_format")),
            stream=body.get("stream") is True,
            include_usage=mapped(body.get("stream_options")).get("include_usage") is True,
            problem=None if name and messages else f"Missing required parameter: '{'messages' if name else 'model'}'.",
            complaint=chat_complaint(messages),
        )

    def frames(self, answer: Answer) -> Frames:
        """Chunks, `[DONE]` apart."""
        head = {
            "id": _identity(answer),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": answer.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }
        # With include_usage every chunk carries the field, null until the last one.
        tail = {"usage": None} if answer.states_usage else {}

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return event({**head, "choices": [choice], **tail})

        content = [chunk({"reasoning_content": piece}) for piece in answer.reasoning]
        # Only the text differs between the many chunks of an answer, so the rest is encoded once.
        mark = "\x00"
        before, after = chunk({"content": mark}).split(encoded(mark))
        content += [before + encoded(piece) + after for piece in answer.chunks]
        if answer.refusal is not None:
            content.append(chunk({"refusal": answer.refusal}))
        for index, call in enumerate(answer.calls):
            start = {"index": index, "id": call.id("call_"), "type": "function"}
            content.append(chunk({"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]}))
            content += [
                chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
                for part in halves(call.arguments)
            ]
        opening = chunk({"role": "assistant", "content": None if answer.calls else "", "refusal": None})
        closing = chunk({}, answer.finish)
        if answer.states_usage:
            closing += event({**head, "choices": [], "usage": _usage(answer.tokens)})
        return Frames(opening, content, closing, b"data: [DONE]\n\n")

    def whole(self, answer: Answer) -> bytes:
        """A `chat.completion` object."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text if answer.chunks or not (answer.calls or answer.refusal) else None,
            "refusal": answer.refusal,
            "annotations": [],
        }
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = [_call(call) for call in answer.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
        return encoded(
            {
                "id": _identity(answer),
                "object": "chat.completion",
                "created": CREATED,
                "model": answer.model,
                "choices": [choice],
                "usage": _usage(answer.tokens),
                "service_tier": "default",
                "system_fingerprint": "fp_simulated",
            }
        )

    def error(self, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
        """An object under `error`."""
        kind, usual = _ERROR_TYPES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        return {"error": {"message": message, "type": kind, "param": param, "code": code or usual}}

    def error_event(self, error: Mapping[str, Any], _answer: Answer, _events_before: int, /) -> bytes:
        """The same object as the data of an event."""
        return event(error)

    def broken_event(self, data: str | None) -> bytes:
        """A chunk cut in its text."""
        broken = '{"id":"chatcmpl-0","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"bro'
        return b"data: " + (data or broken).encode() + b"\n\n"

    def ceiling_error(self, limit: int, given: int) -> dict[str, Any]:
        """A 400 that names the parameter."""
        text = (
            f"max_tokens is too large: {given}. This model supports at most {limit} completion tokens, "
            f"whereas you provided {given}."
        )
        return self.error(400, text, "invalid_value", "max_tokens")


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id("call_"), "type": "function", "function": function}


def _identity(answer: Answer) -> str:
    return f"chatcmpl-{answer.number:08d}"


def _usage(tokens: Tokens) -> dict[str, Any]:
    sent = {"cached_tokens": tokens.cached, "audio_tokens": tokens.audio}
    if tokens.cache_written:
        sent["cache_write_tokens"] = tokens.cache_written
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": sent,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tools(value: Any) -> list[AskedTool]:
    functions = [mapped(tool.get("function")) for tool in mappings(value)]
    return [AskedTool(str(one["name"]), mapped(one.get("parameters"))) for one in functions if "name" in one]


def _choice(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(mapped(value.get("function")).get("name", "required"))
    return value if isinstance(value, str) else "auto"


def _schema(value: Any) -> Mapping[str, Any] | None:
    form = mapped(value)
    if form.get("type") not in ("json_object", "json_schema"):
        return None
    return mapped(mapped(form.get("json_schema")).get("schema"))
