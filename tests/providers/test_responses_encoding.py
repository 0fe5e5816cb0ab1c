"""The Responses wire's requests: input items, settings, tools, formats."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared_core.errors import ErrorKind, ProviderError
from shared_core.history import prepare
from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.responses import ResponsesWire
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

VENDOR = Vendor(name="openai-responses", wire="responses", understands_marks=frozenset({"prompt_cache_breakpoint"}))
BASE_URL = "https://api.example.com/v1"
PNG = "iVBORw0KGgo="
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def sent(request: LLMRequest, vendor: Vendor = VENDOR, **options: Any) -> dict[str, Any]:
    call = ResponsesWire().encode(request, vendor=vendor, base_url=BASE_URL, key="key-main", **options)
    return json.loads(call.body)


def asking(*messages: Message, **settings: Any) -> LLMRequest:
    return LLMRequest(messages=messages or (Message.of("user", "Hi"),), **({"model": "gpt-4.1"} | settings))


def items(*messages: Message) -> list[dict[str, Any]]:
    return sent(asking(*messages))["input"]


def parts(*blocks: Block) -> Any:
    return items(Message("user", blocks))[0]["content"]


class TestCall:
    def test_url_headers_and_the_least_body(self) -> None:
        """A plain question is a stream that is not stored; the key travels in a header."""
        call = ResponsesWire().encode(
            asking(extra_headers={"X-Trace": "1"}), vendor=VENDOR, base_url=BASE_URL, key="key-main"
        )
        assert call.url == "https://api.example.com/v1/responses"
        assert call.headers["authorization"] == "Bearer key-main"
        assert call.headers["x-trace"] == "1"
        assert json.loads(call.body) == {
            "model": "gpt-4.1",
            "input": [{"role": "user", "content": "Hi"}],
            "stream": True,
            "store": False,
        }

    def test_wire_and_decoder(self) -> None:
        """The wire has a name, and makes a new decoder for each response."""
        wire = ResponsesWire()
        assert wire.name == "responses"
        first, second = (wire.decoder(vendor=VENDOR, content_type="text/event-stream") for _ in range(2))
        assert first is not second

    def test_request_without_a_form_in_json(self) -> None:
        """A request that cannot be written is the caller's mistake."""
        with pytest.raises(ProviderError) as raised:
            sent(asking(extra_body={"metadata": object()}))
        assert raised.value.kind is ErrorKind.BAD_REQUEST


