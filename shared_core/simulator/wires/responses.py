"""The OpenAI Responses wire, from the provider's side.

Event order after OpenAI's API reference ("Streaming events" of Responses): `response.created`,
`response.in_progress`; each output item is added, filled by deltas, and done (reasoning, message, function calls);
last `response.completed` or `response.incomplete` with the whole response. Every event has a `sequence_number`.
Nothing follows the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared_core.simulator.asked import Answer, Asked, AskedTool, Call, Tokens
from shared_core.simulator.wires.base import CREATED, Frames, encoded, event, halves, text_of
from shared_core.simulator.wires.conversation import ENCRYPTED, responses_complaint
from shared_core.simulator.wires.fields import mapped, mappings, picked, whole_number
from shared_core.simulator.wires.openai import OpenAIWire

__all__ = ["ResponsesWire"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CHAT = OpenAIWire()  # both APIs write HTTP errors in the same way


class ResponsesWire:
    """Responses."""

    name = "responses"
    ping = b": ping\n\n"

    def read(self, body: Mapping[str, Any], model: str | None, stream: bool, /) -> Asked:
        """The request."""
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else mappings(given)
        found = [text_of(picked(item, "content", "output")) for item in items]
        users = [text for item, (text, _) in zip(items, found, strict=True) if item.get("role") == "user"]
        outputs = _trailing_outputs(items)
        choice = body.get("tool_choice", "auto")
        name = model or body.get("model")
        missing = "input" if name else "model"
        return Asked(
            model=str(name or ""),
            prompt=users[-1] if users else "",
            all_text="\n".join([str(body.get("instructions") or ""), *(text for text, _ in found)]),
            images=sum(images for _, images in found),
            results="\n".join(outputs) if outputs else None,
            max_tokens=whole_number(body.get("max_output_tokens")),
            tools=tuple(
                AskedTool(str(tool.get("name", "")), mapped(tool.get("parameters")))
                for tool in mappings(body.get("tools"))
                if tool.get("type") == "function"
            ),
            tool_choice=choice if isinstance(choice, str) else str(mapped(choice).get("name", "auto")),
            parallel=body.get("parallel_tool_calls") is not False,
            json_schema=_schema(body),
            stream=stream or body.get("stream") is True,
            include_usage=True,
            problem=None if name and items else f"Missing required parameter: '{missing}'.",
            complaint=responses_complaint(items),
        )

    def frames(self, answer: Answer) -> Frames:
        """Events without a mark after the last."""
        stream = _Stream()
        begun = _response(answer, "in_progress", [])
        opening = stream.said("response.created", response=begun) + stream.said("response.in_progress", response=begun)
        content: list[bytes] = []
        for index, item in enumerate(_items(answer)):
            content += _item_frames(stream, index, item, answer)
        final = _finished(answer)
        return Frames(opening, content, stream.said(f"response.{final['status']}", response=final))

    def whole(self, answer: Answer) -> bytes:
        """A response object."""
        return encoded(_finished(answer))

    def error(self, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
        """An object under `error`."""
        return _CHAT.error(status, message, code, param)

    def error_event(self, error: Mapping[str, Any], answer: Answer, events_before: int, /) -> bytes:
        """An `error` event and `response.failed`; an error without an `error` field goes out alone, as documented."""
        stream = _Stream(events_before)
        inner = error.get("error")
        if not isinstance(inner, Mapping):
            return stream.said("error", **{key: value for key, value in error.items() if key != "type"})
        code = inner.get("code") or "server_error"
        failed = _response(answer, "failed", []) | {"error": {"code": code, "message": inner.get("message", "")}}
        return stream.said("error", error=inner) + stream.said("response.failed", response=failed)

    def broken_event(self, data: str | None) -> bytes:
        """A delta cut in its text."""
        broken = '{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"bro'
        return b"event: response.output_text.delta\ndata: " + (data or broken).encode() + b"\n\n"

    def ceiling_error(self, limit: int, given: int) -> dict[str, Any]:
        """A 400 that names the parameter."""
        text = f"max_output_tokens is too large: {given}. This model supports at most {limit} output tokens."
        return self.error(400, text, "invalid_value", "max_output_tokens")


class _Stream:
    """Numbers the events of one stream."""

    def __init__(self, number: int = 0) -> None:
        self._number = number

    def said(self, kind: str, **fields: Any) -> bytes:
        """One event."""
        data = event({"type": kind, "sequence_number": self._number, **fields}, kind)
        self._number += 1
        return data


def _trailing_outputs(items: list[Any]) -> list[str]:
    """Results of the function calls that end the conversation."""
    outputs: list[str] = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        outputs.insert(0, text_of(item.get("output"))[0])
    return outputs


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    form = mapped(picked(body.get("text"), "format"))
    return mapped(form.get("schema")) if form.get("type") in ("json_schema", "json_object") else None


def _items(answer: Answer) -> Iterator[dict[str, Any]]:
    """The output items of the whole response."""
    number = f"{answer.number:08d}"
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
        yield {"id": f"rs_{number}", "type": "reasoning", "summary": summary, "encrypted_content": ENCRYPTED}
    if answer.chunks or answer.refusal is not None:
        parts: list[dict[str, Any]] = []
        if answer.chunks:
            parts.append({"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []})
        if answer.refusal is not None:
            parts.append({"type": "refusal", "refusal": answer.refusal})
        status = "incomplete" if answer.finish in _INCOMPLETE else "completed"
        yield {"id": f"msg_{number}", "type": "message", "status": status, "role": "assistant", "content": parts}
    for call in answer.calls:
        yield {
            "id": f"fc_{call.serial}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id("call_"),
            "name": call.name,
            "arguments": call.arguments,
        }


def _item_frames(stream: _Stream, index: int, item: dict[str, Any], answer: Answer) -> list[bytes]:
    """One frame a delta, with the item's first events glued to the first and its last ones to the last."""
    place = {"item_id": item["id"], "output_index": index}
    match item["type"]:
        case "reasoning":
            added = stream.said("response.output_item.added", output_index=index, item={**item, "summary": []})
            frames = _reasoning_frames(stream, place, answer)
        case "message":
            begun = {**item, "status": "in_progress", "content": []}
            added = stream.said("response.output_item.added", output_index=index, item=begun)
            frames = []
            for number, part in enumerate(item["content"]):
                frames += _part_frames(stream, {**place, "content_index": number}, part, answer)
        case _:
            begun = {**item, "status": "in_progress", "arguments": ""}
            added = stream.said("response.output_item.added", output_index=index, item=begun)
            call = next(call for call in answer.calls if f"fc_{call.serial}" == item["id"])
            frames = _call_frames(stream, place, call)
    frames[0] = added + frames[0]
    frames[-1] += stream.said("response.output_item.done", output_index=index, item=item)
    return frames


