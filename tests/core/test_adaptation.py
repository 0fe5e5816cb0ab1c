"""The capability gate, and the request as one target gets it, held against what the wires really send."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.adaptation import SETTINGS, Needs, adapt, needs, unfit
from shared_core.errors import ErrorKind, ProviderError
from shared_core.messages import Audio, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.anthropic_messages import AnthropicMessagesWire
from shared_core.providers.base import Vendor
from shared_core.providers.gemini_generate import GeminiGenerateWire
from shared_core.providers.models import _BY_HOST, _BY_MODEL, ModelInfo, describe
from shared_core.providers.openai_chat import OpenAIChatWire
from shared_core.providers.responses import ResponsesWire
from shared_core.providers.vendors import VENDORS
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

WIRES = {wire.name: wire for wire in (OpenAIChatWire(), ResponsesWire(), AnthropicMessagesWire(), GeminiGenerateWire())}
OPENAI, RESPONSES, ANTHROPIC, GEMINI, MISTRAL, CEREBRAS, DEEPSEEK = (
    VENDORS[name] for name in ("openai", "openai-responses", "anthropic", "gemini", "mistral", "cerebras", "deepseek")
)
HOMES = (OPENAI, RESPONSES, ANTHROPIC, GEMINI)
PLAIN = {"openai": "gpt-4.1", "responses": "gpt-4.1", "anthropic": "claude-3-5-haiku", "gemini": "gemini-2.0-flash"}

USER = Message.of("user", "Hi")
LOOK_UP = Tool("look_up", "Looks things up.", {"type": "object", "properties": {"what": {"type": "string"}}})
SEARCH = BuiltinTool({"type": "web_search_20250305", "name": "web_search"}, origin="anthropic")
GOOGLE = BuiltinTool({"google_search": {}}, origin="gemini")
HOSTED = BuiltinTool({"type": "file_search"}, origin="responses")
SCHEMA = JSONSchema("answer", {"type": "object", "properties": {"n": {"type": "integer"}}})
CALLED = (
    USER,
    Message("assistant", (ToolCall("call_1", "look_up"),)),
    Message("tool", (ToolResult("call_1", (Text("42"),)),)),
)

SET: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ("END",),
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "user": "u-1",
    "parallel_tool_calls": False,
    "reasoning_effort": "high",
    "max_tokens": 4_000,
}


def asking(model: str = "m", **settings: Any) -> LLMRequest:
    return LLMRequest(**({"messages": (USER,), "model": model} | settings))


def body(request: LLMRequest, vendor: Vendor, **options: Any) -> dict[str, Any]:
    call = WIRES[vendor.wire].encode(request, vendor=vendor, base_url="https://api.example.com", key="k", **options)
    return json.loads(call.body)


def at(sent: dict[str, Any], path: str) -> Any:
    found: Any = sent.get("generationConfig", {}) | sent
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


class TestNeeds:
    @pytest.mark.parametrize(
        ("fields", "wanted"),
        [
            ({"messages": (Message("user", (Image(url="https://example.com/i"),)),)}, {"images": True}),
            ({"messages": (Message("user", (Audio(data="AAAA"),)),)}, {"audio": True}),
            ({"messages": (Message("user", (Document(data="AAAA"),)),)}, {"documents": True}),
            ({"messages": (Message("user", (Document(data="A", mime_type="application/pdf"),)),)}, {"documents": True}),
            ({"messages": (Message("user", (Document(data="AAAA", mime_type="text/csv"),)),)}, {}),
            (
                {"messages": (Message("user", (Document(text="a b"),)),)},
                {"texts": ("a b",), "characters": 3},
            ),
            (
                {"messages": (Message("tool", (ToolResult("1", (Text("seen"), Image(data="A"))),)),)},
                {"images": True, "texts": ("seen",), "characters": 4},
            ),
            (
                {"messages": (Message("assistant", (ToolCall("1", "f", "{}"), Reasoning("hm"), Opaque({}, "x"))),)},
                {"texts": ("{}",), "characters": 2},
            ),
            (
                {"messages": (), "tools": (LOOK_UP, SEARCH), "tool_choice": "required"},
                {"functions": ("look_up",), "builtin_tools": (SEARCH,), "forced": "required"},
            ),
            ({"messages": (), "tool_choice": NamedTool("f")}, {"forced": NamedTool("f")}),
            ({"messages": (), "tool_choice": "auto"}, {}),
            ({"messages": (), "response_format": SCHEMA}, {"json_schema": True}),
            ({"messages": (), "response_format": JSONObject()}, {"json_object": True}),
            ({"messages": (), "extra_headers": {"X": "1", "Anthropic-Beta": "a,b"}}, {"betas": "a,b"}),
        ],
    )
    def test_what_a_request_needs(self, fields: dict[str, Any], wanted: dict[str, Any]) -> None:
        """Each need is read from the one place that calls for it."""
        assert needs(asking(**fields)) == Needs(**wanted)

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("", 0),
            ("  two\n words ", 2),
            ("=" * 1_000, 1),
            ("zwölf Boxkämpfer", 2),
            ("汉" * 30, 10),
            ("ひらがな カタカナ", 2),
            ("three 汉字汉 words und Größe", 5),
            ("汉 字 汉", 1),
        ],
    )
    def test_the_estimate_is_a_lower_bound(self, text: str, tokens: int) -> None:
        """One token a word, and one for three characters of scripts without spaces."""
        assert needs(asking(messages=(Message.of("user", text),))).least_tokens == tokens


class TestUnfit:
    @pytest.mark.parametrize(
        ("need", "info", "reason"),
        [
            ({"images": True}, {"image_inputs": False}, "does not read images"),
            ({"audio": True}, {"audio_inputs": False}, "does not hear audio"),
            ({"documents": True}, {"pdf_inputs": False}, "does not read PDF files"),
            ({"functions": ("f",)}, {"tool_calling": False}, "does not call tools"),
            ({"json_schema": True, "json_object": True}, {"structured_output": False}, None),
        ],
    )
    def test_only_a_known_no_counts(self, need: dict[str, Any], info: dict[str, Any], reason: str | None) -> None:
        """What is not known, is true, or is not needed makes nobody unfit."""
        known = ModelInfo(**info)
        assert unfit(Needs(**need), OPENAI, known, None) == reason
        assert unfit(Needs(), OPENAI, known, None) is None
        assert unfit(Needs(**need), OPENAI, ModelInfo(), None) is None
        assert unfit(Needs(**need), OPENAI, ModelInfo(**dict.fromkeys(info, True)), None) is None
        assert unfit(Needs(**need), None, None, None) is None

    def test_audio_has_no_form_at_anthropic(self) -> None:
        """The wire would leave it out without a word."""
        need = needs(asking(messages=(Message("user", (Audio(data="AAAA"),)),)))
        assert unfit(need, ANTHROPIC, None, None) == "does not hear audio"
        assert unfit(need, GEMINI, None, None) is None

    def test_a_window_that_is_surely_too_small(self) -> None:
        """The reason states both numbers; a text that may fit is sent."""
        need = needs(asking(messages=(Message.of("user", "word " * 9_000),)))
        assert unfit(need, None, None, 8_192) == "window of 8192 tokens is too small for at least 9000"
        assert unfit(need, OPENAI, None, 9_000) is None
        assert unfit(need, OPENAI, None, 100_000) is None
        assert unfit(need, OPENAI, None, None) is None

    def test_a_beta_header_widens_the_window(self) -> None:
        """Of the caller or of the vendor's row."""
        text = (Message.of("user", "word " * 300_000),)
        wide = needs(asking(messages=text, extra_headers={"anthropic-beta": "context-1m-2025-08-07"}))
        plain = needs(asking(messages=text))
        assert unfit(plain, ANTHROPIC, None, 200_000)
        assert unfit(wide, ANTHROPIC, None, 200_000) is None
        vendor = replace(ANTHROPIC, headers={"Anthropic-Beta": "context-1m-2025-08-07"})
        assert unfit(plain, vendor, None, 200_000) is None

    @pytest.mark.parametrize(
        ("tools", "choice", "vendor", "reason"),
        [
            ((SEARCH,), "required", OPENAI, "does not have the built-in tool web_search, which must be called"),
            ((GOOGLE,), "required", OPENAI, "does not have the built-in tool google_search, which must be called"),
            ((SEARCH,), "required", ANTHROPIC, None),
            ((SEARCH, LOOK_UP), "required", OPENAI, None),
            ((SEARCH, GOOGLE), "required", GEMINI, None),
            ((SEARCH,), "auto", OPENAI, None),
            ((SEARCH, LOOK_UP), NamedTool("look_up"), OPENAI, None),
            ((SEARCH, LOOK_UP), NamedTool("unheard_of"), OPENAI, None),
            (
                (HOSTED, LOOK_UP),
                NamedTool("file_search"),
                OPENAI,
                "does not have the built-in tool file_search, which must be called",
            ),
            ((HOSTED, LOOK_UP), NamedTool("file_search"), RESPONSES, None),
        ],
    )
    def test_a_forced_builtin_tool(self, tools: Any, choice: Any, vendor: Vendor, reason: str | None) -> None:
        """Who does not have the tool that must be called, cannot answer."""
        assert unfit(needs(asking(tools=tools, tool_choice=choice)), vendor, None, None) == reason


