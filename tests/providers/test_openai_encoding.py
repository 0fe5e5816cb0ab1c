"""Requests on the OpenAI wire: every field of a request in the words of each vendor."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from shared_core.errors import ErrorKind, ProviderError
from shared_core.messages import (
    Audio,
    Block,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from shared_core.providers.base import HTTPCall, Vendor
from shared_core.providers.openai_chat import OpenAIChatWire
from shared_core.providers.vendors import VENDORS
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

USER = (Message.of("user", "Hi"),)
PLAIN = Vendor(name="acme")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def encoded(vendor: Vendor = PLAIN, *, omit: Any = (), renames: Any = None, **request: Any) -> HTTPCall:
    return OpenAIChatWire().encode(
        LLMRequest(**{"model": "m-1", "messages": USER} | request),
        vendor=vendor,
        base_url=vendor.base_url or "https://api.example.com/v1",
        key="key-main",
        omit=frozenset(omit),
        renames=renames or {},
    )


def body(*args: Any, **kwargs: Any) -> dict[str, Any]:
    found = json.loads(encoded(*args, **kwargs).body)
    assert isinstance(found, dict)
    return found


def messages(*given: Message, vendor: Vendor = PLAIN, **kwargs: Any) -> Any:
    return body(vendor, messages=given, **kwargs)["messages"]


class TestFields:
    def test_a_bare_request_is_a_bare_body(self) -> None:
        """What the caller did not set is left to the provider."""
        assert body() == {
            "model": "m-1",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_every_setting_has_its_field(self) -> None:
        """Zero and false are settings too."""
        found = body(
            max_tokens=5,
            temperature=0.0,
            top_p=0.5,
            stop=("a", "b"),
            seed=0,
            presence_penalty=0.0,
            frequency_penalty=1,
            reasoning_effort="low",
            user="u",
            tools=(Tool("f"),),
            parallel_tool_calls=False,
        )
        expected = {
            "max_tokens": 5,
            "temperature": 0.0,
            "top_p": 0.5,
            "stop": ["a", "b"],
            "seed": 0,
            "presence_penalty": 0.0,
            "frequency_penalty": 1,
            "reasoning_effort": "low",
            "user": "u",
            "parallel_tool_calls": False,
        }
        assert {name: found[name] for name in expected} == expected

    def test_fields_go_under_the_vendors_names_or_not_at_all(self) -> None:
        """The vendor's row and what was learnt at run time act together."""
        vendor = Vendor(
            name="acme",
            max_tokens_field="max_completion_tokens",
            streams_usage=False,
            omits=frozenset({"user"}),
            renames={"seed": "random_seed"},
        )
        found = body(vendor, max_tokens=5, user="u", seed=1, temperature=1.0, top_p=1.0, omit=["temperature"])
        assert found.keys() == {"model", "messages", "stream", "max_completion_tokens", "random_seed", "top_p"}

    def test_a_learnt_name_follows_the_vendors_own(self) -> None:
        """A refusal quotes the name that was sent; either name may be omitted."""
        vendor = Vendor(name="acme", max_tokens_field="max_completion_tokens", renames={"seed": "random_seed"})
        found = body(vendor, max_tokens=5, renames={"max_completion_tokens": "max_tokens"})
        assert found["max_tokens"] == 5
        assert "max_completion_tokens" not in found
        for name in ("seed", "random_seed"):
            assert not {"seed", "random_seed"} & body(vendor, seed=1, omit=[name]).keys()

    def test_extra_body_comes_last(self) -> None:
        """Objects are merged, everything else replaced, and what is omitted may be put back."""
        extra = MappingProxyType(
            {
                "stream_options": MappingProxyType({"include_obfuscation": False}),
                "temperature": None,
                "seed": 7,
                "thinking": {"type": "disabled"},
                "stop": ["x"],
                "model": "m-2",
            }
        )
        found = body(extra_body=extra, temperature=1.0, stop=("a", "b"), seed=1, omit=["seed"])
        assert found["stream_options"] == {"include_usage": True, "include_obfuscation": False}
        assert (found["temperature"], found["seed"], found["stop"], found["model"]) == (None, 7, ["x"], "m-2")
        assert found["thinking"] == {"type": "disabled"}

    def test_what_is_no_json_is_refused_as_the_callers_mistake(self) -> None:
        """A request that has no form in JSON would be wrong anywhere."""
        schema = JSONSchema("s", {"x": object()})
        for request in ({"extra_body": {"x": object()}}, {"response_format": schema}):
            for vendor in (PLAIN, VENDORS["deepseek"]):
                with pytest.raises(ProviderError, match="JSON") as caught:
                    encoded(vendor, **request)
                assert caught.value.kind is ErrorKind.BAD_REQUEST

    def test_a_request_is_not_changed(self) -> None:
        """Two encodings of one request are equal, byte for byte."""
        request: dict[str, Any] = {
            "tools": (Tool("f", parameters=SCHEMA),),
            "response_format": JSONSchema("s", SCHEMA),
            "extra_body": {"stream_options": {"x": 1}},
        }
        vendor = Vendor(name="acme", takes_json_schema=False)
        assert encoded(vendor, **request).body == encoded(vendor, **request).body
        assert request["extra_body"] == {"stream_options": {"x": 1}}


