"""Turns a reply or a fault into steps: heads, bytes, pauses, resets. No I/O, no clock.

The steps of a behaviour are all that the server performs, so what a fault puts on the wire can be read, and tested,
here. A generator, because some faults never end.

Invariants: `Head` comes before the first bytes and only once; nothing follows `Reset` or `Close`; a plan that ends
without either leaves the connection fit for the next request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared_core.simulator.asked import Answer, Asked
from shared_core.simulator.behaviours import Fault, Reply
from shared_core.simulator.catalogue import error_named
from shared_core.simulator.wires.base import Frames, SimulatedWire, encoded

__all__ = ["Close", "Head", "Pause", "Reset", "Scene", "Step", "plan"]

_STREAM = "text/event-stream; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Head:
    """The response head. `length` None: the body is sent in chunks."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """What was said so far goes out; then a wait of `seconds`, or for ever."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down (RST)."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed (FIN), whatever the body still owes."""


Step: TypeAlias = Head | bytes | Pause | Reset | Close


@dataclass(frozen=True, slots=True)
class Scene:
    """Who asked what, over which wire, and what a healthy model would answer."""

    wire: SimulatedWire
    asked: Asked
    answer: Answer
    key: str | None = None


def plan(behaviour: Reply | Fault, scene: Scene) -> Iterator[Step]:
    """The steps of `behaviour`; `scene.answer` is the answer of its reply."""
    if isinstance(behaviour, Reply):
        return _healthy(behaviour, scene)
    match behaviour.kind:
        case "status" | "named":
            return _response(behaviour, scene)
        case "close":
            return iter((Close(),))
        case "silent":
            return _silent(behaviour, scene)
        case "reset" if behaviour.after is None:
            return iter((Reset(),))
        case "whole":
            return _healthy(behaviour.reply, scene, is_stream=False)
        case "content_type":
            return _healthy(behaviour.reply, scene, content_type=behaviour.data)
        case _:
            return _broken(behaviour, scene)


def _pause(seconds: float | None) -> tuple[Pause, ...]:
    return (Pause(seconds),) if seconds is None or seconds > 0 else ()


def _parts(scene: Scene) -> Frames:
    """The body in parts; a whole JSON answer has two halves for content and nothing around them."""
    if scene.asked.stream:
        return scene.wire.frames(scene.answer)
    body = scene.wire.whole(scene.answer)
    middle = len(body) // 2
    return Frames(b"", (body[:middle], body[middle:]), b"")


def _healthy(
    reply: Reply, scene: Scene, *, is_stream: bool | None = None, content_type: str | None = None
) -> Iterator[Step]:
    yield from _pause(reply.delay_headers)
    if not (scene.asked.stream if is_stream is None else is_stream):
        body = scene.wire.whole(scene.answer)
        yield Head(200, {"content-type": content_type or _JSON}, len(body))
        yield from _pause(reply.delay_first)
        yield body
        return
    frames = scene.wire.frames(scene.answer)
    yield Head(200, {"content-type": content_type or _STREAM, "cache-control": "no-cache"})
    yield frames.opening
    yield from _pause(reply.delay_first)
    yield from _chunks(reply, frames.content)
    yield frames.closing
    yield frames.done


def _chunks(reply: Reply, content: Any, *, is_first: bool = True) -> Iterator[Step]:
    pause = _pause(reply.delay_chunk)
    if not pause:
        yield from content
        return
    for piece in content:
        if not is_first:
            yield pause[0]
        is_first = False
        yield piece


def _response(fault: Fault, scene: Scene) -> Iterator[Step]:
    if fault.kind == "named":
        values = {"model": scene.asked.model, "given": scene.asked.max_tokens, **fault.values}
        found = error_named(fault.name or "", values)
        status, headers, body = found.status, {**found.headers, **fault.headers}, found.body
    else:
        status, headers, body = fault.http_status, dict(fault.headers), fault.body
    if body is None:
        body = scene.wire.error(status, _MESSAGES.get(status, "The server had an error while processing your request."))
    data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else encoded(body)
    usual = "text/html" if data[:1] == b"<" else "text/plain; charset=utf-8" if isinstance(body, str) else _JSON
    yield from _pause(fault.seconds or 0)
    yield Head(status, {"content-type": usual, **headers}, len(data))
    yield data


_MESSAGES = {
    400: "The request is invalid.",
    401: "Incorrect API key provided.",
    402: "Insufficient balance.",
    403: "You are not allowed to use this resource.",
    404: "The model does not exist or you do not have access to it.",
    408: "The request timed out.",
    429: "Rate limit reached. Please try again later.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


def _silent(fault: Fault, scene: Scene) -> Iterator[Step]:
    yield Pause(fault.seconds)
    yield from _healthy(fault.reply, scene)


def _broken(fault: Fault, scene: Scene) -> Iterator[Step]:
    """Faults in the body: a 200 head, the opening, `after` chunks, and then what the kind says."""
    frames = _parts(scene)
    content = list(frames.content)
    is_stream = scene.asked.stream
    yield from _pause(fault.reply.delay_headers)
    yield Head(200, {"content-type": _STREAM if is_stream else _JSON})
    if fault.kind == "empty":
        return
    if fault.kind == "only_done":
        yield frames.done
        return
    if fault.opening:
        yield frames.opening
        yield from _pause(fault.reply.delay_first)
    after = len(content) if fault.after is None else fault.after
    yield from _chunks(fault.reply, content[:after])
    if after and fault.kind not in {"stall", "keepalive", "no_done"}:
        yield from _pause(fault.reply.delay_chunk)  # what breaks it takes the place of a chunk
    rest = _chunks(fault.reply, content[after:], is_first=after == 0)
    match fault.kind:
        case "reset":
            yield Reset()
            return
        case "cut":
            yield _torn(content[after:], fault.where)
            yield Close()
            return
        case "stall":
            yield Pause(fault.seconds)
        case "keepalive":
            yield from _pings(fault, scene.wire.ping if is_stream else b"\n")
        case "malformed":
            yield scene.wire.broken_event(fault.data) if is_stream else b'{"broken": '
            rest = _chunks(fault.reply, content[after + 1 :])
        case "garbage":
            yield (fault.data or "").encode("utf-8", "surrogateescape")
            return
        case "error_event":
            error = _error_body(fault, scene)
            said = (frames.opening if fault.opening else b"", *content[:after])
            count = sum(part.count(b"data: ") for part in said)
            yield scene.wire.error_event(error, scene.answer, count) if is_stream else encoded(error)
            return
        case "truncated":
            return
        case _:  # no_done: everything but the mark
            pass
    yield from rest
    yield frames.closing
    if fault.kind != "no_done":
        yield frames.done


def _torn(content: list[bytes], where: str) -> bytes:
    """What still goes out of the chunk (or chunks) in which a stream is cut."""
    if where == "event" or not content:
        return b""
    if where == "mid_character":
        joined = b"".join(content)
        found = next((place for place, byte in enumerate(joined) if byte >= 0x80), None)
        if found is not None:
            return joined[: found + 1]
    event, _, _ = content[0].partition(b"\n\n")
    return event[: len(event) // 2]


def _pings(fault: Fault, usual: bytes) -> Iterator[Step]:
    line = usual if fault.data is None else fault.data.encode() + b"\n\n"
    if fault.seconds is None:
        while True:
            yield line
            yield Pause(fault.interval)
    for _ in range(max(1, round(fault.seconds / fault.interval))):
        yield line
        yield Pause(fault.interval)


def _error_body(fault: Fault, scene: Scene) -> Mapping[str, Any]:
    if isinstance(fault.body, str):
        body = error_named(fault.body, {"model": scene.asked.model, "given": scene.asked.max_tokens}).body
        return body if isinstance(body, Mapping) else {"error": {"message": str(body)}}
    if fault.body is not None:
        return dict(fault.body)
    return scene.wire.error(503, _MESSAGES[503])