class TestSettings:
    @pytest.mark.parametrize(
        ("vendor", "name"),
        [
            pytest.param(vendor, name, id=f"{vendor.wire}-{name}")
            for vendor in HOMES
            for name in SET
            # At Anthropic the one is mandatory, and the other a matter of the model.
            if vendor is not ANTHROPIC or name not in {"max_tokens", "reasoning_effort"}
        ],
    )
    def test_the_table_is_what_the_wires_do(self, vendor: Vendor, name: str) -> None:
        """A setting is in the body, where the table says it is, exactly if the table has it."""
        model = "gpt-5" if name == "reasoning_effort" and vendor.wire != "gemini" else PLAIN[vendor.wire]
        model = "gemini-2.5-flash" if name == "reasoning_effort" and vendor is GEMINI else model
        plain = asking(model, tools=(LOOK_UP,))
        path = SETTINGS[vendor.wire].get(name)
        with_it = body(replace(plain, **{name: SET[name]}), replace(vendor, max_tokens_field="max_tokens"))
        if path is None:
            assert with_it == body(plain, vendor)
        else:
            assert at(body(plain, vendor), path) is None
            assert at(with_it, path) is not None

    @pytest.mark.parametrize("vendor", HOMES, ids=lambda vendor: vendor.wire)
    def test_what_a_wire_has_no_field_for_is_left_out_with_a_note(self, vendor: Vendor) -> None:
        """Seed and penalties at Anthropic, stop sequences at Responses, the user at Gemini."""
        settings = {name: value for name, value in SET.items() if name not in {"max_tokens", "reasoning_effort"}}
        request = asking(PLAIN[vendor.wire], tools=(LOOK_UP,), **settings)
        adapted, notes = adapt(request, vendor, None)
        missing = [name for name in settings if name not in SETTINGS[vendor.wire]]
        assert list(notes) == [f"left out {name}" for name in missing]
        assert all(not getattr(adapted, name) for name in missing)
        assert body(adapted, vendor) == body(request, vendor)

    def test_parallel_calls_are_no_loss(self) -> None:
        """What every protocol allows by itself needs no field."""
        request = asking("gemini-2.5-pro", tools=(LOOK_UP,), parallel_tool_calls=True)
        assert adapt(request, GEMINI, None) == (request, ())

    @pytest.mark.parametrize(
        ("vendor", "omit", "settings", "left"),
        [
            (MISTRAL, (), {"user": "u", "seed": 1}, ["user"]),
            (
                CEREBRAS,
                (),
                {"presence_penalty": 0.1, "frequency_penalty": 0.1},
                ["presence_penalty", "frequency_penalty"],
            ),
            (MISTRAL, ("random_seed",), {"seed": 1}, ["seed"]),
            (OPENAI, ("temperature", "stop"), {"temperature": 0.0, "stop": ("x",)}, ["temperature", "stop"]),
            (OPENAI, ("max_completion_tokens",), {"max_tokens": 5}, ["max_tokens"]),
            (OPENAI, ("reasoning_effort",), {"reasoning_effort": "low"}, ["reasoning_effort"]),
            (OPENAI, ("top_p",), {"temperature": 0.5}, []),
            (RESPONSES, ("reasoning",), {"reasoning_effort": "low"}, ["reasoning_effort"]),
            (RESPONSES, ("reasoning.effort",), {"reasoning_effort": "low"}, ["reasoning_effort"]),
            (ANTHROPIC, ("metadata", "stop_sequences"), {"user": "u", "stop": ("x",)}, ["stop", "user"]),
            (ANTHROPIC, ("max_tokens",), {"max_tokens": 5}, []),
            (GEMINI, ("generation_config.top_p", "seed"), {"top_p": 0.5, "seed": 1}, ["top_p", "seed"]),
            (GEMINI, ("generationConfig.maxOutputTokens",), {"max_tokens": 50}, ["max_tokens"]),
            (GEMINI, ("thinking_config",), {"reasoning_effort": "low"}, ["reasoning_effort"]),
            (GEMINI, ("stop",), {"stop": ("x",)}, ["stop"]),
        ],
    )
    def test_what_is_refused_is_left_out(self, vendor: Vendor, omit: Any, settings: Any, left: list[str]) -> None:
        """By the vendor's row or by what was learnt, and the wire would have done the same."""
        request = asking({"gemini": "gemini-2.5-flash", "responses": "gpt-5"}.get(vendor.wire, "m"), **settings)
        adapted, notes = adapt(request, vendor, None, omit=frozenset(omit))
        assert list(notes) == [f"left out {name}" for name in left]
        assert body(adapted, vendor) == body(request, vendor, omit=frozenset(omit))

    def test_what_a_model_is_known_to_refuse(self) -> None:
        """OpenAI's early reasoning models take no sampling settings."""
        request = asking("o3", temperature=0.2, stop=("x",), seed=1, reasoning_effort="low")
        adapted, notes = adapt(request, OPENAI, describe("openai", "o3"))
        assert notes == ("left out temperature", "left out stop")
        assert (adapted.temperature, adapted.stop, adapted.seed) == (None, (), 1)
        never = ModelInfo(refuses=frozenset({"reasoning_effort"}))
        assert adapt(asking(reasoning_effort="low"), OPENAI, never)[1] == ("left out reasoning_effort",)

    @pytest.mark.parametrize("info", [*_BY_MODEL.values(), *_BY_HOST.values()])
    def test_rows_speak_of_settings_and_efforts_that_exist(self, info: ModelInfo) -> None:
        """A word that nobody asks for would never be found."""
        assert info.refuses <= SET.keys()
        assert set(info.efforts or ()) <= {"none", "minimal", "low", "medium", "high", "xhigh", "max"}

    @pytest.mark.parametrize(
        ("model", "field", "value"),
        [
            ("gpt-3.5-turbo", "tool_calling", True),
            ("gpt-4-1106-preview", "context_window", 128_000),
            ("sonar-pro", "tool_calling", None),
            ("magistral-medium-latest", "image_inputs", None),
            ("qwen3-max", "reasoning", None),
            ("o3-mini", "pdf_inputs", None),
            ("codestral-latest", "max_output_tokens", None),
        ],
    )
    def test_a_no_is_known_only_where_sources_agree(self, model: str, field: str, value: Any) -> None:
        """A wrong one would skip a target that can do what is needed, or cut its answers."""
        assert getattr(describe("x", model), field) == value


