"""A whole answer, put together from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from shared_core.events import (
    End,
    Finish,
    MemberChunk,
    ReasoningDelta,
    RefusalDelta,
    Restart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from shared_core.messages import Message, Reasoning, Text, ToolCall
from shared_core.records import record
from shared_core.report import Report

__all__ = ["Answer"]


@record(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        text: The text.
        refusal: The text of a refusal, if the model refused.
        reasoning: Reasoning blocks in order.
        tool_calls: Tool calls in order.
        finish: The protocol's own end.
        usage: Tokens, if the provider said.
        details: Response metadata (`id`, `model` …).
        report: Who answered, and what it took.
        text_signature: Gemini's proof for the text, if it gave one.
    """

    text: str = ""
    refusal: str = ""
    reasoning: tuple[Reasoning, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    text_signature: str | None = None

    @property
    def message(self) -> Message:
        """The answer as a turn of the conversation, for the next request."""
        text = (Text(self.text, self.text_signature, self.report.provider),) if self.text else ()
        return Message("assistant", (*self.reasoning, *text, *self.tool_calls))

    @classmethod
    def collect(cls, events: Iterable[StreamEvent]) -> Answer:
        """Puts a whole answer together.

        Args:
            events: All events of a call; the last is its `End`.

        Raises:
            ValueError: There is no `End`.
        """
        text: list[str] = []
        signature: str | None = None
        refusal: list[str] = []
        reasoning: dict[int, ReasoningDelta] = {}
        calls: dict[int, ToolCallDelta] = {}
        end: End | None = None
        for event in events:
            match event:
                case TextDelta():
                    text.append(event.text)
                    signature = event.signature or signature
                case MemberChunk():
                    text.append(event.text)
                case RefusalDelta():
                    refusal.append(event.text)
                case ReasoningDelta():
                    _grow_reasoning(reasoning, event)
                case ToolCallDelta():
                    _grow_call(calls, event)
                case Restart():
                    # What came before it is void.
                    text, signature, refusal, reasoning, calls = [], None, [], {}, {}
                case End():
                    end = event
                case _:
                    pass  # repeated in `End`
        if end is None:
            raise ValueError("the events do not end in End")
        origin = end.report.provider
        return cls(
            text="".join(text),
            text_signature=signature,
            refusal="".join(refusal),
            reasoning=tuple(
                Reasoning(part.text, part.signature, part.data, part.id, origin) for part in reasoning.values()
            ),
            tool_calls=tuple(
                ToolCall(call.id or "", call.name or "", call.arguments or "{}", call.signature, origin)
                for call in calls.values()
            ),
            finish=end.finish,
            usage=end.usage,
            details=end.details,
            report=end.report,
        )


def _grow_reasoning(parts: dict[int, ReasoningDelta], delta: ReasoningDelta) -> None:
    part = parts.setdefault(delta.index, ReasoningDelta(index=delta.index))
    part.text += delta.text
    part.signature = delta.signature or part.signature
    part.data = delta.data or part.data
    part.id = delta.id or part.id


def _grow_call(calls: dict[int, ToolCallDelta], delta: ToolCallDelta) -> None:
    call = calls.setdefault(delta.index, ToolCallDelta(delta.index))
    call.id = call.id or delta.id
    call.name = call.name or delta.name
    call.arguments += delta.arguments
    call.signature = delta.signature or call.signature
