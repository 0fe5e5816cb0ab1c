"""Members' answers on their way out: their own chunks and messages, with the trail added once.

Nothing else is changed: text, tool calls, ids, model name, provider and tokens are the member's own. The trail goes on
the last chunk, which is held back until the engine has ended the call; where a member marks no chunk as its last, an
empty one carries it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from shared_core.events import End, MemberChunk, StreamEvent
from shared_core.report import Report

__all__ = ["Blocks", "as_chunk", "is_last", "keep_newest_metadata", "last_chunk", "member_result", "with_metadata"]


def as_chunk(piece: ChatGenerationChunk | ChatResult) -> ChatGenerationChunk:
    """A piece of an answer as it is; a whole answer, of a model that does not stream, as one piece."""
    if isinstance(piece, ChatGenerationChunk):
        return piece
    message = with_metadata(piece).message
    found: dict[str, Any] = {}
    if isinstance(message, AIMessage):
        calls = [
            (call["name"], json.dumps(call["args"], ensure_ascii=False), call["id"]) for call in message.tool_calls
        ]
        calls += [(call["name"] or "", call["args"] or "", call["id"]) for call in message.invalid_tool_calls]
        pieces = [
            ToolCallChunk(type="tool_call_chunk", name=name, args=args, id=call_id, index=index)
            for index, (name, args, call_id) in enumerate(calls)
        ]
        found = {"tool_call_chunks": pieces, "usage_metadata": message.usage_metadata}
    chunk = AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        name=message.name,
        id=message.id,
        **found,
    )
    return ChatGenerationChunk(message=chunk)


def with_metadata(result: ChatResult) -> ChatGeneration:
    """The answer of a result, with its metadata where LangChain's `invoke` puts it."""
    generation = result.generations[0]
    output = (result.llm_output or {}) if len(result.generations) == 1 else {}
    told = {**output, **(generation.generation_info or {}), **generation.message.response_metadata}
    message = generation.message.model_copy(update={"response_metadata": told})
    return ChatGeneration(message=message, generation_info=generation.generation_info)


def is_last(chunk: ChatGenerationChunk) -> bool:
    """Whether the member says that nothing follows."""
    return getattr(chunk.message, "chunk_position", None) == "last"


def last_chunk(
    held: ChatGenerationChunk | None, before: ChatGenerationChunk | None, report: Report
) -> ChatGenerationChunk:
    """The end of a member's stream, with the trail.

    Args:
        held: The chunk that the member marked as its last, if it marked one.
        before: The chunk before it, if any.
        report: What happened.
    """
    held = held or _closing_chunk(before)
    return ChatGenerationChunk(message=_trailed(held.message, report), generation_info=held.generation_info)


def _closing_chunk(before: ChatGenerationChunk | None) -> ChatGenerationChunk:
    """An empty last chunk: with it, LangChain takes the pieces of tool calls for whole."""
    has_text = before is None or isinstance(before.message.content, str)
    return ChatGenerationChunk(message=AIMessageChunk(content="" if has_text else [], chunk_position="last"))


def member_result(events: Sequence[StreamEvent], version: str | None) -> ChatResult | None:
    """A whole answer of a member; None if it was not a member that answered.

    Args:
        events: Of the call.
        version: "v1" for standard content blocks.
    """
    pieces = [event.chunk for event in events if isinstance(event, MemberChunk)]
    end = events[-1]
    if not pieces or not isinstance(end, End):
        return None
    if len(pieces) == 1 and isinstance(whole := pieces[0], ChatResult):
        return _trailed_result(whole, end.report)
    chunks = [as_chunk(piece) for piece in pieces]
    if version == "v1":
        # Each by itself, as in a stream: LangChain loses text where it reads a merged message of some providers.
        blocks = Blocks()
        chunks = [blocks.of(chunk) for chunk in chunks]
    merged = merge_chat_generation_chunks(chunks)
    if merged is None:
        return None
    closed = merged if is_last(merged) else merged + _closing_chunk(merged)
    message = _trailed(message_chunk_to_message(closed.message), end.report)
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=merged.generation_info)])


def _trailed_result(whole: ChatResult, report: Report) -> ChatResult:
    """The answer of a member that was asked whole; what `invoke` makes of its metadata is LangChain's to do."""
    generation, *others = whole.generations
    # Copies, since what pydantic has checked once need not be checked again.
    made = generation.model_copy(update={"message": _trailed(generation.message, report)})
    return whole.model_copy(update={"generations": [made], "llm_output": None if others else whole.llm_output})


def _trailed(message: BaseMessage, report: Report) -> Any:
    metadata = dict(message.response_metadata)
    inner = metadata.pop("failover", None)
    trail = report.as_dict()
    if inner is not None:  # the member was a chain itself
        trail["inner"] = inner
    return message.model_copy(update={"response_metadata": {**metadata, "failover": trail}})


def keep_newest_metadata(chunks: Iterable[ChatGenerationChunk], known: Iterable[str], *, has_usage: bool) -> None:
    """Takes from the chunks of an answer that was continued what a later one says again.

    LangChain holds on to the objects and merges them at the end, and merging would make one word of two models' names.

    Args:
        chunks: The members' chunks that were given, newest first.
        known: What is said after all of them.
        has_usage: The tokens are told after them as well.
    """
    told = set(known)
    for chunk in chunks:
        message = chunk.message
        info = chunk.generation_info or {}
        message.response_metadata = {
            name: value for name, value in message.response_metadata.items() if name not in told
        }
        chunk.generation_info = {name: value for name, value in info.items() if name not in told} or None
        told |= message.response_metadata.keys() | info.keys()
        if has_usage and isinstance(message, AIMessageChunk):
            message.usage_metadata = None


class Blocks:
    """Chunks with standard content blocks, as LangChain's `stream` gives them for `output_version="v1"`."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""

    def of(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """The same chunk; blocks of one kind in a row share an index."""
        message = chunk.message
        blocks: list[Any] = [dict(block) for block in message.content_blocks]
        for block in blocks:
            if block["type"] != self._kind:
                self._kind, self._index = block["type"], self._index + 1
            block.setdefault("index", self._index)
        told = {**message.response_metadata, "output_version": "v1"}
        changed = message.model_copy(update={"content": blocks, "response_metadata": told})
        return ChatGenerationChunk(message=changed, generation_info=chunk.generation_info)
