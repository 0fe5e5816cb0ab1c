"""What the engine needs to see of a member's chunks: text, tool calls, finish, tokens. The chunks stay as they are.

Every integration writes its metadata under names of its own; the words for the same ending differ as well. What is not
known here is no error: an unknown ending is "other", an unknown block counts as content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from shared_core.events import Finish, FinishReason, MemberChunk, Usage

__all__ = ["Reading"]

_FINISH_NAMES = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""OpenAI and most others, Anthropic, Bedrock, Ollama."""

_ENDINGS = frozenset({*_FINISH_NAMES, "status", "prompt_feedback"})
"""All keys of metadata that may say how an answer ended."""

_FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "completed": "stop",
    "load": "stop",  # Ollama, asked with an empty prompt
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "model_armor": "content_filter",
    "error": "error",
    "failed": "error",
    "malformed_function_call": "error",
    "malformed_response": "error",
    "unexpected_tool_call": "error",
    "too_many_tool_calls": "error",
    "missing_thought_signature": "error",
}
"""By the provider's word in lower case."""

_TOOL_BLOCKS = frozenset({"tool_use", "tool_call", "tool_call_chunk", "function_call", "input_json_delta"})
_TEXTS = {"text": "text", "thinking": "thinking", "reasoning": "reasoning", "refusal": "refusal"}
_KEPT_CONTENT = ("reasoning_content", "refusal", "reasoning", "function_call", "audio")
"""Keys of `additional_kwargs` under which integrations put content."""


class Reading:
    """Reads the chunks of one answer, in order.

    Args:
        tells_finish: The member always says how an answer ended.
    """

    __slots__ = ("_tells_finish", "_usage")

    def __init__(self, *, tells_finish: bool = False) -> None:
        self._tells_finish = tells_finish
        self._usage: UsageMetadata | None = None

    def of(self, chunk: ChatGenerationChunk) -> MemberChunk:
        """One chunk as the engine sees it."""
        return self._read(chunk, chunk)

    def whole(self, result: ChatResult) -> MemberChunk:
        """A whole answer as the engine sees it."""
        read = self._read(result, result.generations[0])
        if read.finish is None:
            # Nothing of a whole answer can be missing, unless its maker always says how it ended.
            read.finish = _finish(result.llm_output) or (None if self._tells_finish else Finish("other", ""))
        return read

    def _read(self, piece: object, generation: ChatGeneration) -> MemberChunk:
        message = generation.message
        content = message.content
        if isinstance(content, str):
            text, has_content, has_call = content, content != "", False
        else:
            text, has_content, has_call = _read_blocks(content)
        usage = None
        # The exact class first: `isinstance` asks pydantic, which takes as long as all the rest.
        if type(message) is AIMessageChunk:
            has_call = has_call or bool(message.tool_call_chunks or message.tool_calls)
            if message.usage_metadata is not None:
                usage = self._added(message.usage_metadata)
        elif isinstance(message, AIMessage):
            has_call = has_call or bool(getattr(message, "tool_call_chunks", None) or message.tool_calls)
            if message.usage_metadata is not None:
                usage = self._added(message.usage_metadata)
        if message.additional_kwargs and not has_content:
            has_content = any(message.additional_kwargs.get(name) for name in _KEPT_CONTENT)
        finish = _finish(generation.generation_info) or _finish(message.response_metadata)
        return MemberChunk(piece, text, has_content or has_call, has_call, finish, usage)

    def _added(self, more: UsageMetadata) -> Usage:
        """LangChain's chunks tell what is new, the engine's events what it is by now."""
        self._usage = found = more if self._usage is None else add_usage(self._usage, more)
        read, made = found.get("input_token_details", {}), found.get("output_token_details", {})
        return Usage(
            input_tokens=found["input_tokens"],
            output_tokens=found["output_tokens"],
            total_tokens=found["total_tokens"],
            cache_read_tokens=read.get("cache_read"),
            cache_write_tokens=read.get("cache_creation"),
            reasoning_tokens=made.get("reasoning"),
            audio_input_tokens=read.get("audio") or None,
        )


def _read_blocks(content: list[str | dict[Any, Any]]) -> tuple[str, bool, bool]:
    """Text, whether there is content, and whether there is a tool call."""
    text = ""
    has_content = has_call = False
    for block in content:
        if isinstance(block, str):
            text += block
            continue
        kind = block.get("type")
        if kind == "text":
            text += block.get("text") or ""
            has_content = has_content or bool(block.get("signature") or block.get("extras"))
        elif kind in _TOOL_BLOCKS:
            has_call = True
        elif kind in _TEXTS:
            # An empty piece opens a block; what has more than its place is a signature, a summary, a thought.
            has_content = has_content or any(
                value for name, value in block.items() if name not in {"type", "index", "id"}
            )
        else:
            has_content = True
    return text, has_content or bool(text), has_call


def _finish(metadata: Mapping[str, Any] | None) -> Finish | None:
    if not metadata or _ENDINGS.isdisjoint(metadata):
        return None
    for name in _FINISH_NAMES:
        raw = metadata.get(name)
        if isinstance(raw, str) and raw:
            return _named(raw)
    status = metadata.get("status")
    if isinstance(status, str) and status in {"completed", "incomplete", "failed"}:  # OpenAI's Responses API
        details = metadata.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return _named(reason if isinstance(reason, str) else status)
    feedback = metadata.get("prompt_feedback")  # Google's, in place of an answer
    blocked = feedback.get("block_reason") if isinstance(feedback, Mapping) else None
    return Finish("content_filter", str(getattr(blocked, "value", blocked))) if blocked else None


def _named(raw: str) -> Finish:
    return Finish(_FINISHES.get(raw.lower(), "other"), raw)
