"""Answers as they grow from the engine's events, played through with plain events."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, ChatResponse
from pydantic import BaseModel

from llamaindex_failover.messages import SIGNED_BY, to_core
from llamaindex_failover.responses import Events, awhole, completions, growing, whole
from shared_core.events import (
    Details,
    End,
    Finish,
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

REPORT = Report(model="anthropic/claude", provider="anthropic", profile="main")


def engine(*events: StreamEvent, end: End | None = None) -> Events:
    """What the engine would yield, and its end."""
    yield from events
    yield end or End(REPORT, Finish("stop", "end_turn"), Usage(11, 3, 14), {"id": "msg_1", "model": "claude-1"})


def played(*events: StreamEvent) -> list[ChatResponse]:
    """All responses of a stream; the whole answer is checked to be the same as its last."""
    responses = list(growing(engine(*events)))
    assert whole(engine(*events)) == responses[-1]
    return responses


def shape(message: ChatMessage) -> list[tuple[str, Any]]:
    """The blocks of a message, short."""
    found: list[tuple[str, Any]] = []
    for block in message.blocks:
        match block:
            case TextBlock(text=text):
                found.append(("text", text))
            case ThinkingBlock(content=text):
                found.append(("thinking", text))
            case ToolCallBlock():
                found.append((block.tool_name, block.tool_kwargs))
    return found


def test_text_grows() -> None:
    """Each piece of text is a delta, and each message has all of it so far; the end adds none."""
    responses = played(TextDelta("Hel"), TextDelta("lo"))
    assert [(response.delta, response.message.content) for response in responses] == [
        ("Hel", "Hel"),
        ("lo", "Hello"),
        ("", "Hello"),
    ]


def test_text_alone_is_what_the_framework_would_build() -> None:
    """Responses that hold just text are built without validation, equal to validated ones and sharing nothing."""
    one, two, _ = played(TextDelta("Alpha"), TextDelta(" beta"))
    message = ChatMessage(role="assistant", blocks=[TextBlock(text="Alpha beta")])
    built = ChatResponse(message=message, delta=" beta", raw={"type": "text", "text": " beta"})
    assert two == built
    assert two.model_dump() == built.model_dump()
    assert ChatResponse.model_validate_json(two.model_dump_json()) == built
    assert two.model_copy(deep=True) == built
    one.additional_kwargs["mine"] = one.message.additional_kwargs["mine"] = 1
    one.message.blocks.append(TextBlock(text="more"))
    one.logprobs = []
    assert two == built
    assert "logprobs" not in two.model_fields_set
    assert played(TextDelta("Alpha"))[0].message.blocks == [TextBlock(text="Alpha")]


def validated(given: Any) -> Any:
    """The same once more, as the framework builds it."""
    if isinstance(given, BaseModel):
        return type(given)(**{name: validated(getattr(given, name)) for name in given.model_fields_set})
    return [validated(each) for each in given] if isinstance(given, list) else given


def parts(given: Any) -> Iterator[Any]:
    """All that could be changed in a response."""
    if isinstance(given, BaseModel):
        yield from (given, given.model_fields_set)
        given = vars(given)
    elif isinstance(given, dict | list):
        yield given
    for each in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        yield from parts(each)


@pytest.mark.parametrize("read", [growing, completions])
def test_responses_are_what_the_framework_would_build(read: Callable[[Events], Any]) -> None:
    """Whatever they hold, they are valid, complete, and can be stored; no two share what could be changed."""
    events = (
        TextDelta("Alpha"),
        TextDelta(" beta"),
        RefusalDelta("no"),
        Restart("openai/gpt"),
        ReasoningDelta("Hm"),
        TextDelta("So"),
        ToolCallDelta(0, "call_1", "add", "{}"),
    )
    responses = list(read(engine(*events)))
    assert len(responses) == 8
    for response in responses:
        built = validated(response)
        assert response == built
        assert repr(response) == repr(built)
        assert response.model_dump_json() == built.model_dump_json()
        assert response.model_fields_set == built.model_fields_set
        data = pickle.dumps(response)
        assert pickle.loads(data) == response  # noqa: S301 - made in the line above
        assert copy.deepcopy(response) == response
    # Blocks of reasoning and of calls are shared where they did not change, but for the last response.
    one, two, *_, last = (list(parts(response)) for response in responses)
    assert not {id(part) for part in one} & {id(part) for part in two}
    assert not {id(part) for part in last} & {id(part) for response in responses[:-1] for part in parts(response)}


def test_events_without_content_show_nothing() -> None:
    """Usage, details, the finish and empty deltas make no response of their own."""
    responses = played(
        Details({"id": "x"}), TextDelta(""), RefusalDelta(""), ReasoningDelta(), Usage(1, 1, 2), Finish("stop", "stop")
    )
    (last,) = responses
    assert last.delta == ""


def test_an_empty_answer_is_an_empty_text() -> None:
    """A valid silent turn is a message whose content is the empty string, and not None."""
    (last,) = played()
    assert last.message.content == ""


def test_thinking_comes_first_and_beside_the_text() -> None:
    """Thinking is a block of its own before the text, and a delta under the key that agents read."""
    responses = played(
        ReasoningDelta("Let", 0),
        ReasoningDelta(" me", 0),
        ReasoningDelta("see", 1),
        TextDelta("Yes"),
        ReasoningDelta(index=1, signature="proof"),
    )
    assert [response.additional_kwargs.get("thinking_delta") for response in responses] == [
        "Let",
        " me",
        "see",
        None,
        None,
    ]
    assert [response.delta for response in responses] == ["", "", "", "Yes", ""]
    assert shape(responses[1].message) == [("thinking", "Let me")]
    assert shape(responses[-1].message) == [("thinking", "Let me"), ("thinking", "see"), ("text", "Yes")]


def test_thinking_returns_to_its_maker() -> None:
    """The finished thinking, sent back, is what its maker gave, with the maker's name."""
    last = played(
        ReasoningDelta("Hm", 0, signature="proof"), ReasoningDelta(index=1, data="secret", id="rs_1"), TextDelta("Yes")
    )[-1]
    assert to_core([last.message])[0].content == (
        Reasoning("Hm", signature="proof", origin="anthropic"),
        Reasoning("", data="secret", id="rs_1", origin="anthropic"),
        Text("Yes"),
    )
    plain = played(ReasoningDelta("Hm"), TextDelta("Yes"))[-1]  # some providers demand even unsigned reasoning back
    assert to_core([plain.message])[0].content == (Reasoning("Hm", origin="anthropic"), Text("Yes"))


