"""Histories that providers refuse are refused here as well."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared_core.simulator import Simulator
from shared_core.simulator.wires.conversation import (
    ENCRYPTED,
    GENUINE,
    SIGNATURE,
    anthropic_complaint,
    chat_complaint,
    gemini_complaint,
    responses_complaint,
)

USER = {"role": "user", "content": "Hi"}


def calls(*ids: str, content: Any = None) -> dict[str, Any]:
    tools = [{"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids]
    return {"role": "assistant", "content": content, "tool_calls": tools}


def tool(of: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": of, "content": "7"}


@pytest.mark.parametrize(
    ("messages", "needle"),
    [
        ([USER], None),
        ([USER, calls("a", "b"), tool("b"), tool("a"), USER], None),
        ([USER, {"role": "assistant", "content": None, "refusal": "No."}, USER], None),
        ([USER, tool("a")], "preceeding message"),
        ([USER, calls("a"), tool("b")], "messages.[2].role"),
        ([USER, calls("a"), tool("a"), tool("a")], "messages.[3].role"),
        ([USER, calls("a", "b"), tool("a")], "response messages: b"),
        ([USER, calls("a"), USER, tool("a")], "response messages: a"),
        ([USER, {"role": "assistant", "content": None}], "got null"),
    ],
)
def test_chat_completions(messages: list[dict[str, Any]], needle: str | None) -> None:
    """Calls and their results come together."""
    said = chat_complaint(messages)
    assert said is None if needle is None else needle in str(said)


CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "7"}


@pytest.mark.parametrize(
    ("items", "needle"),
    [
        ([USER, CALL, OUTPUT], None),
        ([USER, {"type": "reasoning", "id": "rs_1", "encrypted_content": ENCRYPTED}], None),
        ([USER, {"type": "reasoning", "id": "rs_1"}], None),
        ([USER, OUTPUT], "No tool call found for function call output with call_id a."),
        ([USER, CALL], "No tool output found for function call a."),
        ([USER, {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"}], "item rs_1 could not be verified"),
    ],
)
def test_responses(items: list[dict[str, Any]], needle: str | None) -> None:
    """Calls and outputs come in pairs, and reasoning is one's own."""
    said = responses_complaint(items)
    assert said is None if needle is None else needle in str(said)


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def model(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "7"}


@pytest.mark.parametrize(
    ("messages", "needle"),
    [
        ([USER, model({"type": "thinking", "thinking": "x", "signature": SIGNATURE}, USE), user(RESULT)], None),
        ([USER, model({"type": "thinking", "thinking": "x", "signature": GENUINE}), USER], None),
        ([USER, {"role": "assistant", "content": ""}], None),
        ([{"role": "system", "content": "x"}], 'Unexpected role "system"'),
        ([USER, model(USE), USER], "messages.1: `tool_use` ids were found without `tool_result`"),
        ([USER, model(USE)], "messages.1: `tool_use` ids were found without"),
        ([USER, user(RESULT)], "messages.1.content.0: unexpected `tool_use_id`"),
        ([USER, model({**USE, "id": "call:1"})], "messages.1.content.0.tool_use.id: String should match"),
        (
            [USER, model({"type": "thinking", "thinking": "x"})],
            "messages.1.content.0.thinking.signature: Field",
        ),
        ([USER, model({"type": "thinking", "thinking": "x", "signature": "y"})], "Invalid `signature`"),
        ([USER, model({"type": "text", "text": ""})], "text content blocks must be non-empty"),
        ([USER, {"role": "assistant", "content": ""}, USER], "messages.1: all messages must have non-empty content"),
    ],
)
def test_anthropic(messages: list[dict[str, Any]], needle: str | None) -> None:
    """Neighbours, ids, signatures and empty blocks are looked at."""
    said = anthropic_complaint(messages)
    assert said is None if needle is None else needle in str(said)


def turn(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


ASKS = turn("user", {"text": "Hi"})
CALLS = {"functionCall": {"name": "f", "args": {}}}
ANSWERS = turn("user", {"functionResponse": {"name": "f", "response": {}}})
SIGNED = CALLS | {"thoughtSignature": SIGNATURE}
STAND_IN = CALLS | {"thoughtSignature": "skip_thought_signature_validator"}


@pytest.mark.parametrize(
    ("contents", "name", "needle"),
    [
        ([ASKS, turn("model", CALLS), ANSWERS], "gemini-2.5-pro", None),
        ([ASKS, turn("model", SIGNED), ANSWERS], "gemini-3-pro", None),
        ([ASKS, turn("model", STAND_IN), ANSWERS], "gemini-3-pro", None),
        ([ASKS, turn("model", CALLS), ANSWERS, turn("model", {"text": "x"}), ASKS], "gemini-3-pro", None),
        ([turn("model", SIGNED, CALLS), turn("user", *ANSWERS["parts"] * 2)], "gemini-3-pro", None),
        ([ASKS, turn("model", CALLS), ANSWERS], "gemini-3-pro", "missing a thought_signature"),
        ([ASKS, turn("model", CALLS | {"thoughtSignature": "x"}), ANSWERS], "m", "Corrupted"),
        ([ASKS, turn("model", CALLS, CALLS), ANSWERS], "m", "number of function response parts"),
        ([ASKS, ANSWERS], "m", "number of function response parts"),
        ([ASKS, turn("model", CALLS)], "m", "followed by a function response turn"),
    ],
)
def test_gemini(contents: list[dict[str, Any]], name: str, needle: str | None) -> None:
    """Counts of calls and responses, and signatures."""
    said = gemini_complaint(contents, name)
    assert said is None if needle is None else needle in str(said)


@pytest.mark.parametrize("strict", [True, False])
def test_the_server_refuses_such_a_history_if_it_is_strict(client: httpx.Client, strict: bool) -> None:
    """With a 400 in the provider's words; a lenient one answers."""
    with Simulator(strict=strict) as sim:
        body = {"model": "m", "messages": [USER, tool("a")]}
        answer = client.post(sim.base_url + "/chat/completions", json=body)
    assert answer.status_code == (400 if strict else 200)
