"""Core messages as LangChain messages: what is written for a member reads back as what it was."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_failover.messages import to_messages
from langchain_failover.native import Native
from langchain_failover.outgoing import to_langchain
from langchain_failover.readings import Reading
from shared_core.events import Usage
from shared_core.messages import Audio, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.vendors import find
from shared_core.request import BuiltinTool, LLMRequest, Tool

NEUTRAL = Vendor(name="someone")


def written(message: Message, vendor: str | None = None) -> list[Any]:
    return list(to_langchain(message, (find(vendor) if vendor else None) or NEUTRAL))


@pytest.mark.parametrize(
    "message",
    [
        Message.of("system", "Be brief."),
        Message("user", (Text("Hello"),), name="ann"),
        Message("user", (Text("One."), Text("Two."))),
        Message("user", (Text("Cached.", marks={"cache_control": {"type": "ephemeral"}}),)),
        Message("user", (Image(data="aGk=", mime_type="image/png", detail="low"), Text("What is it?"))),
        Message("user", (Image(url="https://example.com/cat.png"),)),
        Message("user", (Audio(data="aGk=", mime_type="audio/wav"),)),
        Message("user", (Audio(url="https://example.com/a.wav", mime_type="audio/wav"),)),
        Message("user", (Document(data="aGk=", mime_type="application/pdf", name="a.pdf"),)),
        Message("user", (Document(url="https://example.com/a.pdf", mime_type="application/pdf"),)),
        Message("user", (Document(file_id="file-1", mime_type="application/pdf"),)),
        Message("user", (Document(text="All of it.", mime_type="text/plain", name="a.txt"),)),
        Message("assistant", (Text("Let me look."), ToolCall("call_1", "weather", '{"city": "Rome"}'))),
        Message("assistant", (ToolCall("call_1", "weather", '{"city": '),)),
        Message("tool", (ToolResult("call_1", (Text("sunny"),), name="weather"),)),
        Message("tool", (ToolResult("call_1", (Text("no such city"),), is_error=True),)),
        Message("tool", (ToolResult("call_1", (Text("here"), Image(url="https://example.com/map.png"))),)),
    ],
)
def test_what_anybody_reads(message: Message) -> None:
    """In content of every kind."""
    assert to_messages(written(message)) == (message,)


def test_several_results_become_as_many_messages() -> None:
    """LangChain has one message for each result; what is no result has no place among them."""
    results = (ToolResult("call_1", (Text("a"),)), ToolResult("call_2", (Text("b"),)), Text("stray"))
    assert [found.tool_call_id for found in written(Message("tool", results))] == ["call_1", "call_2"]


@pytest.mark.parametrize(
    ("vendor", "blocks"),
    [
        ("anthropic", (Reasoning("Hm.", signature="c2ln", origin="anthropic"), Text("Yes.", origin="anthropic"))),
        ("anthropic", (Reasoning(data="c2Vj", origin="anthropic"), Text("Yes.", origin="anthropic"))),
        ("anthropic", (Opaque({"type": "server_tool_use", "id": "s"}, "anthropic"), Text("Yes.", origin="anthropic"))),
        (
            "openai-responses",
            (
                Reasoning("Hm.", data="c2Vj", id="rs_1", origin="openai-responses"),
                Text("Yes.", origin="openai-responses"),
            ),
        ),
        ("openai-responses", (Reasoning(data="c2Vj", id="rs_1", origin="openai-responses"),)),
        ("deepseek", (Reasoning("Hm.", origin="deepseek"), Text("Yes.", origin="deepseek"))),
        ("gemini", (Text("Yes.", signature="c2ln", origin="gemini"), ToolCall("c", "f", "{}", "c2ln", "gemini"))),
    ],
)
def test_reasoning_is_written_as_its_maker_does(vendor: str, blocks: Any) -> None:
    """With its proofs, where the integration of that vendor looks for them."""
    names = {"openai-responses": "openai", "gemini": "google_genai"}
    (found,) = written(Message("assistant", blocks), vendor)
    assert isinstance(found, AIMessage)
    found.response_metadata["model_provider"] = names.get(vendor, vendor)
    assert to_messages([found]) == (Message("assistant", blocks),)


def test_arguments_that_are_no_object_are_none() -> None:
    """LangChain's calls have a dict."""
    (found,) = written(Message("assistant", (ToolCall("call_1", "f", "[1]"),)))
    assert found.tool_calls[0]["args"] == {}