class TestLength:
    @pytest.mark.parametrize(
        ("vendor", "limit", "sent", "note"),
        [
            (OPENAI, 30_000, 16_384, "max_tokens 30000 lowered to 16384"),
            (None, 30_000, 16_384, "max_tokens 30000 lowered to 16384"),
            (OPENAI, 16_384, 16_384, None),
            (OPENAI, 5, 5, None),
            (RESPONSES, 5, 16, "max_tokens 5 raised to 16"),
        ],
    )
    def test_max_tokens(self, vendor: Vendor | None, limit: int, sent: int, note: str | None) -> None:
        """Held to the model's ceiling, and to the least that the protocol takes."""
        request = asking("gpt-4o", max_tokens=limit)
        adapted, notes = adapt(request, vendor, describe("openai", "gpt-4o"))
        assert adapted.max_tokens == sent
        assert notes == ((note,) if note else ())
        if vendor is not None:
            assert body(adapted, vendor)[vendor.max_tokens_field] == sent

    def test_a_ceiling_that_is_not_known_changes_nothing(self) -> None:
        """A caller without a limit, or a model without a row, is left alone."""
        for request, info in ((asking(max_tokens=10**6), None), (asking(), ModelInfo(max_output_tokens=9))):
            assert adapt(request, OPENAI, info)[0] is request


