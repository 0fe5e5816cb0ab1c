"""LlamaIndex messages as the engine's: each block, each role, and what older code keeps beside them."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage

from llamaindex_failover.messages import SIGNED_BY, reads_files, to_core
from shared_core.errors import ConfigurationError
from shared_core.messages import Audio, Block, Document, Image, Message, Reasoning, Text, ToolCall, ToolResult

BYTES = b"\x89PNG\r\n\x1a\n some bytes \xff\xfe"
BASE64 = base64.b64encode(BYTES).decode()
EPHEMERAL = {"cache_control": {"type": "ephemeral", "ttl": "5m"}}


def converted(*blocks: Any, role: str = "user", **extra: Any) -> tuple[Block, ...]:
    """The blocks of one message as the engine's."""
    (message,) = to_core([ChatMessage(role=role, blocks=list(blocks), additional_kwargs=extra)])
    return message.content


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (MessageRole.SYSTEM, "system"),
        (MessageRole.DEVELOPER, "system"),
        (MessageRole.USER, "user"),
        (MessageRole.ASSISTANT, "assistant"),
        (MessageRole.CHATBOT, "assistant"),
        (MessageRole.MODEL, "assistant"),
        (MessageRole.TOOL, "tool"),
        (MessageRole.FUNCTION, "tool"),
    ],
)
def test_every_role_has_a_counterpart(role: MessageRole, expected: str) -> None:
    """All roles of the framework are one of the engine's four."""
    (message,) = to_core([ChatMessage(role=role, content="Hi")])
    assert message.role == expected
    assert "Hi" in (message.text, *(part.text for part in getattr(message.content[0], "content", ())))