class TestTools:
    def test_tools_are_functions(self) -> None:
        """A tool without parameters still has an object schema; strict is sent where it is set."""
        tools = (Tool("f"), Tool("g", "Does g.", SCHEMA, strict=True))
        bare = {"name": "f", "parameters": {"type": "object", "properties": {}}}
        full = {"name": "g", "description": "Does g.", "parameters": SCHEMA, "strict": True}
        assert [tool["function"] for tool in body(tools=tools)["tools"]] == [bare, full]
        del full["strict"]
        for name in ("strict", "tools[1].function.strict", "tools.1.function.strict"):
            assert [tool["function"] for tool in body(tools=tools, omit=[name])["tools"]] == [bare, full]

    @pytest.mark.parametrize("choice", ["auto", "none", "required"])
    def test_a_choice_by_word_is_that_word(self, choice: str) -> None:
        """The three words are the wire's own."""
        assert body(tools=(Tool("f"),), tool_choice=choice)["tool_choice"] == choice

    def test_a_named_choice_names_the_function(self) -> None:
        """Exactly this tool."""
        found = body(tools=(Tool("f"),), tool_choice=NamedTool("f"))
        assert found["tool_choice"] == {"type": "function", "function": {"name": "f"}}

    def test_a_choice_without_tools_is_not_sent(self) -> None:
        """Providers refuse it."""
        found = body(tool_choice="auto", parallel_tool_calls=True)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & found.keys()

    def test_built_in_tools_go_to_their_own_wire_alone(self) -> None:
        """In their own form, unchanged."""
        tools = tuple(BuiltinTool({"type": origin}, origin) for origin in ("openai", "acme", "anthropic"))
        assert body(tools=tools)["tools"] == [{"type": "openai"}, {"type": "acme"}]
        assert "tools" not in body(tools=tools[2:])


class TestResponseFormat:
    def test_json_mode_and_schemas(self) -> None:
        """Both forms as OpenAI documents them."""
        assert body(response_format=JSONObject())["response_format"] == {"type": "json_object"}
        schema = JSONSchema("s", SCHEMA, strict=True, description="An s.")
        told = {"name": "s", "schema": SCHEMA, "description": "An s.", "strict": True}
        assert body(response_format=schema)["response_format"] == {"type": "json_schema", "json_schema": told}
        bare = body(response_format=JSONSchema("s", SCHEMA, strict=None))["response_format"]["json_schema"]
        assert bare == {"name": "s", "schema": SCHEMA}
        assert body(response_format=schema, omit=["strict"])["response_format"]["json_schema"].keys() == told.keys() - {
            "strict"
        }

    def test_a_vendor_without_schemas_is_told_in_words(self) -> None:
        """JSON mode, and the schema in a system message that says "JSON"."""
        found = body(VENDORS["deepseek"], response_format=JSONSchema("s", SCHEMA))
        assert found["response_format"] == {"type": "json_object"}
        assert [message["role"] for message in found["messages"]] == ["system", "user"]
        assert "JSON" in found["messages"][0]["content"]
        assert json.dumps(SCHEMA, separators=(",", ":")) in found["messages"][0]["content"]
        told = messages(
            Message.of("system", "Be brief."), vendor=VENDORS["deepseek"], response_format=JSONSchema("s", SCHEMA)
        )
        assert len(told) == 1
        assert told[0]["content"].startswith("Be brief.\n\n")
        assert "JSON" in messages(vendor=VENDORS["zhipu"], response_format=JSONSchema("s", SCHEMA))[0]["content"]


