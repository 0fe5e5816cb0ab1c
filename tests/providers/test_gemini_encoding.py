"""What the Gemini wire sends for a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.errors import ErrorKind, ProviderError
from shared_core.messages import (
    Audio,
    Block,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from shared_core.providers.base import HTTPCall, Vendor
from shared_core.providers.gemini_content import UNSIGNED_CALL
from shared_core.providers.gemini_generate import GeminiGenerateWire
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

VENDOR = Vendor(name="gemini", wire="gemini", auth="x-goog-api-key")
HOST = "https://generativelanguage.googleapis.com"
USER = Message.of("user", "Hello")
WEATHER = Tool("get_weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"age": {"const": 3}}, "required": ["age"]}
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def call(vendor: Vendor = VENDOR, base_url: str = HOST, **fields: Any) -> HTTPCall:
    known = {name: fields.pop(name) for name in ("omit", "renames") if name in fields}
    request = LLMRequest(**{"messages": (USER,), "model": "gemini-2.5-flash", **fields})
    return GeminiGenerateWire().encode(request, vendor=vendor, base_url=base_url, key="key-main", **known)


def body(vendor: Vendor = VENDOR, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(vendor, **fields).body)
    return found


def config(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(**fields).get("generationConfig", {})
    return found


def contents(*messages: Message, model: str = "gemini-2.5-flash", vendor: Vendor = VENDOR) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(vendor, messages=messages, model=model)["contents"]
    return found


def test_the_smallest_request() -> None:
    """One turn, and nothing that was not asked for."""
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_the_key_travels_in_a_header_alone() -> None:
    """The key is in `x-goog-api-key`; URL, body and repr do not have it."""
    sent = call(extra_headers={"X-Trace": "7"})
    assert sent.headers["x-goog-api-key"] == "key-main"
    assert sent.headers["x-trace"] == "7"
    assert "key" not in sent.url
    assert "key-main" not in sent.body.decode() + repr(sent)


@pytest.mark.parametrize(
    ("base_url", "model", "url"),
    [
        (HOST, "gemini-2.5-flash", f"{HOST}/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (f"{HOST}/v1/", "models/gemini-x", f"{HOST}/v1/models/gemini-x:streamGenerateContent?alt=sse"),
        (f"{HOST}/v1beta", "tunedModels/a", f"{HOST}/v1beta/tunedModels/a:streamGenerateContent?alt=sse"),
        ("http://x/v1beta1?a=b", "g", "http://x/v1beta1/models/g:streamGenerateContent?a=b&alt=sse"),
        ("http://x/gemini", "a/b?c", "http://x/gemini/v1beta/models/a%2Fb%3Fc:streamGenerateContent?alt=sse"),
    ],
)
def test_urls(base_url: str, model: str, url: str) -> None:
    """The base URL may or may not have a version; the model is escaped; the stream is one of events."""
    assert call(base_url=base_url, model=model).url == url


def test_a_vendors_own_path() -> None:
    """A gateway may have another path and query."""
    vendor = Vendor(name="x", wire="gemini", path="/publishers/google/models/{model}:streamGenerateContent")
    assert call(vendor, base_url="https://x/v1/projects/p").url == (
        "https://x/v1/projects/p/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    )


def test_settings() -> None:
    """Every setting under the protocol's name; there is no end user and no ban on parallel calls."""
    asked = {
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ("END",),
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "user": "u",
        "parallel_tool_calls": False,
    }
    known = {"maxOutputTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"], "seed": 7}
    sent = body(**asked)
    assert sent.keys() == {"contents", "generationConfig"}
    assert sent["generationConfig"] == known
    assert config(model="gemini-2.0-flash", **asked) == known | {"presencePenalty": 0.1, "frequencyPenalty": 0.2}


def test_system_messages_are_the_system_instruction() -> None:
    """All system text is the instruction, wherever it stands."""
    system = Message("system", (Text("Be brief."), Text(""), Image(url="https://x/y")))
    sent = body(messages=(system, USER, Message.of("system", "In French.")))
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert len(sent["contents"]) == 1


