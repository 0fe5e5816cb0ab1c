"""A conversation as the OpenAI Responses wire writes it: a flat list of input items.

Owns the form of items and nothing else: that the history is valid for the target (ids, order, foreign blocks) is
`shared_core.history`'s work and is taken for granted here.

Invariants: reasoning goes back only with its encrypted content, since nothing is stored and an id alone is not found,
and only in front of what it led to; a result that is an error says so in its text, as the protocol has no field for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, assert_never

from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.bodies import spoken
from shared_core.providers.media import inline

__all__ = ["encoded_input"]

_JSON: TypeAlias = dict[str, Any]


def encoded_input(messages: Iterable[Message], vendor: Vendor) -> list[_JSON]:
    """The input items of `messages`.

    Args:
        messages: A history that is valid for `vendor`.
        vendor: Who gets it.
    """
    items: list[_JSON] = []
    for message in messages:
        if message.role == "assistant":
            items += _answered(message.content, vendor)
            continue
        items += (_output(block, vendor) for block in message.content if isinstance(block, ToolResult))
        parts = _parts(message.content, vendor)
        if parts:
            role = vendor.system_role if message.role == "system" else "user"
            items.append({"role": role, "content": _plain(parts)})
    return items


def _answered(content: Iterable[Block], vendor: Vendor) -> Iterator[_JSON]:
    """The items of one answer, in its order; text blocks that stand together are one message."""
    thoughts: list[_JSON] = []
    said: list[_JSON] = []
    for block in content:
        item = _item(block, vendor)
        if item is None:
            continue
        is_text = item["type"] == "output_text"
        if said and not is_text:
            yield _message(said)
            said = []
        if item["type"] == "reasoning":
            thoughts.append(item)
            continue
        yield from thoughts
        thoughts = []
        if is_text:
            said.append(item)
        else:
            yield item
    if said:
        yield _message(said)


def _message(said: list[_JSON]) -> _JSON:
    return {"type": "message", "role": "assistant", "content": said}


def _item(block: Block, vendor: Vendor) -> _JSON | None:
    """The item that a block of an answer makes, or the part of a message; None for what has no form in an answer."""
    match block:
        case Text(text=text) if text:
            return {"type": "output_text", "text": text, "annotations": []}
        case ToolCall():
            arguments = block.arguments or "{}"
            return {"type": "function_call", "call_id": block.id, "name": block.name, "arguments": arguments}
        case Reasoning(data=str(data), origin=origin) if data and origin == vendor.name:
            summary = [{"type": "summary_text", "text": block.text}] if block.text else []
            item = {"type": "reasoning", "summary": summary, "encrypted_content": data}
            return item | ({"id": block.id} if block.id else {})
        case Opaque(value={"type": _}, origin=origin) if origin == vendor.name:
            return dict(block.value)
        case _:
            return None


def _output(result: ToolResult, vendor: Vendor) -> _JSON:
    output = _plain(_parts(spoken(result), vendor))
    return {"type": "function_call_output", "call_id": result.call_id, "output": output} | _marks(result.marks, vendor)


def _plain(parts: list[_JSON]) -> str | list[_JSON]:
    """A string if there is text alone and nothing is marked: the form that every compatible server takes."""
    if all(part.keys() == {"type", "text"} for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _parts(blocks: Iterable[Block], vendor: Vendor) -> list[_JSON]:
    return [
        _part(block) | _marks(block.marks, vendor)
        for block in blocks
        if isinstance(block, Text | Image | Audio | Document)
    ]


def _part(block: Text | Image | Audio | Document) -> _JSON:
    match block:
        case Text():
            return {"type": "input_text", "text": block.text}
        case Image():
            found = inline(block.data, block.url, block.mime_type, default="image/png")
            url = f"data:{found.mime_type};base64,{found.data}" if found else block.url
            return {"type": "input_image", "image_url": url, "detail": block.detail or "auto"}
        case Audio():
            found = inline(block.data, block.url, block.mime_type, default="audio/wav")
            if found is None:
                return {"type": "input_file", "file_url": block.url}
            form = "mp3" if "mp" in found.mime_type else "wav"  # the protocol knows these two
            return {"type": "input_audio", "input_audio": {"data": found.data, "format": form}}
        case Document():
            return _document(block)
        case _:
            assert_never(block)


def _document(block: Document) -> _JSON:
    if block.file_id:
        return {"type": "input_file", "file_id": block.file_id}
    if block.text is not None:
        return {"type": "input_text", "text": f"{block.name}:\n{block.text}" if block.name else block.text}
    found = inline(block.data, block.url, block.mime_type, default="application/pdf")
    if found is None:
        return {"type": "input_file", "file_url": block.url}
    name = block.name or f"document.{found.mime_type.rpartition('/')[2]}"
    return {
        "type": "input_file",
        "filename": name,
        "file_data": f"data:{found.mime_type};base64,{found.data}",
    }


def _marks(marks: Mapping[str, Any] | None, vendor: Vendor) -> _JSON:
    return {key: value for key, value in (marks or {}).items() if key in vendor.understands_marks}