class TestMessages:
    def test_text_alone_is_a_plain_string(self) -> None:
        """In all roles; the model's own blocks are joined as they are, others as lines."""
        two = (Text("a"), Text("b"))
        assert messages(Message("system", two), Message("user", two), Message("assistant", two), Message("user")) == [
            {"role": "system", "content": "a\nb"},
            {"role": "user", "content": "a\nb"},
            {"role": "assistant", "content": "ab"},
            {"role": "user", "content": ""},
        ]

    def test_the_system_role_is_the_vendors(self) -> None:
        """Whatever its row says."""
        vendor = Vendor(name="acme", system_role="developer")
        assert messages(Message.of("system", "Be."), vendor=vendor) == [{"role": "developer", "content": "Be."}]

    def test_names_are_sent_where_they_are_taken(self) -> None:
        """Vendors that refuse names say so in their row."""
        message = Message("user", (Text("Hi"),), name="ann")
        assert messages(message) == [{"role": "user", "content": "Hi", "name": "ann"}]
        assert messages(message, vendor=VENDORS["groq"]) == [{"role": "user", "content": "Hi"}]
        assert messages(message, omit=["messages[0].name"]) == [{"role": "user", "content": "Hi"}]

    @pytest.mark.parametrize(
        ("block", "part"),
        [
            (Image(url="https://x/y.png"), {"type": "image_url", "image_url": {"url": "https://x/y.png"}}),
            (
                Image(data="QQ==", mime_type="image/jpeg", detail="low"),
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QQ==", "detail": "low"}},
            ),
            (Image(data="QQ=="), {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}),
            (Audio(data="QQ=="), {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}),
            (
                Audio(data="QQ==", mime_type="audio/mpeg"),
                {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
            ),
            (
                Audio(data="QQ==", mime_type="audio/ogg; codecs=opus"),
                {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "ogg"}},
            ),
            (Audio(url="https://x/y.mp3"), {"type": "audio_url", "audio_url": {"url": "https://x/y.mp3"}}),
            (Document(file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
            (
                Document(data="QQ=="),
                {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            ),
            (
                Document(url="https://x/y", name="y.pdf"),
                {"type": "file", "file": {"filename": "y.pdf", "file_data": "https://x/y"}},
            ),
        ],
    )
    def test_media_are_parts(self, block: Block, part: dict[str, Any]) -> None:
        """Beside text, content is a list of parts."""
        (found,) = messages(Message("user", (Text("See:"), block)))
        assert found["content"] == [{"type": "text", "text": "See:"}, part]

    def test_plain_text_documents_are_text(self) -> None:
        """A document that is text needs no file."""
        (found,) = messages(Message("user", (Document(text="abc", name="a.txt"), Document(text="def"))))
        assert found["content"] == "a.txt:\nabc\ndef"

    def test_marks_go_where_they_are_understood(self) -> None:
        """`cache_control` makes a part of a text, at vendors that know it, and is not sent to others."""
        marks = {"cache_control": {"type": "ephemeral"}, "other": 1}
        message = Message("system", (Text("Be.", marks=marks),))
        assert messages(message) == [{"role": "system", "content": "Be."}]
        (found,) = messages(message, vendor=VENDORS["openrouter"])
        assert found["content"] == [{"type": "text", "text": "Be.", "cache_control": {"type": "ephemeral"}}]


class TestToolTurns:
    CALLS = Message("assistant", (Text("So:"), ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "")))

    def test_calls_and_results(self) -> None:
        """Calls hang on the assistant's message; each result is a message of its own."""
        results = Message("tool", (ToolResult("a", (Text("1"), Text("2"))), ToolResult("b")))
        failed = Message("tool", (ToolResult("c", (Text("no such city"),), is_error=True),))
        assert messages(failed)[0]["content"] == "Error: no such city"
        assert messages(*USER, self.CALLS, results)[1:] == [
            {
                "role": "assistant",
                "content": "So:",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "1\n2"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
        ]

    def test_calls_without_text_have_no_content(self) -> None:
        """Null beside calls, an empty string without them."""
        assert messages(Message("assistant", (ToolCall("a", "f"),)))[0]["content"] is None
        assert messages(Message("assistant"))[0] == {"role": "assistant", "content": ""}

    def test_images_of_results_follow_the_whole_run_of_results(self) -> None:
        """Tool messages hold text alone, and nothing may stand between calls and results."""
        image = Image(url="https://x/y.png")
        part = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
        results = (
            Message("tool", (ToolResult("a", (Text("ok"), image)),)),
            Message("tool", (ToolResult("b", (image,)),)),
        )
        label_a, label_b = ({"type": "text", "text": f"Result of the tool call {id_}:"} for id_ in "ab")
        for after in ((), (Message.of("assistant", "Nice."),)):
            found = messages(self.CALLS, *results, *after)
            assert [message["role"] for message in found[:4]] == ["assistant", "tool", "tool", "user"]
            assert found[1]["content"] == "ok"
            assert found[2]["content"]
            assert found[3]["content"] == [label_a, part, label_b, part]

    def test_images_stay_in_the_result_where_roles_must_alternate(self) -> None:
        """Mistral refuses a user's turn behind a result, and takes parts in results."""
        results = Message("tool", (ToolResult("a", (Text("ok"), Image(url="https://x"))), ToolResult("b")))
        found = messages(self.CALLS, results, vendor=VENDORS["mistral"])
        assert [message["role"] for message in found] == ["assistant", "tool", "tool"]
        assert [part["type"] for part in found[1]["content"]] == ["text", "image_url"]

    def test_results_in_a_users_turn_come_first(self) -> None:
        """Results and words in one message make a tool message and a user message, media with the latter."""
        mixed = Message("user", (Text("Well?"), ToolResult("a", (Image(url="https://x"),))))
        found = messages(self.CALLS, mixed)
        assert [message["role"] for message in found] == ["assistant", "tool", "user"]
        assert found[2]["content"][-1] == {"type": "text", "text": "Well?"}
        assert len(found[2]["content"]) == 3


class TestReasoning:
    THOUGHT = Reasoning("Hm.", origin="deepseek")

    def test_own_reasoning_goes_back_in_tool_conversations(self) -> None:
        """DeepSeek wants it there, and a filler where another model took the turn."""
        turns = (
            Message("assistant", (self.THOUGHT, ToolCall("a", "f"))),
            Message("tool", (ToolResult("a"),)),
            Message("assistant", (Reasoning("Foreign.", origin="anthropic"), Text("Done."))),
        )
        found = messages(*turns, vendor=VENDORS["deepseek"])
        assert found[0]["reasoning_content"] == "Hm."
        assert found[2]["reasoning_content"] == " "
        assert not any("reasoning_content" in message for message in messages(*turns, vendor=VENDORS["zhipu"]))
        assert not any("reasoning_content" in message for message in messages(*turns))

    def test_without_tools_no_reasoning_is_sent(self) -> None:
        """It would be ignored, or refused."""
        turn = Message("assistant", (self.THOUGHT, Text("Done.")))
        assert messages(turn, vendor=VENDORS["deepseek"]) == [{"role": "assistant", "content": "Done."}]

    def test_opaque_blocks_go_home_alone(self) -> None:
        """A provider's own fields are laid back on the message that they came from."""
        turn = Message("assistant", (Text("x"), Opaque({"audio": {"id": "a"}}, "acme"), Opaque({"y": 1}, "other")))
        assert messages(turn) == [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]


class TestCalls:
    def test_the_key_travels_in_a_header_alone(self) -> None:
        """As a bearer token, with the headers of an event stream; never in the URL, nor in the repr."""
        call = encoded()
        assert call.url == "https://api.example.com/v1/chat/completions"
        assert call.headers["authorization"] == "Bearer key-main"
        assert call.headers["content-type"] == "application/json"
        assert call.headers["accept"] == "text/event-stream"
        assert call.headers["accept-encoding"] == "identity"
        assert call.headers["user-agent"].startswith("failoverchain")
        assert "key-main" not in repr(call)

    def test_azure_names_the_deployment_in_the_path(self) -> None:
        """Deployment path, version in the query, key in `api-key`."""
        call = OpenAIChatWire().encode(
            LLMRequest(model="my gpt/4", messages=USER, max_tokens=5),
            vendor=VENDORS["azure"],
            base_url="https://acme.openai.azure.com/",
            key="key-main",
        )
        host = "https://acme.openai.azure.com"
        assert call.url == f"{host}/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"
        assert call.headers["api-key"] == "key-main"
        assert "authorization" not in call.headers
        assert json.loads(call.body)["max_completion_tokens"] == 5