def test_calls_and_results() -> None:
    """Results are the user's, name the function, and say whether it failed; runs of one role become one turn."""
    found = contents(
        Message.of("user", "A"),
        Message.of("user", "B"),
        Message("assistant", (Text("C"), ToolCall("t1", "f", '{"x": 1}'), ToolCall("t2", "g", ""), ToolCall("", "h"))),
        Message("tool", (ToolResult("t1", (Text("one"), Text("two"))),)),
        Message("tool", (ToolResult("t2", (Text("no"),), is_error=True), ToolResult("", (), name="h"))),
        Message("tool", (ToolResult("unknown"),)),
    )
    assert found == [
        {"role": "user", "parts": [{"text": "A"}, {"text": "B"}]},
        {
            "role": "model",
            "parts": [
                {"text": "C"},
                {"functionCall": {"name": "f", "args": {"x": 1}, "id": "t1"}},
                {"functionCall": {"name": "g", "args": {}, "id": "t2"}},
                {"functionCall": {"name": "h", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one\ntwo"}, "id": "t1"}},
                {"functionResponse": {"name": "g", "response": {"error": "no"}, "id": "t2"}},
                {"functionResponse": {"name": "h", "response": {"output": ""}}},
                {"functionResponse": {"name": "tool", "response": {"output": ""}, "id": "unknown"}},
            ],
        },
    ]


@pytest.mark.parametrize("arguments", ["[1]", "not json", '{"a": '])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """The API demands an object: what another model wrote instead is kept inside of one."""
    found = contents(USER, Message("assistant", (ToolCall("t", "f", arguments),)), USER)
    assert found[1]["parts"][0]["functionCall"]["args"] == {"arguments": arguments}


def test_media_in_results() -> None:
    """Gemini 3 takes data inside of a result; before it, and for files, media stand behind it."""
    result = ToolResult("t", (Text("see"), Image(data=PNG), Image(url="https://x/y.jpg"), Document()), name="f")
    png = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    file = {"fileData": {"fileUri": "https://x/y.jpg", "mimeType": "image/jpeg"}}
    old = contents(Message("tool", (result,)))[0]["parts"]
    assert old[1:] == [png, file]
    assert "parts" not in old[0]["functionResponse"]
    new = contents(Message("tool", (result,)), model="gemini-3.8-flash")[0]["parts"]
    assert new[0]["functionResponse"]["parts"] == [png]
    assert new[1:] == [file]


def test_signatures_go_home_alone() -> None:
    """Signed parts are sent to their maker as they were; foreign signatures, summaries and blocks are not."""
    home = Message(
        "assistant",
        (
            Reasoning("Hm.", signature="r", origin="gemini"),
            Reasoning("summary", origin="gemini"),
            Reasoning("foreign", signature="s", origin="anthropic"),
            Text("Hi", signature="t", origin="gemini"),
            Text("", signature="u", origin="gemini"),
            Text("", signature="u", origin="openai"),
            ToolCall("1", "f", signature="c", origin="gemini"),
            ToolCall("2", "g", signature="x", origin="openai"),
            Opaque({"executableCode": {}}, origin="gemini"),
            Opaque({"type": "x"}, origin="openai"),
        ),
    )
    assert contents(USER, home, USER, model="gemini-3-flash-preview")[1]["parts"] == [
        {"text": "Hm.", "thought": True, "thoughtSignature": "r"},
        {"text": "Hi", "thoughtSignature": "t"},
        {"text": "", "thoughtSignature": "u"},
        {"functionCall": {"name": "f", "args": {}, "id": "1"}, "thoughtSignature": "c"},
        {"functionCall": {"name": "g", "args": {}, "id": "2"}},
        {"executableCode": {}},
    ]


@pytest.mark.parametrize(
    ("model", "signed"),
    [
        ("gemini-2.5-pro", False),
        ("gemini-3.1-pro-preview", True),
        ("gemini-4-argon", True),
        ("gemini-flash-latest", True),
    ],
)
def test_calls_of_other_providers_pass_the_signature_check(model: str, signed: bool) -> None:
    """From Gemini 3 on the first call of a turn must be signed: the documented stand-in is sent for a foreign one."""
    foreign = Message("assistant", (Text("Hi"), ToolCall("1", "f"), ToolCall("2", "g")))
    parts = contents(USER, foreign, USER, model=model)[1]["parts"]
    assert (parts[1].get("thoughtSignature") == UNSIGNED_CALL) is signed
    assert "thoughtSignature" not in parts[2]


@pytest.mark.parametrize(
    ("block", "sent"),
    [
        (Image(data=PNG), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Image(data="x", mime_type="image/heic"), {"inlineData": {"mimeType": "image/heic", "data": "x"}}),
        (Image(url="data:image/gif;base64,R0lG"), {"inlineData": {"mimeType": "image/gif", "data": "R0lG"}}),
        (
            Image(url="https://x/y.webp?a=b"),
            {"fileData": {"fileUri": "https://x/y.webp?a=b", "mimeType": "image/webp"}},
        ),
        (Image(data="x", mime_type="image/jpg"), {"inlineData": {"mimeType": "image/jpeg", "data": "x"}}),
        (Audio(data="x"), {"inlineData": {"mimeType": "audio/wav", "data": "x"}}),
        (Audio(data="x", mime_type="mp3"), {"inlineData": {"mimeType": "audio/mpeg", "data": "x"}}),
        (
            Audio(url="gs://b/a", mime_type="audio/wav"),
            {"fileData": {"fileUri": "gs://b/a", "mimeType": "audio/wav"}},
        ),
        (Document(data="JVBERi0x"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}}),
        (Document(url="https://x/y"), {"fileData": {"fileUri": "https://x/y", "mimeType": "application/pdf"}}),
        (Document(file_id="files/1"), {"fileData": {"fileUri": "files/1"}}),
        (Document(text="Words."), {"text": "Words."}),
        (Document(text="Words.", name="a.txt"), {"text": "a.txt:\nWords."}),
    ],
)
def test_media(block: Block, sent: dict[str, Any]) -> None:
    """Images, audio and documents by data, URL, data URL, id and text."""
    assert contents(Message("user", (Text("See"), block)))[0]["parts"] == [{"text": "See"}, sent]


@pytest.mark.parametrize("block", [Image(), Audio(), Document(), Document(text="")])
def test_empty_media_are_left_out(block: Block) -> None:
    """Blocks without anything in them are not sent."""
    assert contents(Message("user", (Text("See"), block)))[0]["parts"] == [{"text": "See"}]


def test_the_conversation_begins_and_ends_as_the_protocol_demands() -> None:
    """A user's turn is put before the model's first and behind its last one, and stands for a missing one."""
    go_on = {"role": "user", "parts": [{"text": "Continue."}]}
    answer = Message.of("assistant", "Once")
    said = {"role": "model", "parts": [{"text": "Once"}]}
    assert contents() == contents(Message.of("system", "x")) == contents(Message.of("user", "")) == [go_on]
    assert contents(answer) == [go_on, said, go_on]
    assert contents(USER, answer, vendor=Vendor(name="gemini", takes_prefill=True))[-1] == said


def test_tools() -> None:
    """Declarations with narrowed JSON Schema, none for functions without parameters, and home built-in tools."""
    odd = Tool("odd", "", {"properties": {"n": {"const": 1, "minLength": 2}}, "additionalProperties": False})
    search, foreign = BuiltinTool({"googleSearch": {}}, origin="gemini"), BuiltinTool({"type": "x"}, origin="anthropic")
    sent = body(tools=(WEATHER, Tool("now"), odd, search, foreign))
    assert sent["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "description": "Weather of a city.",
                    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
                {"name": "now"},
                {
                    "name": "odd",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"n": {"enum": [1], "description": "minLength: 2"}},
                        "additionalProperties": False,
                    },
                },
            ]
        },
        {"googleSearch": {}},
    ]
    assert "toolConfig" not in sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (NamedTool("get_weather"), {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
    ],
)
def test_tool_choice(choice: Any, sent: Any) -> None:
    """Every choice in the protocol's words; without functions there is none."""
    assert body(tools=(WEATHER,), tool_choice=choice).get("toolConfig", {}).get("functionCallingConfig") == sent
    assert "toolConfig" not in body(tool_choice=choice)


