"""A conversation as the Anthropic Messages API writes it.

Owns the form of system prompts, turns and content blocks. That ids, calls and results fit together is
`shared_core.history`'s work and is taken for granted here.

Invariants: whatever comes in, the turns begin with the user's, alternate, and hold at least one block; no text is blank
(the API refuses it); results come first in their turn; thinking goes back only to the provider that signed it; an
assistant's turn holds text, thinking and calls alone; the result of a failed tool is text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from shared_core.messages import Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.json_codec import loads
from shared_core.providers.media import inline, text_of

__all__ = [
    "called_tools",
    "encoded_system",
    "encoded_turns",
    "has_thinking",
    "is_mid_call_without_thinking",
    "understood_marks",
]

_JSON: TypeAlias = dict[str, Any]

_GO_ON = "Continue."
"""Text of a user's turn that the protocol demands and the conversation does not have."""


def encoded_system(messages: Iterable[Message], vendor: Vendor) -> list[_JSON]:
    """The system prompt: the text of all system messages, wherever they stand, as blocks."""
    return [
        _text(block.text) | understood_marks(block.marks, vendor)
        for message in messages
        if message.role == "system"
        for block in message.content
        if isinstance(block, Text) and block.text.strip()
    ]


def encoded_turns(messages: Iterable[Message], vendor: Vendor, *, takes_prefill: bool) -> list[_JSON]:
    """The turns of the conversation, without its system messages.

    Args:
        messages: A history that is valid for `vendor`.
        vendor: Who gets it.
        takes_prefill: The last turn may be the assistant's; otherwise a turn of the user's is added.
    """
    turns: list[_JSON] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        encode = _assistant_block if role == "assistant" else _user_block
        content = [found for block in message.content if (found := encode(block, vendor)) is not None]
        if content and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block.get("type") != "tool_result")
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(_GO_ON)]})
    if turns[-1]["role"] == "assistant":
        if takes_prefill:
            _strip_end(turns[-1]["content"])
        else:
            turns.append({"role": "user", "content": [_text(_GO_ON)]})
    return turns


def called_tools(messages: Iterable[Message]) -> list[str]:
    """Names of the tools that were called in the conversation, each once, in order."""
    names = (block.name for message in messages for block in message.content if isinstance(block, ToolCall))
    return list(dict.fromkeys(names))


def has_thinking(turns: Iterable[_JSON]) -> bool:
    """Thinking is sent back in `turns`."""
    return any(block.get("type") in {"thinking", "redacted_thinking"} for turn in turns for block in turn["content"])


def is_mid_call_without_thinking(turns: list[_JSON]) -> bool:
    """The tool call that waits for the model was not preceded by its thinking: another provider's, for instance.

    With a thinking budget the API refuses such a conversation ("Expected `thinking` … but found `tool_use`").
    """
    if len(turns) < 2 or turns[-1]["role"] != "user" or turns[-1]["content"][0].get("type") != "tool_result":
        return False
    return turns[-2]["content"][0].get("type") not in {"thinking", "redacted_thinking"}


def _user_block(block: Block, vendor: Vendor) -> _JSON | None:
    match block:
        case Text(text=text):
            found = _text(text) if text.strip() else None
        case Image():
            found = _image(block)
        case Document():
            found = _document(block)
        case ToolResult():
            found = _result(block, vendor)
        case Opaque(origin=vendor.name):
            return dict(block.value)
        case _:
            return None
    return None if found is None else found | understood_marks(block.marks, vendor)


def _assistant_block(block: Block, vendor: Vendor) -> _JSON | None:
    match block:
        case Text(text=text) if text.strip():
            return _text(text) | understood_marks(block.marks, vendor)
        case ToolCall():
            call = {"type": "tool_use", "id": block.id, "name": block.name, "input": _input(block.arguments)}
            return call | understood_marks(block.marks, vendor)
        case Reasoning(origin=vendor.name):
            if block.data:
                return {"type": "redacted_thinking", "data": block.data}
            if block.signature:
                return {"type": "thinking", "thinking": block.text, "signature": block.signature}
            return None
        case Opaque(origin=vendor.name):
            return dict(block.value)
        case _:
            return None


def _result(block: ToolResult, vendor: Vendor) -> _JSON:
    found: _JSON = {"type": "tool_result", "tool_use_id": block.call_id}
    parts = (_user_block(part, vendor) for part in block.content)
    content = [part for part in parts if part is not None and not (block.is_error and part["type"] != "text")]
    if content:
        found["content"] = content
    if block.is_error:
        found["is_error"] = True
    return found


def _input(arguments: str) -> Any:
    """Arguments as the object that the API wants, even where a model wrote none."""
    try:
        value = loads(arguments.encode() or b"{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _image(block: Image) -> _JSON | None:
    found = inline(block.data, block.url, block.mime_type, default="image/png")
    if found is not None:
        return {"type": "image", "source": {"type": "base64", "media_type": found.mime_type, "data": found.data}}
    return {"type": "image", "source": {"type": "url", "url": block.url}} if block.url else None


def _document(block: Document) -> _JSON | None:
    source: _JSON
    found = inline(block.data, block.url, block.mime_type, default="application/pdf")
    if block.file_id:
        source = {"type": "file", "file_id": block.file_id}
    elif block.text is not None or (found is not None and found.mime_type.startswith("text/")):
        text = block.text if found is None or block.text is not None else text_of(found)
        if not text or not text.strip():
            return None
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif found is not None:
        source = {"type": "base64", "media_type": found.mime_type, "data": found.data}
    elif block.url:
        source = {"type": "url", "url": block.url}
    else:
        return None
    return {"type": "document", "source": source} | ({"title": block.name} if block.name else {})


def _text(text: str) -> _JSON:
    return {"type": "text", "text": text}


def _strip_end(content: list[_JSON]) -> None:
    """The API refuses a prefill that ends in white space."""
    if content[-1].get("type") == "text":
        content[-1] = content[-1] | {"text": content[-1]["text"].rstrip()}


def understood_marks(marks: Mapping[str, Any] | None, vendor: Vendor) -> _JSON:
    """Those of `marks` that `vendor` takes."""
    return {key: value for key, value in (marks or {}).items() if key in vendor.understands_marks}
