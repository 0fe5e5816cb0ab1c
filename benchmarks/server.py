"""A provider on loopback that costs next to nothing: `python -m benchmarks.server` prints its port and serves.

It speaks OpenAI's chat completions over HTTP/1.1 with keep-alive. Everything that it sends is computed once. What a
request wants is written into its prompt (`shape`), so that one client can send every shape over the same connections:

- `chunks=50 gap=0 together=1`: a burst, the whole answer in one write. Each event is a chunk of the HTTP body all the
  same, as providers send it.
- `chunks=50 gap=20 together=100`: each chunk in a write, and so a packet, of its own, 20 ms after the one before. The
  head goes out at once; the content waits until 100 such streams are open, and then their chunks are spread evenly over
  the gap, as those of unrelated users are.
- `chunks=50 gap=0 together=1 lead=1`: the head and the first chunk in one write, the rest of the answer in another a
  millisecond later: what a client does with the first text is not mixed with what it does with the others.

A path that begins with `/dead` answers 503 at once. `GET /control/counts` says, as JSON, how many connections carried
requests, how many requests each path got, how many streams were open at most, and the CPU seconds of this process;
it counts neither itself nor its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import os
import re
import resource
import stat
import sys
import time
from collections import Counter
from dataclasses import dataclass

__all__ = ["main", "shape", "size"]

WORDS = (" When", " the", " first", " provider", " fails,", " the", " next", " one", " answers", ".")
"""The content of the chunks, over and over."""

_SHAPE = re.compile(rb"chunks=(\d+) gap=(\d+) together=(\d+) lead=(\d+)")
_REST_AFTER = 0.001
"""Seconds between the first text and the rest, where the first comes alone."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAMED = re.compile(rb'"stream": ?true')
_PATIENCE = 3.0
"""Seconds without a newcomer after which those that wait for each other begin all the same."""


def shape(chunks: int, gap: int = 0, together: int = 1, lead: int = 0) -> str:
    """What to put into a prompt, for `chunks` pieces of content, `gap` milliseconds apart, the first `lead` alone."""
    return f"chunks={chunks} gap={gap} together={together} lead={lead}"


def _words(chunks: int) -> list[str]:
    return [WORDS[place % len(WORDS)] for place in range(chunks)]