class TestTools:
    def test_foreign_builtin_tools_are_left_out(self) -> None:
        """Functions and the target's own built-in tools stay."""
        request = asking(tools=(LOOK_UP, SEARCH, GOOGLE), tool_choice="required")
        adapted, notes = adapt(request, GEMINI, None)
        assert adapted.tools == (LOOK_UP, GOOGLE)
        assert adapted.tool_choice == "required"
        assert notes == ("left out built-in tool web_search of anthropic",)
        assert body(adapted, GEMINI) == body(request, GEMINI)

    @pytest.mark.parametrize("choice", [None, "auto"])
    def test_a_choice_without_tools_goes_too(self, choice: Any) -> None:
        """Where all tools were foreign, none can be chosen."""
        adapted, notes = adapt(asking(tools=(SEARCH, HOSTED), tool_choice=choice), OPENAI, None)
        assert (adapted.tools, adapted.tool_choice) == ((), None)
        assert notes == (
            "left out built-in tool web_search of anthropic",
            "left out built-in tool file_search of responses",
            *(("left out tool_choice",) if choice else ()),
        )

    def test_a_member_gets_its_tools_as_they_are(self) -> None:
        """A framework's own model object knows best what it can bind."""
        request = asking(tools=(SEARCH,), seed=1)
        assert adapt(request, None, ModelInfo())[0] is request


