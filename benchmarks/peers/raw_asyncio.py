"""The lowest floor: a protocol of asyncio that parses no HTTP, so what is left is the loop, the socket and the JSON.

It is no client that one would write (it takes the answer's framing on trust), but nothing in asyncio gets a packet for
less. A stream is a connection of its own, kept for the next one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from benchmarks.peers.base import KEY, Chain, Client, Heard, Openers
from benchmarks.peers.raw import body, read

__all__ = ["OPENERS"]

_END = b"\r\n0\r\n\r\n"


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._heard: Heard | None = None
        self._tail = b""
        self._end: asyncio.Future[Heard] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_exception(exc or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        if self._heard is None or self._end is None:
            return
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                read(self._heard, line[6:])
        if data.endswith(_END):
            self._end.set_result(self._heard)

    def ask(self, request: bytes) -> asyncio.Future[Heard]:
        """Sends a request; what is heard, when all of it is."""
        self._heard, self._tail = Heard(), b""
        self._end = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._end

    def close(self) -> None:
        """Hangs up."""
        self._transport.close()


@asynccontextmanager
async def _open(chain: Chain) -> AsyncIterator[Client]:
    address = urlsplit(f"{chain.urls[0]}/chat/completions")
    idle: list[_Line] = []
    loop = asyncio.get_running_loop()

    def request(prompt: str) -> bytes:
        content = json.dumps(body(prompt)).encode()
        head = f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {KEY}\r\n"
        return f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content

    async def stream(prompt: str) -> Heard:
        line = idle.pop() if idle else (await loop.create_connection(_Line, address.hostname, address.port))[1]
        heard = await line.ask(request(prompt))
        idle.append(line)
        return heard

    yield Client(stream)
    for line in idle:
        line.close()


OPENERS: dict[str, Openers] = {"raw asyncio": {"async": _open}}
