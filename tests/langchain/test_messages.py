"""LangChain messages become core messages: every kind, every form of content, and nothing is changed or lost."""

from __future__ import annotations

import copy

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_failover.messages import to_messages
from shared_core.errors import ConfigurationError
from shared_core.messages import Audio, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult


def one(message: BaseMessage) -> Message:
    (found,) = to_messages([message])
    return found


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (SystemMessage("x"), "system"),
        (SystemMessage("x", additional_kwargs={"__openai_role__": "developer"}), "system"),
        (HumanMessage("x"), "user"),
        (AIMessage("x"), "assistant"),
        (ChatMessage(role="developer", content="x"), "system"),
        (ChatMessage(role="assistant", content="x"), "assistant"),
        (ChatMessage(role="critic", content="x"), "user"),
    ],
)
def test_each_kind_of_message_has_its_role(message: BaseMessage, role: str) -> None:
    """Roles follow from the message's class, and for free roles from the word."""
    found = one(message)
    assert (found.role, found.text) == (role, "x")


def test_a_name_is_kept() -> None:
    """The speaker's name goes along."""
    assert one(HumanMessage("x", name="Ada")).name == "Ada"


def test_a_message_that_no_model_can_read_is_an_error() -> None:
    """A marker of LangGraph's is no turn of a conversation."""
    with pytest.raises(ConfigurationError, match="RemoveMessage"):
        to_messages([RemoveMessage(id="1")])


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("text", Text("text")),
        ({"type": "text", "text": "a"}, Text("a")),
        ({"text": "a"}, Text("a")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            Text("a", marks={"cache_control": {"type": "ephemeral"}}),
        ),
        ({"type": "text", "text": "a", "extras": {"cache_control": 1}}, Text("a", marks={"cache_control": 1})),
        ({"type": "image_url", "image_url": "http://x/y.png"}, Image(url="http://x/y.png")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD", "detail": "low"}},
            Image(data="QUJD", mime_type="image/jpeg", detail="low"),
        ),
        (
            {"type": "image", "url": "http://x/y.png", "mime_type": "image/png"},
            Image("http://x/y.png", None, "image/png"),
        ),
        ({"type": "image", "base64": "QUJD", "mime_type": "image/png"}, Image(data="QUJD", mime_type="image/png")),
        (
            {"type": "image", "source_type": "base64", "data": "QUJD", "mime_type": "image/gif"},
            Image(data="QUJD", mime_type="image/gif"),
        ),
        ({"type": "image", "source_type": "url", "url": "http://x"}, Image(url="http://x")),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "QUJD"}},
            Image(data="QUJD", mime_type="image/webp"),
        ),
        ({"type": "image", "source": {"type": "url", "url": "http://x"}}, Image(url="http://x")),
        ({"type": "input_image", "image_url": "http://x"}, Image(url="http://x")),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
            Audio(data="QUJD", mime_type="audio/mp3"),
        ),
        ({"type": "audio", "base64": "QUJD", "mime_type": "audio/wav"}, Audio(data="QUJD", mime_type="audio/wav")),
        ({"type": "audio", "url": "http://x/a.wav"}, Audio(url="http://x/a.wav")),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
            Document(data="QUJD", mime_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(file_id="file-1")),
        (
            {"type": "file", "base64": "QUJD", "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
            Document(data="QUJD", mime_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "file", "source_type": "id", "id": "file-1"}, Document(file_id="file-1")),
        ({"type": "file", "url": "http://x/a.pdf"}, Document(url="http://x/a.pdf")),
        ({"type": "input_file", "file_url": "http://x/a.pdf"}, Document(url="http://x/a.pdf")),
        (
            {"type": "text-plain", "text": "notes", "title": "n.txt"},
            Document(text="notes", mime_type="text/plain", name="n.txt"),
        ),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
                "title": "T",
                "citations": {"enabled": True},
            },
            Document(data="QUJD", mime_type="application/pdf", name="T", marks={"citations": {"enabled": True}}),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "notes"}},
            Document(text="notes", mime_type="text/plain"),
        ),
        (
            {"type": "video", "url": "http://x/v.mp4", "mime_type": "video/mp4"},
            Document(url="http://x/v.mp4", mime_type="video/mp4"),
        ),
        ({"type": "media", "mime_type": "image/png", "data": "QUJD"}, Image(data="QUJD", mime_type="image/png")),
        ({"type": "media", "mime_type": "audio/wav", "data": "QUJD"}, Audio(data="QUJD", mime_type="audio/wav")),
        (
            {"type": "media", "mime_type": "text/csv", "file_uri": "gs://x"},
            Document(url="gs://x", mime_type="text/csv"),
        ),
        ({"type": "non_standard", "value": {"type": "text", "text": "a"}}, Text("a")),
        ({"type": "search_result", "source": "s"}, Opaque({"type": "search_result", "source": "s"}, "anthropic")),
    ],
)
def test_content_blocks_of_every_form_are_read(block: object, expected: object) -> None:
    """Standard, older and vendors' own blocks mean the same to the core."""
    assert one(HumanMessage([block])).content == (expected,)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "hologram", "data": 1},
        {"type": "image"},
        {"type": "image", "source": {"type": "carrier pigeon"}},
        {"type": "image_url", "image_url": 3},
        {"type": "file"},
        {"type": "audio"},
    ],
)
def test_a_block_that_cannot_be_read_is_an_error(block: dict[str, object]) -> None:
    """What a person wrote is never dropped in silence."""
    with pytest.raises(ConfigurationError, match=f"'{block['type']}'"):
        to_messages([HumanMessage([block])])


