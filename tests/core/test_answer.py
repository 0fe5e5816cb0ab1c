"""A whole answer, put together from the events of a call."""

from __future__ import annotations

import pytest

from shared_core.answer import Answer
from shared_core.events import (
    Details,
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
from shared_core.messages import Reasoning, Text, ToolCall
from shared_core.report import Report

REPORT = Report(model="a/x", provider="a", profile="default")
END = End(REPORT, Finish("stop", "stop"), Usage(1, 2, 3), {"id": "r1"})


def collected(*events: StreamEvent) -> Answer:
    return Answer.collect([*events, END])


def test_text_is_joined() -> None:
    """Pieces of text, of either kind, in order; the end says the rest."""
    answer = collected(TextDelta("Hel"), MemberChunk(object(), "lo"), Usage(), Details({}), Finish("stop", "stop"))
    assert answer.text == "Hello"
    assert (answer.finish, answer.usage, answer.details) == (END.finish, END.usage, END.details)
    assert answer.report is REPORT


def test_a_signature_of_the_text_is_kept() -> None:
    """The last one that came."""
    assert collected(TextDelta("a", "one"), TextDelta("b", "two"), TextDelta("c")).text_signature == "two"
    assert collected(TextDelta("a")).text_signature is None


def test_a_refusal_is_joined() -> None:
    """It is no text."""
    answer = collected(RefusalDelta("I ca"), RefusalDelta("n't"))
    assert (answer.refusal, answer.text) == ("I can't", "")


def test_reasoning_is_told_apart_by_its_index() -> None:
    """Text grows, what belongs to the block comes once."""
    answer = collected(
        ReasoningDelta("I th", id="i0"),
        ReasoningDelta("ink", signature="s0"),
        ReasoningDelta(index=1, data="xyz"),
        ReasoningDelta(),
    )
    assert answer.reasoning == (
        Reasoning("I think", "s0", None, "i0", "a"),
        Reasoning("", None, "xyz", None, "a"),
    )


def test_parallel_tool_calls_are_told_apart_by_their_index() -> None:
    """Arguments grow; a call without any has an empty object."""
    answer = collected(
        ToolCallDelta(0, "c0", "add", '{"a"'),
        ToolCallDelta(1, "c1", "now", signature="s1"),
        ToolCallDelta(0, arguments=": 1}"),
        ToolCallDelta(2),
    )
    assert answer.tool_calls == (
        ToolCall("c0", "add", '{"a": 1}', None, "a"),
        ToolCall("c1", "now", "{}", "s1", "a"),
        ToolCall("", "", "{}", None, "a"),
    )


def test_what_came_before_a_restart_is_void() -> None:
    """The answer is the second one alone."""
    answer = collected(
        TextDelta("Half", "s"),
        RefusalDelta("no"),
        ReasoningDelta("hm"),
        ToolCallDelta(0, "c0", "add"),
        Restart("b/y"),
        TextDelta("Whole"),
    )
    assert answer == collected(TextDelta("Whole"))


def test_an_answer_is_a_turn_of_the_conversation() -> None:
    """Reasoning, text and calls, each marked with who made it; no text, no text block."""
    answer = collected(TextDelta("Hi", "s"), ReasoningDelta("hm"), ToolCallDelta(0, "c0", "add"))
    assert answer.message.role == "assistant"
    assert answer.message.content == (
        Reasoning("hm", origin="a"),
        Text("Hi", "s", "a"),
        ToolCall("c0", "add", "{}", None, "a"),
    )
    assert collected().message.content == ()


def test_without_an_end_there_is_no_answer() -> None:
    """A call that broke cannot be collected."""
    with pytest.raises(ValueError, match="do not end in End"):
        Answer.collect([TextDelta("Hel")])
