"""What of each block may travel to a target.

Owns one block at a time: signatures, reasoning and opaque blocks go home only, marks go where they are understood,
and a block that says nothing is left out. Refuses to look at the order of messages.

"Home" is the vendor whose name stands in `origin`. A signature, or reasoning, without an origin counts as foreign: a
signature that its reader did not make is refused with the whole request, while a missing one costs a thought.
Foreign reasoning is dropped and not turned into text: shown as text, models take it for an answer and imitate it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, assert_never

from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

__all__ = ["MADE", "is_same", "kept_for"]

_Marked = TypeVar("_Marked", bound=Text | Image | Audio | Document | ToolCall | ToolResult)
_Signed = TypeVar("_Signed", bound=Text | ToolCall)

MADE = "The assistant made this:"
"""The user's words in front of what a model drew or spoke, for targets whose own turns hold text alone."""

_NEEDS_REASONED = frozenset({"anthropic", "responses"})
"""Wires that refuse reasoning with nothing behind it in the same turn."""


def is_same(new: Sequence[object], old: Sequence[object]) -> bool:
    """Whether both hold the same objects, so that `old` can stay."""
    return len(new) == len(old) and all(map(operator.is_, new, old))


def kept_for(messages: Iterable[Message], vendor: Vendor) -> list[Message]:
    """The messages with what may travel to `vendor`, without those that are empty then.

    Reasoning alone is no message: no provider takes a turn that holds nothing else.
    """
    out: list[Message] = []
    for message in messages:
        content = _kept_content(message, vendor)
        moved: list[Message] = []
        if message.role == "assistant":
            content, moved = _parted(content, vendor)
        if not all(isinstance(block, Reasoning) for block in content):
            out.append(message if is_same(content, message.content) else replace(message, content=tuple(content)))
        out += moved
    return out


def _parted(content: list[Block], vendor: Vendor) -> tuple[list[Block], list[Message]]:
    """What may stand in a turn of the model, and the turns that the rest gets behind it."""
    # A model does not answer its own calls, and only Gemini is shown its own images in its own turn.
    results = tuple(block for block in content if isinstance(block, ToolResult))
    foreign = () if vendor.wire == "gemini" else (Image, Audio, Document)
    media = tuple(block for block in content if isinstance(block, foreign))
    said = [block for block in content if not isinstance(block, (ToolResult, *foreign))]
    if vendor.wire in _NEEDS_REASONED:
        while said and isinstance(said[-1], Reasoning):
            said.pop()
    moved = [Message("tool", results)] if results else []
    if media:
        moved.append(Message("user", (Text(MADE), *media)))
    return said, moved


def _kept_content(message: Message, vendor: Vendor) -> list[Block]:
    is_assistant = message.role == "assistant"
    return [
        kept
        for block in message.content
        # Calls and thoughts of anybody but the model have no form on any wire.
        if (is_assistant or not isinstance(block, ToolCall | Reasoning)) and (kept := _kept(block, vendor)) is not None
    ]


def _kept(block: Block, vendor: Vendor) -> Block | None:
    """The block as it may travel to `vendor`: itself, a poorer copy, or None."""
    match block:
        case Text():
            block = _unsigned(_marked(block, vendor), vendor)
            return block if _says_something(block, vendor) else None
        case ToolCall():
            if not block.name:  # cut off in the middle, or garbled: nobody could have made it
                return None
            block = _unsigned(_marked(block, vendor), vendor)
            # Calls without arguments come as "" from some providers; others insist on a JSON object.
            return block if block.arguments.strip() else replace(block, arguments="{}")
        case ToolResult():
            block = _marked(block, vendor)
            parts = [kept for part in block.content if (kept := _kept_part(part, vendor)) is not None]
            return block if is_same(parts, block.content) else replace(block, content=tuple(parts))
        case Image() | Audio() | Document():
            return _kept_part(block, vendor)
        case Reasoning():
            is_empty = not (block.text or block.signature or block.data)
            return None if is_empty or block.origin != vendor.name else block
        case Opaque():
            return block if block.origin == vendor.name else None
        case _:
            assert_never(block)


def _kept_part(part: Text | Image | Audio | Document, vendor: Vendor) -> Text | Image | Audio | Document | None:
    match part:
        case Text():
            part = _unsigned(_marked(part, vendor), vendor)
            return part if _says_something(part, vendor) else None
        case Document():
            is_empty = not (part.data or part.url or part.file_id or part.text)
        case _:
            is_empty = not (part.data or part.url)
    return None if is_empty else _marked(part, vendor)


def _says_something(block: Text, vendor: Vendor) -> bool:
    # Gemini closes a turn with an empty text part that carries the turn's signature. Anthropic refuses text of
    # white space alone; elsewhere it may be the blank line between two blocks.
    return bool(block.signature or (block.text.strip() if vendor.wire == "anthropic" else block.text))


def _unsigned(block: _Signed, vendor: Vendor) -> _Signed:
    if block.signature is not None and block.origin != vendor.name:
        return replace(block, signature=None)
    return block


def _marked(block: _Marked, vendor: Vendor) -> _Marked:
    if not block.marks:
        return block
    known: Mapping[str, Any] = {key: value for key, value in block.marks.items() if key in vendor.understands_marks}
    return block if len(known) == len(block.marks) else replace(block, marks=known or None)
