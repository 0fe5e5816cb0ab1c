"""A request in the making for one target: what is changed on the copy, and what there is to say about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared_core.request import LLMRequest

__all__ = ["Draft"]


class Draft:
    """A request in the making: what is changed, and what there is to say about it."""

    __slots__ = ("changes", "notes", "request")

    def __init__(self, request: LLMRequest) -> None:
        self.request = request
        self.changes: dict[str, Any] = {}
        self.notes: list[str] = []

    def get(self, name: str) -> Any:
        """A setting as it is now."""
        return self.changes[name] if name in self.changes else getattr(self.request, name)

    def put(self, name: str, value: Any, note: str) -> None:
        """Changes a setting and says so."""
        self.changes[name] = value
        self.notes.append(note)

    def leave_out(self, name: str) -> None:
        """Takes a setting away and says so."""
        self.put(name, () if name == "stop" else None, f"left out {name}")

    def finished(self) -> tuple[LLMRequest, tuple[str, ...]]:
        """The request, itself if nothing was changed, and the notes."""
        return replace(self.request, **self.changes) if self.changes else self.request, tuple(self.notes)
