"""A conversation as a member gets it: its own messages wherever they are valid for it, and new ones where not.

Owns the way back from the engine's messages to `ChatMessage`s, and the question which of the caller's may stay as they
are. What may travel to whom is the engine's history hygiene; this module only asks it and carries out the answer.

Invariants: the caller's objects are never changed; a conversation that nobody foreign had a hand in comes back with the
same objects; a tool result is a message of its own, as LlamaIndex has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_failover.tools import parsed
from shared_core.history import prepare
from shared_core.messages import Audio, Block, Document, Image, Message, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

__all__ = ["is_question", "suited", "to_chat"]

_ROLES: Mapping[str, MessageRole] = MappingProxyType(
    {
        "system": MessageRole.SYSTEM,
        "user": MessageRole.USER,
        "assistant": MessageRole.ASSISTANT,
        "tool": MessageRole.TOOL,
    }
)

_EVERYWHERE = frozenset(_ROLES.values())
"""Roles that every LLM class knows; of the others (`developer`, `chatbot`, `function` …) each knows its own."""

_AT_HOME = frozenset({"cache", "citable", "citation"})
"""Blocks that only Anthropic's class takes; others raise."""


def is_question(messages: Sequence[ChatMessage]) -> bool:
    """Whether a conversation is but a user's text, behind one of the system's perhaps: valid for everyone as it is."""
    if not 0 < len(messages) <= len(_QUESTION):
        return False
    for message, role in zip(messages, _QUESTION[-len(messages) :], strict=True):
        # By type, since `isinstance` with a class of pydantic's costs more than what this is to spare.
        blocks = message.blocks
        if message.role is not role or message.additional_kwargs or len(blocks) != 1:
            return False
        block = blocks[0]
        if type(block) is not TextBlock or not block.text.strip():
            return False
    return True


_QUESTION = (MessageRole.SYSTEM, MessageRole.USER)


def suited(
    messages: Sequence[Message], own: Mapping[int, ChatMessage], vendor: Vendor, model: str
) -> list[ChatMessage]:
    """The conversation, valid for a member of `vendor`.

    Args:
        messages: The conversation in the engine's form.
        own: The caller's messages that some of them were made of, by the `id` of the engine's.
        vendor: Who is behind the member.
        model: The member's model.
    """
    found: list[ChatMessage] = []
    for message in prepare(tuple(messages), vendor, model=model):
        known = own.get(id(message))
        if known is not None and _may_stay(known, vendor):
            found.append(known)
        else:
            found += to_chat(message)
    return found


def to_chat(message: Message) -> Iterator[ChatMessage]:
    """A message of the engine in LlamaIndex's form: one, but for several tool results, which are as many."""
    extra: dict[str, Any] = {} if message.name is None else {"name": message.name}
    results = [block for block in message.content if isinstance(block, ToolResult)]
    for result in results:
        told: dict[str, Any] = {"tool_call_id": result.call_id}
        if result.name is not None:
            told["name"] = result.name
        if result.is_error:
            told["is_error"] = True
        # Some classes send the text of a result, and fail where there is no block at all.
        blocks = list(_blocks(result.content)) or [TextBlock(text="")]
        yield ChatMessage(role=MessageRole.TOOL, blocks=blocks, additional_kwargs=told)
    rest = [block for block in message.content if not isinstance(block, ToolResult)]
    if rest or not results:
        yield ChatMessage(role=_ROLES[message.role], blocks=list(_blocks(rest)), additional_kwargs=extra)


def _may_stay(message: ChatMessage, vendor: Vendor) -> bool:
    """Whether the member's class can send the message as it is."""
    if message.role not in _EVERYWHERE:
        return False
    is_openai = vendor.wire == "openai"
    has_call = False
    for block in message.blocks:
        if isinstance(block, ToolCallBlock):
            has_call = True
            # OpenAI keeps arguments as the text that the model wrote; all others want them read.
            if isinstance(block.tool_kwargs, str) and not is_openai:
                return False
        elif block.block_type in _AT_HOME and vendor.wire != "anthropic":
            return False
    older = message.additional_kwargs
    return has_call or not (older.get("tool_calls") or older.get("function_call"))


def _blocks(content: Iterable[Block]) -> Iterator[ContentBlock]:
    for block in content:
        yield from _made(block)
        if marks := getattr(block, "marks", None):
            control = marks.get("cache_control")
            if isinstance(control, Mapping):
                yield CachePoint(cache_control=CacheControl(**control))


def _made(block: Block) -> Iterator[ContentBlock]:
    match block:
        case Text():
            yield TextBlock(text=block.text)
        case Image():
            data = None if block.data is None else block.data.encode("ascii")
            yield ImageBlock(image=data, url=block.url, image_mimetype=block.mime_type, detail=block.detail)
        case Audio():
            data = None if block.data is None else block.data.encode("ascii")
            yield AudioBlock(audio=data, url=block.url, format=(block.mime_type or "").partition("/")[2] or None)
        case Document(text=str(text)):
            yield TextBlock(text=text)
        case Document():
            data = None if block.data is None else block.data.encode("ascii")
            yield DocumentBlock(data=data, url=block.url, title=block.name, document_mimetype=block.mime_type)
        case Reasoning():
            known = {"signature": block.signature, "data": block.data, "id": block.id, "origin": block.origin}
            information = {key: value for key, value in known.items() if value is not None}
            yield ThinkingBlock(content=block.text, additional_information=information)
        case ToolCall():
            arguments = parsed(block.arguments)
            yield ToolCallBlock(
                tool_call_id=block.id,
                tool_name=block.name,
                tool_kwargs=arguments if isinstance(arguments, dict) else block.arguments,
            )
        case _:
            # Results are messages of their own, and a provider's opaque blocks have no form in LlamaIndex.
            return