class TestEffort:
    @pytest.mark.parametrize(
        ("model", "asked", "sent"),
        [
            ("gpt-5", "none", "minimal"),
            ("gpt-5", "minimal", "minimal"),
            ("gpt-5", "xhigh", "high"),
            ("gpt-5.1", "minimal", "low"),
            ("gpt-5.2", "max", "xhigh"),
            ("gpt-5.6", "max", "max"),
            ("o3", "none", "low"),
            ("gpt-5", "turbo", "turbo"),
            ("unheard-of", "xhigh", "xhigh"),
            ("gpt-4.1", "high", None),
        ],
    )
    @pytest.mark.parametrize("vendor", [OPENAI, RESPONSES], ids=lambda vendor: vendor.wire)
    def test_openai(self, vendor: Vendor, model: str, asked: str, sent: str | None) -> None:
        """The next lower effort that the model knows, else its lowest; none where it does not reason."""
        adapted, notes = adapt(asking(model, reasoning_effort=asked), vendor, describe("openai", model))
        assert adapted.reasoning_effort == sent
        expected = "left out reasoning_effort" if sent is None else f"reasoning_effort {asked} sent as {sent}"
        assert notes == (() if sent == asked else (expected,))

    @pytest.mark.parametrize(
        ("known", "asked", "sent"),
        [
            (("none", "high"), "low", "high"),
            (("none", "default"), "high", "high"),
            (("low", "high"), "medium", "low"),
        ],
    )
    def test_scales_with_gaps(self, known: tuple[str, ...], asked: str, sent: str) -> None:
        """Reasoning is never turned off by an effort that is not "none"."""
        adapted, _ = adapt(asking(reasoning_effort=asked), OPENAI, ModelInfo(efforts=known))
        assert adapted.reasoning_effort == sent

    @pytest.mark.parametrize(
        ("model", "asked", "note"),
        [
            ("gemini-3-flash-preview", "none", "reasoning_effort none sent as minimal"),
            ("gemini-3-flash-preview", "max", "reasoning_effort max sent as high"),
            ("gemini-3-flash-preview", "medium", None),
            ("gemini-3.1-pro-preview", "minimal", "reasoning_effort minimal sent as low"),
            ("gemini-2.5-flash", "none", None),
            ("gemini-2.5-flash", "xhigh", "reasoning_effort xhigh sent as high"),
            ("gemini-2.0-flash", "high", "left out reasoning_effort"),
            ("gemma-3-27b-it", "high", "left out reasoning_effort"),
            ("gemini-9-flash", "xhigh", None),
        ],
    )
    def test_gemini(self, model: str, asked: str, note: str | None) -> None:
        """The wire spells the effort; the note tells which."""
        request = asking(model, reasoning_effort=asked)
        adapted, notes = adapt(request, GEMINI, describe("gemini", model))
        assert notes == ((note,) if note else ())
        assert body(adapted, GEMINI) == body(request, GEMINI)
        if note is not None and " sent as " in note:
            same = replace(request, reasoning_effort=note.rpartition(" ")[2])
            thoughts = {"includeThoughts": True}
            sent, meant = (at(body(each, GEMINI), "thinkingConfig") for each in (request, same))
            assert sent | thoughts == meant

    @pytest.mark.parametrize(
        ("model", "settings", "note"),
        [
            ("claude-sonnet-4-6", {"reasoning_effort": "xhigh"}, "reasoning_effort xhigh sent as high"),
            ("claude-opus-4-7", {"reasoning_effort": "xhigh"}, None),
            ("claude-opus-4-7", {"reasoning_effort": "minimal"}, "reasoning_effort minimal sent as low"),
            ("claude-opus-4-7", {"reasoning_effort": "none"}, None),
            ("claude-opus-5-5", {"reasoning_effort": "none"}, "reasoning_effort none sent as low"),
            ("claude-sonnet-4-5", {"reasoning_effort": "high"}, None),
            ("claude-sonnet-4-5", {"reasoning_effort": "none"}, None),
            ("claude-sonnet-4-5", {"reasoning_effort": "high", "max_tokens": 2_000}, "left out reasoning_effort"),
            ("claude-3-5-haiku", {"reasoning_effort": "high"}, "left out reasoning_effort"),
            ("claude-sonnet-4-5", {"reasoning_effort": "high", "messages": CALLED}, "left out reasoning_effort"),
            (
                "claude-sonnet-4-5",
                {"reasoning_effort": "high", "extra_body": {"thinking": {"type": "disabled"}}},
                "left out reasoning_effort",
            ),
            (
                "claude-sonnet-5",
                {"reasoning_effort": "max", "tools": (LOOK_UP,), "tool_choice": "required"},
                "reasoning_effort max sent as high",
            ),
            (
                "claude-opus-5-5",
                {"tools": (LOOK_UP,), "tool_choice": NamedTool("look_up")},
                "tool_choice look_up sent as auto",
            ),
            ("claude-opus-5-5", {"tools": (LOOK_UP,), "tool_choice": "required"}, "tool_choice required sent as auto"),
            ("claude-sonnet-4-5", {"temperature": 1.5}, "temperature 1.5 sent as 1.0"),
            ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.5}, "left out top_p"),
            ("claude-sonnet-4-5", {"top_p": 0.5}, None),
            ("claude-opus-4-7", {"temperature": 0.5}, "left out temperature"),
            ("claude-sonnet-4-5", {"temperature": 0.5, "reasoning_effort": "high"}, "left out temperature"),
            (
                "claude-sonnet-4-5",
                {"top_p": 0.5, "extra_headers": {"Anthropic-Version": "2026-10-21"}},
                "left out top_p",
            ),
            ("claude-sonnet-4-5", {"top_p": 0.5, "extra_headers": {"X-Trace": "1"}}, None),
            ("claude-sonnet-4-5", {"stop": ("x", " ")}, "left out blank stop sequences"),
            ("claude-sonnet-4-5", {"stop": ("x",)}, None),
        ],
    )
    def test_claude(self, model: str, settings: dict[str, Any], note: str | None) -> None:
        """What the Anthropic wire does by what each model takes is said, and done no second time."""
        request = asking(model, **settings)
        adapted, notes = adapt(request, ANTHROPIC, None)
        assert notes == ((note,) if note else ())
        assert body(adapted, ANTHROPIC) == body(request, ANTHROPIC)
        if note is not None and note.startswith("reasoning_effort"):
            assert at(body(request, ANTHROPIC), "output_config.effort") == note.rpartition(" ")[2]

    def test_a_version_without_a_header(self) -> None:
        """A compatible vendor's row states none."""
        vendor = Vendor(name="x", wire="anthropic")
        assert adapt(asking("m", temperature=0.5), vendor, None)[1] == ()


