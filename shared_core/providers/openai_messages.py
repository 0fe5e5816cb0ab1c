"""A conversation as the OpenAI Chat Completions wire writes it.

Owns the form of messages and nothing else: that the history is valid for the target (ids, order, foreign blocks) is
`shared_core.history`'s work and is taken for granted here.

Invariants: content is a plain string wherever it is text alone, since many compatible servers know nothing else;
tool results hold text alone, and what else a tool returned follows in a user message behind the run of results (but
not where roles must alternate).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from shared_core.messages import Audio, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.bodies import spoken
from shared_core.providers.media import inline

__all__ = ["encoded_messages"]

_JSON: TypeAlias = dict[str, Any]

_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-flac": "flac", "x-m4a": "m4a"}


def encoded_messages(messages: Iterable[Message], vendor: Vendor, *, with_names: bool = True) -> list[_JSON]:
    """`messages` in the wire's form.

    Args:
        messages: A history that is valid for `vendor`.
        vendor: Who gets it.
        with_names: Send the speakers' names.
    """
    messages = tuple(messages)
    thinks_back = vendor.reasoning_field if any(_calls_in(message) for message in messages) else None
    out: list[_JSON] = []
    attached: list[_JSON] = []  # what tools returned besides text
    for message in messages:
        results = [block for block in message.content if isinstance(block, ToolResult)]
        if not results and attached:
            out.append({"role": "user", "content": attached})
            attached = []
        for result in results:
            encoded, media = _tool_result(result, vendor)
            out.append(encoded)
            attached += media
        if results and len(results) == len(message.content):
            continue
        if message.role == "assistant":
            body = _assistant(message, vendor, thinks_back)
        else:
            role = vendor.system_role if message.role == "system" else "user"
            parts = [*attached, *_parts(message.content, vendor)]
            body = {"role": role, "content": _content(parts, "\n")}
            attached = []
        if with_names and message.name:
            body["name"] = message.name
        out.append(body)
    if attached:
        out.append({"role": "user", "content": attached})
    return out


def _calls_in(message: Message) -> list[ToolCall]:
    return [block for block in message.content if isinstance(block, ToolCall)]


def _content(parts: list[_JSON], joint: str) -> str | list[_JSON]:
    """A string if there is text alone and nothing is marked."""
    if all(part.keys() == {"type", "text"} for part in parts):
        return joint.join(part["text"] for part in parts)
    return parts


def _assistant(message: Message, vendor: Vendor, thinks_back: str | None) -> _JSON:
    # The text of one answer may be cut in blocks anywhere, in the middle of a word as well: joined without a line end.
    content = _content([part for part in _parts(message.content, vendor) if part["type"] == "text"], "")
    calls = _calls_in(message)
    body: _JSON = {"role": "assistant", "content": content if content or not calls else None}
    if thinks_back:
        thoughts = "".join(block.text for block in _own(message, vendor))
        if not thoughts and vendor.demands_reasoning:
            thoughts = " "  # a turn that another model took has none to give back, and "" counts as none (DeepSeek)
        if thoughts:
            body[thinks_back] = thoughts
    if calls:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
                **_marks(call.marks, vendor),
            }
            for call in calls
        ]
    for block in message.content:
        if isinstance(block, Opaque) and block.origin == vendor.name:
            body |= block.value
    return body


def _own(message: Message, vendor: Vendor) -> Iterator[Reasoning]:
    return (block for block in message.content if isinstance(block, Reasoning) and block.origin == vendor.name)


def _tool_result(result: ToolResult, vendor: Vendor) -> tuple[_JSON, list[_JSON]]:
    """The result's message, and the parts that it cannot hold."""
    parts = _parts(spoken(result), vendor)
    media = [part for part in parts if part["type"] != "text"]
    content = _content([part for part in parts if part["type"] == "text"], "\n")
    body: _JSON = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    if media and vendor.alternates:  # a user's turn behind a result is refused there; Mistral takes parts in results
        body["content"], media = parts, []
    elif media:
        body["content"] = content or "The result follows in the next user message."
        media.insert(0, {"type": "text", "text": f"Result of the tool call {result.call_id}:"})
    return body | _marks(result.marks, vendor), media


def _parts(blocks: Iterable[Any], vendor: Vendor) -> list[_JSON]:
    """Content parts of the blocks that have a form as such."""
    return [
        _part(block) | _marks(block.marks, vendor)
        for block in blocks
        if isinstance(block, Text | Image | Audio | Document)
    ]


def _part(block: Text | Image | Audio | Document) -> _JSON:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Image():
            image = {"url": block.url or _data_url(block.data, block.mime_type, "image/png")}
            return {"type": "image_url", "image_url": image | ({"detail": block.detail} if block.detail else {})}
        case Audio(data=None):  # vLLM and Qwen take a URL so; OpenAI takes none
            return {"type": "audio_url", "audio_url": {"url": block.url}}
        case Audio():
            subtype = (block.mime_type or "audio/wav").partition("/")[2].partition(";")[0]
            return {
                "type": "input_audio",
                "input_audio": {"data": block.data, "format": _AUDIO_FORMATS.get(subtype, subtype)},
            }
        case _:
            return _document(block)


def _document(block: Document) -> _JSON:
    if block.file_id:
        return {"type": "file", "file": {"file_id": block.file_id}}
    if block.text is not None:
        title = f"{block.name}:\n" if block.name else ""
        return {"type": "text", "text": f"{title}{block.text}"}
    kind = block.mime_type or "application/pdf"
    name = block.name or f"document.{kind.partition('/')[2].partition(';')[0]}"
    return {"type": "file", "file": {"filename": name, "file_data": block.url or _data_url(block.data, kind, kind)}}


def _data_url(data: str | None, mime_type: str | None, default: str) -> str:
    found = inline(data, None, mime_type, default=default)
    return f"data:{found.mime_type};base64,{found.data}" if found is not None else ""


def _marks(marks: Mapping[str, Any] | None, vendor: Vendor) -> _JSON:
    return {key: value for key, value in (marks or {}).items() if key in vendor.understands_marks}
