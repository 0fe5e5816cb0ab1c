"""LlamaIndex messages as the engine's, block by block.

Owns the reading of `ChatMessage`: roles, content blocks, and what older code keeps in `additional_kwargs`
(`tool_calls`, `function_call`, `tool_call_id`, `name`). Refuses to repair a conversation: who answers which call, and
what may travel to whom, is the engine's history hygiene.

Invariants: the caller's objects are read and never changed (the position of a file object included); no URL is fetched;
a block that has no counterpart raises instead of vanishing, but for citations, which only repeat what the text says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import IOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
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

from shared_core.errors import ConfigurationError
from shared_core.messages import (
    Audio,
    Block,
    Document,
    Image,
    Message,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = ["SIGNED_BY", "reads_files", "to_core", "tool_calls_of"]

SIGNED_BY = "signed_by"
"""Key of a message's `additional_kwargs` that keeps what no block has a field for: `origin`, the provider that made
the message, and its `signatures` by tool-call id, that of the text under "text". Plain JSON, as chat stores need it.
"""

_ROLES: Mapping[MessageRole, Role] = MappingProxyType(
    {
        MessageRole.SYSTEM: "system",
        MessageRole.DEVELOPER: "system",
        MessageRole.USER: "user",
        MessageRole.ASSISTANT: "assistant",
        MessageRole.CHATBOT: "assistant",
        MessageRole.MODEL: "assistant",
        MessageRole.TOOL: "tool",
        MessageRole.FUNCTION: "tool",
    }
)

_AUDIO_TYPES: Mapping[str, str] = MappingProxyType(
    {
        # LlamaIndex names audio by file extension; these differ from the subtype that IANA registers.
        "mp3": "audio/mpeg",
        "mpga": "audio/mpeg",
        "m4a": "audio/mp4",
        "oga": "audio/ogg",
    }
)

_Markable: TypeAlias = Text | Image | Audio | Document | ToolCall
_MARKABLE = (Text, Image, Audio, Document, ToolCall)

_Medium: TypeAlias = ImageBlock | AudioBlock | VideoBlock | DocumentBlock
_MEDIA = (ImageBlock, AudioBlock, VideoBlock, DocumentBlock)


def to_core(messages: Iterable[ChatMessage]) -> tuple[Message, ...]:
    """The conversation in the engine's form.

    Raises:
        ConfigurationError: Something is not a `ChatMessage`, or a block cannot be sent anywhere.
        OSError: A file that a block names cannot be read.
    """
    given: object = messages
    if isinstance(given, str):  # an empty one would be a conversation without messages
        raise ConfigurationError("expected a list of ChatMessage, got a string; a prompt is for complete()")
    return tuple(_message(message) for message in messages)


def reads_files(messages: Iterable[ChatMessage]) -> bool:
    """Whether `to_core` will read local files, so that async code can do it beside the event loop."""
    return any(
        # The type first: that something is no instance of a class of pydantic's takes long to find out.
        type(block) is not TextBlock and isinstance(block, _MEDIA) and block.path is not None
        for message in messages
        if isinstance(message, ChatMessage)
        for block in message.blocks
    )


def tool_calls_of(message: ChatMessage) -> list[ToolCallBlock]:
    """The calls of an assistant's message: its blocks or, where it has none, those of older code's `additional_kwargs`.

    Those may be dictionaries or SDK objects in OpenAI's form, or dictionaries with `name` and `arguments` or `input`.
    """
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return blocks
    found = [_older_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    if not found and (call := message.additional_kwargs.get("function_call")):
        found = [_older_call(call)]
    return found


def _message(message: ChatMessage) -> Message:
    if not isinstance(message, ChatMessage):
        raise ConfigurationError(f"expected a ChatMessage, got {type(message).__name__}")
    role = _ROLES[message.role]
    name = message.additional_kwargs.get("name")
    only = message.blocks[0] if len(message.blocks) == 1 else None
    # Text alone is what nearly every message is.
    blocks = (Text(only.text),) if type(only) is TextBlock else tuple(_blocks(message.blocks))
    if role == "tool":
        return Message("tool", (_result(message, blocks, name),))
    if role == "assistant" and message.additional_kwargs:
        blocks = _signed(message, blocks)
    return Message(role, blocks, name=name)


def _result(message: ChatMessage, blocks: Sequence[Block], name: str | None) -> ToolResult:
    extra = message.additional_kwargs
    content = tuple(block for block in blocks if isinstance(block, Text | Image | Audio | Document))
    # Results of the older `function_call` have a name and no id; the engine pairs those by name.
    call_id = extra.get("tool_call_id") or extra.get("call_id") or ""
    return ToolResult(str(call_id), content, name=name, is_error=bool(extra.get("is_error")))


def _signed(message: ChatMessage, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The assistant's blocks, calls of older code added, each with the signature that its maker demands back."""
    if not any(isinstance(block, ToolCall) for block in blocks):
        blocks = (*blocks, *(_call(call) for call in tool_calls_of(message)))
    signed_by = message.additional_kwargs.get(SIGNED_BY)
    if not isinstance(signed_by, Mapping):
        return blocks
    origin, signatures = signed_by.get("origin"), signed_by.get("signatures") or {}
    signed = list(blocks)
    for place, block in enumerate(blocks):
        if isinstance(block, ToolCall):
            signed[place] = replace(block, signature=signatures.get(block.id), origin=origin)
        elif isinstance(block, Text):
            signed[place] = replace(block, signature=signatures.get("text"), origin=origin)
    return tuple(signed)


