"""What a wire owes the local provider: reading a request, and the bytes of an answer, an error, a list of models.

A wire is a protocol without I/O. It knows nothing of faults: `Frames` hands it out in parts, so that whoever plays a
fault can leave one out or stop between two.

Invariants: `opening`, `content`, `closing` and `done`, joined, are one complete healthy stream. Each item of
`content` bears exactly one delta that a user would see; events that only frame it are glued to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared_core.simulator.asked import Answer, Asked

__all__ = ["CREATED", "Frames", "SimulatedWire", "encoded", "event", "halves", "text_of"]

CREATED = 1_704_067_200
"""The time that all answers state: 2024-01-01, so that recordings of them don't differ."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Frames:
    """The body of one stream, in parts: `done` is the mark after the finish, which some wires don't have."""

    opening: bytes
    content: Sequence[bytes]
    closing: bytes
    done: bytes = b""


class SimulatedWire(Protocol):
    """A protocol, seen from the provider's side."""

    @property
    def name(self) -> str:
        """The wire's name, as in the rest of the library: "openai", "anthropic", "gemini", "responses"."""

    def read(self, body: Mapping[str, Any], model: str | None, stream: bool, /) -> Asked:
        """What a request asks for. `model` is the one in the path, `stream` whether the path asks for a stream."""

    def frames(self, answer: Answer) -> Frames:
        """The stream, in parts."""

    def whole(self, answer: Answer) -> bytes:
        """The whole JSON answer."""

    def error(self, status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
        """An error body as the wire's provider would write it."""

    def error_event(self, error: Mapping[str, Any], answer: Answer, events_before: int, /) -> bytes:
        """An error inside a stream, after so many events."""

    @property
    def ping(self) -> bytes:
        """What the provider sends to keep a quiet stream open."""

    def broken_event(self, data: str | None) -> bytes:
        """An event whose data is `data`, or else broken JSON that looks like a chunk of text."""

    def ceiling_error(self, limit: int, given: int) -> dict[str, Any]:
        """The refusal of a `max_tokens` that is too large."""


def encoded(value: Any) -> bytes:
    """Compact JSON, with non-ASCII characters as they are, like the providers send it."""
    return _ENCODER.encode(value).encode()


def event(value: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + encoded(value) + b"\n\n"


def halves(arguments: str) -> list[str]:
    """Tool arguments as they are streamed: in pieces that are no JSON by themselves."""
    middle = (len(arguments) + 1) // 2
    return [part for part in (arguments[:middle], arguments[middle:]) if part]


def text_of(content: Any) -> tuple[str, int]:
    """The text of a message's content (a string or a list of parts) and how many images it holds."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        return "", 0
    texts, images = [], 0
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            if isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif "content" in part:
                inner, more = text_of(part["content"])
                texts.append(inner)
                images += more
            images += part.get("type") in ("image_url", "image", "input_image")
    return "\n".join(texts), images
