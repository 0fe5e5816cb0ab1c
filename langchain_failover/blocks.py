"""How our messages read as standard content blocks (`message.content_blocks`).

LangChain derives standard blocks with a translator that it chooses by `response_metadata["model_provider"]`, and each
translator knows the shape that its own integration gives to content: Anthropic's finds tool calls only in the content,
OpenAI's knows no `reasoning_content`. Our messages have one shape whoever answered and still name the provider that
did, so for them (they carry the `failover` report, and their content is a string) the blocks are read here; any other
message goes to the translator that was registered before.

Providers without a translator need nothing: LangChain's general reading fits our shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import PROVIDER_TRANSLATORS, register_translator
from langchain_core.messages.content import ContentBlock

from langchain_failover.messages import REASONING_BLOCKS, TEXT_SIGNATURE, TOOL_SIGNATURES, is_ours

__all__ = ["register", "standard_blocks"]

_Translate = Callable[..., list[ContentBlock]]


def register() -> None:
    """Puts our reading in front of every registered translator; doing it twice changes nothing."""
    for provider, translators in list(PROVIDER_TRANSLATORS.items()):
        whole, chunk = translators["translate_content"], translators["translate_content_chunk"]
        if not isinstance(whole, _OursFirst):
            register_translator(provider, _OursFirst(whole), _OursFirst(chunk))


class _OursFirst:
    """A translator for our messages, and for all others the one that it replaces."""

    def __init__(self, others: _Translate) -> None:
        self._others = others

    def __call__(self, message: Any) -> list[ContentBlock]:
        is_known = isinstance(message.content, str) and is_ours(message)
        return standard_blocks(message) if is_known else self._others(message)


def standard_blocks(message: AIMessage) -> list[ContentBlock]:
    """The standard blocks of one of our messages in version 0: reasoning, text, refusal, tool calls."""
    kept = message.additional_kwargs
    blocks: list[Any] = []
    text = kept.get("reasoning_content")
    if REASONING_BLOCKS in kept:
        # The last chunk by itself: its text went out piece by piece before, and only the proofs are new.
        is_told = text is None and isinstance(message, AIMessageChunk)
        blocks.extend({**block, "reasoning": ""} if is_told else block for block in kept[REASONING_BLOCKS])
    elif text:
        blocks.append({"type": "reasoning", "reasoning": text})
    if message.content:
        block: dict[str, Any] = {"type": "text", "text": message.content}
        if TEXT_SIGNATURE in kept:
            block["extras"] = {"signature": kept[TEXT_SIGNATURE]}
        blocks.append(block)
    if refusal := kept.get("refusal"):
        blocks.append({"type": "refusal", "refusal": refusal})
    signatures = kept.get(TOOL_SIGNATURES, {})
    for call in message.tool_calls:
        made: dict[str, Any] = {**call, "type": "tool_call"}
        if signature := signatures.get(call["id"]):
            made["extras"] = {"signature": signature}
        blocks.append(made)
    return blocks
