"""Tools, tool choice and response formats in every form that users write them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool
from langchain_core.tools import Tool as LangChainTool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_failover.formats import schema_format, to_response_format
from langchain_failover.tools import as_openai, to_tool, to_tool_choice
from shared_core.errors import ConfigurationError
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, NamedTool, Tool

PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@tool
def add_one(a: int) -> int:
    """Add one."""
    return a + 1


def plain_function(a: int) -> int:
    """Add one."""
    return a + 1


class AddOne(BaseModel):
    """Add one."""

    a: int


class AddOneDict(TypedDict):
    """Add one."""

    a: int


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (add_one, "add_one"),
        (plain_function, "plain_function"),
        (AddOne, "AddOne"),
        (AddOneDict, "AddOneDict"),
        ({"title": "add", "description": "Add one.", **PARAMETERS}, "add"),
        ({"name": "add", "description": "Add one.", "parameters": PARAMETERS}, "add"),
        ({"name": "add", "description": "Add one.", "input_schema": PARAMETERS}, "add"),
        ({"type": "custom", "name": "add", "description": "Add one.", "input_schema": PARAMETERS}, "add"),
        ({"type": "function", "function": {"name": "add", "description": "Add one.", "parameters": PARAMETERS}}, "add"),
        ({"type": "function", "name": "add", "description": "Add one.", "parameters": PARAMETERS}, "add"),
        ({"toolSpec": {"name": "add", "description": "Add one.", "inputSchema": {"json": PARAMETERS}}}, "add"),
    ],
)
def test_a_function_in_any_form_is_a_tool(given: Any, name: str) -> None:
    """Functions, classes, and the dicts of OpenAI, Anthropic and Bedrock describe the same tool."""
    found = to_tool(given)
    assert isinstance(found, Tool)
    assert (found.name, found.description, found.strict) == (name, "Add one.", None)
    assert found.parameters["properties"]["a"]["type"] == "integer"
    assert found.parameters["required"] == ["a"]


def test_a_tool_without_arguments_has_an_object_schema() -> None:
    """Providers demand one."""
    assert to_tool({"name": "ping"}) == Tool("ping", "", {"type": "object", "properties": {}})


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, "anthropic"),
        ({"type": "web_search_preview_2025_03_11"}, "responses"),
        ({"type": "mcp", "server_url": "http://x"}, "responses"),
        ({"type": "custom", "name": "shell"}, "responses"),
        ({"type": "custom", "custom": {"name": "shell"}}, "openai"),
        ({"type": "web_search", "web_search": {"enable": True}}, "zhipu"),
        ({"type": "builtin_function", "function": {"name": "$web_search"}}, "kimi"),
        ({"type": "openrouter:web_search"}, "openrouter"),
        ({"google_search": {}}, "gemini"),
        ({"type": "browser_search"}, "openai"),
    ],
)
def test_a_providers_own_tool_is_passed_on_with_its_origin(given: dict[str, Any], origin: str) -> None:
    """It keeps its form, and is marked with whose form that is."""
    assert to_tool(given) == BuiltinTool(given, origin)


def test_strict_is_asked_for_but_a_tools_own_word_counts() -> None:
    """`strict` of the call fills in where the tool says nothing."""
    stated = {"type": "function", "function": {"name": "add", "parameters": PARAMETERS, "strict": False}}
    strict = to_tool(plain_function, strict=True)
    assert isinstance(strict, Tool)
    assert strict.strict
    assert strict.parameters["additionalProperties"] is False
    assert to_tool(stated, strict=True).strict is False  # type: ignore[union-attr]
    assert as_openai(stated, strict=True)["function"]["strict"] is False


def test_a_tool_keeps_its_mark_for_the_cache() -> None:
    """Given in Anthropic's form, or as an extra of a LangChain tool."""

    def now() -> str:
        """The time."""
        return "noon"

    mark = {"cache_control": {"type": "ephemeral"}}
    as_dict = {"name": "now", "description": "The time.", "input_schema": {"type": "object", "properties": {}}} | mark
    as_tool = StructuredTool.from_function(now, extras=mark)
    assert [to_tool(as_dict).marks, to_tool(as_tool).marks, to_tool(now).marks] == [mark, mark, None]


def test_what_is_no_tool_is_an_error() -> None:
    """The mistake shows when the tool is read."""
    with pytest.raises(ValueError, match="Unsupported function"):
        to_tool({"type": "object", "properties": {}})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (False, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        ("add", NamedTool("add")),
        ({"type": "function", "function": {"name": "add"}}, NamedTool("add")),
        ({"type": "tool", "name": "add"}, NamedTool("add")),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
    ],
)
def test_tool_choice_in_any_form(choice: Any, expected: Any) -> None:
    """Words, names, and the dicts of OpenAI and Anthropic."""
    assert to_tool_choice(choice, [Tool("add"), BuiltinTool({}, "gemini")]) == expected