def test_a_block_without_a_place_is_told() -> None:
    """It would be a mistake of ours, and is not lost in silence."""
    with pytest.raises(TypeError, match="has no place"):
        written(Message("user", (Text("a"), object())))  # type: ignore[arg-type]


def test_tools_of_the_engine_alone_are_written_for_a_member() -> None:
    """A request without LangChain's own tools has the core's."""
    tools = (
        Tool("weather", "Tells it.", {"type": "object"}, strict=True),
        Tool("time"),
        BuiltinTool({"type": "web_search"}, "responses"),
        BuiltinTool({"google_search": {}}, "gemini"),
    )
    found = Native().tools_for(LLMRequest(tools=tools), find("openai-responses") or NEUTRAL)
    assert [(tool["type"], tool.get("function", {}).get("strict")) for tool in found] == [
        ("function", True),
        ("function", None),
        ("web_search", None),
    ]


@pytest.mark.parametrize(
    ("content", "kept", "text", "has_content", "has_call"),
    [
        ("", {}, "", False, False),
        ("a", {}, "a", True, False),
        ([], {}, "", False, False),
        (["a", {"type": "text", "text": "b"}], {}, "ab", True, False),
        ([{"type": "text", "text": "", "index": 0}], {}, "", False, False),
        ([{"type": "text", "text": "", "signature": "c2ln"}], {}, "", True, False),
        ([{"type": "text", "text": "", "extras": {"signature": "c2ln"}}], {}, "", True, False),
        ([{"type": "thinking", "thinking": "", "index": 0}], {}, "", False, False),
        ([{"type": "thinking", "thinking": "Hm.", "index": 0}], {}, "", True, False),
        ([{"type": "reasoning", "summary": [], "id": "rs_1", "index": 0}], {}, "", False, False),
        ([{"type": "tool_use", "id": "t", "name": "f", "input": {}}], {}, "", True, True),
        ([{"type": "server_tool_use", "id": "s"}], {}, "", True, False),
        ("", {"reasoning_content": "Hm."}, "", True, False),
        ("", {"refusal": "No."}, "", True, False),
        ("", {"something": 1}, "", False, False),
    ],
)
def test_what_counts_as_content(content: Any, kept: Any, text: str, has_content: bool, has_call: bool) -> None:
    """Pieces that only open a block, and metadata, do not commit an attempt."""
    message = AIMessageChunk(content=content, additional_kwargs=kept)
    found = Reading().of(ChatGenerationChunk(message=message))
    assert (found.text, found.has_content, found.has_tool_call) == (text, has_content, has_call)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"finish_reason": "stop"}, "stop"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"stop_reason": "tool_use"}, "tool_calls"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "SAFETY"}, "content_filter"),
        ({"finish_reason": "TOO_MANY_TOOL_CALLS"}, "error"),
        ({"prompt_feedback": {"block_reason": "JAILBREAK"}}, "content_filter"),
        ({"stopReason": "guardrail_intervened"}, "content_filter"),
        ({"done_reason": "stop"}, "stop"),
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "failed"}, "error"),
        ({"finish_reason": "because"}, "other"),
    ],
)
def test_how_an_answer_ended(metadata: dict[str, Any], reason: str) -> None:
    """In the words of every integration, on a message or beside it."""
    beside = ChatGenerationChunk(message=AIMessageChunk(content=""), generation_info=metadata)
    on_it = ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=metadata))
    assert [found.finish.reason for found in map(Reading().of, (beside, on_it)) if found.finish] == [reason, reason]


def test_what_says_nothing_of_an_end() -> None:
    """Metadata alone, or a status that is not final."""
    for metadata in (
        {},
        {"model_name": "x"},
        {"status": "in_progress"},
        {"finish_reason": None},
        {"prompt_feedback": {"block_reason": None}},
    ):
        chunk = ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=metadata))
        assert Reading().of(chunk).finish is None


def test_tokens_add_up() -> None:
    """LangChain's chunks tell what is new, the engine wants what it is by now."""
    reading = Reading()
    for usage in (
        {
            "input_tokens": 5,
            "output_tokens": 0,
            "total_tokens": 5,
            "input_token_details": {"cache_read": 2, "audio": 1},
        },
        {"input_tokens": 0, "output_tokens": 3, "total_tokens": 3, "output_token_details": {"reasoning": 1}},
    ):
        message = AIMessageChunk(content="", usage_metadata=usage)
        last = reading.of(ChatGenerationChunk(message=message)).usage
    assert last == Usage(5, 3, 8, cache_read_tokens=2, reasoning_tokens=1, audio_input_tokens=1)