def test_a_speaker_keeps_their_name() -> None:
    """The name in `additional_kwargs` is the message's name."""
    (message,) = to_core([ChatMessage(content="Hi", additional_kwargs={"name": "Ann"})])
    assert message == Message("user", (Text("Hi"),), name="Ann")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (ImageBlock(image=BYTES, image_mimetype="image/png"), Image(data=BASE64, mime_type="image/png")),
        (ImageBlock(image=BytesIO(BYTES), image_mimetype="image/png"), Image(data=BASE64, mime_type="image/png")),
        (
            ImageBlock(url="https://example.com/a.png", detail="low"),
            Image(url="https://example.com/a.png", mime_type="image/png", detail="low"),
        ),
        (ImageBlock(url=f"data:image/gif;base64,{BASE64}"), Image(data=BASE64, mime_type="image/gif")),
        (ImageBlock(), Image()),
        (AudioBlock(audio=BYTES, format="mp3"), Audio(data=BASE64, mime_type="audio/mpeg")),
        (AudioBlock(audio=BYTES, format="wav"), Audio(data=BASE64, mime_type="audio/wav")),
        (AudioBlock(audio=BYTES, format="audio/flac"), Audio(data=BASE64, mime_type="audio/flac")),
        (
            AudioBlock(url="https://example.com/a"),
            Audio(url="https://example.com/a"),
        ),
        (VideoBlock(video=BYTES, video_mimetype="video/mp4"), Document(data=BASE64, mime_type="video/mp4")),
        (
            DocumentBlock(data=BYTES, document_mimetype="application/pdf", title="Paper"),
            Document(data=BASE64, mime_type="application/pdf", name="Paper"),
        ),
        (
            DocumentBlock(data="Grüße".encode(), document_mimetype="text/plain", title="Note"),
            Document(text="Grüße", mime_type="text/plain", name="Note"),
        ),
        (
            DocumentBlock(url="https://example.com/a.pdf", title="Paper"),
            Document(url="https://example.com/a.pdf", mime_type="application/pdf", name="Paper"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_media_arrive_as_base64_or_url(block: BaseContentBlock, expected: Block) -> None:
    """Bytes, files in memory, URLs and data URLs each have one form, with the media type."""
    assert converted(TextBlock(text="Look"), block) == (Text("Look"), expected)


def test_a_file_is_read_where_a_block_names_one(tmp_path: Path) -> None:
    """A block with a path is sent as the file's content, and can be told beforehand."""
    path = tmp_path / "a.png"
    path.write_bytes(BYTES)
    message = ChatMessage(blocks=[ImageBlock(path=path)])
    assert reads_files([message])
    assert not reads_files([ChatMessage(content="Hi"), ChatMessage(blocks=[ImageBlock(image=BYTES)])])
    assert to_core([message])[0].content == (Image(data=BASE64, mime_type="image/png"),)


def test_bytes_that_were_assigned_later_are_encoded() -> None:
    """A block encodes bytes only when it is made; assigned ones are encoded here."""
    block = ImageBlock(image_mimetype="image/png")
    block.image = BYTES
    assert converted(block) == (Image(data=BASE64, mime_type="image/png"),)


def test_a_file_object_keeps_its_position() -> None:
    """Reading a file object in memory leaves it where it stood."""
    file = BytesIO(BYTES)
    file.seek(5)
    converted(ImageBlock(image=file, image_mimetype="image/png"))
    assert file.tell() == 5


def test_a_data_url_that_is_no_base64_is_refused() -> None:
    """A percent-encoded data URL says so instead of arriving broken."""
    with pytest.raises(ConfigurationError, match="data URL of a ImageBlock must be base64"):
        converted(ImageBlock(url="data:image/svg+xml,%3Csvg/%3E"))


def test_thinking_keeps_what_its_maker_demands() -> None:
    """Signature, data, id and maker of thinking are read from where answers leave them."""
    known = {"signature": "s", "data": "d", "id": "i", "origin": "anthropic", "other": 1}
    assert converted(ThinkingBlock(content="Hm", additional_information=known), role="assistant") == (
        Reasoning("Hm", signature="s", data="d", id="i", origin="anthropic"),
    )
    assert converted(ThinkingBlock(), role="assistant") == (Reasoning(),)


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [({"a": "ü"}, '{"a": "ü"}'), ('{"a": 1', '{"a": 1'), ({}, "{}"), ("", "{}")],
)
def test_a_tool_call_block_is_a_call(kwargs: Any, expected: str) -> None:
    """Arguments are JSON text, whichever form the block has."""
    block = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs=kwargs)
    assert converted(block, role="assistant") == (ToolCall("call_1", "add", expected),)


OPENAI_DICT = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
OPENAI_OBJECT = SimpleNamespace(
    id="call_1", type="function", function=SimpleNamespace(name="add", arguments='{"a": 1}')
)
ANTHROPIC_DICT = {"id": "call_1", "name": "add", "input": {"a": 1}}
OLLAMA_DICT = {"id": "call_1", "function": {"name": "add", "arguments": {"a": 1}}}


@pytest.mark.parametrize("call", [OPENAI_DICT, OPENAI_OBJECT, ANTHROPIC_DICT, OLLAMA_DICT])
def test_calls_of_older_code_are_read(call: Any) -> None:
    """`additional_kwargs["tool_calls"]` holds dictionaries or SDK objects; both are calls."""
    assert converted(role="assistant", tool_calls=[call]) == (ToolCall("call_1", "add", '{"a": 1}'),)


def test_a_call_is_not_told_twice() -> None:
    """Where blocks tell the calls, `additional_kwargs` are not asked."""
    block = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs='{"a": 1}')
    assert converted(TextBlock(text="So"), block, role="assistant", tool_calls=[OPENAI_DICT]) == (
        Text("So"),
        ToolCall("call_1", "add", '{"a": 1}'),
    )


def test_a_function_call_and_its_result_are_named_and_have_no_id() -> None:
    """The oldest form pairs by name, which the engine's history hygiene understands."""
    messages = [
        ChatMessage(role="assistant", additional_kwargs={"function_call": {"name": "add", "arguments": "{}"}}),
        ChatMessage(role="function", content="7", additional_kwargs={"name": "add"}),
    ]
    call, result = to_core(messages)
    assert call.content == (ToolCall("", "add", "{}"),)
    assert result.content == (ToolResult("", (Text("7"),), name="add"),)