def _reasoning_frames(stream: _Stream, place: Mapping[str, Any], answer: Answer) -> list[bytes]:
    where = {**place, "summary_index": 0}
    text = "".join(answer.reasoning)
    start = stream.said("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
    frames = [stream.said("response.reasoning_summary_text.delta", **where, delta=piece) for piece in answer.reasoning]
    frames[0] = start + frames[0]
    frames[-1] += stream.said("response.reasoning_summary_text.done", **where, text=text)
    part = {"type": "summary_text", "text": text}
    frames[-1] += stream.said("response.reasoning_summary_part.done", **where, part=part)
    return frames


def _part_frames(stream: _Stream, where: Mapping[str, Any], part: Mapping[str, Any], answer: Answer) -> list[bytes]:
    is_text = part["type"] == "output_text"
    field, kind = ("text", "response.output_text") if is_text else ("refusal", "response.refusal")
    more: dict[str, Any] = {"logprobs": []} if is_text else {}
    start = stream.said("response.content_part.added", **where, part={**part, field: ""})
    pieces = answer.chunks if is_text else (answer.refusal,)
    frames = [stream.said(f"{kind}.delta", **where, delta=piece, **more) for piece in pieces]
    frames[0] = start + frames[0]
    frames[-1] += stream.said(f"{kind}.done", **where, **{field: part[field]}, **more)
    frames[-1] += stream.said("response.content_part.done", **where, part=part)
    return frames


def _call_frames(stream: _Stream, place: Mapping[str, Any], call: Call) -> list[bytes]:
    kind = "response.function_call_arguments"
    frames = [stream.said(f"{kind}.delta", **place, delta=part) for part in halves(call.arguments) or [""]]
    frames[-1] += stream.said(f"{kind}.done", **place, name=call.name, arguments=call.arguments)
    return frames


def _finished(answer: Answer) -> dict[str, Any]:
    reason = _INCOMPLETE.get(answer.finish)
    status = "completed" if reason is None else "incomplete"
    response = _response(answer, status, list(_items(answer)))
    details = None if reason is None else {"reason": reason}
    return response | {"incomplete_details": details, "usage": _usage(answer.tokens)}


def _response(answer: Answer, status: str, output: list[Any]) -> dict[str, Any]:
    return {
        "id": f"resp_{answer.number:08d}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_written},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }
