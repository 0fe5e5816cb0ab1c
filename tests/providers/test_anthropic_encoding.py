"""What the Anthropic Messages wire sends for a request."""

from __future__ import annotations

import json
from base64 import b64encode
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
from shared_core.providers.anthropic_decoding import ANSWER_TOOL
from shared_core.providers.anthropic_messages import API_VERSION, AnthropicMessagesWire
from shared_core.providers.anthropic_models import claude_traits
from shared_core.providers.base import HTTPCall, Vendor
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

VENDOR = Vendor(
    name="anthropic",
    wire="anthropic",
    auth="x-api-key",
    understands_marks=frozenset({"cache_control", "citations"}),
)
COMPATIBLE = Vendor(name="minimax", wire="anthropic", auth="x-api-key")
USER = Message.of("user", "Hello")
CACHE = {"cache_control": {"type": "ephemeral"}}
WEATHER = Tool(
    "get_weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}}
)
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def call(vendor: Vendor = VENDOR, base_url: str = "https://api.anthropic.com", **fields: Any) -> HTTPCall:
    known = {name: fields.pop(name) for name in ("omit", "renames") if name in fields}
    request = LLMRequest(**{"messages": (USER,), "model": "claude-sonnet-4-6", **fields})
    return AnthropicMessagesWire().encode(request, vendor=vendor, base_url=base_url, key="key-main", **known)


def body(vendor: Vendor = VENDOR, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(vendor, **fields).body)
    return found


def turns(*messages: Message, vendor: Vendor = VENDOR, model: str = "claude-sonnet-4-6") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(vendor, messages=messages, model=model)["messages"]
    return found


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_the_smallest_request() -> None:
    """Model, messages, the mandatory limit and a stream; nothing that was not asked for."""
    assert body() == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 128_000,
        "stream": True,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }


def test_the_key_travels_in_a_header_alone() -> None:
    """The key is in `x-api-key`; URL, body and repr do not have it."""
    sent = call(extra_headers={"X-Trace": "7"})
    assert sent.headers["x-api-key"] == "key-main"
    assert sent.headers["anthropic-version"] == API_VERSION
    assert sent.headers["x-trace"] == "7"
    assert "key-main" not in sent.url + sent.body.decode() + repr(sent)


def test_headers_of_the_vendor_and_the_caller_win() -> None:
    """A version or beta that somebody states is the one that is sent."""
    vendor = Vendor(name="x", wire="anthropic", headers={"Anthropic-Version": "2026-10-21"})
    assert call(vendor).headers["anthropic-version"] == "2026-10-21"
    sent = call(vendor, extra_headers={"anthropic-version": "2027-01-01", "anthropic-beta": "b"}, temperature=0.5)
    assert (sent.headers["anthropic-version"], sent.headers["anthropic-beta"]) == ("2027-01-01", "b")
    assert b"temperature" not in sent.body  # from 2026-10-21 on there are no sampling parameters


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
        ("https://api.minimax.io/anthropic", "https://api.minimax.io/anthropic/v1/messages"),
        ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"),
        (" http://localhost:8080/v1?team=a", "http://localhost:8080/v1/messages?team=a"),
    ],
)
def test_urls(base_url: str, url: str) -> None:
    """The base URL may or may not have the version, or be the whole address."""
    assert call(base_url=base_url).url == url


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-4-6", 128_000),
        ("claude-haiku-4-5-20251001", 64_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-3-5-sonnet-20241022", 8_192),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-opus-6", 128_000),
        ("MiniMax-M9", 8_192),
    ],
)
def test_max_tokens_is_never_missing(model: str, limit: int) -> None:
    """Without a limit from the caller, the model's own ceiling is sent; even an omission leaves the field in."""
    assert body(model=model, omit=frozenset({"max_tokens"}))["max_tokens"] == limit
    assert body(model=model, max_tokens=100)["max_tokens"] == 100


