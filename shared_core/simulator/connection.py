"""One TCP connection: reads requests, performs the steps of each answer, notices when the client leaves.

Bursts go out in one write; a write waits where the client reads slowly. A pause is an await that ends with the
connection, so closing never waits for one.

Invariants: requests of one connection are answered one after another; each is recorded as ended exactly once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Iterator
from typing import Any

from shared_core.simulator.desk import Desk
from shared_core.simulator.http import (
    CHUNKS_END,
    HTTPRequest,
    MalformedRequestError,
    RequestReader,
    chunk,
    head,
)
from shared_core.simulator.plan import Close, Head, Pause, Reset, Step
from shared_core.simulator.recorder import RequestRecord, RequestState

__all__ = ["Connection"]

logger = logging.getLogger("shared_core.simulator")

_BURST = 64 * 1024  # bytes gathered before a write; about what a socket buffer takes at once
_LONGEST_TAIL = 64 * 1024  # bytes that may wait behind the request that is being answered
_LINGER = 1.0  # seconds that a client has to read a refusal while it still sends
_RST = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST


class Connection(asyncio.Protocol):
    """One accepted connection. Lives in the server's event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reader = RequestReader(desk.largest_body)
        self._number = 0
        self._record: RequestRecord | None = None
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_draining = False
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        """A client came."""
        self._transport: Any = transport
        # Writing waits until all is with the kernel, so that "finished" is true and a reset cuts nothing off.
        transport.set_write_buffer_limits(0)
        self._number = self._desk.recorder.connected()
        self._desk.connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, cut anywhere."""
        if self._is_draining:
            return
        self._reader.feed(data)
        if self._reader.buffered > self._desk.largest_body + _LONGEST_TAIL:
            self._transport.abort()
        self._arrived.set()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """The client left, or we closed."""
        self._end("aborted")
        self._task.cancel()
        self._desk.connections.discard(self)
        self._desk.recorder.disconnected()
        self.lost.set()

    def stop(self) -> None:
        """The server closes."""
        self._end("stopped")
        self._transport.abort()

    def _end(self, state: RequestState) -> None:
        if self._record is not None:
            self._desk.recorder.ended(self._record, state)
            self._record = None

    async def _serve(self) -> None:
        try:
            while True:
                request = await self._next()
                self._record, steps, split = self._desk.answer(request, self._number)
                if not await self._play(steps, self._record, split, keeps_alive=request.keeps_alive):
                    break
        except MalformedRequestError as error:
            await self._refuse(error)
        except Exception:
            # A scripted body or header that can't be encoded: seen only while the steps are performed.
            logger.exception("request %s could not be answered as scripted", self._record and self._record.number)
            self._end("stopped")
            self._transport.abort()
        self._transport.close()

    async def _next(self) -> HTTPRequest:
        while True:
            request = self._reader.next()
            if request is not None:
                return request
            if self._reader.wants_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._arrived.clear()
            await self._arrived.wait()

    async def _refuse(self, error: MalformedRequestError) -> None:
        """Says what is wrong, and reads on for a moment: closing at once would reset the answer away."""
        body = f"{error}\n".encode()
        headers = {"content-type": "text/plain", "content-length": str(len(body)), "connection": "close"}
        self._is_draining = True
        self._transport.write(head(error.status, headers) + body)
        self._transport.write_eof()
        await asyncio.sleep(_LINGER)

    async def _play(
        self, steps: Iterator[Step], record: RequestRecord, split: int | None, *, keeps_alive: bool
    ) -> bool:
        """Performs an answer; returns whether the connection goes on."""
        out = bytearray()
        is_chunked = False
        for step in steps:
            if isinstance(step, bytes):
                if step:
                    out += chunk(step) if is_chunked else step
                if len(out) >= _BURST:
                    await self._send(out, split)
            elif isinstance(step, Pause):
                await self._send(out, split)
                await self._wait(step.seconds)
            elif isinstance(step, Head):
                is_chunked = step.length is None
                record.status = step.status
                out += _head(step, record, keeps_alive=keeps_alive)
            else:
                await self._send(out, split)
                self._leave(step)
                return False
        if is_chunked:
            out += CHUNKS_END
        # Recorded before the last bytes leave, so that a client that has read them finds it so.
        self._end("finished")
        await self._send(out, split)
        return keeps_alive

    async def _send(self, out: bytearray, split: int | None) -> None:
        """Writes what was gathered and empties it."""
        data = bytes(out)
        out.clear()
        if split is None:
            if data:
                self._transport.write(data)
        else:
            for start in range(0, len(data), split):
                self._transport.write(data[start : start + split])
                await asyncio.sleep(0)  # lets the segment go (Nagle's algorithm is off) and the client read it
        if not self._writable.is_set():
            await self._writable.wait()

    @staticmethod
    async def _wait(seconds: float | None) -> None:
        if seconds is None:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.sleep(seconds)

    def _leave(self, step: Reset | Close) -> None:
        """Closes the connection; all that was written has gone out."""
        self._end("finished")
        if isinstance(step, Reset):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            self._transport.abort()
        else:
            self._transport.close()


def _head(step: Head, record: RequestRecord, *, keeps_alive: bool) -> bytes:
    body = {"transfer-encoding": "chunked"} if step.length is None else {"content-length": str(step.length)}
    identity = f"req_{record.number:08d}"
    headers = {"x-request-id": identity, "request-id": identity, **step.headers, **body}
    if not keeps_alive:
        headers["connection"] = "close"
    return head(step.status, headers)
