"""What the floors have in common: the request, and how an event is read, with the fastest parser that is there."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.base import KEY, MODEL, Heard

try:
    from orjson import loads
except ImportError:
    from json import loads

__all__ = ["HEADERS", "body", "length", "loads", "read"]

HEADERS = {"authorization": f"Bearer {KEY}"}


def body(prompt: str, *, stream: bool = True) -> dict[str, Any]:
    """The request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}


def read(heard: Heard, event: str | bytes) -> None:
    """Reads the JSON of an event."""
    for choice in loads(event)["choices"]:
        heard.add(choice["delta"].get("content"))


def length(answer: bytes) -> int:
    """Characters of an answer in one piece."""
    return len(loads(answer)["choices"][0]["message"]["content"])
