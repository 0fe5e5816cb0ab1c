"""Answers of Gemini's generateContent, decoded.

Owns the meaning of candidates, parts, finish and block reasons, for streams (`alt=sse`), whole answers and arrays of
chunks. Refuses to judge an answer: a filter that cut it short is a finish; one that refused the prompt is a failure.

Invariants: only the first candidate is read; a part of a kind that is not known here (code, server-side tools, media)
gives no content and breaks nothing; a text or call of the wrong type breaks the stream; every call has an id that no
other call of the conversation has. The protocol has no word for its end: a `finishReason` ends the answer, yet parts
and token counts may still follow it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import (
    Details,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    WireEvent,
)
from shared_core.providers.json_codec import dumps
from shared_core.providers.payload_decoder import PayloadDecoder

__all__ = ["GeminiDecoder"]

_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "FUNCTION_CALL": "stop",  # not Gemini's own word: some that speak its protocol say it of an answer that calls
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}
"""`LANGUAGE`, `OTHER`, `NO_IMAGE`, `IMAGE_OTHER` and reasons yet unknown are "other"."""

_DETAILS = (
    ("finishMessage", "finish_message"),
    ("safetyRatings", "safety_ratings"),
    ("citationMetadata", "citation_metadata"),
    ("groundingMetadata", "grounding_metadata"),
    ("urlContextMetadata", "url_context_metadata"),
)


class GeminiDecoder(PayloadDecoder):
    """Decodes one response of `streamGenerateContent` or `generateContent`; see `providers.base.Decoder`."""

    __slots__ = ("_calls", "_details", "_in_thought", "_raw", "_response_id", "_thoughts", "_told_usage", "_usage")

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._calls = 0
        self._details: dict[str, Any] = {}
        self._in_thought = False
        self._thoughts = -1
        self._raw = ""
        self._response_id = ""
        self._usage: Any = None
        self._told_usage: Any = None

    @property
    def is_complete(self) -> bool:
        """The stream has failed: nothing of interest follows. A good one says so only by its end."""
        return self._is_broken

    def _take(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        usage = payload.get("usageMetadata")
        if usage is not None:
            self._usage = usage
        error = payload.get("error")
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            self._fail_with(out, payload, code if type(code) is int and 400 <= code <= 599 else None)
            return
        if not self._response_id:
            self._first_details(payload, out)
        candidates = payload.get("candidates")
        if candidates:
            self._candidates(candidates, out)
        elif "promptFeedback" in payload:
            self._prompt_feedback(payload["promptFeedback"], out)
        if self._has_ended and not self._is_broken:
            self._tell_usage(out)

    def _take_whole(self, document: dict[str, Any], out: list[WireEvent]) -> None:
        self._take(document, out)

    def _break(self, out: list[WireEvent], error: ProviderError) -> None:
        self._tell_usage(out)
        super()._break(out, error)

    def _tell_usage(self, out: list[WireEvent]) -> None:
        usage = self._usage
        if isinstance(usage, dict) and usage != self._told_usage:
            self._told_usage = usage
            out.append(_usage(usage))

    def _first_details(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        identifier, model = payload.get("responseId"), payload.get("modelVersion")
        values = {name: value for name, value in (("id", identifier), ("model", model)) if isinstance(value, str)}
        if values and values != self._details:
            self._details = values
            self._response_id = values.get("id", "")
            out.append(Details(values))

    def _prompt_feedback(self, feedback: Any, out: list[WireEvent]) -> None:
        reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
        if not isinstance(reason, str):
            return
        self._break(
            out,
            ProviderError(
                f"the prompt was blocked: {reason[:80]}",
                kind=ErrorKind.CONTENT_FILTER,
                code=reason[:80],
                provider=self.provider,
            ),
        )

    def _candidates(self, candidates: Any, out: list[WireEvent]) -> None:
        candidate = candidates[0] if isinstance(candidates, list) else None
        if not isinstance(candidate, dict):
            self._fail(out, "malformed", "a chunk has candidates of a wrong type")
            return
        if candidate.get("index"):  # a chunk of another candidate alone, or one that is sorted otherwise
            first = (other for other in candidates if isinstance(other, dict) and not other.get("index"))
            candidate = next(first, {})
        content = candidate.get("content")
        if content:
            parts = content.get("parts") if isinstance(content, dict) else content
            if isinstance(parts, list):
                for part in parts:
                    self._part(part, out)
            elif parts is not None:
                self._fail(out, "malformed", "a chunk has parts of a wrong type")
        raw = candidate.get("finishReason")
        if isinstance(raw, str) and raw and not self._is_broken:
            self._finish(raw, candidate, out)

    def _part(self, part: Any, out: list[WireEvent]) -> None:
        if self._is_broken:
            return
        if type(part) is not dict:
            self._fail(out, "malformed", "a part is not an object")
            return
        text = part.get("text")
        signature = part.get("thoughtSignature")
        if signature is not None and not isinstance(signature, str):
            signature = None
        if type(text) is str:
            self._text(text, signature, out, is_thought=part.get("thought") is True)
        elif text is not None:
            self._fail(out, "malformed", "a text part holds something else than text")
        elif "functionCall" in part:
            self._in_thought = False
            self._call(part["functionCall"], signature, out)
        elif signature is not None:
            self._text("", signature, out, is_thought=part.get("thought") is True)

    def _text(self, text: str, signature: str | None, out: list[WireEvent], *, is_thought: bool) -> None:
        if not is_thought:
            self._in_thought = False
            if text or signature:
                out.append(TextDelta(text, signature))
            return
        if not self._in_thought:
            self._in_thought = True
            self._thoughts += 1
        if text or signature:
            out.append(ReasoningDelta(text, index=self._thoughts, signature=signature))

    def _call(self, call: Any, signature: str | None, out: list[WireEvent]) -> None:
        name = call.get("name") if isinstance(call, dict) else None
        arguments = call.get("args") if isinstance(call, dict) else None
        if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
            self._fail(out, "malformed", "a function call has no name, or arguments of a wrong type")
            return
        identifier = call.get("id")
        if not isinstance(identifier, str) or not identifier:
            identifier = f"call_{self._response_id or uuid.uuid4().hex}_{self._calls}"
        out.append(
            ToolCallDelta(
                index=self._calls,
                id=identifier,
                name=name,
                arguments=dumps(arguments or {}).decode(),
                signature=signature,
            )
        )
        self._calls += 1

    def _finish(self, raw: str, candidate: dict[str, Any], out: list[WireEvent]) -> None:
        values = {name: candidate[field] for field, name in _DETAILS if candidate.get(field)}
        if values:
            out.append(Details(values))
        if raw == self._raw:  # models up to 1.5 repeat it in every chunk
            return
        self._raw = raw
        self._has_ended = True
        self._tell_usage(out)
        reason = _REASONS.get(raw, "other")
        if reason == "stop" and self._calls:
            reason = "tool_calls"
        out.append(Finish(reason, raw))


def _usage(usage: dict[str, Any]) -> Usage:
    counts = {name: value for name, value in usage.items() if type(value) is int and value >= 0}
    thoughts = counts.get("thoughtsTokenCount")
    sent = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    got = counts.get("candidatesTokenCount", 0) + (thoughts or 0)
    return Usage(
        input_tokens=sent,
        output_tokens=got,
        total_tokens=counts.get("totalTokenCount", sent + got),
        cache_read_tokens=counts.get("cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        audio_input_tokens=_audio(usage.get("promptTokensDetails")),
    )


def _audio(details: Any) -> int | None:
    """Tokens of sound among the prompt's, which are told by modality."""
    for one in details if isinstance(details, list) else ():
        if isinstance(one, dict) and one.get("modality") == "AUDIO" and type(one.get("tokenCount")) is int:
            return one["tokenCount"] or None
    return None