def test_sampling_limits_stops_and_the_user() -> None:
    """Temperature ends at 1, blank stops are dropped, the end user is metadata, seeds and penalties do not exist."""
    sent = body(
        model="claude-3-5-sonnet-latest",
        temperature=1.7,
        top_p=0.9,
        stop=("END", " \n"),
        seed=7,
        presence_penalty=1.0,
        frequency_penalty=1.0,
        user="user-7",
    )
    assert sent["temperature"] == 1.0
    assert sent["top_p"] == 0.9
    assert sent["stop_sequences"] == ["END"]
    assert sent["metadata"] == {"user_id": "user-7"}
    assert not {"seed", "presence_penalty", "frequency_penalty", "user"} & sent.keys()


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("claude-3-7-sonnet-latest", {"temperature", "top_p"}),
        ("claude-opus-4-1", {"temperature"}),
        ("claude-sonnet-4-5", {"temperature"}),
        ("claude-opus-4-6", {"temperature"}),
        ("claude-opus-4-7", set()),
        ("claude-sonnet-5-5", set()),
        ("other-model", {"temperature", "top_p"}),
    ],
)
def test_sampling_that_the_model_refuses_is_left_out(model: str, kept: set[str]) -> None:
    """From 4.1 on one of the two is taken, from 4.7 on none."""
    assert {"temperature", "top_p"} & body(model=model, temperature=-1.0, top_p=0.5).keys() == kept
    assert ("top_p" in body(model=model, top_p=0.5)) == bool(kept)


def test_system_messages_are_the_system_prompt() -> None:
    """All system text goes to the top, with its cache marks; blank text and other blocks do not."""
    system = Message("system", (Text("Be brief.", marks={**CACHE, "foreign": 1}), Text(" "), Image(url="https://x/y")))
    late = Message.of("system", "In French.")
    assert body(messages=(system, USER, late))["system"] == [text("Be brief.") | CACHE, text("In French.")]


def test_turns_alternate_and_results_come_first() -> None:
    """Runs of one role become one turn, tool messages are the user's, and results stand before other blocks."""
    found = turns(
        Message.of("user", "A"),
        Message.of("user", "B"),
        Message("assistant", (Text("C"), Text(" "), ToolCall("t1", "f", '{"x": 1}'), ToolCall("t2", "g", ""))),
        Message.of("user", "D"),
        Message("tool", (ToolResult("t1", (Text("one"),), marks=CACHE), ToolResult("t2"))),
        Message("user", ()),
    )
    assert found == [
        {"role": "user", "content": [text("A"), text("B")]},
        {
            "role": "assistant",
            "content": [
                text("C"),
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [text("one")]} | CACHE,
                {"type": "tool_result", "tool_use_id": "t2"},
                text("D"),
            ],
        },
    ]


@pytest.mark.parametrize("arguments", ["[1]", "not json", '{"a": ', "\ud800"])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """The API demands an object: what another model wrote instead is kept inside of one."""
    found = turns(USER, Message("assistant", (ToolCall("t", "f", arguments),)), Message("tool", (ToolResult("t"),)))
    assert found[1]["content"][0]["input"] == {"arguments": arguments}


def test_the_conversation_begins_and_ends_as_the_protocol_demands() -> None:
    """A user's turn is put before the assistant's first and behind its last one, and stands for a missing one."""
    go_on = {"role": "user", "content": [text("Continue.")]}
    answer = Message.of("assistant", "Once upon a time ")
    said = {"role": "assistant", "content": [text("Once upon a time ")]}
    assert turns() == turns(Message.of("system", "x")) == turns(Message.of("user", " ")) == [go_on]
    assert turns(answer) == [go_on, said, go_on]
    assert turns(answer, USER)[0] == go_on


def test_a_prefill_loses_its_last_blanks() -> None:
    """Models that continue an assistant's turn refuse white space at its end."""
    found = turns(USER, Message.of("assistant", "Once upon a time \n"), model="claude-sonnet-4-5")
    assert found[-1] == {"role": "assistant", "content": [text("Once upon a time")]}
    found = turns(USER, Message("assistant", (ToolCall("t", "f"),)), model="claude-sonnet-4-5")
    assert found[-1]["content"][0]["type"] == "tool_use"


