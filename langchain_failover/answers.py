"""A whole answer of the engine as a LangChain result: the same message that its stream would add up to."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall
from langchain_core.messages import ToolCall as LangChainToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_failover.chunks import reasoning_block
from langchain_failover.messages import REASONING_BLOCKS, TEXT_SIGNATURE, TOOL_SIGNATURES
from langchain_failover.metadata import response_metadata, usage_metadata
from shared_core.answer import Answer
from shared_core.messages import Reasoning, ToolCall

__all__ = ["to_result"]


def to_result(answer: Answer, version: str | None) -> ChatResult:
    """`answer` as the result of one call.

    Args:
        answer: What the engine collected.
        version: Shape of the content, as in `Chunks`.
    """
    is_v1 = version == "v1"
    metadata = response_metadata(answer.report, answer.finish, answer.details)
    calls, broken = _parsed(answer.tool_calls)
    if is_v1:
        metadata["output_version"] = "v1"
    message = AIMessage(
        content=_blocks(answer, calls) if is_v1 else answer.text,
        additional_kwargs={} if is_v1 else _kept(answer),
        response_metadata=metadata,
        tool_calls=calls,
        invalid_tool_calls=broken,
        usage_metadata=usage_metadata(answer.usage),
    )
    named = {key: metadata[key] for key in ("finish_reason", "model_name") if key in metadata}
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=named)])


def _parsed(calls: tuple[ToolCall, ...]) -> tuple[list[LangChainToolCall], list[InvalidToolCall]]:
    good: list[LangChainToolCall] = []
    bad: list[InvalidToolCall] = []
    for call in calls:
        try:
            # Models write raw line breaks into strings; strict JSON forbids them, every reader forgives them.
            arguments = json.loads(call.arguments or "{}", strict=False)
        except ValueError as error:
            bad.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=str(error)))
            continue
        if isinstance(arguments, dict):
            good.append(tool_call(name=call.name, args=arguments, id=call.id))
        else:
            problem = "the arguments are not a JSON object"
            bad.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=problem))
    return good, bad


def _reasoning(reasoning: Reasoning) -> dict[str, Any]:
    extras = {"signature": reasoning.signature, "data": reasoning.data}
    return reasoning_block(
        reasoning.text, {key: value for key, value in extras.items() if value is not None}, reasoning.id
    )


def _kept(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    text = "".join(reasoning.text for reasoning in answer.reasoning)
    if text:
        found["reasoning_content"] = text
    if any(reasoning.signature or reasoning.data or reasoning.id for reasoning in answer.reasoning):
        found[REASONING_BLOCKS] = [_reasoning(reasoning) for reasoning in answer.reasoning]
    if answer.refusal:
        found["refusal"] = answer.refusal
    signatures = {call.id: call.signature for call in answer.tool_calls if call.signature is not None}
    if signatures:
        found[TOOL_SIGNATURES] = signatures
    if answer.text_signature is not None:
        found[TEXT_SIGNATURE] = answer.text_signature
    return found


def _blocks(answer: Answer, calls: list[LangChainToolCall]) -> list[str | dict[Any, Any]]:
    blocks: list[str | dict[Any, Any]] = [_reasoning(reasoning) for reasoning in answer.reasoning]
    if answer.text:
        extras = {} if answer.text_signature is None else {"extras": {"signature": answer.text_signature}}
        blocks.append({"type": "text", "text": answer.text, **extras})
    if answer.refusal:
        blocks.append({"type": "refusal", "refusal": answer.refusal})
    signatures = {call.id: call.signature for call in answer.tool_calls}
    for call in calls:
        block: dict[Any, Any] = {**call, "type": "tool_call"}
        if signature := signatures.get(call["id"] or ""):
            block["extras"] = {"signature": signature}
        blocks.append(block)
    return blocks
