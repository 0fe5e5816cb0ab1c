"""A conversation in a form that belongs to no provider and no framework.

A message is a role and a tuple of blocks. Everything is immutable: adapting a history to a target makes a new one.
A block that only its maker can read (reasoning signatures, provider-side tool blocks) carries `origin`, the name of
the provider that made it, written once when the block is made; everyone else's wire leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from shared_core.records import record

__all__ = [
    "Audio",
    "Block",
    "Document",
    "Image",
    "Message",
    "Opaque",
    "Reasoning",
    "Role",
    "Text",
    "ToolCall",
    "ToolResult",
]

Role = Literal["system", "user", "assistant", "tool"]


@record(frozen=True, slots=True)
class Text:
    """Plain text.

    Attributes:
        text: The text.
        signature: Opaque proof that Gemini attaches to a text part; meaningful to `origin` alone.
        origin: Provider that made the block, for model output.
        marks: Provider-specific markers (`cache_control` …), sent only where they are understood.
    """

    text: str
    signature: str | None = None
    origin: str | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Image:
    """An image, by URL or as base64 text (exactly one of the two)."""

    url: str | None = None
    data: str | None = None
    mime_type: str | None = None
    detail: str | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Audio:
    """Audio as base64 text, or by URL where the provider takes one."""

    data: str | None = None
    url: str | None = None
    mime_type: str | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Document:
    """A document: base64 text, a URL, an id in the provider's file store, or plain text."""

    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    mime_type: str | None = None
    name: str | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered.

    Attributes:
        text: Readable reasoning or its summary; may be empty.
        signature: Proof that `origin` demands back with the text (Anthropic `signature`, Gemini `thoughtSignature`).
        data: Encrypted or redacted reasoning (Anthropic `redacted_thinking`, Responses `encrypted_content`).
        id: The provider's id of the item (Responses).
        origin: Provider that made the block.
    """

    text: str = ""
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    origin: str | None = None


@record(frozen=True, slots=True)
class ToolCall:
    """A call that the model wants made. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None
    origin: str | None = None
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class ToolResult:
    """What a tool call returned: text and images, in a message of role "tool"."""

    call_id: str
    content: tuple[Text | Image | Audio | Document, ...] = ()
    name: str | None = None
    is_error: bool = False
    marks: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Opaque:
    """A provider's own block, passed back as it is to `origin` and to nobody else."""

    value: Mapping[str, Any]
    origin: str


Block: TypeAlias = Text | Image | Audio | Document | Reasoning | ToolCall | ToolResult | Opaque


@record(frozen=True, slots=True)
class Message:
    """One turn.

    Attributes:
        role: Who speaks. Tool results come in messages of role "tool".
        content: The blocks, in order.
        name: The speaker's name, sent where the provider has a field for it.
    """

    role: Role
    content: tuple[Block, ...] = ()
    name: str | None = None

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        """A message that holds just `text`.

        >>> Message.of("user", "Hello").text
        'Hello'
        """
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """All text blocks of the message, joined."""
        return "".join(block.text for block in self.content if isinstance(block, Text))
