"""Just enough HTTP/1.1 (RFC 9112) for a server, without I/O: bytes into requests, heads and chunks into bytes.

It reads bodies by Content-Length and in chunks, keeps what is left for the next request of the connection, and bounds
what a client can make it keep.

Invariants: `feed` may be given bytes cut anywhere; a request comes out once, when its last byte is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

__all__ = ["CHUNKS_END", "HTTPRequest", "MalformedRequestError", "RequestReader", "chunk", "head"]

CHUNKS_END = b"0\r\n\r\n"

_LONGEST_HEAD = 64 * 1024
_LONGEST_LINE = 1024  # a chunk's size line


class MalformedRequestError(Exception):
    """The client sent something that is not HTTP, or too much of it; `status` says which."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keeps_alive: bool


class RequestReader:
    """Requests of one connection, in order."""

    def __init__(self, largest_body: int) -> None:
        self._largest = largest_body
        self._buffer = bytearray()
        self._head: tuple[str, str, bool, dict[str, str]] | None = None
        self._length: int | None = None
        self._body = bytearray()
        self._is_last_chunk = False

    def feed(self, data: bytes) -> None:
        """Takes bytes from the connection."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """Bytes that wait to be read."""
        return len(self._buffer)

    @property
    def wants_continue(self) -> bool:
        """The client waits for "100 Continue" before it sends the body."""
        if self._head is None or self._buffer:
            return False
        return self._head[3].pop("expect", "").lower() == "100-continue"

    def next(self) -> HTTPRequest | None:
        """The next complete request, or None until more bytes are in.

        Raises:
            MalformedRequestError: The connection can't be used any further.
        """
        if self._head is None and not self._read_head():
            return None
        if not (self._read_chunks() if self._length is None else self._read_length(self._length)):
            return None
        method, target, keeps_alive, headers = self._head or ("", "", False, {})
        parts = urlsplit(target)
        body, self._body, self._head = bytes(self._body), bytearray(), None
        return HTTPRequest(method, parts.path, dict(parse_qsl(parts.query)), headers, body, keeps_alive)

    def _read_head(self) -> bool:
        while self._buffer[:2] == b"\r\n":  # RFC 9112, 2.2: empty lines before a request are ignored
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise MalformedRequestError(431, "the request head is too long")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise MalformedRequestError(400, "the request line is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise MalformedRequestError(400, "a header line is malformed")
            headers[name.lower()] = value.strip()
        connection = headers.get("connection", "").lower()
        keeps_alive = "keep-alive" in connection if words[2] == "HTTP/1.0" else "close" not in connection
        self._head = (words[0], words[1], keeps_alive, headers)
        self._length = self._stated_length(headers)
        self._is_last_chunk = False
        return True

    def _stated_length(self, headers: Mapping[str, str]) -> int | None:
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise MalformedRequestError(501, "only the chunked transfer encoding is known")
            return None
        text = headers.get("content-length", "0")
        if not text.isdecimal():
            raise MalformedRequestError(400, "Content-Length is not a number")
        if int(text) > self._largest:
            raise MalformedRequestError(413, f"the request body is larger than {self._largest} bytes")
        return int(text)

    def _read_length(self, length: int) -> bool:
        if len(self._buffer) < length:
            return False
        self._body += self._buffer[:length]
        del self._buffer[:length]
        return True

    def _read_chunks(self) -> bool:
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > _LONGEST_LINE:
                    raise MalformedRequestError(400, "a chunk's size line is too long")
                return False
            line = bytes(self._buffer[:end])
            if self._is_last_chunk:  # trailers, up to an empty line
                del self._buffer[: end + 2]
                if not line:
                    return True
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                raise MalformedRequestError(400, "a chunk's size is not a number") from None
            if size < 0 or len(self._body) + size > self._largest:
                raise MalformedRequestError(413, f"the request body is larger than {self._largest} bytes")
            if size == 0:
                self._is_last_chunk = True
                del self._buffer[: end + 2]
                continue
            if len(self._buffer) < end + 2 + size + 2:
                return False
            self._body += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 2 + size + 2]


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A response head."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded" if status == 529 else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
