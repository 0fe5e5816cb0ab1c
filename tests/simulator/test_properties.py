"""Whatever a client sends, it gets an HTTP answer; whatever a fault cuts, the rest is a prefix of the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.simulator import Fault, Reply, ToolCall
from shared_core.simulator.desk import Desk
from shared_core.simulator.http import HTTPRequest
from shared_core.simulator.plan import Head

PATHS = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1beta/models/gemini-3:generateContent",
    "/v1beta/models/m:streamGenerateContent",
]
FIELDS = [
    "model",
    "messages",
    "input",
    "contents",
    "role",
    "content",
    "parts",
    "text",
    "type",
    "tool_calls",
    "id",
    "function",
    "name",
    "arguments",
    "stream",
    "tools",
    "parameters",
    "input_schema",
    "functionDeclarations",
    "function_declarations",
    "tool_choice",
    "system",
    "stop",
    "stop_sequences",
    "max_tokens",
    "max_output_tokens",
    "response_format",
    "json_schema",
    "schema",
    "output_config",
    "format",
    "generationConfig",
    "responseMimeType",
    "responseSchema",
    "maxOutputTokens",
    "stopSequences",
    "properties",
    "items",
    "required",
    "enum",
    "anyOf",
    "allOf",
    "$ref",
    "minItems",
    "maxItems",
    "minimum",
    "multipleOf",
    "minLength",
    "maxLength",
    "default",
    "tool_call_id",
    "tool_use_id",
    "call_id",
    "output",
    "encrypted_content",
    "signature",
    "thinking",
    "functionCall",
    "functionResponse",
    "thoughtSignature",
    "systemInstruction",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "allowedFunctionNames",
    "stream_options",
    "include_usage",
    "instructions",
    "refusal",
    "response",
]
WORDS = [
    "user",
    "assistant",
    "tool",
    "system",
    "model",
    "text",
    "tool_use",
    "tool_result",
    "thinking",
    "function",
    "function_call",
    "reasoning",
    "function_call_output",
    "object",
    "array",
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "json_schema",
    "json_object",
    "required",
    "any",
    "ANY",
    "application/json",
    "#/properties",
    "m",
    "date",
]

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(WORDS) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=25,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=10)


def status_of(path: str, content: bytes) -> int:
    """The status that a request gets, with all of its answer worked out."""
    _, steps, _ = Desk(10**6).answer(HTTPRequest("POST", path, {}, {}, content, keeps_alive=True), 1)
    head, *rest = steps
    assert isinstance(head, Head)
    assert all(isinstance(step, bytes) for step in rest)
    return head.status


@given(path=st.sampled_from(PATHS), body=bodies)
@settings(max_examples=80, deadline=None)
def test_any_json_gets_an_answer(path: str, body: dict[str, Any]) -> None:
    """It is answered or refused, and never breaks the server."""
    full = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "input": "x"}
    full["contents"] = [{"parts": [{"text": "x"}]}]
    for content in (body, full | body):
        assert status_of(path, json.dumps(content).encode()) in {200, 400}


@given(path=st.sampled_from(PATHS), content=st.binary(max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_bytes_get_a_refusal(path: str, content: bytes) -> None:
    """What is no JSON object is a 400."""
    assert status_of(path, content) in {200, 400}


def stream_of(path: str, behaviour: Reply | Fault) -> bytes:
    """The body that a behaviour puts on the wire."""
    desk = Desk(10**6)
    desk.script.set("*", [behaviour])
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "input": "x", "stream": True}
    body["contents"] = [{"parts": [{"text": "x"}]}]
    request = HTTPRequest("POST", path, {}, {}, json.dumps(body).encode(), keeps_alive=True)
    _, steps, _ = desk.answer(request, 1)
    return b"".join(step for step in steps if isinstance(step, bytes))


@pytest.mark.parametrize("path", [path for path in PATHS if not path.endswith(":generateContent")])
@given(after=st.integers(0, 12), where=st.sampled_from(["event", "mid_event", "mid_character"]), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_cut_stream_is_a_prefix(path: str, after: int, where: Any, data: st.DataObject) -> None:
    """Of the same answer unbroken, and shorter than it."""
    reply = Reply(
        data.draw(st.text(max_size=20)),
        reasoning=data.draw(st.none() | st.just("some thoughts")),
        tool_calls=data.draw(st.sampled_from([(), (ToolCall("f", {"a": "é"}), ToolCall("g"))])),
    )
    whole = stream_of(path, reply)
    faults = (
        Fault.cut(after, where=where, reply=reply),
        Fault.reset(after, reply=reply),
        Fault.truncated(after, reply=reply),
    )
    for fault in faults:
        broken = stream_of(path, fault)
        assert whole.startswith(broken)
        assert len(broken) < len(whole)
