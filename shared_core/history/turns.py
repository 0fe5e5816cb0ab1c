"""The order of the roles, for targets that are strict about it.

Owns what a strict target wants: system messages first and nowhere else, then a user's turn, then turns of alternating
roles. Refuses to touch anything for the others: OpenAI takes roles in any order, and system messages anywhere.

A later system message becomes text of the user at its place, in `<system>` tags. Lifting it to the front would
change what it refers to, break the provider's prompt cache, and leave the turn before it last (a prefill).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shared_core.history.families import is_template_strict
from shared_core.messages import Message, Text
from shared_core.providers.base import Vendor

__all__ = ["ACKNOWLEDGED", "OPENING", "seated"]

OPENING = "Begin."
"""The user's turn in front of a conversation that the assistant begins, or that nothing is left of."""
ACKNOWLEDGED = "OK."
"""The assistant's turn between a tool's result and a user's turn, where a chat template wants one."""

_STRICT_WIRES = frozenset({"anthropic", "gemini"})


def seated(messages: Sequence[Message], vendor: Vendor, *, model: str = "") -> Sequence[Message]:
    """The messages in an order of roles that `vendor` takes; never empty."""
    is_strict = vendor.wire in _STRICT_WIRES
    is_template = not is_strict and (vendor.alternates or is_template_strict(model))
    if not (is_strict or is_template):
        return messages or [Message.of("user", OPENING)]
    out: list[Message] = []
    for message in _opened(messages):
        last = out[-1] if out else None
        if last is not None and last.role == message.role:
            out[-1] = _merged(last, message)
            continue
        # Anthropic and Gemini count a tool's result as a user's turn, and their wires join the two.
        if is_template and last is not None and last.role == "tool" and message.role == "user":
            out.append(Message.of("assistant", ACKNOWLEDGED))
        out.append(message)
    return out


def _opened(messages: Iterable[Message]) -> Iterable[Message]:
    """System messages at the front alone, and a user's turn behind them."""
    is_open = False
    for message in messages:
        if message.role == "system":
            yield _quoted(message) if is_open else message
            continue
        if not is_open and message.role != "user":
            yield Message.of("user", OPENING)
        is_open = True
        yield message
    if not is_open:
        yield Message.of("user", OPENING)


def _quoted(message: Message) -> Message:
    content = tuple(
        replace(block, text=f"<system>\n{block.text}\n</system>") if isinstance(block, Text) else block
        for block in message.content
    )
    return Message("user", content, message.name)


def _merged(one: Message, other: Message) -> Message:
    name = one.name if one.name == other.name else None
    return Message(one.role, one.content + other.content, name)
