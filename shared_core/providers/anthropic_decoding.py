"""Answers of the Anthropic Messages API, decoded.

Owns the event order of `message_start`, `content_block_*`, `message_delta`, `message_stop` and the meaning of every
block, delta and stop reason, for streams and for whole answers. Refuses to judge an answer: a refusal is a finish.

Invariants: a block of a type that is not known here (server tools and their results) gives no content and breaks
nothing; a delta for a block that never began, or content of the wrong type, may hide text and breaks the stream;
arguments of a finished tool call are complete JSON text, "{}" if the model wrote none. A stop reason ends the answer:
nothing is lost with a `message_stop` that does not come.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

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

__all__ = ["ANSWER_TOOL", "AnthropicDecoder"]

ANSWER_TOOL = "structured_answer"
"""Name of the tool through which a model without native structured outputs answers; its arguments are the text."""

_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}

_FIRST_DETAILS = ("id", "model", "diagnostics")
_LAST_DETAILS = ("container", "stop_sequence", "stop_details", "context_management")


class _ToolBlock:
    """A tool call that is being written; `slot` is its number among the calls, None for the structured answer."""

    __slots__ = ("given", "is_open", "slot", "written")

    def __init__(self, slot: int | None, given: Any) -> None:
        self.slot = slot
        self.given = given
        self.written = False
        self.is_open = True


class AnthropicDecoder(PayloadDecoder):
    """Decodes one response of `POST /v1/messages`; see `providers.base.Decoder`."""

    __slots__ = ("_blocks", "_citations", "_counts", "_is_complete", "_message_id", "_tools")

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._blocks: dict[int, _ToolBlock | None] = {}
        self._tools = 0
        self._message_id = ""
        self._citations: list[Any] = []
        self._counts: dict[str, Any] = {}
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """`message_stop` has come, or the stream has failed: nothing of interest follows."""
        return self._is_complete or self._is_broken

    def _take(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        kind = payload.get("type")
        if kind == "content_block_delta":
            self._block_delta(payload, out)
        elif kind == "content_block_start":
            self._block_start(payload, out)
        elif kind == "content_block_stop":
            index = payload.get("index")
            block = self._blocks.get(index) if type(index) is int else None
            if block is not None:
                _close(block, out)
        elif kind == "message_start":
            message = payload.get("message")
            if isinstance(message, dict):
                self._message_start(message, out)
        elif kind == "message_delta":
            self._message_delta(payload, out)
        elif kind == "message_stop":
            if self._blocks and not self._has_ended:  # a compatible server that states no reason
                self._finish("tool_calls" if self._tools else "stop", "message_stop", out)
            self._is_complete = self._has_ended
        elif kind == "error" or (kind is None and payload.get("error")):
            self._fail_with(out, payload)

    def _take_whole(self, document: dict[str, Any], out: list[WireEvent]) -> None:
        if document.get("type") == "error" or document.get("error"):
            self._fail_with(out, document)
            return
        self._message_start(document, out)
        content = document.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if not self._is_broken:
                self._take({"type": "content_block_start", "index": index, "content_block": block}, out)
                self._take({"type": "content_block_stop", "index": index}, out)
        if not self._is_broken:
            self._message_delta({"delta": document}, out)
            self._is_complete = self._has_ended

    def _message_start(self, message: dict[str, Any], out: list[WireEvent]) -> None:
        identifier = message.get("id")
        if isinstance(identifier, str):
            self._message_id = identifier
        values = _details(message, _FIRST_DETAILS)
        usage = message.get("usage")
        if isinstance(usage, dict):
            values.update(_details(usage, ("service_tier",)))
            self._count(usage)
            out.append(self._usage())
        if values:
            out.append(Details(values))

    def _block_start(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        index, block = payload.get("index"), payload.get("content_block")
        if type(index) is not int or not isinstance(block, dict):
            self._fail(out, "malformed", "a content block began without an index or a body")
            return
        self._blocks[index] = None
        kind = block.get("type")
        if kind == "text":
            self._text(block.get("text"), out)
            citations = block.get("citations")
            if isinstance(citations, list):
                self._citations += citations
        elif kind == "thinking":
            self._reasoning(index, block.get("thinking"), block.get("signature"), out)
        elif kind == "redacted_thinking":
            data = block.get("data")
            if isinstance(data, str):
                out.append(ReasoningDelta(index=index, data=data))
        elif kind == "tool_use":
            self._tool_start(index, block, out)

    def _tool_start(self, index: int, block: dict[str, Any], out: list[WireEvent]) -> None:
        name, identifier = block.get("name"), block.get("id")
        if not isinstance(name, str) or not name:
            self._fail(out, "malformed", "a tool call has no name")
        elif name == ANSWER_TOOL:
            self._blocks[index] = _ToolBlock(None, block.get("input"))
        else:
            if not isinstance(identifier, str) or not identifier:
                identifier = f"toolu_{self._message_id or uuid.uuid4().hex}_{self._tools}"
            self._blocks[index] = _ToolBlock(self._tools, block.get("input"))
            out.append(ToolCallDelta(index=self._tools, id=identifier, name=name))
            self._tools += 1

    def _block_delta(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        delta = payload.get("delta")
        if type(delta) is not dict:
            self._fail(out, "malformed", "a content delta is not an object")
            return
        kind = delta.get("type")
        if kind == "text_delta":
            self._text(delta.get("text"), out)
        elif kind == "input_json_delta":
            self._arguments(payload.get("index"), delta.get("partial_json"), out)
        elif kind == "thinking_delta":
            self._reasoning(payload.get("index"), delta.get("thinking"), None, out)
        elif kind == "signature_delta":
            self._reasoning(payload.get("index"), "", delta.get("signature"), out)
        elif kind == "citations_delta":
            self._citations.append(delta.get("citation"))

    def _text(self, text: Any, out: list[WireEvent]) -> None:
        if type(text) is str:
            if text:
                out.append(TextDelta(text))
        elif text is not None:
            self._fail(out, "malformed", "a text delta holds something else than text")

    def _reasoning(self, index: Any, text: Any, signature: Any, out: list[WireEvent]) -> None:
        text = "" if text is None else text
        if type(text) is not str or type(index) is not int:
            self._fail(out, "malformed", "a thinking delta holds something else than text")
        elif isinstance(signature, str) and signature:
            out.append(ReasoningDelta(text, index=index, signature=signature))
        elif text:
            out.append(ReasoningDelta(text, index=index))

    def _arguments(self, index: Any, piece: Any, out: list[WireEvent]) -> None:
        if type(index) is not int or index not in self._blocks or type(piece) not in {str, type(None)}:
            self._fail(out, "malformed", "a piece of tool arguments is no text, or belongs to no block")
            return
        block = self._blocks[index]
        if block is None or not piece:
            return
        block.written = True
        if block.slot is None:
            out.append(TextDelta(piece))
        else:
            out.append(ToolCallDelta(index=block.slot, arguments=piece))

    def _message_delta(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        delta, usage = payload.get("delta"), payload.get("usage")
        if isinstance(usage, dict):
            self._count(usage)
            out.append(self._usage())
        if not isinstance(delta, dict):
            return
        raw = delta.get("stop_reason")
        if not isinstance(raw, str):
            return
        values = _details(delta, _LAST_DETAILS)
        if values:
            out.append(Details(values))
        reason = _REASONS.get(raw, "other")
        if raw == "tool_use" and not self._tools:
            reason = "stop"  # only the structured answer was "called"
        self._finish(reason, raw, out)

    def _finish(self, reason: FinishReason, raw: str, out: list[WireEvent]) -> None:
        for block in self._blocks.values():
            if block is not None:
                _close(block, out)
        if self._citations:
            out.append(Details({"citations": self._citations}))
            self._citations = []
        self._has_ended = True
        out.append(Finish(reason, raw))

    def _count(self, usage: dict[str, Any]) -> None:
        # Counts are cumulative; a field that a later event leaves out keeps its value.
        self._counts.update({key: value for key, value in usage.items() if value is not None})

    def _usage(self) -> Usage:
        counts = self._counts
        read = _number(counts.get("cache_read_input_tokens"))
        written = _number(counts.get("cache_creation_input_tokens"))
        sent = (_number(counts.get("input_tokens")) or 0) + (read or 0) + (written or 0)
        got = _number(counts.get("output_tokens")) or 0
        details = counts.get("output_tokens_details")
        return Usage(
            input_tokens=sent,
            output_tokens=got,
            total_tokens=sent + got,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=_number(details.get("thinking_tokens")) if isinstance(details, dict) else None,
        )


def _close(block: _ToolBlock, out: list[WireEvent]) -> None:
    """Completes the arguments of a call whose input came whole, or not at all."""
    if not block.is_open:
        return
    block.is_open = False
    if block.written:
        return
    arguments = dumps(block.given).decode() if isinstance(block.given, dict) else "{}"
    if block.slot is None:
        out.append(TextDelta(arguments))
    else:
        out.append(ToolCallDelta(index=block.slot, arguments=arguments))


def _details(source: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: source[key] for key in keys if source.get(key) is not None}


def _number(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