class TestSchema:
    def test_a_vendor_without_schemas(self) -> None:
        """The wire tells it in words; the note says so."""
        request = asking(response_format=SCHEMA)
        assert adapt(request, DEEPSEEK, None) == (request, ("told the JSON schema in words",))
        assert "JSON Schema" in body(request, DEEPSEEK)["messages"][0]["content"]

    @pytest.mark.parametrize("vendor", [OPENAI, RESPONSES], ids=lambda vendor: vendor.wire)
    @pytest.mark.parametrize("refused", [False, True])
    def test_a_model_without_schemas(self, vendor: Vendor, refused: bool) -> None:
        """It is told in words, and asked for JSON unless that was refused as well."""
        omit = frozenset({"response_format"} if refused else ())
        info = describe("openai", "gpt-4-turbo")
        for messages in ((USER,), (Message.of("system", "Be brief."), USER), ()):
            request = asking("gpt-4-turbo", messages=messages, response_format=SCHEMA)
            adapted, notes = adapt(request, vendor, info, omit=omit)
            assert notes == ("told the JSON schema in words",)
            assert adapted.response_format == (None if refused else JSONObject())
            assert '{"type":"object"' in adapted.messages[0].text
            assert adapted.messages[0].text.startswith("Be brief." if len(messages) == 2 else "Answer")
            assert [message.role for message in adapted.messages].count("system") == 1
            assert adapt(adapted, vendor, info, omit=omit) == (adapted, ())

    @pytest.mark.parametrize(
        ("vendor", "info"), [(OPENAI, None), (OPENAI, ModelInfo()), (GEMINI, None), (ANTHROPIC, None)]
    )
    def test_a_model_with_schemas_or_not_known(self, vendor: Vendor, info: ModelInfo | None) -> None:
        """Nothing is done."""
        request = asking("m", response_format=SCHEMA)
        assert adapt(request, vendor, info) == (request, ())

    def test_a_schema_that_is_no_json(self) -> None:
        """The caller's mistake, as it would be on the wire."""
        request = asking(response_format=JSONSchema("x", {"default": object()}))
        with pytest.raises(ProviderError) as raised:
            adapt(request, OPENAI, ModelInfo(structured_output=False))
        assert raised.value.kind is ErrorKind.BAD_REQUEST


