"""Where one answer goes on in another: what a resumed attempt's events become before the caller sees them; pure.

A continuation's text goes through the join, which drops what was shown already. Its reasoning is about going on, not
about the question, and is dropped. When only reasoning had been shown, the next target starts afresh, and its reasoning
is numbered behind the first, so that the two are not merged into one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Failed, Finish, MemberChunk, ReasoningDelta, TextDelta, WireEvent
from shared_core.join import Join
from shared_core.mending import NOT_ACCEPTED

__all__ = ["Afresh", "Seam"]


class Seam:
    """The events of an attempt that continues a text."""

    def __init__(self, join: Join) -> None:
        self._join = join

    def through(self, batch: Sequence[WireEvent]) -> Sequence[WireEvent]:
        """What a batch becomes; a `TextDelta` without text is progress that shows nothing."""
        out: list[WireEvent] = []
        for event in batch:
            match event:
                case TextDelta():
                    out.append(TextDelta(self._join.feed(event.text)))
                case ReasoningDelta():
                    out.append(TextDelta(""))
                case MemberChunk():
                    # Its text may have to be cut, so it cannot pass untouched.
                    out.append(TextDelta(self._join.feed(event.text)))
                    if event.usage is not None:
                        out.append(event.usage)
                    if event.finish is not None:
                        out += self._end(event.finish)
                case Finish():
                    out += self._end(event)
                case _:
                    out.append(event)
            if self._join.has_diverged:
                return [*out, Failed(_diverged())]
        return out

    def _end(self, finish: Finish) -> list[WireEvent]:
        if finish.reason == "error":
            return [finish]  # it broke: what is held back is no part of an answer
        tail = self._join.end()
        if self._join.has_diverged:
            return []
        return [TextDelta(tail), finish] if tail else [finish]


def _diverged() -> ProviderError:
    # Nobody is to blame: it was asked to go on, and wrote another answer.
    return ProviderError("it began another answer instead of going on", kind=ErrorKind.UNKNOWN, code=NOT_ACCEPTED)


class Afresh:
    """The events of an attempt that starts afresh after reasoning alone had been shown."""

    def __init__(self, first: int) -> None:
        self._first = first

    def through(self, batch: Sequence[WireEvent]) -> Sequence[WireEvent]:
        """What a batch becomes."""
        return [
            replace(event, index=event.index + self._first) if isinstance(event, ReasoningDelta) else event
            for event in batch
        ]
