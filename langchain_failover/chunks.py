"""Events of the engine as LangChain chunks.

`Chunks` turns the events of one answer into `ChatGenerationChunk`s, in one of two shapes. Version 0 is what OpenAI's
users know: text is a string, reasoning lies in `additional_kwargs["reasoning_content"]`, a refusal in
`additional_kwargs["refusal"]`. Version 1 has standard content blocks. Signatures and ids of reasoning, text and tool
calls, which belong to a whole block, come on the last chunk in version 0 and on their block in version 1.

A member's chunks pass as they are (see `passing`). The last chunk, made from `End`, is the only one of ours with
metadata and usage. Text chunks are built without validation:
they come by the thousand, and everything in them is known to be valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_failover.messages import REASONING_BLOCKS, TEXT_SIGNATURE, TOOL_SIGNATURES
from langchain_failover.metadata import response_metadata, usage_metadata
from langchain_failover.passing import as_chunk, is_last, keep_newest_metadata, last_chunk
from shared_core.events import (
    End,
    MemberChunk,
    ReasoningDelta,
    RefusalDelta,
    Restart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)

__all__ = ["RESTART", "Chunks", "text_chunk"]

RESTART = "failover_restart"
"""Key in a chunk's `response_metadata`: what came before is void, and this model's answer follows."""

_MESSAGE = AIMessageChunk(content="")
_GENERATION = ChatGenerationChunk(message=_MESSAGE)
_MESSAGE_FIELDS = dict(vars(_MESSAGE))
_GENERATION_FIELDS = dict(vars(_GENERATION))
_set = object.__setattr__


def text_chunk(text: str) -> ChatGenerationChunk:
    """A chunk that holds just text; equal to a validated one, in a fifth of the time."""
    message = AIMessageChunk.__new__(AIMessageChunk)
    fields = _MESSAGE_FIELDS.copy()
    fields["content"] = text
    # The mutable fields: a copy of the template would share them between all chunks.
    fields["additional_kwargs"] = {}
    fields["response_metadata"] = {}
    fields["tool_calls"] = []
    fields["invalid_tool_calls"] = []
    fields["tool_call_chunks"] = []
    _fill(message, fields, {"content"}, {})
    chunk = ChatGenerationChunk.__new__(ChatGenerationChunk)
    outer = _GENERATION_FIELDS.copy()
    outer["text"] = text
    outer["message"] = message
    _fill(chunk, outer, {"message", "text"}, None)
    return chunk


def _void(chunk: ChatGenerationChunk) -> None:
    """Empties a chunk where it is: LangChain holds on to the object, and merges it at the end."""
    empty = AIMessageChunk(content="" if isinstance(chunk.message.content, str) else [], id=chunk.message.id)
    _set(chunk.message, "__dict__", dict(vars(empty)))
    chunk.text = ""


def _fill(model: Any, fields: dict[str, Any], fields_set: set[str], extra: dict[str, Any] | None) -> None:
    _set(model, "__dict__", fields)
    _set(model, "__pydantic_fields_set__", fields_set)
    _set(model, "__pydantic_extra__", extra)
    _set(model, "__pydantic_private__", None)


class Chunks:
    """The chunks of one answer.

    Args:
        version: Shape of the content: "v1" for standard content blocks, anything else for version 0.
    """

    def __init__(self, version: str | None) -> None:
        self._is_v1 = version == "v1"
        self._begin()
        self._makers: dict[type, Callable[[Any], ChatGenerationChunk | None]] = {
            TextDelta: self._text_v1 if self._is_v1 else self._text,
            ReasoningDelta: self._reasoning_v1 if self._is_v1 else self._reasoning_v0,
            ToolCallDelta: self._call_v1 if self._is_v1 else self._call,
            RefusalDelta: self._refusal_v1 if self._is_v1 else self._refusal,
            MemberChunk: self._member,
            Restart: self._restart,
            End: self._end,
        }

    def _begin(self) -> None:
        self._given: list[ChatGenerationChunk] = []
        self._members: list[ChatGenerationChunk] = []
        self._held: ChatGenerationChunk | None = None
        self._reasoning: dict[int, dict[str, Any]] = {}
        self._call_ids: dict[int, str] = {}
        self._call_signatures: dict[int, str] = {}
        self._text_signature: str | None = None
        self._text_block = 0
        self._is_in_text = False

    def add(self, event: StreamEvent) -> ChatGenerationChunk | None:
        """The chunk for one event, or None if there is nothing to show of it (usage and details come with the end)."""
        make = self._makers.get(type(event))
        chunk = None if make is None else make(event)
        if chunk is not None:
            self._given.append(chunk)
        return chunk

    def _restart(self, event: Restart) -> ChatGenerationChunk:
        """Voids what was given, so that LangChain merges the second answer alone; the chunk says so to its reader."""
        for chunk in self._given:
            _void(chunk)
        self._begin()
        content: str | list[str | dict[Any, Any]] = [] if self._is_v1 else ""
        return _chunk(AIMessageChunk(content=content, response_metadata={RESTART: event.model}))

    def _member(self, event: MemberChunk) -> ChatGenerationChunk | None:
        """A member's own chunk; the one that it marks as its last waits for the trail."""
        chunk = as_chunk(event.chunk)
        self._members.append(chunk)
        if not is_last(chunk):
            return chunk
        self._held = chunk
        return None

    def _text(self, event: TextDelta) -> ChatGenerationChunk | None:
        if event.signature is not None:
            self._text_signature = event.signature
        return text_chunk(event.text) if event.text else None

    def _reasoning_v0(self, event: ReasoningDelta) -> ChatGenerationChunk | None:
        kept = self._reasoning.setdefault(event.index, {"text": [], "extras": {}, "id": None})
        kept["text"].append(event.text)
        kept["id"] = event.id or kept["id"]
        kept["extras"].update(_reasoning_extras(event))
        if not event.text:
            return None
        return _chunk(AIMessageChunk(content="", additional_kwargs={"reasoning_content": event.text}))

    def _call(self, event: ToolCallDelta) -> ChatGenerationChunk:
        if event.id:
            self._call_ids[event.index] = event.id
        if event.signature is not None:
            self._call_signatures[event.index] = event.signature
        return _chunk(AIMessageChunk(content="", tool_call_chunks=[_call_chunk(event)]))

    def _refusal(self, event: RefusalDelta) -> ChatGenerationChunk:
        return _chunk(AIMessageChunk(content="", additional_kwargs={"refusal": event.text}))

    def _end(self, event: End) -> ChatGenerationChunk:
        newest = self._given[-1] if self._given else None
        is_member = self._held is not None or (bool(self._members) and self._members[-1] is newest)
        metadata = {} if is_member else response_metadata(event.report, event.finish, event.details)
        if event.report.continued and self._members:
            keep_newest_metadata(reversed(self._members), metadata, has_usage=not is_member)
        if is_member:
            return last_chunk(self._held, newest, event.report)
        if self._is_v1:
            metadata["output_version"] = "v1"
        message = AIMessageChunk(
            content=[] if self._is_v1 else "",
            additional_kwargs={} if self._is_v1 else self._kept(),
            response_metadata=metadata,
            usage_metadata=usage_metadata(event.usage),
            chunk_position="last",
        )
        named = {key: metadata[key] for key in ("finish_reason", "model_name") if key in metadata}
        return ChatGenerationChunk(message=message, generation_info=named)

    def _kept(self) -> dict[str, Any]:
        """What the maker of the answer will want back, for a message in version 0."""
        found: dict[str, Any] = {}
        if any(kept["extras"] or kept["id"] for kept in self._reasoning.values()):
            found[REASONING_BLOCKS] = [
                reasoning_block("".join(kept["text"]), kept["extras"], kept["id"])
                for _, kept in sorted(self._reasoning.items())
            ]
        if self._text_signature is not None:
            found[TEXT_SIGNATURE] = self._text_signature
        if self._call_signatures:
            found[TOOL_SIGNATURES] = {
                self._call_ids.get(index, ""): signature for index, signature in self._call_signatures.items()
            }
        return found

    # Version 1: every block has an `index`, by which chunk addition joins its pieces. Text that goes on after something
    # else is a block of its own.

    def _text_v1(self, event: TextDelta) -> ChatGenerationChunk:
        if not self._is_in_text:
            self._is_in_text = True
            self._text_block += 1
        block: dict[str, Any] = {"type": "text", "text": event.text, "index": f"lc_txt_{self._text_block - 1}"}
        if event.signature is not None:
            block["extras"] = {"signature": event.signature}
        return _block_chunk(block)

    def _reasoning_v1(self, event: ReasoningDelta) -> ChatGenerationChunk:
        self._is_in_text = False
        block = reasoning_block(event.text, _reasoning_extras(event), event.id)
        return _block_chunk({**block, "index": f"lc_rs_{event.index}"})

    def _call_v1(self, event: ToolCallDelta) -> ChatGenerationChunk:
        self._is_in_text = False
        piece = _call_chunk(event)
        block: dict[str, Any] = {**piece, "index": f"lc_tc_{event.index}"}
        if event.signature is not None:
            block["extras"] = {"signature": event.signature}
        return _block_chunk(block, [piece])

    def _refusal_v1(self, event: RefusalDelta) -> ChatGenerationChunk:
        self._is_in_text = False
        return _block_chunk({"type": "refusal", "refusal": event.text, "index": "lc_rf_0"})


def reasoning_block(text: str, extras: dict[str, Any], block_id: str | None) -> dict[str, Any]:
    """Reasoning as a standard content block."""
    block: dict[str, Any] = {"type": "reasoning", "reasoning": text}
    if block_id:
        block["id"] = block_id
    if extras:
        block["extras"] = extras
    return block


def _reasoning_extras(event: ReasoningDelta) -> dict[str, Any]:
    found = {"signature": event.signature, "data": event.data}
    return {key: value for key, value in found.items() if value is not None}


def _call_chunk(event: ToolCallDelta) -> ToolCallChunk:
    return ToolCallChunk(type="tool_call_chunk", id=event.id, name=event.name, args=event.arguments, index=event.index)


def _chunk(message: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=message)


def _block_chunk(block: dict[str, Any], calls: list[ToolCallChunk] | None = None) -> ChatGenerationChunk:
    message = AIMessageChunk(content=[block], tool_call_chunks=calls or [], response_metadata={"output_version": "v1"})
    return ChatGenerationChunk(message=message)
