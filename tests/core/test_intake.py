"""Commit on the first content, and what may be shown when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import (
    Details,
    Failed,
    Finish,
    MemberChunk,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    WireEvent,
)
from shared_core.intake import Intake

BROKEN = Failed(ProviderError("cut", kind=ErrorKind.TRANSIENT))
STOP = Finish("stop", "stop")
CONTENT = [
    TextDelta("Hi"),
    RefusalDelta("no"),
    ReasoningDelta("hm"),
    ToolCallDelta(0, "c0", "add"),
    MemberChunk(object(), has_content=True),
]
SILENT = [Usage(1, 2, 3), Details({"id": "r1"}), STOP, MemberChunk(object())]
NAMES = {"ids": lambda event: type(event).__name__}


@pytest.mark.parametrize("event", CONTENT, **NAMES)
def test_content_commits(event: WireEvent) -> None:
    """The first event that bears content lets everything through that was held."""
    intake = Intake(hold=False)
    details = Details({"id": "r1"})
    assert intake.feed([details]) == ()
    assert not intake.has_content
    assert intake.feed([event]) == [details, event]
    assert intake.has_content
    assert intake.has_moved
    assert intake.is_shown


@pytest.mark.parametrize("event", SILENT, **NAMES)
def test_what_bears_no_content_is_held(event: WireEvent) -> None:
    """And thrown away with an attempt that fails before the commit."""
    intake = Intake(hold=False)
    assert intake.feed([event]) == ()
    assert not intake.has_content
    assert not intake.has_moved
    assert intake.feed([BROKEN]) == ()
    assert intake.error is BROKEN.error
    assert not intake.is_shown


def test_nothing_is_held_back_after_the_commit() -> None:
    """Metadata goes out as it comes."""
    intake = Intake(hold=False)
    intake.feed([TextDelta("Hi")])
    assert intake.feed([Usage(1, 2, 3), STOP]) == [Usage(1, 2, 3), STOP]
    assert not intake.has_moved
    assert intake.rest() == []


def test_the_first_content_that_comes_with_a_failure_is_not_shown() -> None:
    """The attempt can still be replaced unseen."""
    intake = Intake(hold=False)
    assert intake.feed([TextDelta("Hi"), BROKEN, TextDelta("never read")]) == ()
    assert not intake.is_shown
    assert intake.text == "Hi"


def test_later_content_that_comes_with_a_failure_is_shown() -> None:
    """The caller has seen a part already, and the partial holds all of it."""
    intake = Intake(hold=False)
    intake.feed([TextDelta("Hi")])
    assert intake.feed([TextDelta(" you"), BROKEN]) == [TextDelta(" you")]
    assert intake.text == "Hi you"


def test_whoever_wants_the_whole_answer_sees_nothing_before_its_end() -> None:
    """So that a broken stream can be asked for again elsewhere."""
    intake = Intake(hold=True)
    assert intake.feed([TextDelta("Hi")]) == ()
    assert intake.feed([TextDelta(" you"), STOP]) == ()
    assert intake.has_content
    assert not intake.is_shown
    assert intake.peek() == [TextDelta("Hi"), TextDelta(" you"), STOP]
    assert intake.rest() == [TextDelta("Hi"), TextDelta(" you"), STOP]
    assert intake.rest() == intake.peek() == []


def test_progress_that_shows_nothing_is_not_shown() -> None:
    """An empty piece of text is a sign of life alone; one with a signature is passed on."""
    intake = Intake(hold=False)
    assert list(intake.feed([TextDelta("")])) == []
    assert intake.has_moved
    assert not intake.is_shown
    assert intake.feed([TextDelta("", "sig")]) == [TextDelta("", "sig")]
    assert intake.is_shown


def test_it_knows_what_came() -> None:
    """Text, tools, refusals, reasoning blocks, usage, metadata and the end."""
    intake = Intake(hold=False)
    intake.feed([ReasoningDelta("a"), ReasoningDelta("b", index=2), ReasoningDelta("c", index=1)])
    assert (intake.reasonings, intake.has_tools, intake.has_refusal) == (3, False, False)
    intake.feed([ToolCallDelta(0), RefusalDelta("no"), Details({"a": 1}), Details({"b": 2}), Usage(1), Usage(2), STOP])
    assert (intake.has_tools, intake.has_refusal) == (True, True)
    assert (intake.details, intake.usage, intake.finish) == ({"a": 1, "b": 2}, Usage(2), STOP)


def test_a_members_chunk_is_looked_into() -> None:
    """Its text, tool calls, usage and end count, the chunk passes untouched."""
    chunk = MemberChunk(object(), "Hi", has_content=True, has_tool_call=True, finish=STOP, usage=Usage(1))
    intake = Intake(hold=False)
    assert intake.feed([chunk]) == [chunk]
    assert (intake.text, intake.has_tools, intake.finish, intake.usage) == ("Hi", True, STOP, Usage(1))


def test_an_answer_that_ends_in_an_error_is_broken() -> None:
    """Whatever came before, on a wire or from a member."""
    for event in (Finish("error", "boom"), MemberChunk(object(), finish=Finish("error", "boom"))):
        intake = Intake(hold=False)
        assert intake.feed([event, TextDelta("Hi")]) == ()
        assert intake.error is not None
        assert (intake.error.kind, intake.error.code) == (ErrorKind.TRANSIENT, "finish_error")
        assert "'boom'" in intake.error.message


@pytest.mark.parametrize("before", [[], [TextDelta("Hi")]], ids=["nothing", "text"])
@pytest.mark.parametrize("together", [True, False])
def test_an_answer_that_a_filter_ended_is_a_failure(before: list[WireEvent], together: bool) -> None:
    """With text before it or without, and the provider's word is the code."""
    intake = Intake(hold=True)
    events: list[WireEvent] = [*before, Finish("content_filter", "SAFETY")]
    for batch in [events] if together else [[event] for event in events]:
        intake.feed(batch)
    assert intake.error is not None
    assert (intake.error.kind, intake.error.code) == (ErrorKind.CONTENT_FILTER, "SAFETY")


events = st.lists(
    st.sampled_from([TextDelta("a"), TextDelta("b"), ReasoningDelta("r"), Usage(1), Details({}), STOP, BROKEN]),
    max_size=8,
)


@given(events, st.data())
def test_how_events_are_cut_into_batches_does_not_matter(sequence: list[WireEvent], data: st.DataObject) -> None:
    """What is shown is the same, but for content that comes together with the failure before any was shown."""
    shown, one_by_one = [], Intake(hold=False)
    for event in sequence:
        shown += one_by_one.feed([event])
        if one_by_one.error is not None:
            break
    cut, batched, at = [], Intake(hold=False), 0
    while at < len(sequence) and batched.error is None:
        size = data.draw(st.integers(1, len(sequence) - at))
        cut += batched.feed(sequence[at : at + size])
        at += size
    assert cut == (shown if batched.is_shown or not one_by_one.is_shown else [])
    assert batched.text == one_by_one.text
    assert batched.error is one_by_one.error
