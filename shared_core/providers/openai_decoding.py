"""The OpenAI Chat Completions wire, from bytes to events.

Owns the protocol's order: chunks, a `finish_reason`, usage, `[DONE]`; a whole JSON answer in place of a stream; and
everything that means "broken". The body itself tells a stream from a document, since content types lie in both
directions. What single fields mean is said in `openai_reading`, which call a piece of a tool call belongs to in
`openai_calls`.

Invariants: nothing raises; `Failed` is the last event; an answer without its `finish_reason` is never a success,
whether the body ends, `[DONE]` comes or nothing comes at all. After the finish reason nothing is missing, so a cut or
garbled rest (usage, `[DONE]`) is forgiven, but not an error that the provider states.
"""

from __future__ import annotations

from typing import Any

from shared_core import classify
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Details, Failed, Finish, RefusalDelta, TextDelta, WireEvent
from shared_core.providers import json_codec
from shared_core.providers.base import Vendor
from shared_core.providers.openai_calls import ToolCalls
from shared_core.providers.openai_reading import (
    content_parts,
    details_in,
    error_in,
    finish_reason,
    reasoning_in,
    usage_in,
)
from shared_core.providers.sse import DEFAULT_LIMIT, EventTooLargeError, ServerSentEvent, SSEParser

__all__ = ["OpenAIChatDecoder"]

_FIELDS = (b"data", b"event", b"id", b"retry", b":")
"""How a line of an event stream begins."""

_HEAD = 2000
"""Bytes kept of a body that has not shown an event yet: enough for a proxy's sentence of what went wrong."""

_KEEPALIVES = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})