class TestInput:
    def test_roles(self) -> None:
        """System messages stay where they are, under the vendor's role for them."""
        messages = (Message.of("system", "Be brief."), Message.of("user", "Hi"), Message.of("system", "In French."))
        assert [item["role"] for item in items(*messages)] == ["system", "user", "system"]
        developer = sent(asking(*messages), replace(VENDOR, system_role="developer"))["input"]
        assert [item["role"] for item in developer] == ["developer", "user", "developer"]

    def test_texts_are_one_string(self) -> None:
        """Text alone is a plain string, which all servers take."""
        assert parts(Text("a"), Text("b")) == "a\nb"

    @pytest.mark.parametrize(
        ("block", "part"),
        [
            (
                Image(url="https://example.org/a.png"),
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
            ),
            (
                Image(data=PNG, detail="low"),
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
            ),
            (Document(file_id="file_1"), {"type": "input_file", "file_id": "file_1"}),
            (
                Document(url="https://example.org/a.pdf"),
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            ),
            (
                Document(data="JVBERi0=", name="a.pdf"),
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            ),
            (
                Document(data="YQ==", mime_type="text/csv"),
                {"type": "input_file", "filename": "document.csv", "file_data": "data:text/csv;base64,YQ=="},
            ),
            (Document(text="a", name="notes"), {"type": "input_text", "text": "notes:\na"}),
            (Document(text="a"), {"type": "input_text", "text": "a"}),
            (Audio(data="UklG"), {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}),
            (
                Audio(data="SUQz", mime_type="audio/mpeg"),
                {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            ),
            (Audio(url="https://example.org/a.mp3"), {"type": "input_file", "file_url": "https://example.org/a.mp3"}),
        ],
    )
    def test_parts(self, block: Block, part: dict[str, Any]) -> None:
        """Each kind of block has its part beside the text."""
        first, second = parts(Text("Look:"), block, Image(data=PNG))[:2]
        assert first == {"type": "input_text", "text": "Look:"}
        assert second == part

    def test_marks_that_are_understood(self) -> None:
        """Known marks travel with their part, others do not."""
        mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
        assert parts(Text("a", marks=mark | {"cache_control": {}})) == [{"type": "input_text", "text": "a"} | mark]

    def test_an_answer_is_its_items_in_order(self) -> None:
        """Reasoning stands in front of what it led to; texts that stand together are one message."""
        own = "openai-responses"
        answer = Message(
            "assistant",
            (
                Reasoning("why", data="gAAA", id="rs_1", origin=own),
                Text("Let me "),
                Text("see."),
                Reasoning(data="gBBB", origin=own),
                ToolCall("call_1", "weather", '{"city":"Rome"}'),
                ToolCall("call_2", "weather", ""),
                Opaque({"type": "web_search_call", "id": "ws_1"}, origin=own),
                Reasoning(data="gCCC", origin=own),
            ),
        )
        text = {"type": "output_text", "annotations": []}
        assert items(answer) == [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "why"}],
                "encrypted_content": "gAAA",
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [text | {"text": "Let me "}, text | {"text": "see."}],
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "gBBB"},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Rome"}'},
            {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": "{}"},
            {"type": "web_search_call", "id": "ws_1"},
        ]

    def test_foreign_blocks_of_an_answer_are_left_out(self) -> None:
        """Reasoning of others or without its data, opaque blocks of others, media and empty text have no form."""
        answer = Message(
            "assistant",
            (
                Reasoning("why", data="gAAA", origin="openai"),
                Reasoning("why", id="rs_1", origin="openai-responses"),
                Opaque({"type": "server_tool_use"}, origin="anthropic"),
                Opaque({"no": "type"}, origin="openai-responses"),
                Image(data=PNG),
                Text(""),
            ),
        )
        assert items(answer) == []

    def test_results(self) -> None:
        """Results are items of their own; errors say so; images travel inside."""
        image = Image(url="https://example.org/a.png")
        part = {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"}
        results = (
            ToolResult("call_1", (Text("sunny"), Text("warm"))),
            ToolResult("call_2", (Text("down"),), is_error=True),
            ToolResult("call_3", (), is_error=True),
            ToolResult("call_4", (Text("map"), image)),
            ToolResult("call_5", (image,), is_error=True),
            ToolResult("call_6"),
        )
        outputs = items(Message("tool", results))
        assert {item["type"] for item in outputs} == {"function_call_output"}
        assert [item["call_id"] for item in outputs] == [f"call_{n}" for n in range(1, 7)]
        assert [item["output"] for item in outputs] == [
            "sunny\nwarm",
            "Error: down",
            "Error",
            [{"type": "input_text", "text": "map"}, part],
            [{"type": "input_text", "text": "Error"}, part],
            "",
        ]

    def test_prepared_history_of_another_provider(self) -> None:
        """What history hygiene leaves of another's conversation is a valid input."""
        history = (
            Message.of("user", "Weather?"),
            Message(
                "assistant",
                (
                    Reasoning("hm", signature="sig", origin="anthropic"),
                    Text("", origin="anthropic"),
                    ToolCall("toolu_1", "weather", "{}", origin="anthropic"),
                    ToolCall("toolu_2", "weather", "{}", origin="anthropic"),
                ),
            ),
            Message("tool", (ToolResult("toolu_2", (Text("sunny"),)),)),
            Message("assistant", (Reasoning("so", data="gAAA", id="rs_1", origin="openai-responses"), Text("Sunny."))),
        )
        encoded = items(*prepare(history, VENDOR))
        assert [item.get("type", item.get("role")) for item in encoded] == [
            "user",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
            "reasoning",
            "message",
        ]
        assert [item["call_id"] for item in encoded[1:5]] == ["toolu_1", "toolu_2"] * 2


class TestSettings:
    def test_settings_under_their_names(self) -> None:
        """Limits, sampling, reasoning and the user have their own fields; what has none is left out."""
        body = sent(
            asking(
                max_tokens=100,
                temperature=0.5,
                top_p=0.9,
                reasoning_effort="low",
                user="u1",
                stop=("END",),
                seed=1,
                presence_penalty=0.1,
                frequency_penalty=0.1,
            )
        )
        del body["input"]
        assert body == {
            "model": "gpt-4.1",
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "max_output_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
            "reasoning": {"effort": "low"},
            "user": "u1",
        }

    def test_lowest_limit(self) -> None:
        """A limit below the protocol's lowest is raised to it."""
        assert sent(asking(max_tokens=1))["max_output_tokens"] == 16

    @pytest.mark.parametrize(
        ("model", "effort", "is_asked"),
        [
            ("gpt-5-mini", None, True),
            ("openai/o3", None, True),
            ("openai/gpt-oss-120b", None, True),
            ("gpt-5-chat-latest", None, False),
            ("gpt-4.1", None, False),
            ("my-deployment", "high", True),
            ("gpt-5.1", "none", False),
        ],
    )
    def test_encrypted_reasoning_is_asked_of_models_that_reason(
        self, model: str, effort: str | None, *, is_asked: bool
    ) -> None:
        """Others refuse the question."""
        assert ("include" in sent(asking(model=model, reasoning_effort=effort))) == is_asked

    def test_omitted_and_renamed_fields(self) -> None:
        """What the vendor or the model refuses is left out, whole or in part; the protocol's own fields stay."""
        request = asking(
            max_tokens=100, temperature=0.5, reasoning_effort="low", tools=(replace(WEATHER, strict=True),)
        )
        vendor = replace(VENDOR, omits=frozenset({"store"}), renames={"max_output_tokens": "max_tokens"})
        body = sent(
            request, vendor, omit=frozenset({"reasoning.effort", "strict", "input"}), renames={"temperature": "heat"}
        )
        assert not {"store", "reasoning", "max_output_tokens", "temperature"} & set(body)
        assert (body["max_tokens"], body["heat"]) == (100, 0.5)
        assert body["input"]
        assert "strict" not in body["tools"][0]

    def test_extra_body_has_the_last_word(self) -> None:
        """Objects are merged, anything else is replaced."""
        extra = {"reasoning": {"summary": "auto"}, "store": True, "temperature": 1}
        body = sent(asking(reasoning_effort="low", extra_body=extra), omit=frozenset({"temperature"}))
        assert body["reasoning"] == {"effort": "low", "summary": "auto"}
        assert (body["store"], body["temperature"]) == (True, 1)


class TestTools:
    def test_flat_form(self) -> None:
        """A tool that does not say that it is strict is sent as not strict, since the default is the opposite."""
        tools = sent(asking(tools=(WEATHER, Tool("now", strict=True))))["tools"]
        assert tools == [
            {
                "type": "function",
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": dict(WEATHER.parameters),
                "strict": False,
            },
            {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": True},
        ]

    def test_builtin_tools_go_home_only(self) -> None:
        """Built-in tools of this wire are sent as they are, those of others are not."""
        search = BuiltinTool({"type": "web_search"}, origin="responses")
        foreign = BuiltinTool({"type": "web_search_20250305"}, origin="anthropic")
        assert sent(asking(tools=(search, foreign)))["tools"] == [{"type": "web_search"}]
        assert "tools" not in sent(asking(tools=(foreign,), tool_choice="required", parallel_tool_calls=True))

    @pytest.mark.parametrize(
        ("choice", "told"),
        [
            ("auto", "auto"),
            ("none", "none"),
            ("required", "required"),
            (NamedTool("weather"), {"type": "function", "name": "weather"}),
            (NamedTool("web_search"), {"type": "web_search"}),
        ],
    )
    def test_tool_choice(self, choice: Any, told: Any) -> None:
        """A tool is named by its name, a built-in one by its type."""
        search = BuiltinTool({"type": "web_search"}, origin="responses")
        body = sent(asking(tools=(WEATHER, search), tool_choice=choice, parallel_tool_calls=False))
        assert body["tool_choice"] == told
        assert body["parallel_tool_calls"] is False

    def test_response_formats(self) -> None:
        """JSON mode and schemas are formats of the text."""
        assert sent(asking(response_format=JSONObject()))["text"] == {"format": {"type": "json_object"}}
        schema = JSONSchema("city", {"type": "object"}, description="A city.")
        told = {"type": "json_schema", "name": "city", "schema": {"type": "object"}}
        assert sent(asking(response_format=schema))["text"]["format"] == told | {
            "description": "A city.",
            "strict": True,
        }
        loose = replace(schema, strict=None, description=None)
        assert sent(asking(response_format=loose))["text"]["format"] == told
        assert sent(asking(response_format=schema), omit=frozenset({"strict"}))["text"]["format"] == told | {
            "description": "A city."
        }