MODELS = {
    "openai": ("gpt-4.1", "gpt-5", "o3", "unheard-of"),
    "responses": ("gpt-4.1", "gpt-5.2", "unheard-of"),
    "anthropic": (
        *("claude-3-5-haiku", "claude-3-7-sonnet", "claude-opus-4-1", "claude-sonnet-4-5", "claude-sonnet-4-6"),
        *("claude-opus-4-7", "claude-sonnet-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5", "other"),
    ),
    "gemini": (
        *("gemini-1.5-pro", "gemini-2.0-flash", "gemini-2-flash", "gemini-2.5-pro", "gemini-2.5-flash"),
        *("gemini-3-flash-preview", "gemini-3.1-pro-preview", "gemini-flash-latest", "models/gemini-10-pro", "gemma-3"),
    ),
}


@st.composite
def requests(draw: st.DrawFn, vendor: Vendor) -> LLMRequest:
    """Requests with any of the settings, for a model of the vendor's wire."""
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "max_tokens": st.sampled_from([1, 100, 2_047, 2_048, 30_000, 10**6]),
        "temperature": st.sampled_from([0.0, 0.7, 1.4]),
        "top_p": st.just(0.9),
        "stop": st.sampled_from([("END",), (" ", "END"), ("\n",)]),
        "seed": st.just(7),
        "presence_penalty": st.just(0.1),
        "frequency_penalty": st.just(0.2),
        "tools": st.lists(st.sampled_from([LOOK_UP, SEARCH, GOOGLE, HOSTED]), unique_by=id).map(tuple),
        "tool_choice": st.sampled_from(["auto", "none", "required", NamedTool("look_up")]),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([SCHEMA, JSONObject()]),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max", "own"]),
        "user": st.just("u-1"),
        "messages": st.sampled_from([(), CALLED, (Message.of("system", "Be brief."), USER)]),
        "extra_body": st.just({"thinking": {"type": "disabled"}}) if vendor is ANTHROPIC else st.just({}),
    }
    names = draw(st.lists(st.sampled_from(sorted(maybe)), unique=True))
    model = draw(st.sampled_from(MODELS[vendor.wire]))
    return asking(model, **{name: draw(maybe[name]) for name in names})