def test_structured_output() -> None:
    """A JSON media type, and the schema in the dialect that the API knows."""
    assert config(response_format=JSONObject()) == {"responseMimeType": "application/json"}
    assert config(response_format=JSONSchema("p", SCHEMA)) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"age": {"enum": [3]}}, "required": ["age"]},
    }


def test_structured_output_with_functions() -> None:
    """Up to 2.5 the two exclude each other, and JSON is asked for in words."""
    sent = body(tools=(WEATHER,), response_format=JSONSchema("p", SCHEMA), model="gemini-2.5-pro")
    assert "generationConfig" not in sent
    assert '"required":["age"]' in sent["systemInstruction"]["parts"][0]["text"]
    sent = body(tools=(WEATHER,), response_format=JSONObject(), model="gemini-2.5-pro")
    assert "Schema" not in sent["systemInstruction"]["parts"][0]["text"]
    assert "responseJsonSchema" in config(
        tools=(WEATHER,), response_format=JSONSchema("p", SCHEMA), model="gemini-3-pro"
    )


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("gemini-2.0-flash", "high", None),
        ("gemini-2.5-flash", None, None),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "minimal", {"includeThoughts": True, "thinkingBudget": 1_024}),
        ("gemini-2.5-pro", "medium", {"includeThoughts": True, "thinkingBudget": 8_192}),
        ("gemini-2.5-flash-lite", "max", {"includeThoughts": True, "thinkingBudget": 24_576}),
        ("gemini-2.5-flash", "strange", {"includeThoughts": True, "thinkingBudget": 8_192}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3-flash-preview", "medium", {"includeThoughts": True, "thinkingLevel": "medium"}),
        ("gemini-3-pro-preview", "medium", {"includeThoughts": True, "thinkingLevel": "high"}),
        ("gemini-3.1-pro-preview", "medium", {"includeThoughts": True, "thinkingLevel": "medium"}),
        ("gemini-3.1-pro-preview", "minimal", {"includeThoughts": True, "thinkingLevel": "low"}),
        ("gemini-4-argon", "xhigh", {"includeThoughts": True, "thinkingLevel": "high"}),
        ("gemini-flash-latest", "low", {"includeThoughts": True, "thinkingLevel": "low"}),
        ("gemma-3-27b-it", "low", None),
    ],
)
def test_thinking(model: str, effort: str | None, sent: Any) -> None:
    """Effort becomes a level from Gemini 3 on, a budget at 2.5, and nothing before."""
    assert config(model=model, reasoning_effort=effort).get("thinkingConfig") == sent