def test_a_tool_that_is_called_any_is_meant_by_its_name() -> None:
    """A name of a tool comes before the words."""
    assert to_tool_choice("any", [Tool("any")]) == NamedTool("any")


@pytest.mark.parametrize("choice", ["sub", {"type": "tool", "name": "sub"}, 3, {"type": 3}])
def test_a_choice_of_no_tool_is_an_error(choice: Any) -> None:
    """A tool that is not there cannot be called."""
    with pytest.raises(ConfigurationError, match="tool_choice"):
        to_tool_choice(choice, [Tool("add")])


class Person(BaseModel):
    """A person."""

    name: str
    age: int | None = Field(default=None, description="Years.")


class Loose(BaseModel):
    """Anything."""

    fields: dict[str, int]


class Anything(BaseModel):
    """A field without a type of its own."""

    things: list[Any] = Field(json_schema_extra={"items": True})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, JSONObject()),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": False}},
            JSONSchema("n", {"type": "object"}, strict=False),
        ),
        ({"name": "n", "schema": {"title": "T"}, "description": "d"}, JSONSchema("n", {"title": "T"}, None, "d")),
        ({"type": "json_schema", "json_schema": {"schema": {"title": "T"}}}, JSONSchema("T", {"title": "T"}, None)),
    ],
)
def test_response_formats_of_openai_are_read(given: Any, expected: Any) -> None:
    """OpenAI's dicts, whole or only their inner part."""
    assert to_response_format(given) == expected


def test_a_pydantic_class_is_followed_exactly() -> None:
    """Its schema is completed to what strictness demands: all required, nothing else allowed, no defaults."""
    found = to_response_format(Person)
    assert isinstance(found, JSONSchema)
    assert (found.name, found.description, found.strict) == ("Person", "A person.", True)
    assert found.schema["required"] == ["name", "age"]
    assert found.schema["additionalProperties"] is False
    assert "default" not in found.schema["properties"]["age"]


def test_a_list_of_anything_can_be_followed_exactly() -> None:
    """It has no object whose properties would have to be named."""
    found = to_response_format(Anything)
    assert isinstance(found, JSONSchema)
    assert found.strict is True


def test_a_custom_tool_of_langchain_is_openais() -> None:
    """Its input is free text, which only OpenAI's Responses API knows."""
    custom = LangChainTool(name="run", description="Run.", func=str, metadata={"type": "custom_tool"})
    assert to_tool(custom) == BuiltinTool({"type": "custom", "name": "run", "description": "Run."}, "responses")


@pytest.mark.parametrize("given", [Loose, AddOneDict, {"title": "T", "type": "object", "properties": {"a": {}}}])
def test_other_schemas_are_a_hint(given: Any) -> None:
    """A schema with free-form objects cannot be strict, and one that is not a pydantic class is not by itself."""
    found = to_response_format(given)
    assert isinstance(found, JSONSchema)
    assert found.strict is False


def test_strictness_can_be_asked_for() -> None:
    """The call's word, or the schema's own."""
    asked = to_response_format(AddOneDict, strict=True)
    stated = to_response_format({"title": "T", "strict": True, "type": "object", "properties": {"a": {}}})
    for found in (asked, stated):
        assert isinstance(found, JSONSchema)
        assert found.strict is True
        assert found.schema["additionalProperties"] is False


def test_nested_objects_are_completed() -> None:
    """Objects in lists, unions and definitions too."""
    inner = {"type": "object", "properties": {"default": {"type": "string"}}}
    schema = {
        "title": "T",
        "type": "object",
        "properties": {"rows": {"type": "array", "items": inner}, "one": {"anyOf": [inner, {"type": "null"}]}},
        "$defs": {"I": inner, "anything": True},
    }
    found = to_response_format(schema, strict=True)
    assert isinstance(found, JSONSchema)
    made = {**inner, "required": ["default"], "additionalProperties": False}
    assert found.schema["properties"]["rows"]["items"] == made
    assert found.schema["properties"]["one"]["anyOf"][0] == made
    assert found.schema["$defs"]["I"] == made
    assert "required" not in inner


@pytest.mark.parametrize(
    ("given", "strict"),
    [
        ({"type": "json_schema", "json_schema": {"name": "n"}}, None),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": False}}, True),
        ({"type": "yaml"}, None),
        (3, None),
    ],
)
def test_a_format_that_cannot_be_read_is_an_error(given: Any, strict: bool | None) -> None:
    """No schema, a contradiction, or something else altogether."""
    with pytest.raises(ConfigurationError):
        to_response_format(given, strict=strict)


def test_a_schema_format_reads_back_as_itself() -> None:
    """What is bound to a model is OpenAI's dict of the same format."""
    form = schema_format(Person)
    assert form["type"] == "json_schema"
    assert to_response_format(form) == to_response_format(Person)
    with pytest.raises(ConfigurationError, match="schema"):
        schema_format({"type": "json_object"})
