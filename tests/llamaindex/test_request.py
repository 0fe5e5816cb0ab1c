"""What a call asks of the engine: names, precedence, and what goes into the body as it is."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_failover.request import request_of
from llamaindex_failover.tools import keep_first_call, selections, specs, to_choice, to_tools
from shared_core.errors import ConfigurationError
from shared_core.messages import Message
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, NamedTool, Tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}

T = TypeVar("T")


class Person(BaseModel):
    """A person."""

    name: str


class Box(BaseModel, Generic[T]):
    """A box."""

    content: T


def add(a: int) -> int:
    """Adds."""
    return a


def test_the_later_source_wins() -> None:
    """Settings of the LLM give way to those of the call, and None gives way to anything."""
    request = request_of(
        (Message.of("user", "Hi"),),
        {"temperature": 0.1, "max_tokens": 5, "model": "a/b"},
        {"temperature": 0.9, "model": None},
    )
    assert (request.temperature, request.max_tokens, request.model) == (0.9, 5, "a/b")
    assert request.messages == (Message.of("user", "Hi"),)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_completion_tokens": 5}, "max_tokens", 5),
        ({"max_output_tokens": 5}, "max_tokens", 5),
        ({"max_new_tokens": 5}, "max_tokens", 5),
        ({"timeout": 3.0}, "deadline", 3.0),
        ({"stop": "END"}, "stop", ("END",)),
        ({"stop_sequences": ["a", "b"]}, "stop", ("a", "b")),
        ({"fallbacks": ["a/b"]}, "fallback_models", ("a/b",)),
        ({"reasoning_effort": "low"}, "reasoning_effort", "low"),
        ({"logit_bias": {"1": 2}}, "extra_body", {"logit_bias": {"1": 2}}),
        ({"extra_body": {"x": 1}, "y": 2}, "extra_body", {"x": 1, "y": 2}),
        ({"extra_headers": {"x": "1"}}, "extra_headers", {"x": "1"}),
        ({"formatted": True, "stream": True, "use_chat_completions": True}, "extra_body", {}),
        ({"response_format": {"type": "json_object"}}, "response_format", JSONObject()),
        ({"response_format": {"type": "text"}}, "response_format", None),
        ({"response_format": JSONObject()}, "response_format", JSONObject()),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
                }
            },
            "response_format",
            JSONSchema("n", SCHEMA, strict=True),
        ),
        (
            {"response_format": Person},
            "response_format",
            JSONSchema("Person", Person.model_json_schema(), strict=None),
        ),
        ({"tool_choice": "required", "parallel_tool_calls": True}, "tool_choice", None),
    ],
    ids=str,
)
def test_keywords_become_fields(given: dict[str, Any], field: str, expected: Any) -> None:
    """Each name under which programs pass a setting ends in its field; unknown ones in the body."""
    assert getattr(request_of((), given), field) == expected


def test_a_generic_class_has_a_name_that_providers_take() -> None:
    """Brackets of a generic class are no part of its schema's name."""
    request = request_of((), {"response_format": Box[int]})
    assert isinstance(request.response_format, JSONSchema)
    assert request.response_format.name == "Box_int_"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"response_format": "json"}, "response_format must be"),
        ({"stop": 5}, "stop must be a list of strings"),
        ({"stop": ["a", 5]}, "stop must be a list of strings"),
        ({"tools": ["add"]}, "a tool must be"),
        ({"tools": [{"name": "add"}, {"a": 1, "b": 2}]}, "a tool must be"),
        ({"tools": [CALL | {"name": "x"}], "tool_choice": 5}, "tool_choice must be"),
        ({"max_tokens": 0}, "max_tokens must be .*at least 1"),
    ],
)
def test_what_has_no_form_is_refused(given: dict[str, Any], message: str) -> None:
    """A setting that cannot be sent says what was expected."""
    with pytest.raises(ConfigurationError, match=message):
        request_of((), given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {
                "type": "function",
                "function": {"name": "add", "description": "Adds", "parameters": SCHEMA, "strict": True},
            },
            Tool("add", "Adds", SCHEMA, strict=True),
        ),
        ({"type": "function", "name": "add", "parameters": SCHEMA}, Tool("add", "", SCHEMA)),
        ({"name": "add", "description": "Adds", "input_schema": SCHEMA}, Tool("add", "Adds", SCHEMA)),
        ({"type": "function", "function": {"name": "now"}}, Tool("now")),
        (Tool("add"), Tool("add")),
        ({"type": "web_search_20250305", "name": "web_search"}, BuiltinTool),
        ({"google_search": {}}, BuiltinTool),
    ],
    ids=str,
)
def test_tools_of_every_form_are_read(given: Any, expected: Any) -> None:
    """Dictionaries of each provider, and the engine's own tools."""
    (tool,) = to_tools([given])
    if expected is BuiltinTool:
        assert isinstance(tool, BuiltinTool)
        assert tool.spec == given
    else:
        assert tool == expected


def test_a_tool_of_the_framework_is_read() -> None:
    """A LlamaIndex tool has a name, a description and a schema; strict ones are closed."""
    tool = FunctionTool.from_defaults(add)
    (read,) = to_tools([tool])
    assert isinstance(read, Tool)
    assert (read.name, read.strict) == ("add", None)
    assert "Adds." in read.description
    assert read.parameters["required"] == ["a"]
    (strict,) = to_tools(specs([tool], strict=True))
    assert isinstance(strict, Tool)
    assert strict.strict is True
    assert strict.parameters["additionalProperties"] is False


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        ("add", NamedTool("add")),
        (NamedTool("add"), NamedTool("add")),
        ({"type": "function", "function": {"name": "add"}}, NamedTool("add")),
        ({"type": "function", "name": "add"}, NamedTool("add")),
        ({"type": "tool", "name": "add"}, NamedTool("add")),
        ({"type": "any"}, "required"),
    ],
)
def test_tool_choices_of_every_form_are_read(given: Any, expected: Any) -> None:
    """Words, names and dictionaries of each provider."""
    assert to_choice(given) == expected


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": "so f', {"a": "so f"}),
        ('{"a": 1, "b": {"c": [1, 2', {"a": 1, "b": {"c": [1, 2]}}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ("", {}),
        ("nonsense", {}),
        ("[1, 2]", {}),
    ],
)
def test_arguments_are_read_however_far_they_have_come(kwargs: Any, expected: dict[str, Any]) -> None:
    """Whole, growing and broken JSON; what is no object is no arguments."""
    message = ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs=kwargs)]
    )
    (selection,) = selections(ChatResponse(message=message), is_call_expected=True)
    assert selection == ToolSelection(tool_id="c", tool_name="add", tool_kwargs=expected)


def test_calls_of_older_answers_are_selected() -> None:
    """An answer of an LLM that fills only `additional_kwargs` can be asked for its calls too."""
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [CALL]})
    assert selections(ChatResponse(message=message), is_call_expected=True) == [
        ToolSelection(tool_id="call_1", tool_name="add", tool_kwargs={"a": 1})
    ]


def test_the_first_call_is_kept_with_everything_else() -> None:
    """Dropping further calls leaves the text and the older form in step."""
    calls = [ToolCallBlock(tool_call_id=f"call_{number}", tool_name="add") for number in (1, 2)]
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [CALL, CALL | {"id": "call_2"}]})
    message.blocks = [*ChatMessage(content="So").blocks, *calls]
    keep_first_call(ChatResponse(message=message))
    assert message.content == "So"
    assert message.blocks[1:] == calls[:1]
    assert message.additional_kwargs["tool_calls"] == [CALL]