def test_omitted_and_renamed_fields() -> None:
    """Fields are named in either spelling, with or without the object around them; contents stay."""
    vendor = Vendor(name="x", wire="gemini", omits=frozenset({"seed"}), renames={"top_p": "nucleus"})
    sent = body(
        vendor,
        messages=(Message.of("system", "x"), USER),
        model="gemini-3-flash",
        seed=1,
        top_p=0.5,
        temperature=1.0,
        max_tokens=5,
        reasoning_effort="low",
        stop=("a",),
        omit=frozenset(
            {"generation_config.temperature", "thinking_level", "system_instruction", "contents", "stop", "max_tokens"}
        ),
    )
    assert sent.keys() == {"contents", "generationConfig"}
    assert sent["generationConfig"] == {"nucleus": 0.5, "thinkingConfig": {"includeThoughts": True}}
    assert "thinkingConfig" not in config(reasoning_effort="low", omit=frozenset({"reasoning_effort"}))
    assert "generationConfig" not in body(seed=1, omit=frozenset({"generationConfig"}))


def test_extra_body_has_the_last_word() -> None:
    """Objects are merged at every depth, anything else is replaced."""
    settings_ = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
    sent = body(temperature=0.1, extra_body={"generationConfig": {"topK": 40}, "safetySettings": settings_})
    assert sent["generationConfig"] == {"temperature": 0.1, "topK": 40}
    assert sent["safetySettings"] == settings_


def test_what_has_no_form_in_json_is_the_callers_mistake() -> None:
    """Values that no JSON can hold are a bad request, not a crash."""
    for fields in (
        {"extra_body": {"x": object()}},
        {"tools": (WEATHER,), "response_format": JSONSchema("p", {"x": object()})},
        {"response_format": JSONSchema("p", {"enum": [object()]})},
        {"temperature": float("nan")},
    ):
        with pytest.raises(ProviderError) as caught:
            body(**fields)
        assert caught.value.kind is ErrorKind.BAD_REQUEST


TEXTS = st.sampled_from(["", " ", "words", "{}", '{"a": 1}'])
ORIGINS = st.sampled_from([None, "gemini", "x"])
BLOCKS = st.one_of(
    st.builds(Text, TEXTS, signature=st.none() | TEXTS, origin=ORIGINS),
    st.builds(Image, url=st.sampled_from([None, "https://x/y", "data:image/png;base64,aaaa"]), data=st.none()),
    st.builds(Audio, data=st.none() | TEXTS, mime_type=st.none() | TEXTS),
    st.builds(Document, data=st.none() | TEXTS, text=st.none() | TEXTS, url=st.none() | TEXTS),
    st.builds(Reasoning, TEXTS, signature=st.none() | TEXTS, origin=ORIGINS),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS, signature=st.none() | TEXTS, origin=ORIGINS),
    st.builds(ToolResult, TEXTS, st.tuples(st.builds(Text, TEXTS)), is_error=st.booleans()),
    st.builds(Opaque, st.just({"text": "x"}), st.sampled_from(["gemini", "x"])),
)


def _message(role: Role, content: list[Block]) -> Message:
    return Message(role, tuple(content))


MESSAGES = st.lists(
    st.builds(_message, st.sampled_from(["system", "user", "assistant", "tool"]), st.lists(BLOCKS, max_size=4)),
    max_size=6,
)


@given(MESSAGES, st.sampled_from(["gemini-2.5-pro", "gemini-3-pro"]))
@settings(max_examples=80, deadline=None)
def test_any_conversation_becomes_a_valid_body(messages: list[Message], model: str) -> None:
    """Turns alternate from the user's to the user's, none is empty, every part holds something."""
    before = repr(messages)
    found = contents(*messages, model=model)
    assert repr(messages) == before
    assert [turn["role"] for turn in found] == (["user", "model"] * len(found))[: len(found)]
    assert found[-1]["role"] == "user"
    assert all(turn["parts"] and all(turn["parts"]) for turn in found)
