"""From the bytes of a response to its JSON payloads: what the decoders of typed payload streams share.

Owns the framing (server-sent events, or one whole document, told apart by the first byte), the verdict on what is
malformed, truncated or empty, and the memory of whether the protocol has ended. A subclass reads payloads and knows the
protocol.

Invariants: nothing raises, whatever the bytes; any segmentation of the same bytes gives the same events; `Failed` is
the last event and comes at most once; without the protocol's own end there is always a `Failed`. After that end nothing
is missing, so a cut or garbled rest is forgiven, but not an error that the provider states.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

from shared_core import classify
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Failed, WireEvent
from shared_core.providers.json_codec import loads
from shared_core.providers.sse import EventTooLargeError, ServerSentEvent, SSEParser

__all__ = ["PayloadDecoder"]

_DOCUMENT_LIMIT = 64 * 1024 * 1024
"""Bytes of one whole JSON answer: four times the largest single event, for the images that an answer may hold."""

_TAIL_LIMIT = 64 * 1024
"""Bytes kept of what follows the last event: an error page fits, and a long event in progress costs no second copy."""

_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may stand before and behind a document: white space and a byte order mark."""

_NOISE = frozenset({b"", b"[DONE]"})
"""Data without meaning: gateways put it under keepalives, or end any protocol with it."""

_KEEPALIVES = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})

_BARE_JSON = re.compile(rb"^[ \t]*[\[{]", re.MULTILINE)


class PayloadDecoder(ABC):
    """Base of the decoders for streams whose events each hold one JSON object.

    Args:
        provider: Provider's name, for its errors.
    """

    __slots__ = ("_document", "_has_ended", "_has_payload", "_is_broken", "_is_undecided", "_sse", "_tail", "provider")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._sse = SSEParser()
        self._document: bytearray | None = None  # a whole answer, or an error page
        self._is_undecided = True
        self._tail = b""
        self._has_payload = False
        self._has_ended = False
        self._is_broken = False

    def feed(self, data: bytes) -> list[WireEvent]:
        """Events in `data`, which may begin and end anywhere. Never raises; a broken stream ends in `Failed`."""
        out: list[WireEvent] = []
        if self._is_broken:
            return out
        if self._is_undecided:
            self._decide(data)
        if self._document is not None:
            self._document += data
            if len(self._document) > _DOCUMENT_LIMIT:
                self._document.clear()
                self._fail(out, "malformed", f"the answer is larger than {_DOCUMENT_LIMIT} bytes")
            return out
        try:
            events = self._sse.feed(data)
        except EventTooLargeError as error:
            for event in error.events:
                self._read(event, out)
            if not (self._has_ended or self._is_broken):
                self._fail(out, "malformed", str(error))
            return out
        if events:
            # The blank line that ended the last event is inside of `data`, or was completed by its first line end.
            blank = max(data.rfind(b"\n\n"), data.rfind(b"\n\r\n"))
            self._tail = data[(blank if blank >= 0 else data.find(b"\n")) + 1 :]
            for event in events:
                self._read(event, out)
        elif len(self._tail) < _TAIL_LIMIT:
            self._tail += data
        return out

    def end(self) -> list[WireEvent]:
        """Events at the end of the body: `Failed` (transient, code "truncated" or "empty") unless the protocol ended.

        The last event is taken even without its blank line, if it is whole JSON.
        """
        out: list[WireEvent] = []
        if self._document is not None:
            self._read_document(bytes(self._document).strip(_BLANK), out)
            self._document.clear()
        else:
            for event in self._sse.end():
                self._read(event, out, is_cut=True)
            self._read_bare_error(out)
        if not self._has_ended and not self._is_broken:
            if self._has_payload:
                self._fail(out, "truncated", "the stream ended before the answer did")
            else:
                self._fail(out, "empty", "the stream ended without an answer")
        return out

    @abstractmethod
    def _take(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        """Reads one payload of the stream."""

    @abstractmethod
    def _take_whole(self, document: dict[str, Any], out: list[WireEvent]) -> None:
        """Reads an answer that came whole."""

    def _decide(self, data: bytes) -> None:
        # The content type lies often enough, in both directions; no line of an event stream begins like this.
        first = data.lstrip(_BLANK)[:1]
        if first:
            self._is_undecided = False
            if first in b"{[<":
                self._document = bytearray()

    def _read(self, event: ServerSentEvent, out: list[WireEvent], *, is_cut: bool = False) -> None:
        if self._is_broken:
            return
        try:
            payload = loads(event.data)
        except ValueError:
            payload = None
        if type(payload) is dict:
            self._has_payload = True
            self._take(payload, out)
        elif is_cut:
            self._has_payload = True
        elif event.event == "error":
            self._fail_with(out, event.data.decode("utf-8", "replace"))
        elif not (self._has_ended or event.data in _NOISE or event.event in _KEEPALIVES):
            self._fail(out, "malformed", "an event of the stream is not a JSON object")

    def _read_document(self, body: bytes, out: list[WireEvent]) -> None:
        if self._is_broken or not body:
            return
        try:
            document = loads(body)
        except ValueError:
            self._has_payload = True  # cut short, which the end says
            if body.startswith(b"<"):
                self._break(out, classify.classify_stray(body.decode("utf-8", "replace"), provider=self.provider))
            return
        for part in document if isinstance(document, list) else [document]:
            self._read_part(part, out)

    def _read_part(self, part: Any, out: list[WireEvent]) -> None:
        if self._is_broken:
            return
        if type(part) is dict:
            self._has_payload = True
            self._take_whole(part, out)
        else:
            self._fail(out, "malformed", "the answer is not a JSON object")

    def _read_bare_error(self, out: list[WireEvent]) -> None:
        """An overloaded Gemini ends an event stream with an error as bare JSON, outside any event."""
        found = _BARE_JSON.search(self._tail)
        if self._is_broken or found is None:
            return
        try:
            document = loads(self._tail[found.start() :].strip())
        except ValueError:
            return
        parts = document if isinstance(document, list) else [document]
        stated = next((part for part in parts if isinstance(part, dict) and part.get("error")), None)
        if stated is not None:
            self._take_whole(stated, out)

    def _fail(self, out: list[WireEvent], code: str, message: str) -> None:
        """Breaks the stream: likely to pass, so worth another attempt."""
        self._break(out, ProviderError(message, kind=ErrorKind.TRANSIENT, code=code, provider=self.provider))

    def _fail_with(self, out: list[WireEvent], body: Any, status: int | None = None) -> None:
        """Breaks the stream with the error that the provider states inside a successful response."""
        self._break(out, classify.classify_response(status, body, provider=self.provider))

    def _break(self, out: list[WireEvent], error: ProviderError) -> None:
        self._is_broken = True
        out.append(Failed(error))