def test_a_call_without_a_name_is_refused() -> None:
    """What cannot be read as a call says so."""
    with pytest.raises(ConfigurationError, match="has no name"):
        converted(role="assistant", tool_calls=[{"id": "call_1"}])


@pytest.mark.parametrize("key", ["tool_call_id", "call_id"])
def test_a_tool_message_is_a_result(key: str) -> None:
    """A tool message is the result of the call whose id it names, with text and images."""
    image = ImageBlock(url="https://example.com/a.png")
    assert converted(TextBlock(text="7"), image, role="tool", **{key: "call_1"}) == (
        ToolResult("call_1", (Text("7"), Image(url="https://example.com/a.png", mime_type="image/png"))),
    )
    assert converted(TextBlock(text="no"), role="tool", is_error=True) == (
        ToolResult("", (Text("no"),), is_error=True),
    )


def test_a_cache_point_marks_what_stands_before_it() -> None:
    """A cache point is a mark on the block before it; without one it is nothing."""
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    assert converted(point, TextBlock(text="a"), TextBlock(text="b"), point, TextBlock(text="c")) == (
        Text("a"),
        Text("b", marks=EPHEMERAL),
        Text("c"),
    )
    assert converted(ThinkingBlock(content="Hm"), point, TextBlock(text="a"), role="assistant") == (
        Reasoning("Hm"),
        Text("a"),
    )


def test_citable_content_is_sent_and_citations_are_not() -> None:
    """What may be cited is content; a citation repeats what the text says."""
    citable = CitableBlock(title="T", source="S", content=[TextBlock(text="one"), ImageBlock(image=BYTES)])
    citation = CitationBlock(cited_content="one", source="S", title="T", additional_location_info={})
    first, second = converted(citable, citation)
    assert first == Text("one")
    assert isinstance(second, Image)


def test_signatures_go_back_to_their_blocks() -> None:
    """What an answer kept beside its blocks returns to the text and to each call."""
    signed_by = {"origin": "gemini", "signatures": {"text": "st", "call_1": "s1"}}
    calls = [ToolCallBlock(tool_call_id=f"call_{number}", tool_name="add") for number in (1, 2)]
    assert converted(TextBlock(text="So"), *calls, role="assistant", **{SIGNED_BY: signed_by}) == (
        Text("So", signature="st", origin="gemini"),
        ToolCall("call_1", "add", "{}", signature="s1", origin="gemini"),
        ToolCall("call_2", "add", "{}", origin="gemini"),
    )


def test_what_is_no_message_is_refused() -> None:
    """A string among the messages, or a block of no known kind, names itself in the error."""
    with pytest.raises(ConfigurationError, match="expected a ChatMessage, got str"):
        to_core(["Hi"])
    for text in ("Hi", ""):
        with pytest.raises(ConfigurationError, match="a prompt is for complete"):
            to_core(text)

    class OddBlock(TextBlock):
        pass

    message = ChatMessage(content="Hi")
    message.blocks = [CacheControl(type="x")]
    with pytest.raises(ConfigurationError, match="a CacheControl cannot be sent"):
        to_core([message])


def test_the_callers_messages_stay_as_they_are() -> None:
    """Conversion reads, and changes nothing."""
    messages = [
        ChatMessage(role="assistant", blocks=[TextBlock(text="So")], additional_kwargs={"tool_calls": [OPENAI_DICT]}),
        ChatMessage(blocks=[ImageBlock(image=BYTES), DocumentBlock(data=BYTES), ThinkingBlock(content="Hm")]),
    ]
    before = [message.model_dump() for message in messages]
    to_core(messages)
    assert [message.model_dump() for message in messages] == before