def test_thinking_goes_home_alone() -> None:
    """Signed thinking is sent to its maker; unsigned or foreign thinking, signatures and blocks are not."""
    message = Message(
        "assistant",
        (
            Reasoning("Hm.", signature="s", origin="anthropic"),
            Reasoning(data="d", origin="anthropic"),
            Reasoning("unsigned", origin="anthropic"),
            Reasoning("foreign", signature="s", origin="gemini"),
            Text("Hi", signature="g", origin="gemini"),
            Opaque({"type": "server_tool_use", "id": "1"}, origin="anthropic"),
            Opaque({"type": "x"}, origin="openai"),
            Image(url="https://x/y.png"),
        ),
    )
    assert turns(USER, message, USER)[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        text("Hi"),
        {"type": "server_tool_use", "id": "1"},
    ]
    assert turns(USER, message, USER, vendor=COMPATIBLE)[1]["content"] == [text("Hi")]


@pytest.mark.parametrize(
    ("block", "sent"),
    [
        (Image(url="https://x/y.png"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}),
        (
            Image(data=PNG, marks=CACHE),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}} | CACHE,
        ),
        (
            Image(url="data:image/webp;base64,UklGRg=="),
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "UklGRg=="}},
        ),
        (
            Document(data="JVBERi0x", name="a.pdf", marks={"citations": {"enabled": True}}),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
                "title": "a.pdf",
                "citations": {"enabled": True},
            },
        ),
        (Document(url="https://x/a.pdf"), {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}),
        (Document(file_id="file_1"), {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        (
            Document(text="Words."),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Words."}},
        ),
        (
            Document(data=b64encode("Grüße".encode()).decode(), mime_type="text/markdown"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
        ),
        (
            Document(url="data:,a%20b"),
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "YSBi"}},
        ),
        (Opaque({"type": "container_upload"}, origin="anthropic"), {"type": "container_upload"}),
    ],
)
def test_media(block: Block, sent: dict[str, Any]) -> None:
    """Images and documents by data, URL, data URL, id and text."""
    assert turns(Message("user", (Text("See"), block))) == [{"role": "user", "content": [text("See"), sent]}]


@pytest.mark.parametrize(
    "block",
    [Image(), Document(), Document(text=" "), Document(data="%%", mime_type="text/plain"), Audio(data="UklGRg==")],
)
def test_media_that_have_no_form_are_left_out(block: Block) -> None:
    """Empty blocks and audio, which the API does not take, are not sent."""
    assert turns(Message("user", (Text("See"), block))) == [{"role": "user", "content": [text("See")]}]


def test_results_hold_media_and_errors_hold_text() -> None:
    """A result may hold images and documents; of a failed tool's result text alone is accepted."""
    parts = (Text("here"), Text(""), Image(data=PNG), Document(text="Words."), Audio(data="x"))
    found = turns(USER, Message("tool", (ToolResult("a", parts), ToolResult("b", parts, is_error=True))))
    good, bad = found[0]["content"][:2]
    assert [part["type"] for part in good["content"]] == ["text", "image", "document"]
    assert "is_error" not in good
    assert bad == {"type": "tool_result", "tool_use_id": "b", "content": [text("here")], "is_error": True}


def test_tools() -> None:
    """Functions with their schemas, strict ones narrowed where the model has strict tools, and home built-in tools."""
    strict = Tool("s", "", {"properties": {"n": {"type": "integer", "minimum": 0}}}, strict=True)
    search = BuiltinTool({"type": "web_search_20250305", "name": "web_search"}, origin="anthropic")
    foreign = BuiltinTool({"googleSearch": {}}, origin="gemini")
    sent = body(tools=(WEATHER, Tool("now"), strict, search, foreign))
    assert sent["tools"] == [
        {"name": "get_weather", "description": "Weather of a city.", "input_schema": WEATHER.parameters},
        {"name": "now", "input_schema": {"type": "object"}},
        {
            "name": "s",
            "input_schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "minimum: 0"}},
                "additionalProperties": False,
            },
            "strict": True,
        },
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    assert "tool_choice" not in sent
    old = body(tools=(strict,), model="claude-opus-4-1")["tools"][0]
    assert "strict" not in old
    assert old["input_schema"]["properties"]["n"]["minimum"] == 0


