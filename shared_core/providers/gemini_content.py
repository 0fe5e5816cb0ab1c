"""A conversation as Gemini's generateContent writes it.

Owns the form of contents and parts. That ids, calls and results fit together is `shared_core.history`'s work and is
taken for granted here.

Invariants: whatever comes in, the contents begin with the user's, alternate, and hold at least one part; a result names
the function that was called; signatures go back only to the provider that made them; the first call of a turn always
carries a signature where the model insists on one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.json_codec import loads
from shared_core.providers.media import inline, mime_type_of_url

__all__ = ["UNSIGNED_CALL", "encoded_contents", "encoded_system"]

_JSON: TypeAlias = dict[str, Any]

UNSIGNED_CALL = "skip_thought_signature_validator"
"""Stands for the signature of a call that another provider's model made (ai.google.dev, "Thought signatures", FAQ)."""

_GO_ON = "Continue."
"""Text of a user's turn that the protocol demands and the conversation does not have."""


def encoded_system(messages: Iterable[Message]) -> list[_JSON]:
    """The parts of the system instruction: the text of all system messages, wherever they stand."""
    return [
        {"text": block.text}
        for message in messages
        if message.role == "system"
        for block in message.content
        if isinstance(block, Text) and block.text
    ]


def encoded_contents(messages: Iterable[Message], vendor: Vendor, *, is_signed: bool) -> list[_JSON]:
    """The conversation without its system messages.

    Args:
        messages: A history that is valid for `vendor`.
        vendor: Who gets it.
        is_signed: The model (Gemini 3 or newer) refuses calls without a signature, and takes media inside of results.
    """
    messages = tuple(messages)
    names = {block.id: block.name for message in messages for block in message.content if isinstance(block, ToolCall)}
    contents: list[_JSON] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        parts: list[_JSON] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                parts += _result(block, block.name or names.get(block.call_id) or "tool", media_inside=is_signed)
            elif (part := _part(block, vendor)) is not None:
                parts.append(part)
        if role == "model" and is_signed:
            _sign_first_call(parts)
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    go_on = {"role": "user", "parts": [{"text": _GO_ON}]}
    if not contents or contents[0]["role"] == "model":
        contents.insert(0, go_on)
    if contents[-1]["role"] == "model" and not vendor.takes_prefill:
        contents.append(go_on)
    return contents


def _sign_first_call(parts: list[_JSON]) -> None:
    """Of parallel calls the model signs the first alone; another provider's calls have no signature at all."""
    call = next((part for part in parts if "functionCall" in part), None)
    if call is not None:
        call.setdefault("thoughtSignature", UNSIGNED_CALL)


def _part(block: Block, vendor: Vendor) -> _JSON | None:
    match block:
        case Text():
            part = {"text": block.text} | _signature(block, vendor)
            return part if len(part) > 1 or block.text else None
        case Reasoning(origin=vendor.name):
            signature = _signature(block, vendor)  # thoughts without one are summaries, which the model cannot use
            return {"text": block.text, "thought": True, **signature} if signature else None
        case ToolCall():
            call: _JSON = {"name": block.name, "args": _args(block.arguments)}
            if block.id:
                call["id"] = block.id
            return {"functionCall": call} | _signature(block, vendor)
        case Opaque(origin=vendor.name):
            return dict(block.value)
        case Image() | Audio() | Document():
            return _media(block)
        case _:
            return None


def _signature(block: Text | Reasoning | ToolCall, vendor: Vendor) -> _JSON:
    return {"thoughtSignature": block.signature} if block.signature and block.origin == vendor.name else {}


def _args(arguments: str) -> Any:
    """Arguments as the object that the API wants, even where a model wrote none."""
    try:
        value = loads(arguments.encode() or b"{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _result(block: ToolResult, name: str, *, media_inside: bool) -> list[_JSON]:
    texts = [part.text for part in block.content if isinstance(part, Text)]
    media = [part for item in block.content if not isinstance(item, Text) and (part := _media(item)) is not None]
    response: _JSON = {"name": name, "response": {"error" if block.is_error else "output": "\n".join(texts)}}
    if block.call_id:
        response["id"] = block.call_id
    found: _JSON = {"functionResponse": response}
    inner = [part for part in media if "inlineData" in part] if media_inside else []
    if inner:
        response["parts"] = inner
    return [found, *(part for part in media if part not in inner)]


def _media(block: Image | Audio | Document) -> _JSON | None:
    if isinstance(block, Document) and block.text is not None:
        return {"text": f"{block.name}:\n{block.text}" if block.name else block.text} if block.text else None
    if isinstance(block, Document) and block.file_id:
        return _file(block.file_id, block.mime_type)
    default = {Image: "image/png", Audio: "audio/wav", Document: "application/pdf"}[type(block)]
    mime_type = block.mime_type
    if isinstance(block, Audio) and mime_type and "/" not in mime_type:  # OpenAI's "wav" and "mp3"
        mime_type = f"audio/{mime_type}"
    found = inline(block.data, block.url, mime_type, default=default)
    if found is not None:
        return {"inlineData": {"mimeType": found.mime_type, "data": found.data}}
    return _file(block.url, mime_type or mime_type_of_url(block.url, default)) if block.url else None


def _file(uri: str, mime_type: str | None) -> _JSON:
    return {"fileData": {"fileUri": uri} | ({"mimeType": mime_type} if mime_type else {})}