def _blocks(blocks: Iterable[Any]) -> Iterator[Block]:
    """The engine's blocks; a cache point becomes a mark on the block before it."""
    last: _Markable | None = None
    for block in blocks:
        if isinstance(block, CachePoint):
            if last is not None:
                last = replace(last, marks={"cache_control": block.cache_control.model_dump()})
            continue
        for made in _made(block):
            if last is not None:
                yield last
                last = None
            if isinstance(made, _MARKABLE):
                last = made
            else:
                yield made
    if last is not None:
        yield last


def _made(block: Any) -> Iterator[Block]:
    match block:
        case TextBlock():
            yield Text(block.text)
        case ImageBlock():
            data, url, mime = _content(block, block.image, block.image_mimetype)
            yield Image(url=url, data=data, mime_type=mime, detail=block.detail)
        case AudioBlock():
            data, url, mime = _content(block, block.audio, _audio_type(block.format))
            yield Audio(data=data, url=url, mime_type=mime)
        case VideoBlock():
            # The engine knows video as a document; Gemini's wire sends one of any media type.
            data, url, mime = _content(block, block.video, block.video_mimetype)
            yield Document(data=data, url=url, mime_type=mime)
        case DocumentBlock():
            yield _document(block)
        case ThinkingBlock():
            yield _reasoning(block)
        case ToolCallBlock():
            yield _call(block)
        case CitableBlock():
            for part in block.content:
                yield from _made(part)
        case CitationBlock():
            return
        case _:
            raise ConfigurationError(f"a {type(block).__name__} cannot be sent to a model")


def _document(block: DocumentBlock) -> Document:
    data, url, mime = _content(block, block.data, block.document_mimetype)
    if data is not None and mime is not None and mime.startswith("text/"):
        # No provider takes plain text as a base64 file, and all of them take text.
        text = base64.b64decode(data).decode("utf-8", "replace")
        return Document(text=text, mime_type=mime, name=block.title)
    return Document(data=data, url=url, mime_type=mime, name=block.title)


def _content(
    block: _Medium, held: bytes | IOBase | None, mime: str | None
) -> tuple[str | None, str | None, str | None]:
    """Base64 text, URL (one of the two, or neither where the block is empty), and media type."""
    if held is not None:
        return _base64(held), None, mime
    if block.path is not None:
        return base64.b64encode(Path(block.path).read_bytes()).decode("ascii"), None, mime
    url = str(block.url) if block.url else None
    if url is None or not url.startswith("data:"):
        return None, url, mime
    head, _, body = url.removeprefix("data:").partition(",")
    stated, *parameters = head.split(";")
    if "base64" not in parameters:
        raise ConfigurationError(f"a data URL of a {type(block).__name__} must be base64")
    return body, None, mime or stated or None


def _base64(held: bytes | IOBase) -> str:
    if isinstance(held, bytes):
        # Blocks turn raw bytes into base64 when they are made, but not when they are assigned to.
        return held.decode("ascii") if held.isascii() else base64.b64encode(held).decode("ascii")
    place = held.tell()
    held.seek(0)
    content: bytes = held.read()
    held.seek(place)
    return base64.b64encode(content).decode("ascii")


def _audio_type(extension: str | None) -> str | None:
    if not extension:
        return None
    return extension if "/" in extension else _AUDIO_TYPES.get(extension, f"audio/{extension}")


def _reasoning(block: ThinkingBlock) -> Reasoning:
    known = block.additional_information
    return Reasoning(
        text=block.content or "",
        signature=known.get("signature"),
        data=known.get("data"),
        id=known.get("id"),
        origin=known.get("origin"),
    )


def _call(block: ToolCallBlock) -> ToolCall:
    arguments = block.tool_kwargs
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(block.tool_call_id or "", block.tool_name, text or "{}")


def _older_call(call: Any) -> ToolCallBlock:
    read: Callable[[str], Any] = call.get if isinstance(call, Mapping) else lambda name: getattr(call, name, None)
    if (function := read("function")) is not None:
        inner = _older_call(function)
        return inner.model_copy(update={"tool_call_id": read("id")})
    name, arguments = read("name"), read("arguments")
    if not isinstance(name, str):
        raise ConfigurationError(f"a tool call in additional_kwargs has no name: {type(call).__name__}")
    return ToolCallBlock(
        tool_call_id=read("id"),
        tool_name=name,
        tool_kwargs=(read("input") if arguments is None else arguments) or {},
    )