def test_a_tool_keeps_the_marks_that_are_understood() -> None:
    """The prompt's cache often ends behind the tools."""
    marked = Tool("now", marks={"cache_control": {"type": "ephemeral"}, "x_other": 1})
    (sent,) = body(tools=(marked,))["tools"]
    assert sent == {"name": "now", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (NamedTool("get_weather"), True, {"type": "tool", "name": "get_weather"}),
    ],
)
def test_tool_choice(choice: Any, parallel: bool | None, sent: Any) -> None:
    """Every choice in the protocol's words; without tools there is none."""
    assert body(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel).get("tool_choice") == sent
    assert "tool_choice" not in body(tool_choice=choice, parallel_tool_calls=parallel)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"])
def test_models_that_cannot_be_forced_are_asked(model: str) -> None:
    """Where forcing a call is refused, the model decides."""
    sent = body(model=model, tools=(WEATHER,), tool_choice=NamedTool("get_weather"), parallel_tool_calls=False)
    assert sent["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_a_history_with_calls_declares_their_tools() -> None:
    """Calls in the conversation need their tools declared, though no further call is allowed."""
    history = (
        USER,
        Message("assistant", (ToolCall("a", "f"), ToolCall("b", "f"))),
        Message("tool", (ToolResult("a"),)),
    )
    foreign = BuiltinTool({"googleSearch": {}}, origin="gemini")
    assert body(messages=history, tools=(foreign,), tool_choice="required") == body(messages=history)
    sent = body(messages=history)
    assert sent["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "none"}


def test_native_structured_output() -> None:
    """From 4.5 on the schema goes into `output_config`, in the dialect that the API knows."""
    sent = body(response_format=JSONSchema("person", SCHEMA), tools=(WEATHER,))
    assert sent["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"age": {"type": "integer", "description": "minimum: 0"}},
                "required": ["age"],
                "additionalProperties": False,
            },
        }
    }
    assert len(sent["tools"]) == 1


def test_structured_output_by_a_forced_tool() -> None:
    """Older and compatible models answer through a tool; with other tools, through any of them."""
    wanted = JSONSchema("person", SCHEMA, description="A person.")
    for model in ("claude-opus-4-1", "other-model"):
        sent = body(model=model, response_format=wanted, tool_choice="auto")
        assert sent["tools"] == [{"name": ANSWER_TOOL, "description": "A person.", "input_schema": SCHEMA}]
        assert sent["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
        assert "output_config" not in sent
    sent = body(model="claude-opus-4-1", response_format=JSONSchema("p", {}), tools=(WEATHER,))
    assert sent["tool_choice"] == {"type": "any"}
    assert sent["tools"][1]["description"]
    sent = body(model="claude-opus-4-1", response_format=wanted, tools=(WEATHER,), tool_choice="none")
    assert sent["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}


def test_json_mode_is_asked_for_in_words() -> None:
    """There is no schema-less JSON mode: the system prompt asks for an object."""
    sent = body(messages=(Message.of("system", "Be brief."), USER), response_format=JSONObject())
    assert sent["system"][0] == text("Be brief.")
    assert "JSON object" in sent["system"][1]["text"]


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "level"),
    [
        ("claude-opus-4-6", None, None, None),
        ("claude-opus-4-6", "high", {"type": "adaptive"}, "high"),
        ("claude-opus-4-6", "minimal", {"type": "adaptive"}, "low"),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, "high"),
        ("claude-opus-4-6", "none", None, None),
        ("claude-opus-4-7", "xhigh", {"type": "adaptive", "display": "summarized"}, "xhigh"),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-opus-5-5", "none", None, "low"),
        ("claude-mythos-preview", "medium", {"type": "adaptive", "display": "summarized"}, "medium"),
        ("claude-sonnet-4-5", "low", {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-sonnet-4-5", "medium", {"type": "enabled", "budget_tokens": 8_192}, None),
        ("claude-sonnet-4-5", "max", {"type": "enabled", "budget_tokens": 32_000}, None),
        ("claude-sonnet-4-5", "strange", {"type": "enabled", "budget_tokens": 8_192}, None),
        ("claude-sonnet-4-5", "none", None, None),
        ("claude-3-5-haiku-latest", "high", None, None),
        ("other-model", "high", {"type": "enabled", "budget_tokens": 4_096}, None),
    ],
)
def test_thinking(model: str, effort: str | None, thinking: Any, level: str | None) -> None:
    """Effort becomes adaptive thinking with a level, or a budget that leaves room for the answer, or nothing."""
    sent = body(model=model, reasoning_effort=effort)
    assert sent.get("thinking") == thinking
    assert sent.get("output_config", {}).get("effort") == level


def test_thinking_and_other_settings() -> None:
    """While it thinks a model takes no sampling, and no room means no thinking; the caller's own thinking stands."""
    sent = body(model="claude-sonnet-4-5", reasoning_effort="high", temperature=0.5, max_tokens=4_000)
    assert sent["thinking"]["budget_tokens"] == 2_000
    assert "temperature" not in sent
    sent = body(model="claude-sonnet-4-5", reasoning_effort="high", temperature=0.5, max_tokens=2_000)
    assert "thinking" not in sent
    assert sent["temperature"] == 0.5
    mine = {"type": "enabled", "budget_tokens": 5_000}
    sent = body(reasoning_effort="high", extra_body={"thinking": mine})
    assert (sent["thinking"], sent["output_config"]) == (mine, {"effort": "high"})
    assert "temperature" not in body(temperature=0.5, extra_body={"thinking": mine})


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "level"),
    [
        ("claude-sonnet-4-5", "high", None, None),
        ("claude-opus-4-6", "high", None, "high"),
        ("claude-opus-5", None, {"type": "disabled"}, None),
        ("claude-opus-5", "max", {"type": "disabled"}, "high"),
        ("claude-fable-5", "max", None, "max"),
    ],
)
def test_a_forced_call_goes_without_thinking(model: str, effort: str | None, thinking: Any, level: str | None) -> None:
    """The API refuses to force a tool while the model thinks: the caller's tool comes first."""
    sent = body(model=model, reasoning_effort=effort, tools=(WEATHER,), tool_choice="required")
    assert sent["tool_choice"] == {"type": "any"}
    assert sent.get("thinking") == thinking
    assert sent.get("output_config", {}).get("effort") == level


