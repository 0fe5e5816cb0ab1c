"""Events become chunks, answers become messages; both say the same, in both shapes of content."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models._utils import _update_message_content_to_blocks
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk

from langchain_failover.answers import to_result
from langchain_failover.blocks import register, standard_blocks
from langchain_failover.chunks import Chunks, text_chunk
from langchain_failover.messages import to_messages
from langchain_failover.metadata import usage_metadata
from shared_core.answer import Answer
from shared_core.events import (
    Details,
    End,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from shared_core.messages import Message, Reasoning, Text, ToolCall
from shared_core.report import Report

PROVIDERS = ["openai", "anthropic", "groq", "deepseek", "gemini"]


def end(provider: str = "openai", reason: Any = "stop", raw: str = "stop") -> End:
    report = Report(model=f"{provider}/some-model", provider=provider, profile="main")
    usage = Usage(5, 7, 0, cache_read_tokens=2, cache_write_tokens=1, reasoning_tokens=3)
    return End(report, Finish(reason, raw), usage, {"id": "chatcmpl-1", "model": "some-model-0613", "note": None})


def everything(provider: str) -> list[StreamEvent]:
    return [
        ReasoningDelta("Let me "),
        ReasoningDelta("think.", signature="sig-r", id="rs_1"),
        Details({"id": "chatcmpl-1"}),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallDelta(0, "c1", "add", ""),
        ToolCallDelta(0, arguments='{"a": 1'),
        ToolCallDelta(0, arguments="}", signature="sig-t"),
        ToolCallDelta(1, "c2", "now", ""),
        Usage(1, 1, 2),
        end(provider, "tool_calls", "tool_use"),
    ]


def answer_of(provider: str) -> Answer:
    last = end(provider, "tool_calls", "tool_use")
    return Answer(
        text="Hello",
        refusal=None,
        reasoning=(Reasoning("Let me think.", signature="sig-r", id="rs_1", origin=provider),),
        tool_calls=(ToolCall("c1", "add", '{"a": 1}', signature="sig-t"), ToolCall("c2", "now", "")),
        finish=last.finish,
        usage=last.usage,
        details=last.details,
        report=last.report,
    )


def chunks(events: list[StreamEvent], version: str | None = None) -> Iterator[AIMessageChunk]:
    maker = Chunks(version)
    for event in events:
        chunk = maker.add(event)
        if chunk is not None:
            assert isinstance(chunk.message, AIMessageChunk)
            yield chunk.message


def whole(events: list[StreamEvent], version: str | None = None) -> AIMessageChunk:
    first, *rest = chunks(events, version)
    return first + rest  # type: ignore[return-value]


def without_index(blocks: list[Any]) -> list[Any]:
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


def test_a_text_chunk_equals_a_validated_one() -> None:
    """Building it without validation changes nothing that can be seen, and shares nothing."""
    made, usual = text_chunk("hello"), ChatGenerationChunk(message=AIMessageChunk(content="hello"))
    assert made == usual
    assert vars(made.message) == vars(usual.message)
    assert pickle.loads(pickle.dumps(made)) == usual  # noqa: S301
    assert copy.deepcopy(made) == usual
    assert made + text_chunk("!") == usual + ChatGenerationChunk(message=AIMessageChunk(content="!"))
    made.message.response_metadata["x"] = 1
    assert text_chunk("hello") == usual


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_adds_up_to_the_whole_answer(provider: str, version: str | None) -> None:
    """Streamed or collected, the message is the same."""
    streamed = message_chunk_to_message(whole(everything(provider), version))
    collected = to_result(answer_of(provider), version).generations[0].message
    assert isinstance(streamed, AIMessage)
    assert isinstance(collected, AIMessage)
    for name in ("additional_kwargs", "tool_calls", "invalid_tool_calls", "usage_metadata", "response_metadata"):
        assert getattr(streamed, name) == getattr(collected, name), name
    assert without_index(streamed.content_blocks) == without_index(collected.content_blocks)
    assert to_messages([streamed]) == to_messages([collected])


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_standard_blocks_show_everything_whoever_answered(provider: str, version: str | None) -> None:
    """Reasoning, text and tool calls are among `content_blocks`, in this order."""
    message = whole(everything(provider), version)
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    upgraded = _update_message_content_to_blocks(message, "v1")
    assert [block["type"] for block in upgraded.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_comes_back_whole_in_the_next_turn(provider: str, version: str | None) -> None:
    """Signatures and ids survive the message, its serialisation and the way back to the core."""
    message = message_chunk_to_message(whole(everything(provider), version))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `load` is in beta
        loaded = load(dumpd(message), allowed_objects="messages")
    assert to_messages([loaded]) == (
        Message(
            "assistant",
            (
                Reasoning("Let me think.", signature="sig-r", id="rs_1", origin=provider),
                Text("Hello", origin=provider),
                ToolCall("c1", "add", '{"a": 1}', signature="sig-t", origin=provider),
                ToolCall("c2", "now", "{}", origin=provider),
            ),
        ),
    )


def test_content_is_a_string_and_extras_lie_beside_it() -> None:
    """Version 0 is the shape that users of OpenAI's models know."""
    message = whole(everything("deepseek"))
    assert message.content == "Hello"
    assert message.additional_kwargs["reasoning_content"] == "Let me think."
    assert message.tool_calls == [
        {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"},
        {"name": "now", "args": {}, "id": "c2", "type": "tool_call"},
    ]


def test_metadata_and_usage_come_once() -> None:
    """Only the last chunk has them, so that adding chunks doubles nothing."""
    *others, last = chunks(everything("openai"))
    assert all(not chunk.response_metadata and chunk.usage_metadata is None for chunk in others)
    assert last.chunk_position == "last"
    assert last.content == ""
    message = whole(everything("openai"))
    assert message.response_metadata == {
        "id": "chatcmpl-1",
        "model_name": "some-model-0613",
        "model_provider": "openai",
        "finish_reason": "tool_calls",
        "native_finish_reason": "tool_use",
        "failover": end().report.as_dict(),
    }
    assert message.usage_metadata == {
        "input_tokens": 5,
        "output_tokens": 7,
        "total_tokens": 12,
        "input_token_details": {"cache_read": 2, "cache_creation": 1},
        "output_token_details": {"reasoning": 3},
    }


def test_an_answer_without_usage_finish_and_details() -> None:
    """What a provider does not say is not there."""
    (last,) = chunks([End(Report(model="openai/gpt", provider="openai"), None, None, {})])
    assert last.usage_metadata is None
    assert "finish_reason" not in last.response_metadata
    assert last.response_metadata["model_name"] == "gpt"


@pytest.mark.parametrize(
    ("usage", "details"),
    [
        (Usage(1, 2, 3), {}),
        (Usage(1, 2, 3, cache_read_tokens=0), {"input_token_details": {"cache_read": 0}}),
        (Usage(1, 2, 3, cache_write_tokens=4), {"input_token_details": {"cache_creation": 4}}),
        (Usage(1, 2, 3, audio_input_tokens=1), {"input_token_details": {"audio": 1}}),
        (Usage(1, 2, 3, reasoning_tokens=1), {"output_token_details": {"reasoning": 1}}),
    ],
)
def test_only_details_that_are_known_are_told(usage: Usage, details: dict[str, Any]) -> None:
    """Nothing known is not the same as none used."""
    counted = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert usage_metadata(usage) == {**counted, **details}


def test_an_unknown_finish_reason_is_told_in_the_providers_word() -> None:
    """The word "other" would say nothing."""
    (last,) = chunks([end(reason="other", raw="eos_token")])
    assert last.response_metadata["finish_reason"] == "eos_token"
    assert "native_finish_reason" not in last.response_metadata


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_a_refusal(provider: str, version: str | None) -> None:
    """In `additional_kwargs` as with OpenAI, or as a standard block."""
    message = whole([RefusalDelta("I "), RefusalDelta("won't"), end(provider)], version)
    if version is None:
        assert message.additional_kwargs["refusal"] == "I won't"
    else:
        assert without_index(message.content_blocks) == [{"type": "refusal", "refusal": "I won't"}]
    last = end(provider)
    answer = Answer("", "I won't", (), (), last.finish, last.usage, last.details, last.report)
    collected = to_result(answer, version).generations[0].message
    assert without_index(collected.content_blocks) == without_index(message.content_blocks)


@pytest.mark.parametrize("version", [None, "v1"])
def test_a_signature_of_the_text_survives(version: str | None) -> None:
    """Gemini signs text parts, sometimes in a piece without text."""
    message = whole([TextDelta("Hi"), TextDelta("", signature="sig-x"), end("gemini")], version)
    signed = {"type": "text", "text": "Hi", "extras": {"signature": "sig-x"}}
    assert without_index(standard_blocks(message) if version is None else message.content_blocks) == [signed]
    assert to_messages([message])[0].content == (Text("Hi", signature="sig-x", origin="gemini"),)


def test_text_that_goes_on_after_something_else_is_a_block_of_its_own() -> None:
    """Interleaved reasoning keeps its order in version 1."""
    events = [TextDelta("a"), ReasoningDelta("b", index=0), TextDelta("c"), TextDelta("d"), end()]
    blocks = without_index(whole(events, "v1").content_blocks)
    assert blocks == [
        {"type": "text", "text": "a"},
        {"type": "reasoning", "reasoning": "b"},
        {"type": "text", "text": "cd"},
    ]


def test_several_blocks_of_reasoning_stay_apart() -> None:
    """Each keeps its own proof, encrypted ones without text too."""
    events = [ReasoningDelta("a", 0, "s0"), ReasoningDelta("", 1, data="enc"), TextDelta("c"), end("anthropic")]
    for version in (None, "v1"):
        assert to_messages([whole(events, version)])[0].content[:2] == (
            Reasoning("a", signature="s0", origin="anthropic"),
            Reasoning("", data="enc", origin="anthropic"),
        )


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]"])
def test_arguments_that_are_no_object_make_an_invalid_call(arguments: str) -> None:
    """The text is kept, for the program to decide."""
    last = end()
    answer = Answer("", None, (), (ToolCall("c", "f", arguments),), last.finish, None, {}, last.report)
    message = to_result(answer, None).generations[0].message
    assert isinstance(message, AIMessage)
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == arguments
    assert message.invalid_tool_calls[0]["error"]


def test_other_messages_are_read_as_before() -> None:
    """Our reading stands in front of LangChain's, once, and takes only what is ours."""
    register()
    message = AIMessage("Hi", response_metadata={"model_provider": "anthropic"})
    assert message.content_blocks == [{"type": "text", "text": "Hi"}]
    chunk = AIMessageChunk("Hi", response_metadata={"model_provider": "openai"})
    assert chunk.content_blocks == [{"type": "text", "text": "Hi"}]