def test_tool_results_keep_their_status_and_content() -> None:
    """Errors, images and plain data come through; the artifact stays with the program."""
    image = {"type": "image", "base64": "QUJD", "mime_type": "image/png"}
    message = ToolMessage([image, {"rows": 3}], tool_call_id="c1", name="look", status="error", artifact=object())
    result = ToolResult("c1", (Image(data="QUJD", mime_type="image/png"), Text('{"rows": 3}')), "look", is_error=True)
    assert one(message) == Message("tool", (result,))


def test_tool_results_in_anthropics_form_become_tool_messages() -> None:
    """Results among a user's blocks are split off, before what the user says."""
    message = HumanMessage(
        [
            {"type": "tool_result", "tool_use_id": "c1", "content": "3", "is_error": True, "cache_control": 1},
            {"type": "text", "text": "go on"},
        ]
    )
    assert to_messages([message]) == (
        Message("tool", (ToolResult("c1", (Text("3"),), is_error=True, marks={"cache_control": 1}),)),
        Message("user", (Text("go on"),)),
    )
    assert len(to_messages([HumanMessage([message.content[0]])])) == 1


def test_a_tool_call_that_stands_twice_comes_once_and_in_its_place() -> None:
    """Anthropic's content repeats the calls of `tool_calls`; its order counts, the parsed arguments are used."""
    call = {"name": "add", "args": {"a": 1}, "id": "c1"}
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "tool_use", "id": "c1", "name": "add", "input": {}, "partial_json": '{"a"'},
        {"type": "text", "text": "after"},
        {"type": "input_json_delta", "partial_json": "1}"},
        {"type": "tool_use", "id": "c1", "name": "add", "input": {}},
    ]
    message = AIMessage(content, tool_calls=[call], response_metadata={"model_provider": "anthropic"})
    assert one(message).content == (
        Reasoning("hm", signature="sig", origin="anthropic"),
        ToolCall("c1", "add", '{"a": 1}', origin="anthropic"),
        Text("after", origin="anthropic"),
    )