def test_a_foreign_call_in_flight_goes_without_a_budget() -> None:
    """A budget demands that the open call began with the model's own thinking, which another provider's has not."""
    foreign = Message("assistant", (ToolCall("t", "f"),))
    own = Message("assistant", (Reasoning("Hm.", signature="s", origin="anthropic"), ToolCall("t", "f")))
    result = Message("tool", (ToolResult("t", (Text("1"),)),))
    for call_, thinks in ((foreign, False), (own, True)):
        sent = body(model="claude-sonnet-4-5", reasoning_effort="low", messages=(USER, call_, result))
        assert ("thinking" in sent) is thinks
    assert "thinking" in body(model="claude-opus-4-6", reasoning_effort="low", messages=(USER, foreign, result))
    assert "thinking" in body(
        model="claude-sonnet-4-5", reasoning_effort="low", messages=(USER, foreign, result, USER, foreign, USER)
    )


def test_bound_thinking_may_be_dropped_by_the_server() -> None:
    """Where thinking is checked against its conversation, a history that was mended must not fail the request."""
    history = (USER, Message("assistant", (Reasoning("Hm.", signature="s", origin="anthropic"), Text("Hi"))), USER)
    sent = call(model="claude-opus-5-5", messages=history, extra_headers={"anthropic-beta": "other"})
    assert json.loads(sent.body)["thinking"] == {
        "type": "adaptive",
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }
    assert sent.headers["anthropic-beta"] == "other,thinking-binding-controls-2026-08-01"
    sent = call(model="claude-opus-5-5", messages=history)
    assert sent.headers["anthropic-beta"] == "thinking-binding-controls-2026-08-01"
    assert "thinking" not in body(model="claude-opus-5-5")
    assert "thinking" not in body(model="claude-opus-4-7", messages=history)


