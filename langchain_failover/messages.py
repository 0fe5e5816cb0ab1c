"""LangChain messages as core messages.

Every kind of message is read, with content in any form (see `content`); the caller's objects are never changed.
A tool call that stands in the content and in `tool_calls` comes out once, in its place among the content. What a model
made carries the provider that made it (`response_metadata["model_provider"]`), so that reasoning and signatures go back
to it alone. Repairing a history for a target (orphan calls, merged roles) is the engine's work, not this module's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_failover.content import REASONING_TYPES, TOOL_CALL_TYPES, marks_of, to_block
from shared_core.errors import ConfigurationError
from shared_core.messages import Audio, Block, Document, Image, Message, Role, Text, ToolCall, ToolResult

__all__ = [
    "PROVIDERS",
    "REASONING_BLOCKS",
    "TEXT_SIGNATURE",
    "TOOL_SIGNATURES",
    "convert",
    "is_ours",
    "to_messages",
]

REASONING_BLOCKS = "reasoning_blocks"
"""Key of `additional_kwargs`: reasoning as standard blocks, kept where a signature or an id belongs to it."""

TEXT_SIGNATURE = "text_signature"
"""Key of `additional_kwargs`: Gemini's signature of the answer's text."""

TOOL_SIGNATURES = "__gemini_function_call_thought_signatures__"
"""Key of `additional_kwargs`: signatures by tool-call id, under the name that LangChain's Google models use."""

PROVIDERS = {
    "google_genai": "gemini",
    "mistralai": "mistral",
    # What OpenAI's integration keeps for its maker (encrypted reasoning, built-in tools) is the Responses API's.
    "openai": "openai-responses",
}
"""Names that other integrations write into `model_provider`, and the engine's names of those providers."""


def is_ours(message: BaseMessage) -> bool:
    """Whether a model's turn has the shape that we give to answers of strings; those of members have their own."""
    report = message.response_metadata.get("failover")
    while isinstance(report, Mapping):
        if "inner" not in report:
            return report.get("provider") == message.response_metadata.get("model_provider")
        report = report["inner"]  # the member that answered was a chain itself
    return False


_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
}


def to_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """A conversation in the core's form.

    Raises:
        ConfigurationError: A message or one of its blocks cannot be read.
    """
    found: list[Message] = []
    for message in messages:
        found.extend(convert(message))
    return tuple(found)


def convert(message: BaseMessage) -> Iterator[Message]:
    """One message in the core's form: one turn, or two where a person's message holds tool results as well.

    Raises:
        ConfigurationError: The message or one of its blocks cannot be read.
    """
    match message:
        case AIMessage():
            yield Message("assistant", tuple(_answer(message)), message.name)
        case ToolMessage():
            yield Message("tool", (_result(message),))
        case FunctionMessage():
            result = ToolResult(_legacy_id(message.name), _result_content(message.content), message.name)
            yield Message("tool", (result,))
        case HumanMessage():
            yield from _turn("user", message)
        case SystemMessage():
            yield from _turn("system", message)
        case ChatMessage():
            yield from _turn(_ROLES.get(message.role.lower(), "user"), message)
        case _:
            raise ConfigurationError(f"a message of type {type(message).__name__} cannot be sent to a model")


def _turn(role: Role, message: BaseMessage) -> Iterator[Message]:
    """What a person or a program wrote; tool results in Anthropic's form become messages of their own."""
    if isinstance(message.content, str):
        yield Message(role, (Text(message.content),), message.name)
        return
    results: list[Block] = []
    blocks: list[Block] = []
    for raw in message.content:
        if isinstance(raw, Mapping) and raw.get("type") == "tool_result":
            results.append(_anthropic_result(raw))
        elif block := to_block(raw, origin=None, is_model_made=role == "assistant"):
            blocks.append(block)
    if results:
        yield Message("tool", tuple(results))
    if blocks or not results:
        yield Message(role, tuple(blocks), message.name)


def _result(message: ToolMessage) -> ToolResult:
    return ToolResult(
        call_id=message.tool_call_id,
        content=_result_content(message.content),
        name=message.name,
        is_error=message.status == "error",
    )


def _anthropic_result(raw: Mapping[str, Any]) -> ToolResult:
    return ToolResult(
        call_id=str(raw.get("tool_use_id") or ""),
        content=_result_content(raw.get("content") or ""),
        is_error=bool(raw.get("is_error")),
        marks=marks_of(raw),
    )


def _result_content(content: Any) -> tuple[Text | Image | Audio | Document, ...]:
    if isinstance(content, str):
        return (Text(content),)
    found: list[Text | Image | Audio | Document] = []
    for raw in content:
        try:
            block = to_block(raw, origin=None, is_model_made=False)
        except ConfigurationError:
            block = None
        # A tool may return any JSON; what is no content block is data that the model shall read.
        if isinstance(block, Text | Image | Audio | Document):
            found.append(block)
        else:
            found.append(Text(json.dumps(raw, ensure_ascii=False, default=str)))
    return tuple(found)


