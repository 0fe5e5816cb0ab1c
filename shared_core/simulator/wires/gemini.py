"""The Gemini generateContent wire, from the provider's side.

Shapes after Google's "GenerateContentResponse": every event is such an object with one more part; the last has the
`finishReason` and the full `usageMetadata`. Streams are server-sent events, as with `alt=sse`, with CRLF line ends.
A function call comes whole in one part. Nothing follows the finish, and nothing opens a stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared_core.simulator.asked import Answer, Asked, AskedTool, Tokens
from shared_core.simulator.wires.base import Frames, encoded
from shared_core.simulator.wires.conversation import SIGNATURE, gemini_complaint
from shared_core.simulator.wires.fields import mapped, mappings, picked, texts, whole_number

__all__ = ["GeminiWire"]

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_MODES = {"ANY": "required", "NONE": "none"}


class GeminiWire:
    """generateContent and streamGenerateContent."""

    name = "gemini"
    ping = b": ping\r\n\r\n"

    def read(self, body: Mapping[str, Any], model: str | None, stream: bool, /) -> Asked:
        """The request."""
        contents = mappings(body.get("contents"))
        system = mapped(picked(body, "systemInstruction", "system_instruction"))
        parts = [mappings(content.get("parts")) for content in (system, *contents)]
        users = [_text(mappings(one.get("parts"))) for one in contents if one.get("role", "user") == "user"]
        last = [mapped(picked(part, "functionResponse", "function_response")) for part in parts[-1]]
        results = [json.dumps(part.get("response"), ensure_ascii=False) for part in last if part]
        settings = mapped(picked(body, "generationConfig", "generation_config"))
        return Asked(
            model=model or "",
            prompt=next((text for text in reversed(users) if text), ""),
            all_text="\n".join(_text(some) for some in parts),
            images=sum(_is_image(part) for some in parts for part in some),
            results="\n".join(results) if results else None,
            max_tokens=whole_number(picked(settings, "maxOutputTokens", "max_output_tokens")),
            stop=texts(picked(settings, "stopSequences", "stop_sequences")),
            tools=tuple(_tools(body.get("tools"))),
            tool_choice=_choice(picked(body, "toolConfig", "tool_config")),
            json_schema=_schema(settings),
            stream=stream,
            include_usage=True,
            problem=None if contents else "* GenerateContentRequest.contents: contents is not specified",
            complaint=gemini_complaint(contents, model or ""),
        )

    def frames(self, answer: Answer) -> Frames:
        """Events without an opening and without a mark after the finish."""
        so_far = {"promptTokenCount": answer.tokens.input, "totalTokenCount": answer.tokens.input}
        content = [_event(_response(answer, [part], None, so_far)) for part in _parts(answer)]
        closing = _event(_response(answer, [{"text": ""}], _reason(answer), _usage(answer.tokens)))
        return Frames(b"", content, closing)

    def whole(self, answer: Answer) -> bytes:
        """A GenerateContentResponse."""
        parts: list[dict[str, Any]] = []
        for part in _parts(answer):
            # The pieces of one text are one part of the whole answer.
            if parts and "text" in part and "text" in parts[-1] and part.get("thought") == parts[-1].get("thought"):
                parts[-1]["text"] += part["text"]
            else:
                parts.append(part)
        return encoded(_response(answer, parts, _reason(answer), _usage(answer.tokens)))

    def error(self, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
        """A google.rpc.Status under `error`."""
        word = code or _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        text = message if param is None else f"{param}: {message}"
        return {"error": {"code": status, "message": text, "status": word}}

    def error_event(self, error: Mapping[str, Any], _answer: Answer, _events_before: int, /) -> bytes:
        """The same object as the data of an event."""
        return _event(error)

    def broken_event(self, data: str | None) -> bytes:
        """A part cut in its text."""
        broken = '{"candidates":[{"content":{"parts":[{"text":"bro'
        return b"data: " + (data or broken).encode() + b"\r\n\r\n"

    def ceiling_error(self, limit: int, given: int) -> dict[str, Any]:
        """A 400 that states the range, its end excluded."""
        text = (
            f"Unable to submit request because it has a maxOutputTokens value of {given} but the supported range is "
            f"from 1 (inclusive) to {limit + 1} (exclusive). Update the value and try again."
        )
        return self.error(400, text)


def _event(value: Any) -> bytes:
    return b"data: " + encoded(value) + b"\r\n\r\n"


def _text(parts: list[Mapping[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _is_image(part: Mapping[str, Any]) -> bool:
    return picked(part, "inlineData", "inline_data", "fileData", "file_data") is not None


def _tools(value: Any) -> Iterator[AskedTool]:
    for tool in mappings(value):
        for one in mappings(picked(tool, "functionDeclarations", "function_declarations")):
            schema = mapped(picked(one, "parametersJsonSchema", "parameters_json_schema", "parameters"))
            yield AskedTool(str(one.get("name", "")), schema)


def _choice(value: Any) -> str:
    config = mapped(picked(value, "functionCallingConfig", "function_calling_config"))
    names = texts(picked(config, "allowedFunctionNames", "allowed_function_names"))
    mode = _MODES.get(str(config.get("mode", "")).upper(), "auto")
    return names[0] if mode == "required" and names else mode


def _schema(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if picked(settings, "responseMimeType", "response_mime_type") != "application/json":
        return None
    return mapped(picked(settings, "responseJsonSchema", "_responseJsonSchema", "responseSchema", "response_schema"))


def _parts(answer: Answer) -> Iterator[dict[str, Any]]:
    for piece in answer.reasoning:
        yield {"text": piece, "thought": True}
    for text in (*answer.chunks, answer.refusal):
        if text is not None:
            yield {"text": text}
    is_signed = bool(answer.reasoning) or answer.model.startswith("gemini-3")
    for call in answer.calls:
        arguments = _arguments(call.arguments)
        if arguments is not None:
            part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments}}
            if call.stated_id is not None:
                part["functionCall"]["id"] = call.stated_id
            yield {**part, "thoughtSignature": SIGNATURE} if is_signed else part
            is_signed = False  # the first of several parallel calls bears the signature


def _arguments(text: str) -> dict[str, Any] | None:
    """The arguments, or None if they are no object: Gemini then sends no call but a finish reason of its own."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _reason(answer: Answer) -> str | None:
    if any(_arguments(call.arguments) is None for call in answer.calls):
        return "MALFORMED_FUNCTION_CALL"
    return _REASONS.get(answer.finish, answer.finish)


def _response(
    answer: Answer, parts: list[dict[str, Any]], reason: str | None, usage: Mapping[str, Any]
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "responseId": f"response-{answer.number:08d}",
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }
    if tokens.cached:
        usage["cachedContentTokenCount"] = tokens.cached
    if tokens.reasoning:
        usage["thoughtsTokenCount"] = tokens.reasoning
    if tokens.audio:
        counts = {"TEXT": tokens.input - tokens.audio, "AUDIO": tokens.audio}
        usage["promptTokensDetails"] = [{"modality": name, "tokenCount": count} for name, count in counts.items()]
    return usage