def test_omitted_and_renamed_fields() -> None:
    """What the vendor or a refusal names is left out, inner fields too; what the protocol demands stays."""
    vendor = Vendor(name="x", wire="anthropic", omits=frozenset({"metadata"}), renames={"system": "instructions"})
    sent = body(
        vendor,
        messages=(Message.of("system", "x"), USER),
        model="claude-opus-4-6",
        user="u",
        temperature=0.1,
        reasoning_effort="high",
        response_format=JSONSchema("p", SCHEMA),
        omit=frozenset({"output_config.effort", "thinking.type.enabled", "messages", "stream"}),
        renames={"max_tokens": "limit"},
    )
    assert not {"metadata", "system", "thinking", "max_tokens"} & sent.keys()
    assert sent["instructions"]
    assert sent["limit"] == 128_000
    assert sent["stream"] is True
    assert sent["output_config"].keys() == {"format"}


def test_extra_body_has_the_last_word() -> None:
    """Objects are merged, anything else is replaced, nothing is left out of it."""
    sent = body(
        user="u",
        temperature=0.1,
        omit=frozenset({"top_k"}),
        extra_body={"metadata": {"a": 1}, "temperature": 0.9, "top_k": 40},
    )
    assert sent["metadata"] == {"user_id": "u", "a": 1}
    assert (sent["temperature"], sent["top_k"]) == (0.9, 40)


def test_what_has_no_form_in_json_is_the_callers_mistake() -> None:
    """Values that no JSON can hold are a bad request, not a crash."""
    with pytest.raises(ProviderError) as caught:
        body(extra_body={"x": object()})
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    with pytest.raises(ProviderError) as caught:
        AnthropicMessagesWire().encode(
            LLMRequest(messages=(USER,), model="m"), vendor=VENDOR, base_url="https://x", key="kéy"
        )
    assert caught.value.kind is ErrorKind.AUTH


@pytest.mark.parametrize("model", ["claude", "claude-2.1", "claude-instant-1.2", "anthropic/claude-4.7-opus", "", "x"])
def test_every_name_has_traits(model: str) -> None:
    """Old, unversioned and foreign names are answered for as well."""
    assert claude_traits(model).max_tokens >= 4_096


TEXTS = st.sampled_from(["", " ", "words", "\n", "{}", '{"a": 1}'])
BLOCKS = st.one_of(
    st.builds(Text, TEXTS, origin=st.sampled_from([None, "anthropic"])),
    st.builds(Image, url=st.sampled_from([None, "https://x/y", "data:image/png;base64,aaaa"]), data=st.none()),
    st.builds(Audio, data=TEXTS),
    st.builds(Document, data=st.none() | TEXTS, text=st.none() | TEXTS, url=st.none() | TEXTS),
    st.builds(Reasoning, TEXTS, signature=st.none() | TEXTS, origin=st.sampled_from([None, "anthropic", "x"])),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(ToolResult, TEXTS, st.tuples(st.builds(Text, TEXTS)), is_error=st.booleans()),
    st.builds(Opaque, st.just({"type": "x"}), st.sampled_from(["anthropic", "x"])),
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])


def _message(role: Role, content: list[Block]) -> Message:
    return Message(role, tuple(content))


MESSAGES = st.lists(st.builds(_message, ROLES, st.lists(BLOCKS, max_size=4)), max_size=6)


@given(MESSAGES, st.sampled_from(["claude-opus-4-6", "claude-sonnet-4-5", "other"]))
@settings(max_examples=80, deadline=None)
def test_any_conversation_becomes_a_valid_body(messages: list[Message], model: str) -> None:
    """Turns alternate from the user's on, none is empty, no text is blank, results come first."""
    before = repr(messages)
    sent = body(messages=tuple(messages), model=model, reasoning_effort="low")
    assert repr(messages) == before
    found = sent["messages"]
    assert [turn["role"] for turn in found] == (["user", "assistant"] * len(found))[: len(found)]
    for turn in found:
        kinds = [part["type"] for part in turn["content"]]
        assert kinds
        assert all(part["text"].strip() for part in turn["content"] if part["type"] == "text")
        assert "tool_result" not in kinds[kinds.count("tool_result") :]
        assert turn["role"] == "user" or not {"image", "document", "tool_result"} & set(kinds)
