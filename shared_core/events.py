"""What a provider's stream says, one small object an event; the same union on every wire.

These objects are made once for every chunk of every answer, so they are slotted and not frozen (a frozen
dataclass costs three times as much to build); treat them as immutable all the same.

`TextDelta`, `RefusalDelta`, `ReasoningDelta`, `ToolCallDelta` and a `MemberChunk` that says so bear *content*: the
first of them commits the attempt. All others are held back until then, and thrown away with an attempt that fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from shared_core.errors import ProviderError
from shared_core.records import record

if TYPE_CHECKING:
    from shared_core.report import Report

__all__ = [
    "Details",
    "End",
    "Failed",
    "Finish",
    "FinishReason",
    "MemberChunk",
    "ReasoningDelta",
    "RefusalDelta",
    "Restart",
    "StreamEvent",
    "TextDelta",
    "ToolCallDelta",
    "Usage",
    "WireEvent",
    "added",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error", "pause", "other"]


@record(slots=True)
class TextDelta:
    """A piece of the answer's text. `signature` is Gemini's proof for a text part."""

    text: str
    signature: str | None = None


@record(slots=True)
class RefusalDelta:
    """A piece of a refusal (OpenAI `delta.refusal`)."""

    text: str


@record(slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning.

    `index` tells blocks apart; `text` is appended, the other fields belong to the block as a whole
    (see `messages.Reasoning`).
    """

    text: str = ""
    index: int = 0
    signature: str | None = None
    data: str | None = None
    id: str | None = None


@record(slots=True)
class ToolCallDelta:
    """A piece of a tool call: `index` tells parallel calls apart, `id` and `name` come once, `arguments` grows."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    signature: str | None = None


@record(slots=True)
class Usage:
    """Tokens of the whole answer so far; a later one replaces an earlier one.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        output_tokens: All output tokens, reasoning included.
        total_tokens: Their sum, or what the provider says.
        cache_read_tokens: Input tokens served from a cache.
        cache_write_tokens: Input tokens written to a cache.
        reasoning_tokens: Output tokens spent on reasoning.
        audio_input_tokens: Input tokens of sound; None if there was none.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """Both together; None if neither says."""
    if one is None or other is None:
        return one or other

    def total(a: int | None, b: int | None) -> int | None:
        return None if a is None and b is None else (a or 0) + (b or 0)

    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        total_tokens=one.total_tokens + other.total_tokens,
        cache_read_tokens=total(one.cache_read_tokens, other.cache_read_tokens),
        cache_write_tokens=total(one.cache_write_tokens, other.cache_write_tokens),
        reasoning_tokens=total(one.reasoning_tokens, other.reasoning_tokens),
        audio_input_tokens=total(one.audio_input_tokens, other.audio_input_tokens),
    )


@record(slots=True)
class Details:
    """Response metadata without content: `id`, `model`, `service_tier`, `system_fingerprint`, `citations` and such."""

    values: Mapping[str, Any]


@record(slots=True)
class Finish:
    """The protocol's own end of the answer. `raw` is the provider's word for `reason`."""

    reason: FinishReason
    raw: str


@record(slots=True)
class MemberChunk:
    """A chunk of a framework's own model object, passed through untouched.

    `text` and `has_tool_call` are what the engine needs to see of it; `finish` its finish reason, if it has one.
    """

    chunk: Any
    text: str = ""
    has_content: bool = False
    has_tool_call: bool = False
    finish: Finish | None = None
    usage: Usage | None = None


@record(slots=True)
class Failed:
    """The stream is broken: an error event, garbage, or an end before the protocol's own. Nothing follows it."""

    error: ProviderError


@record(slots=True)
class Restart:
    """What was shown so far is void; another target's whole answer follows. Made by the engine (`mid_stream`)."""

    model: str


@record(slots=True)
class End:
    """The last event of a call that succeeded: who answered and what it took. Made by the engine, not by a wire."""

    report: Report
    finish: Finish | None
    usage: Usage | None
    details: Mapping[str, Any]


WireEvent: TypeAlias = (
    TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | Usage | Details | Finish | MemberChunk | Failed
)
"""What a provider may yield."""

StreamEvent: TypeAlias = (
    TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | Usage | Details | Finish | MemberChunk | Restart | End
)
"""What a caller of the engine sees: a failure is raised, never yielded, and `End` comes last."""