def size(chunks: int) -> int:
    """Characters in an answer of so many chunks."""
    return len("".join(_words(chunks)))


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of one answer: head and role, each piece of content, and the end; all of it; and it in one piece."""

    head: bytes
    contents: tuple[bytes, ...]
    end: bytes
    burst: bytes
    whole: bytes


def _event(**fields: object) -> bytes:
    made = {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_f12167b370",
        **fields,
    }
    return b"data: " + json.dumps(made, separators=(",", ":")).encode() + b"\n\n"


def _choice(delta: dict[str, object], finish: str | None = None) -> list[object]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@functools.cache
def answer(chunks: int, with_usage: bool) -> Answer:
    """The answer of so many chunks. A provider states the usage of a stream only if asked to."""
    null = {"usage": None} if with_usage else {}
    usage = {"prompt_tokens": 20, "completion_tokens": chunks, "total_tokens": 20 + chunks}
    contents = [_event(choices=_choice({"content": word}), **null) for word in _words(chunks)]
    role = _event(choices=_choice({"role": "assistant", "content": "", "refusal": None}), **null)
    ends = [_event(choices=_choice({}, "stop"), **null)]
    ends += [_event(choices=[], usage=usage)] if with_usage else []
    end = b"".join(map(_framed, [*ends, b"data: [DONE]\n\n"])) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    message = {"role": "assistant", "content": "".join(_words(chunks)), "refusal": None, "annotations": []}
    whole = {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_f12167b370",
    }
    return Answer(
        head=head + _framed(role),
        contents=tuple(map(_framed, contents)),
        end=end,
        burst=b"".join([head, *map(_framed, [role, *contents]), end]),
        whole=_whole(b"200 OK", json.dumps(whole, separators=(",", ":")).encode()),
    )


def _whole(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


_REFUSAL = _whole(
    b"503 Service Unavailable",
    b'{"error":{"message":"The server is overloaded.","type":"server_error","param":null,"code":"overloaded"}}',
)


@dataclass(eq=False, slots=True)
class Tally:
    """What the server has seen since it began."""

    requests: Counter[str]
    connections: int = 0
    open: int = 0
    peak: int = 0

    def report(self) -> bytes:
        """As an HTTP response."""
        counts = {
            "connections": self.connections,
            "requests": dict(self.requests),
            "peak": self.peak,
            "cpu": time.process_time(),
        }
        self.peak = self.open
        return _whole(b"200 OK", json.dumps(counts).encode())


class Wave:
    """Streams that begin together. Those that come after the beginning begin at once."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._waiting: list[Connection] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, connection: Connection) -> None:
        """Lets `connection` begin when all are there."""
        self._waiting.append(connection)
        if self._timer is not None:
            self._timer.cancel()
        if len(self._waiting) >= self._together:
            self._begin()
        else:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._begin)

    def _begin(self) -> None:
        now, waiting, self._waiting, self._timer = asyncio.get_running_loop().time(), self._waiting, [], None
        for place, connection in enumerate(waiting):
            connection.begin(now + connection.gap * (1 + place / len(waiting)))


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, tally: Tally, waves: dict[int, Wave]) -> None:
        self.gap = 0.0
        self._loop = asyncio.get_running_loop()
        self._tally = tally
        self._waves = waves
        self._buffer = b""
        self._is_counted = False
        self._answer: Answer | None = None
        self._sent = 0
        self._next = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._ended()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= whole:
            request, self._buffer = self._buffer, b""
            self._serve(request[: request.find(b"\r\n")].split(b" ")[1], request, end)

    def _serve(self, path: bytes, request: bytes, head: int) -> None:
        if path == b"/control/counts":
            self._transport.write(self._tally.report())
            return
        if not self._is_counted:
            self._is_counted = True
            self._tally.connections += 1
        self._tally.requests[path.decode()] += 1
        if path.startswith(b"/dead"):
            self._transport.write(_REFUSAL)
            return
        found = _SHAPE.search(request, head)
        chunks, gap, together, lead = map(int, found.groups()) if found else (1, 0, 1, 0)
        given = answer(chunks, request.find(b"include_usage", head) > 0)
        if not _STREAMED.search(request, head):
            self._transport.write(given.whole)
        elif lead:
            first = given.head + given.contents[0]
            self._transport.write(first)
            self._loop.call_later(_REST_AFTER, self._transport.write, given.burst[len(first) :])
        elif not gap:
            self._transport.write(given.burst)
        else:
            self._transport.write(given.head)
            self._answer, self._sent, self.gap = given, 0, gap / 1000
            self._tally.open += 1
            self._tally.peak = max(self._tally.peak, self._tally.open)
            self._waves.setdefault(together, Wave(together)).join(self)

    def begin(self, when: float) -> None:
        """Sends the first piece of content at `when`."""
        self._next = when
        self._loop.call_at(when, self._send)

    def _send(self) -> None:
        given = self._answer
        if given is None:
            return
        if self._sent == len(given.contents):
            self._ended()
            self._transport.write(given.end)
            return
        self._transport.write(given.contents[self._sent])
        self._sent += 1
        self._next += self.gap
        self._loop.call_at(self._next, self._send)

    def _ended(self) -> None:
        if self._answer is not None:
            self._answer = None
            self._tally.open -= 1


async def _serve() -> None:
    tally, waves = Tally(Counter()), dict[int, Wave]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(tally, waves), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        # The pipe ends with the process that started this one, however that process ends.
        loop.add_reader(sys.stdin.fileno(), server.close)
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve_forever()


def main() -> None:
    """Serves until the process is ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()  # it makes no cycles
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
