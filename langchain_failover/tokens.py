"""Token counts without a tokenizer: an estimate that needs no download and is the same on every machine.

Real tokenizers differ from vendor to vendor and load their vocabulary over the network; a chain has several of them.
The estimate cuts text the way byte-pair tokenizers do (short words whole, long ones in pieces, digits in threes, one
token for a Chinese, Japanese or Korean character) and errs on the high side for most text, which is the safe side for
what it is used for: trimming a conversation to a window.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable
from typing import assert_never

from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult

__all__ = ["count_messages", "token_ids"]

_PIECE = re.compile(
    r" ?[A-Za-z]{1,8}"
    r"| ?[0-9]{1,3}"
    r"|[\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"| ?[^\W\d_]{1,3}"
    r"| ?[^\s\w]{1,2}"
    r"|\s+"
    r"|."
)

PER_MESSAGE = 4
"""Role and separators of one message, as OpenAI's cookbook counts them."""

PER_IMAGE = 765
"""An image of 1024 x 1024 pixels in full detail, by OpenAI's table."""

PER_SMALL_IMAGE = 85
"""An image in low detail, by the same table."""

PER_DOCUMENT = 3_000
"""A dense page of PDF, by Anthropic's guide; pages cannot be counted without reading the file."""


def token_ids(text: str) -> list[int]:
    """One stable number for each estimated token of `text`, in order.

    >>> len(token_ids("The quick brown fox jumps over the lazy dog."))
    10
    """
    return [zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in _PIECE.findall(text)]


def count_messages(messages: Iterable[Message], count: Callable[[str], int]) -> int:
    """Estimated tokens of a conversation; `count` gives those of a text."""
    return sum(
        PER_MESSAGE + count(message.name or "") + sum(_of(block, count) for block in message.content)
        for message in messages
    )


def _of(block: Block, count: Callable[[str], int]) -> int:
    match block:
        case Text(text=text) | Reasoning(text=text):
            return count(text)
        case ToolCall():
            return count(block.name) + count(block.arguments)
        case ToolResult():
            return sum(_of(part, count) for part in block.content)
        case Image():
            return PER_SMALL_IMAGE if block.detail == "low" else PER_IMAGE
        case Document():
            return PER_DOCUMENT if block.text is None else count(block.text)
        case Audio():
            return PER_DOCUMENT
        case Opaque():
            return count(json.dumps(block.value, default=str))
        case _:
            assert_never(block)
