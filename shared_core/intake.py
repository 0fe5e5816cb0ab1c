"""What an attempt's events add up to, before and after its commit; pure, one object an attempt.

Until the first event that bears content everything is held, so that an attempt that fails can be thrown away without
a trace. When the caller wants the whole answer only (`hold`), everything is held to the end. Text is kept for the
partial that an interruption hands over. It never raises: what broke the attempt is in `error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import (
    Details,
    Failed,
    Finish,
    MemberChunk,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    WireEvent,
)

__all__ = ["Intake"]


class Intake:
    """Takes an attempt's batches of events and says what may be shown.

    Attributes:
        has_content: Something that bears content came.
        has_refusal: A piece of a refusal came.
        has_tools: A tool-call delta came.
        has_moved: The newest batch bore content.
        is_shown: Some of it was let through to the caller.
        finish: The protocol's own end, once it came.
        reasonings: How many reasoning blocks came.
        usage: The newest usage.
        details: All metadata.
        error: What broke the attempt.
    """

    __slots__ = (
        "_held",
        "_hold",
        "_text",
        "details",
        "error",
        "finish",
        "has_content",
        "has_moved",
        "has_refusal",
        "has_tools",
        "is_shown",
        "reasonings",
        "usage",
    )

    def __init__(self, *, hold: bool) -> None:
        self._hold = hold
        self._held: list[StreamEvent] = []
        self._text: list[str] = []
        self.has_content = False
        self.has_moved = False
        self.has_refusal = False
        self.has_tools = False
        self.reasonings = 0
        self.is_shown = False
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.details: dict[str, Any] = {}
        self.error: ProviderError | None = None

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._text)

    def feed(self, batch: Sequence[WireEvent]) -> Sequence[StreamEvent]:
        """Takes a batch; the events to show now.

        What comes in one batch with a failure is shown only if something was shown before: else the attempt can still
        be replaced unseen.
        """
        held = self._held
        self.has_moved = has_content = False
        for event in batch:
            match event:
                case TextDelta():
                    self.has_moved = True
                    if not event.text and event.signature is None:
                        continue  # progress that shows nothing: a seam holds it back
                    has_content = True
                    self._text.append(event.text)
                case ReasoningDelta():
                    self.has_moved = has_content = True
                    self.reasonings = max(self.reasonings, event.index + 1)
                case RefusalDelta():
                    self.has_moved = has_content = self.has_refusal = True
                case ToolCallDelta():
                    self.has_moved = has_content = self.has_tools = True
                case Usage():
                    self.usage = event
                case Details():
                    self.details.update(event.values)
                case Finish():
                    self._end_with(event)
                case MemberChunk():
                    has_content = has_content or event.has_content
                    self._see(event)
                case Failed():
                    self.error = event.error
                    break
                case _:
                    assert_never(event)
            if self.error is not None:
                break
            held.append(event)
        self.has_content = self.has_content or has_content
        if self._hold or not self.has_content or (self.error is not None and not self.is_shown):
            return ()
        self._held = []
        self.is_shown = self.is_shown or bool(held)
        return held

    def peek(self) -> Sequence[StreamEvent]:
        """What is held now."""
        return self._held

    def rest(self) -> Sequence[StreamEvent]:
        """What is still held, for the end of an attempt that succeeded."""
        held, self._held = self._held, []
        return held

    def _end_with(self, finish: Finish) -> None:
        self.finish = finish
        if finish.reason == "error":
            text = f"the answer ended in {finish.raw!r}"
            self.error = ProviderError(text, kind=ErrorKind.TRANSIENT, code="finish_error")
        elif finish.reason == "content_filter":
            text = f"the provider's content filter ended the answer: {finish.raw}"
            self.error = ProviderError(text, kind=ErrorKind.CONTENT_FILTER, code=finish.raw or None)

    def _see(self, chunk: MemberChunk) -> None:
        if chunk.text:
            self._text.append(chunk.text)
        self.has_moved = self.has_moved or chunk.has_content
        self.has_tools = self.has_tools or chunk.has_tool_call
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.finish is not None:
            self._end_with(chunk.finish)