CASES = st.sampled_from(HOMES).flatmap(lambda vendor: st.tuples(st.just(vendor), requests(vendor)))


@given(case=CASES, is_described=st.booleans())
def test_adapting_is_pure_and_done_once(case: tuple[Vendor, LLMRequest], is_described: bool) -> None:
    """The input is unchanged, an unchanged request is itself, and a second time nothing is left to change."""
    vendor, request = case
    info = describe(vendor.name, request.model) if is_described else None
    before = deepcopy(request)
    adapted, notes = adapt(request, vendor, info)
    assert request == before
    if not notes:
        assert adapted is request
    assert adapt(adapted, vendor, info)[0] is adapted


@given(case=CASES)
def test_the_notes_tell_what_the_wire_does(case: tuple[Vendor, LLMRequest]) -> None:
    """An adapted request is sent as the request itself would be, and what is missing in the body has its note."""
    vendor, request = case
    adapted, notes = adapt(request, vendor, None)
    sent = body(request, vendor)
    assert body(adapted, vendor) == sent
    for name in ("temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "user"):
        if getattr(request, name) not in {None, ()}:
            path = SETTINGS[vendor.wire].get(name)
            is_left_out = path is None or at(sent, path) is None
            is_said = f"left out {name}" in notes or (name == "stop" and not adapted.stop)
            assert is_left_out == is_said
    if vendor is ANTHROPIC and request.reasoning_effort not in {None, "none"} and not request.extra_body:
        is_thinking = bool(
            {"thinking", "output_config"} & {name for name in sent if at(sent, f"{name}.format") is None}
        )
        assert is_thinking == ("left out reasoning_effort" not in notes)