def _answer(message: AIMessage) -> Iterator[Block]:
    """The blocks of a model's turn: reasoning, text and tool calls, in the order of the content."""
    origin = _origin(message)
    calls = _Calls(message, origin)
    kept = tuple(_kept_reasoning(message, origin))
    yield from kept
    content = [message.content] if isinstance(message.content, str) else message.content
    signature = message.additional_kwargs.get(TEXT_SIGNATURE)
    is_text = [isinstance(raw, str) or raw.get("type") == "text" for raw in content]
    last_text = max((place for place, found in enumerate(is_text) if found), default=-1)
    for place, raw in enumerate(content):
        kind = raw.get("type") if isinstance(raw, Mapping) else None
        if not raw or (kept and kind in REASONING_TYPES):
            continue
        if isinstance(raw, Mapping) and kind in TOOL_CALL_TYPES:
            block: Block | None = calls.placed(raw)
        else:
            block = to_block(raw, origin=origin, is_model_made=True)
        if isinstance(block, Text):
            own = block.signature or (signature if place == last_text else None)
            block = replace(block, signature=own, origin=origin)
        if block is not None:
            yield block
    yield from calls.rest


def _origin(message: AIMessage) -> str | None:
    name = message.response_metadata.get("model_provider")
    if not isinstance(name, str):
        return None
    return name if is_ours(message) else PROVIDERS.get(name, name)


def _kept_reasoning(message: AIMessage, origin: str | None) -> Iterator[Block]:
    """Reasoning that lies beside the content: complete with its proofs, or else only where the content has none."""
    kept = message.additional_kwargs.get(REASONING_BLOCKS)
    text = message.additional_kwargs.get("reasoning_content")
    legacy = message.additional_kwargs.get("reasoning")
    found: list[Any] = []
    if isinstance(kept, list):
        found = [raw for raw in kept if isinstance(raw, Mapping)]
    elif not isinstance(message.content, str) and any(
        isinstance(raw, Mapping) and raw.get("type") in REASONING_TYPES for raw in message.content
    ):
        return
    elif isinstance(text, str) and text:
        found = [{"type": "reasoning", "reasoning": text}]
    elif isinstance(legacy, Mapping):  # an OpenAI Responses item, as older integrations kept it
        origin = origin or "openai-responses"
        found = [{"type": "reasoning", **legacy}]
    for raw in found:
        block = to_block(raw, origin=origin, is_model_made=True)
        if block is not None:
            yield block


class _Calls:
    """The tool calls of one message, each handed out once: where the content has it, or else at the end."""

    def __init__(self, message: AIMessage, origin: str | None) -> None:
        self._origin = origin
        self._taken: set[str] = set()
        self.rest = list(_listed_calls(message, origin))

    def placed(self, raw: Mapping[str, Any]) -> ToolCall | None:
        """The call that a content block stands for; None for one that came already or is only a fragment."""
        is_responses = raw.get("type") == "function_call"
        call_id = raw.get("call_id" if is_responses else "id")
        if not isinstance(call_id, str) or not call_id or call_id in self._taken:
            return None
        self._taken.add(call_id)
        extras = raw.get("extras")
        signature = extras.get("signature") if isinstance(extras, Mapping) else None
        for listed in self.rest:
            if listed.id == call_id:
                self.rest.remove(listed)
                return replace(listed, signature=signature or listed.signature, marks=marks_of(raw))
        name = raw.get("name")
        if not isinstance(name, str) or not name:
            return None
        given = raw.get("arguments") if is_responses else raw.get("args", raw.get("input"))
        arguments = given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)
        return ToolCall(call_id, name, arguments or "{}", signature, self._origin, marks_of(raw))


def _listed_calls(message: AIMessage, origin: str | None) -> Iterator[ToolCall]:
    signatures = message.additional_kwargs.get(TOOL_SIGNATURES)
    signatures = signatures if isinstance(signatures, Mapping) else {}
    for call in message.tool_calls:
        call_id = call["id"] or ""
        arguments = json.dumps(call["args"], ensure_ascii=False, default=str)
        yield ToolCall(call_id, call["name"], arguments, signatures.get(call_id), origin)
    for broken in message.invalid_tool_calls:
        yield ToolCall(broken["id"] or "", broken["name"] or "", broken["args"] or "{}", None, origin)
    legacy = message.additional_kwargs.get("function_call")
    if isinstance(legacy, Mapping) and not message.tool_calls:
        name = str(legacy.get("name") or "")
        yield ToolCall(_legacy_id(name), name, legacy.get("arguments") or "{}", None, origin)


def _legacy_id(name: str | None) -> str:
    # OpenAI's retired function calls had no ids; call and result meet by name.
    return f"function_{name}"