class OpenAIChatDecoder:
    """Decodes one response of an OpenAI-compatible server; see `providers.base.Decoder`."""

    __slots__ = (
        "_calls",
        "_details",
        "_document",
        "_finish",
        "_has_deltas",
        "_head",
        "_is_complete",
        "_is_failed",
        "_is_sniffed",
        "_last_usage",
        "_parser",
        "_usage",
        "_vendor",
        "_width",
    )

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._parser = SSEParser()
        self._document: bytearray | None = None  # a whole JSON (or HTML) answer, until it is known to be a stream
        self._is_sniffed = False
        self._head = b""
        self._calls = ToolCalls()
        self._details: dict[str, Any] = {}
        self._width = -1
        self._usage: Any = None
        self._last_usage: Any = None
        self._finish: str | None = None
        self._has_deltas = False
        self._is_complete = False
        self._is_failed = False

    @property
    def is_complete(self) -> bool:
        """`[DONE]` came after a finish reason, or the stream has failed: nothing of interest follows."""
        return self._is_complete or self._is_failed

    def feed(self, data: bytes) -> list[WireEvent]:
        """Events in `data`; see `Decoder.feed`."""
        out: list[WireEvent] = []
        if self._is_complete or self._is_failed:
            return out
        if not self._is_sniffed:
            data = self._sniffed(data)
        if self._width < 0 and len(self._head) < _HEAD:
            self._head += data[:_HEAD]
        if self._document is not None:
            if len(self._document) + len(data) > DEFAULT_LIMIT:
                self._break("the answer is too large", "malformed", out)
            else:
                self._document += data
            return out
        try:
            events = self._parser.feed(data)
        except EventTooLargeError as error:
            self._take(error.events, out)
            self._break(str(error), "malformed", out)
            return out
        self._take(events, out)
        return out

    def end(self) -> list[WireEvent]:
        """Events at the end of the body; see `Decoder.end`."""
        out: list[WireEvent] = []
        if self._document is not None and not self._is_failed:
            self._on_document(bytes(self._document), out)
        for event in self._parser.end():
            if event.data.strip() == b"[DONE]" or _is_json(event.data):  # else the end cut it: truncated, below
                self._take([event], out)
        if not self.is_complete:
            self._close(out)
        return out

    def _sniffed(self, data: bytes) -> bytes:
        # No line of an event stream begins like JSON or HTML.
        data = data.lstrip(b" \t\r\n\xef\xbb\xbf")
        if data:
            self._is_sniffed = True
            if data.startswith((b"{", b"[", b"<")):
                self._document = bytearray()
        return data

    def _take(self, events: list[ServerSentEvent], out: list[WireEvent]) -> None:
        for event in events:
            if self._is_complete or self._is_failed:
                return
            try:
                chunk = json_codec.loads(event.data)
            except ValueError:
                self._on_words(event, out)
            else:
                if event.event == "error":
                    self._fail(chunk, None, out)
                else:
                    self._on_chunk(chunk, out)

    def _on_words(self, event: ServerSentEvent, out: list[WireEvent]) -> None:
        """An event whose data is not JSON."""
        data = event.data.strip()
        if data == b"[DONE]":
            if self._vendor.ends_with_done and self._finish is None and self._width >= 0:
                self._on_finish("stop", {}, out)
            self._close(out)
        elif event.event == "error":
            self._fail(data.decode("utf-8", "replace"), None, out)
        elif data and event.event not in _KEEPALIVES:
            self._break("an event of the stream is not JSON", "malformed", out)

    def _on_chunk(self, chunk: Any, out: list[WireEvent]) -> None:
        if type(chunk) is not dict:
            self._on_no_object(chunk, out)
            return
        choices = chunk.get("choices")
        if (not choices or "error" in chunk) and not self._on_no_choices(chunk, out):
            return
        usage = chunk.get("usage")
        if usage:
            self._usage = usage
        if len(chunk) != self._width:
            self._width = len(chunk)
            self._on_details(chunk, out)
            if self._is_failed:
                return
        if choices:
            choice = choices[0] if type(choices) is list else None
            if type(choice) is not dict:
                self._break("a chunk has choices of a wrong type", "malformed", out)
                return
            if choice.get("index"):
                choice = next((other for other in choices if type(other) is dict and not other.get("index")), {})
            delta = choice.get("delta")
            if delta is None and not self._has_deltas:
                delta = choice.get("message")  # after deltas it would repeat them as a whole (MiniMax, Perplexity)
            else:
                self._has_deltas = True
            if delta:
                self._on_delta(delta, out)
                if self._is_failed:
                    return
            raw = choice.get("finish_reason")
            if raw and type(raw) is str and raw != "null" and self._finish is None:
                self._on_finish(raw, choice, out)
        if self._finish is not None:
            self._on_details(chunk, out)

    def _on_no_object(self, chunk: Any, out: list[WireEvent]) -> None:
        first = chunk[0] if type(chunk) is list and chunk else None
        if type(first) is dict and error_in(first):  # Google wraps its errors in a list
            self._on_no_choices(first, out)
        else:
            self._break("an event of the stream is not a JSON object", "malformed", out)

    def _on_no_choices(self, chunk: dict[str, Any], out: list[WireEvent]) -> bool:
        """A chunk with an error, or with metadata alone; False if it ended the stream."""
        error = error_in(chunk)
        if error:
            self._fail(chunk, None if error is True else error, out)
        return not error

    def _on_delta(self, delta: Any, out: list[WireEvent]) -> None:
        if type(delta) is not dict:
            self._break("a chunk has a delta of a wrong type", "malformed", out)
            return
        content = delta.get("content")
        is_rich = len(delta) > 1 or content is None
        if is_rich and ("reasoning_content" in delta or "reasoning" in delta or "reasoning_details" in delta):
            out.extend(reasoning_in(delta))
        if content:
            if type(content) is str:
                out.append(TextDelta(content))
            elif type(content) is list:
                out.extend(content_parts(content))
            else:
                self._break("a chunk has content of a wrong type", "malformed", out)
                return
        if is_rich:
            self._on_other_fields(delta, out)

    def _on_other_fields(self, delta: dict[str, Any], out: list[WireEvent]) -> None:
        refusal = delta.get("refusal")
        if refusal and type(refusal) is str:
            out.append(RefusalDelta(refusal))
        pieces = delta.get("tool_calls")
        if not pieces and delta.get("function_call"):  # what tools were called before 2023-11; some servers kept it
            pieces = [{"index": 0, "function": delta["function_call"]}]
        if pieces:
            if type(pieces) is not list:
                self._break("a chunk has tool calls of a wrong type", "malformed", out)
                return
            out.extend(news for piece in pieces if (news := self._calls.piece(piece)) is not None)
        annotations = delta.get("annotations")
        if annotations and type(annotations) is list:
            self._details["annotations"] = [*self._details.get("annotations", ()), *annotations]
            out.append(Details({"annotations": self._details["annotations"]}))

    def _on_finish(self, raw: str, choice: dict[str, Any], out: list[WireEvent]) -> None:
        self._finish = raw
        if choice.get("usage"):  # Moonshot
            self._usage = choice["usage"]
        out.extend(self._calls.end(f"{self._details.get('id', '')}{self._details.get('created', '')}"))
        reason = finish_reason(raw)
        if reason == "stop" and self._calls:  # a call that was forced, and servers that know one end only
            reason = "tool_calls"
        out.append(Finish(reason, raw))

    def _on_details(self, chunk: dict[str, Any], out: list[WireEvent]) -> None:
        if "base_resp" in chunk and error_in(chunk):  # MiniMax says so even beside choices
            self._fail(chunk, None, out)
            return
        groq = chunk.get("x_groq")
        if type(groq) is dict and groq.get("usage"):
            self._usage = groq["usage"]
        news = {
            name: value
            for name, value in details_in(chunk).items()
            # Once for words and numbers; a list (citations, search results) may have grown.
            if name not in self._details or (type(value) is list and value != self._details[name])
        }
        if news:
            self._details.update(news)
            out.append(Details(news))
        if self._finish is not None or not chunk.get("choices"):
            self._tell_usage(out)

    def _tell_usage(self, out: list[WireEvent]) -> None:
        if self._usage is not self._last_usage and type(self._usage) is dict:
            self._last_usage = self._usage
            usage = usage_in(self._usage)
            if usage is not None:
                out.append(usage)

    def _on_document(self, document: bytes, out: list[WireEvent]) -> None:
        """A whole answer in place of a stream; that it parses proves that it is whole."""
        try:
            answer = json_codec.loads(document)
        except ValueError:
            if document.startswith(b"<"):
                self._fail_with(classify.classify_stray(_text(document), provider=self._vendor.name), out)
            else:
                self._break("the answer is not whole", "truncated", out)
            return
        if type(answer) is dict and (error := error_in(answer)):
            self._fail(answer, None if error is True else error, out)
            return
        self._on_chunk(answer, out)
        if not self.is_complete and self._finish is None and out and answer.get("choices"):
            self._on_finish("stop", {}, out)
            self._tell_usage(out)

    def _close(self, out: list[WireEvent]) -> None:
        """`[DONE]` or the end of the body: a success after a finish reason, else never."""
        self._tell_usage(out)
        if self._finish is not None:
            self._is_complete = True
        elif self._width < 0 and self._head and not self._head.startswith(_FIELDS):
            self._fail_with(classify.classify_stray(_text(self._head), provider=self._vendor.name), out)
        elif self._width < 0:
            self._break("the answer is empty", "empty", out)
        else:
            self._break("the stream ended before its finish reason", "truncated", out)

    def _break(self, message: str, code: str, out: list[WireEvent]) -> None:
        if self._finish is not None:
            return
        self._tell_usage(out)
        self._is_failed = True
        out.append(Failed(ProviderError(message, kind=ErrorKind.TRANSIENT, code=code, provider=self._vendor.name)))

    def _fail(self, body: Any, status: int | None, out: list[WireEvent]) -> None:
        self._fail_with(classify.classify_response(status, body, provider=self._vendor.name), out)

    def _fail_with(self, error: ProviderError, out: list[WireEvent]) -> None:
        self._tell_usage(out)
        self._is_failed = True
        out.append(Failed(error))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _is_json(data: bytes) -> bool:
    try:
        json_codec.loads(data)
    except ValueError:
        return False
    return True
