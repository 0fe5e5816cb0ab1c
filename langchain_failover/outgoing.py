"""Core messages as LangChain messages, for members: what of a history must be rewritten before a member gets it.

A member gets the caller's own messages wherever it can read them; only what another provider made, or what had to be
repaired, is written anew. Content is written in the forms that every integration reads (OpenAI's for images, standard
blocks for files and audio); reasoning, which goes home only, in the form of its maker's integration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, InvalidToolCall, SystemMessage, ToolMessage
from langchain_core.messages import ToolCall as LangChainToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_failover.google import from_part
from langchain_failover.messages import TOOL_SIGNATURES
from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

__all__ = ["to_langchain"]

_Content: TypeAlias = str | list[str | dict[Any, Any]]


def to_langchain(message: Message, vendor: Vendor) -> Iterator[BaseMessage]:
    """One turn, as messages for a member of `vendor`; a turn of several tool results becomes as many messages."""
    match message.role:
        case "system":
            yield SystemMessage(_content(message.content), name=message.name)
        case "user":
            yield HumanMessage(_content(message.content), name=message.name)
        case "assistant":
            yield _answer(message, vendor)
        case "tool":
            for block in message.content:
                if isinstance(block, ToolResult):
                    yield ToolMessage(
                        _content(block.content),
                        tool_call_id=block.call_id,
                        name=block.name,
                        status="error" if block.is_error else "success",
                    )
        case _:
            assert_never(message.role)


def _answer(message: Message, vendor: Vendor) -> AIMessage:
    calls: list[LangChainToolCall] = []
    broken: list[InvalidToolCall] = []
    kept: dict[str, Any] = {}
    said: list[Block] = []
    for block in message.content:
        if isinstance(block, ToolCall):
            _add_call(block, calls, broken)
            if block.signature is not None:
                kept.setdefault(TOOL_SIGNATURES, {})[block.id] = block.signature
        elif isinstance(block, Reasoning) and vendor.reasoning_field is not None:
            kept["reasoning_content"] = kept.get("reasoning_content", "") + block.text
        else:
            said.append(block)
    return AIMessage(
        _content(said, _REASONING.get(vendor.wire, _thinking)),
        name=message.name,
        tool_calls=calls,
        invalid_tool_calls=broken,
        additional_kwargs=kept,
    )


def _add_call(block: ToolCall, calls: list[LangChainToolCall], broken: list[InvalidToolCall]) -> None:
    try:
        arguments = json.loads(block.arguments or "{}", strict=False)
    except ValueError as error:
        broken.append(invalid_tool_call(name=block.name, args=block.arguments, id=block.id, error=str(error)))
        return
    calls.append(tool_call(name=block.name, args=arguments if isinstance(arguments, dict) else {}, id=block.id))


def _content(blocks: Sequence[Block], reasoning: Callable[[Reasoning], dict[str, Any]] | None = None) -> _Content:
    if (
        all(isinstance(block, Text) and not block.marks and block.signature is None for block in blocks)
        and len(blocks) < 2
    ):
        return "".join(block.text for block in blocks if isinstance(block, Text))
    return [_block(block, reasoning or _thinking) for block in blocks if not isinstance(block, ToolCall | ToolResult)]


def _block(block: Any, reasoning: Callable[[Reasoning], dict[str, Any]]) -> dict[str, Any]:
    match block:
        case Text():
            extra = {} if block.signature is None else {"extras": {"signature": block.signature}}
            return {"type": "text", "text": block.text, **extra, **(block.marks or {})}
        case Image():
            url = block.url or f"data:{block.mime_type or 'image/png'};base64,{block.data}"
            detail = {} if block.detail is None else {"detail": block.detail}
            return {"type": "image_url", "image_url": {"url": url, **detail}, **(block.marks or {})}
        case Audio():
            return {
                "type": "audio",
                **_source(block.data, block.url, None, block.mime_type or "audio/wav", block.marks),
            }
        case Document(text=str(text)):
            return {"type": "text-plain", "text": text, "mime_type": "text/plain", **_named(block)}
        case Document():
            source = _source(block.data, block.url, block.file_id, block.mime_type or "application/pdf", block.marks)
            return {"type": "file", **source, **_named(block)}
        case Reasoning():
            return reasoning(block)
        case Opaque():
            return from_part(block.value)
        case _:
            raise TypeError(f"{type(block).__name__} has no place in the content of a message")


def _named(document: Document) -> dict[str, Any]:
    return {} if document.name is None else {"extras": {"filename": document.name}}


def _source(
    data: str | None, url: str | None, file_id: str | None, mime_type: str, marks: Mapping[str, Any] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"base64": data} if data else {"url": url} if url else {"file_id": file_id}
    return {**found, "mime_type": mime_type, **(marks or {})}


def _thinking(block: Reasoning) -> dict[str, Any]:
    """As the integrations of Anthropic and Google write it."""
    if block.data is not None:
        return {"type": "redacted_thinking", "data": block.data}
    signature = {} if block.signature is None else {"signature": block.signature}
    return {"type": "thinking", "thinking": block.text, **signature}


def _item(block: Reasoning) -> dict[str, Any]:
    """As the integration of OpenAI's Responses API writes it."""
    summary = [{"type": "summary_text", "text": block.text}] if block.text else []
    found: dict[str, Any] = {"type": "reasoning", "summary": summary, "encrypted_content": block.data, "id": block.id}
    return {name: value for name, value in found.items() if value is not None}


_REASONING: dict[str, Callable[[Reasoning], dict[str, Any]]] = {"responses": _item}
"""Forms of reasoning by wire, where it is not `_thinking`."""