def test_tool_calls_grow() -> None:
    """Calls grow in blocks and, for older code, in `additional_kwargs`; parallel ones side by side."""
    responses = played(
        TextDelta("So"),
        ToolCallDelta(0, "call_1", "add"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(1, "call_2", "weather", '{"city": "Oslo"}'),
        ToolCallDelta(0, arguments=": 1}"),
    )
    assert [shape(response.message)[1:] for response in responses] == [
        [],
        [("add", "")],
        [("add", '{"a"')],
        [("add", '{"a"'), ("weather", '{"city": "Oslo"}')],
        [("add", '{"a": 1}'), ("weather", '{"city": "Oslo"}')],
        [("add", '{"a": 1}'), ("weather", '{"city": "Oslo"}')],
    ]
    assert [response.delta for response in responses] == ["So", "", "", "", "", ""]
    assert responses[-1].message.additional_kwargs["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
    ]


def test_a_late_id_reaches_the_finished_call() -> None:
    """An id that comes after the arguments belongs to the call all the same."""
    last = played(ToolCallDelta(0, name="add", arguments="{}"), ToolCallDelta(0, id="call_9"))[-1]
    assert [block.tool_call_id for block in last.message.blocks if isinstance(block, ToolCallBlock)] == ["call_9"]


def test_signatures_return_to_their_maker() -> None:
    """Signatures of the text and of calls are kept beside the blocks, as JSON, and sent back with them."""
    last = played(
        TextDelta("So"), ToolCallDelta(0, "call_1", "add", "{}", signature="sc"), TextDelta("", signature="st")
    )[-1]
    stored = ChatMessage.model_validate_json(last.message.model_dump_json())
    assert stored.additional_kwargs[SIGNED_BY] == {"origin": "anthropic", "signatures": {"text": "st", "call_1": "sc"}}
    assert to_core([stored])[0].content == (
        Text("So", signature="st", origin="anthropic"),
        ToolCall("call_1", "add", "{}", signature="sc", origin="anthropic"),
    )


def test_a_refusal_is_seen() -> None:
    """A refusal is the text of the answer, and told apart at the end."""
    responses = played(RefusalDelta("I can"), RefusalDelta("not"))
    assert [response.delta for response in responses] == ["I can", "not", ""]
    assert responses[-1].message.content == "I cannot"
    assert responses[-1].additional_kwargs["refusal"] == "I cannot"


def test_the_last_response_tells_usage_and_trail() -> None:
    """Usage stands where the token counter looks, the trail under `failover`, and all of it is JSON."""
    last = played(TextDelta("Hello"))[-1]
    assert last.additional_kwargs == {
        "prompt_tokens": 11,
        "completion_tokens": 3,
        "total_tokens": 14,
        "failover": REPORT.as_dict(),
    }
    assert last.raw == {
        "id": "msg_1",
        "model": "claude-1",
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        "finish_reason": "stop",
        "provider_finish_reason": "end_turn",
    }
    json.dumps([last.raw, last.additional_kwargs])


def test_finer_counts_are_told_as_openai_does() -> None:
    """Cached and reasoning tokens are details of the usage."""
    usage = Usage(11, 3, 14, cache_read_tokens=5, cache_write_tokens=0, reasoning_tokens=2)
    last = whole(engine(end=End(REPORT, None, usage, {})))
    assert last.raw["usage"]["prompt_tokens_details"] == {"cached_tokens": 5, "cache_write_tokens": 0}
    assert last.raw["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_without_usage_none_is_made_up() -> None:
    """Where the provider tells no usage, the counter is free to estimate."""
    last = whole(engine(TextDelta("Hi"), end=End(REPORT, None, None, {})))
    assert last.raw == {"usage": None}
    assert set(last.additional_kwargs) == {"failover"}


def test_the_last_message_shares_nothing_with_those_before() -> None:
    """Who changes the message of the finished answer, as memories and agents do, changes no other."""
    responses = played(ReasoningDelta("Hm", 0), TextDelta("So"), ToolCallDelta(0, "call_1", "add", "{}"))
    before = [response.model_dump() for response in responses[:-1]]
    for block in responses[-1].message.blocks:
        match block:
            case TextBlock():
                block.text = "changed"
            case ThinkingBlock():
                block.content = "changed"
            case ToolCallBlock():
                block.tool_name = "changed"
    assert [response.model_dump() for response in responses[:-1]] == before


async def test_a_stream_without_its_end_is_no_answer() -> None:
    """An engine that stops without `End` has not answered."""

    def broken() -> Generator[StreamEvent, None, None]:
        yield TextDelta("Hi")

    async def abroken() -> AsyncGenerator[StreamEvent, None]:
        yield TextDelta("Hi")

    with pytest.raises(RuntimeError, match="without its End"):
        whole(broken())
    with pytest.raises(RuntimeError, match="without its End"):
        await awhole(abroken())