def test_tool_calls_of_every_form() -> None:
    """Calls only in the content, only in `tool_calls`, and calls that could not be parsed."""
    message = AIMessage(
        [
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}', "id": "fc_1"},
            {"type": "tool_call", "id": "c2", "name": "g", "args": {"y": 2}, "extras": {"signature": "s2"}},
            {"type": "tool_call_chunk", "id": "c5", "name": None, "args": "{"},
        ],
        tool_calls=[{"name": "h", "args": {}, "id": "c3"}, {"name": "h", "args": {}, "id": None}],
        invalid_tool_calls=[{"name": "i", "args": "{oops", "id": "c4", "error": "bad"}],
    )
    assert one(message).content == (
        ToolCall("c1", "f", '{"x":1}'),
        ToolCall("c2", "g", '{"y": 2}', signature="s2"),
        ToolCall("c3", "h", "{}"),
        ToolCall("", "h", "{}"),
        ToolCall("c4", "i", "{oops"),
    )


def test_legacy_function_calls_meet_their_results() -> None:
    """OpenAI's retired calls had no ids: call and result get the same one."""
    call = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a":1}'}})
    first, second = to_messages([call, FunctionMessage(name="add", content="1")])
    assert first.content == (ToolCall("function_add", "add", '{"a":1}'),)
    assert second.content == (ToolResult("function_add", (Text("1"),), "add"),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            AIMessage(
                "a", additional_kwargs={"reasoning_content": "hm"}, response_metadata={"model_provider": "deepseek"}
            ),
            (Reasoning("hm", origin="deepseek"), Text("a", origin="deepseek")),
        ),
        (
            AIMessage([{"type": "redacted_thinking", "data": "xyz"}]),
            (Reasoning(data="xyz", origin="anthropic"),),
        ),
        (
            AIMessage([{"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": "s"}}]),
            (Reasoning("hm", signature="s"),),
        ),
        (
            AIMessage(
                [
                    {
                        "type": "reasoning",
                        "id": "rs_1",
                        "summary": [{"type": "summary_text", "text": "hm"}],
                        "encrypted_content": "e",
                    }
                ],
                response_metadata={"model_provider": "openai"},
            ),
            (Reasoning("hm", data="e", id="rs_1", origin="openai-responses"),),
        ),
        (
            AIMessage(
                [{"type": "reasoning", "reasoning": "hm", "extras": {"signature": "s"}}],
                response_metadata={"model_provider": "google_genai"},
            ),
            (Reasoning("hm", signature="s", origin="gemini"),),
        ),
        (
            AIMessage("a", additional_kwargs={"reasoning": {"id": "rs_1", "summary": []}}),
            (Reasoning("", id="rs_1", origin="openai-responses"), Text("a")),
        ),
        (
            AIMessage(
                "",
                tool_calls=[{"name": "f", "args": {}, "id": "c"}],
                additional_kwargs={"__gemini_function_call_thought_signatures__": {"c": "s"}},
            ),
            (ToolCall("c", "f", "{}", signature="s"),),
        ),
        (AIMessage([{"type": "refusal", "refusal": "no"}]), (Text("no"),)),
        (AIMessage([{"type": "hologram"}]), ()),
        (ChatMessage(role="assistant", content=[{"type": "hologram"}]), ()),
        (AIMessage("", additional_kwargs={"reasoning_blocks": ["hm", {"type": "hologram"}]}), ()),
        (
            AIMessage([{"type": "server_tool_use", "id": "s"}], response_metadata={"model_provider": "anthropic"}),
            (Opaque({"type": "server_tool_use", "id": "s"}, "anthropic"),),
        ),
        (AIMessage(""), ()),
    ],
)
def test_what_a_model_made_carries_its_origin(message: BaseMessage, expected: tuple[object, ...]) -> None:
    """Reasoning, signatures and private blocks know their maker, under the engine's name for it."""
    assert one(message).content == expected


def test_the_callers_messages_are_not_changed() -> None:
    """Conversion works on values of its own."""
    history = [
        HumanMessage([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]),
        AIMessage(
            [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}],
            tool_calls=[{"name": "f", "args": {}, "id": "c1"}],
        ),
        ToolMessage([{"a": 1}], tool_call_id="c1"),
    ]
    before = copy.deepcopy(history)
    to_messages(history)
    assert history == before
