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

__all__ = ["as_chunk", "is_last", "keep_newest_metadata", "last_chunk", "member_result"]


def as_chunk(generation: ChatGeneration) -> ChatGenerationChunk:
    """A piece of an answer as it is; a whole answer, of a model that does not stream, as one piece."""
    if isinstance(generation, ChatGenerationChunk):
        return generation
    message = generation.message
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


def member_result(events: Sequence[StreamEvent]) -> ChatResult | None:
    """A whole answer of a member; None if it was not a member that answered."""
    generations = [event.chunk for event in events if isinstance(event, MemberChunk)]
    end = events[-1]
    if not generations or not isinstance(end, End):
        return None
    if len(generations) == 1 and not isinstance(generations[0], ChatGenerationChunk):
        message = _trailed(generations[0].message, end.report)
        return ChatResult(generations=[ChatGeneration(message=message)])
    merged = merge_chat_generation_chunks([as_chunk(generation) for generation in generations])
    if merged is None:
        return None
    closed = merged if is_last(merged) else merged + _closing_chunk(merged)
    message = _trailed(message_chunk_to_message(closed.message), end.report)
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=merged.generation_info)])


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
