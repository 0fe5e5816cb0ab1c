"""What providers check of a conversation before they answer: tool calls and their results, signatures, empty text.

A history that one provider wrote is often refused by the next; these checks make such a refusal happen here as well.
Each returns the provider's complaint, as users have met it, or None. Checks that are known of some models only, or
that a provider has dropped, are left out.

Invariants: a check never raises, whatever the body holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared_core.simulator.wires.fields import mapped, mappings, picked

__all__ = [
    "ENCRYPTED",
    "GENUINE",
    "SIGNATURE",
    "anthropic_complaint",
    "chat_complaint",
    "gemini_complaint",
    "responses_complaint",
]

SIGNATURE = "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="
"""The signature that the local provider puts on thoughts; it takes back this one and `GENUINE`."""

ENCRYPTED = "c2ltdWxhdGVkIGVuY3J5cHRlZCBjb250ZW50"
"""The encrypted content of its reasoning items; it takes back no other."""

GENUINE = (
    "ErUBCkYICBgCIkDCTQUXPc3O7nHXd302Zercaz8WrrpddpOqHITxBih5zeFPoJkwKBvkvZ8ID1aAfJftji6+ZI5gBYDo7XmNBIkzEgzVDHKopedA"
    "n/scG80aDFDXVZrDOWgla7lEBiIwLq5kfFjQjvF/CyuL8J5V7dRwsJN5gQIXaMB6xXTs6T+2Zp0VdiyiMb/hcdrHt+7aKh0z2E1UnjiOCoTlofNF"
    "HzOnKk0qPIoPmfGgpPgGNRgC"
)
"""A signature that a model of Anthropic's made: LangChain's conformance suite sends it with thinking blocks."""

# Google documents these two for histories that another model wrote.
_STAND_INS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")

_Block = Mapping[str, Any]


def chat_complaint(messages: Sequence[_Block]) -> str | None:
    """Chat Completions: tool messages answer the calls of the assistant message before them, all of them."""
    owed: list[str] = []
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in owed:
                return (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    f"'tool_calls'. (messages.[{index}].role)"
                )
            owed.remove(message["tool_call_id"])
            continue
        if owed:
            break
        calls = mappings(message.get("tool_calls"))
        owed = [str(call.get("id")) for call in calls]
        has_said = bool(calls) or message.get("content") is not None or bool(message.get("refusal"))
        if message.get("role") == "assistant" and not has_said:
            return f"Invalid value for 'content': expected a string, got null. (messages.[{index}].content)"
    if owed:
        return (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(owed)}"
        )
    return None


def responses_complaint(items: Sequence[_Block]) -> str | None:
    """Responses: calls and outputs come in pairs, and encrypted reasoning is of this provider."""
    calls = [str(item.get("call_id")) for item in items if item.get("type") == "function_call"]
    outputs = [str(item.get("call_id")) for item in items if item.get("type") == "function_call_output"]
    for output in outputs:
        if output not in calls:
            return f"No tool call found for function call output with call_id {output}."
    for call in calls:
        if call not in outputs:
            return f"No tool output found for function call {call}."
    for item in items:
        if item.get("type") == "reasoning" and item.get("encrypted_content") not in (None, ENCRYPTED):
            return f"The encrypted content for item {item.get('id')} could not be verified."
    return None


def anthropic_complaint(messages: Sequence[_Block]) -> str | None:
    """Messages: roles, ids, pairs of `tool_use` and `tool_result` in neighbouring messages, signatures, empty text."""
    uses: list[str] = []
    for index, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            return f'messages: Unexpected role "{message.get("role")}". Allowed roles are "user" or "assistant".'
        blocks = mappings(message.get("content"))
        results = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
        missing = [use for use in uses if use not in results]
        if missing:
            return _unanswered(index - 1, missing)
        for place, block in enumerate(blocks):
            complaint = _block_complaint(block, uses)
            if complaint is not None:
                return f"messages.{index}.content.{place}{complaint}"
        uses = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
        if not message.get("content") and index < len(messages) - 1:
            return (
                f"messages.{index}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
    if uses:
        return _unanswered(len(messages) - 1, uses)
    return None


def _unanswered(index: int, uses: Sequence[str]) -> str:
    return (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(uses)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _block_complaint(block: _Block, uses: Sequence[str]) -> str | None:
    match block.get("type"):
        case "text" if not block.get("text"):
            return ": text content blocks must be non-empty"
        case "thinking" if "signature" not in block:
            return ".thinking.signature: Field required"
        case "thinking" if block["signature"] not in (SIGNATURE, GENUINE):
            return ": Invalid `signature` in `thinking` block"
        case "tool_use" if _TOOL_ID.fullmatch(str(block.get("id"))) is None:
            return ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
        case "tool_result" if str(block.get("tool_use_id")) not in uses:
            return (
                f": unexpected `tool_use_id` found in `tool_result` blocks: {block.get('tool_use_id')}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        case _:
            return None


def gemini_complaint(contents: Sequence[_Block], model: str) -> str | None:
    """generateContent: as many responses as calls, in the next turn; own signatures, which Gemini 3 must find."""
    owed = 0
    for content in contents:
        parts = mappings(content.get("parts"))
        answered = sum(picked(part, "functionResponse", "function_response") is not None for part in parts)
        if answered != owed:
            return (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        owed = sum(_is_call(part) for part in parts)
        for part in parts:
            signature = picked(part, "thoughtSignature", "thought_signature")
            if signature is not None and signature not in (SIGNATURE, *_STAND_INS):
                return "Corrupted thought signature."
    if owed:
        return "Please ensure that function call turn is followed by a function response turn."
    if model.startswith("gemini-3"):
        for part in _first_calls(contents):
            if picked(part, "thoughtSignature", "thought_signature") is None:
                name = mapped(picked(part, "functionCall", "function_call")).get("name")
                return (
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                    f"work correctly. Additional data, function call `default_api:{name}`."
                )
    return None


def _is_call(part: _Block) -> bool:
    return picked(part, "functionCall", "function_call") is not None


def _first_calls(contents: Sequence[_Block]) -> Iterator[_Block]:
    """The first call of each step of the current turn, which is the one that bears the signature."""
    for content in reversed(contents):
        parts = mappings(content.get("parts"))
        if content.get("role", "user") == "user" and any("text" in part for part in parts):
            return
        yield from [part for part in parts if _is_call(part)][:1]
