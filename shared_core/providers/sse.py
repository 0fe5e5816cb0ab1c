"""Server-sent events, parsed as the bytes come in.

Owns the framing of the WHATWG standard ("event stream interpretation"): line ends LF, CR and CRLF, one byte order
mark, comments, multi-line data, fields without a colon. Knows nothing of JSON, providers or I/O.

Invariants: any segmentation of the same bytes gives the same events, even a cut inside a character or between CR and
LF. Data stays bytes, since JSON parsers take bytes and a decode would be paid for every chunk. What is held never
exceeds `limit`.
"""

from __future__ import annotations

from shared_core.records import record

__all__ = ["EventTooLargeError", "SSEParser", "ServerSentEvent"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

DEFAULT_LIMIT = 16 * 1024 * 1024
"""Bytes of one event. Images that models draw come as base64 in one event of several MiB; text never comes near."""


@record(slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: The `event` field, or "message" where there was none.
        data: The `data` fields, joined by LF.
        id: The last `id` field seen in the stream, in this event or before it.
    """

    event: str
    data: bytes
    id: str = ""


class EventTooLargeError(ValueError):
    """A line, or the data of one event, is larger than the limit. The parser is of no further use.

    Attributes:
        events: The complete events that came before it in the same `feed`.
    """

    def __init__(self, limit: int, events: list[ServerSentEvent]) -> None:
        super().__init__(f"an event of the stream is larger than {limit} bytes")
        self.events = events


class SSEParser:
    """An incremental parser for one stream.

    >>> parser = SSEParser()
    >>> parser.feed(b'data: {"a"')
    []
    >>> parser.feed(b': 1}' + bytes([10, 10]))
    [ServerSentEvent(event='message', data=b'{"a": 1}', id='')]

    Args:
        limit: Highest number of bytes that one line, or the data of one event, may have.
    """

    __slots__ = ("_after_cr", "_data", "_event", "_id", "_is_first_line", "_limit", "_size", "_tail")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._tail = bytearray()  # of a line whose end has not come; a bytearray grows without copying it each time
        self._data: list[bytes] = []
        self._size = 0
        self._event = ""
        self._id = ""
        self._after_cr = False
        self._is_first_line = True

    @property
    def pending(self) -> bool:
        """Part of an event is held: data without its blank line, or a line without its end."""
        return bool(self._data or self._tail)

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Events that `data` completes.

        Raises:
            EventTooLargeError: A line or an event is larger than the limit; it carries the events before it.
        """
        if self._after_cr or b"\r" in data:
            data = self._with_lf_only(data)
        if (
            data.startswith(b"data: ")
            and data.find(b"\n") == len(data) - 2 <= self._limit
            and data.endswith(b"\n")
            and not (self._tail or self._data or self._event)
        ):  # nearly every read from nearly every provider: one whole event of one line
            self._is_first_line = False
            return [ServerSentEvent("message", data[6:-2], self._id)]
        if self._tail:
            self._tail += data
            if b"\n" not in data:
                self._check_tail([])
                return []
            data = bytes(self._tail)
            self._tail.clear()
        lines = data.split(b"\n")
        tail = lines.pop()
        events: list[ServerSentEvent] = []
        if self._is_first_line and lines:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        is_short = len(data) <= self._limit  # then no line of it can be too long
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._complete())
                elif self._event:
                    self._event = ""
            elif not is_short and len(line) > self._limit:
                raise EventTooLargeError(self._limit, events)
            elif line.startswith(b"data: ") and not self._data:
                self._data.append(line[6:])
            elif not self._field(line):
                raise EventTooLargeError(self._limit, events)
        if tail:
            self._tail += tail
            self._check_tail(events)
        return events

    def end(self) -> list[ServerSentEvent]:
        """The event that the end of the stream cut off, if any data of it came; at most one.

        The standard discards it. Some servers leave out the last blank line, though, and JSON tells by itself
        whether it is whole, so it is left to the caller to take it or not.
        """
        if self._tail:
            line = bytes(self._tail)
            self._tail.clear()
            self._field(line.removeprefix(_BYTE_ORDER_MARK) if self._is_first_line else line)
        return [self._complete()] if self._data else []

    def _with_lf_only(self, data: bytes) -> bytes:
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _check_tail(self, events: list[ServerSentEvent]) -> None:
        if len(self._tail) > self._limit:
            self._tail.clear()
            raise EventTooLargeError(self._limit, events)

    def _field(self, line: bytes) -> bool:
        """Takes in one line that is not blank; False if the event has become too large."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            if self._data:
                self._size = (self._size or len(self._data[0])) + 1 + len(value)
                if self._size > self._limit:
                    self._data.clear()
                    return False
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        return True

    def _complete(self) -> ServerSentEvent:
        data = self._data
        event = ServerSentEvent(self._event or "message", data[0] if len(data) == 1 else b"\n".join(data), self._id)
        data.clear()
        self._size = 0
        self._event = ""
        return event
