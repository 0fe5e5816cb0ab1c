"""Structured output by all three methods, with every kind of schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.exceptions import ModelRefusalError, OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from langchain_failover import ChatFailover
from shared_core.errors import RequestRejectedError
from shared_core.simulator import Reply, Simulator, ToolCall

METHODS = ["function_calling", "json_schema", "json_mode"]


class Joke(BaseModel):
    """A joke."""

    model_config = ConfigDict(frozen=True)

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke."""

    setup: str
    punchline: str


SCHEMA = {
    "title": "joke",
    "description": "A joke.",
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
    "required": ["setup", "punchline"],
}

JOKE = {"setup": "Why?", "punchline": "Because."}
TEXT = '{"setup": "Why?", "punchline": "Because."}'


def tell(sim: Simulator, method: str, name: str) -> None:
    """The second model tells a joke, as the method wants it; the first one is down."""
    sim.script("first", "503")
    sim.script("second", Reply(tool_calls=[ToolCall(name, JOKE)]) if method == "function_calling" else Reply(TEXT))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "name"), [(Joke, "Joke"), (JokeDict, "JokeDict"), (SCHEMA, "joke")])
@pytest.mark.parametrize("version", [None, "v1"])
async def test_an_answer_is_an_object_of_the_schema(
    sim: Simulator, make: Callable[..., ChatFailover], method: Any, schema: Any, name: str, version: str | None
) -> None:
    """A pydantic class gives its instance, everything else a dict; in every way of asking, after a failover."""
    tell(sim, method, name)
    expected = Joke(**JOKE) if schema is Joke else JOKE
    structured = make(output_version=version).with_structured_output(schema, method=method)
    assert structured.invoke("x") == expected
    assert await structured.ainvoke("x") == expected
    assert list(structured.stream("x"))[-1] == expected
    assert [part async for part in structured.astream("x")][-1] == expected
    body = sim.requests_for("second")[-1].body
    if method == "function_calling":
        assert body["tool_choice"] == {"type": "function", "function": {"name": name}}
        assert body["parallel_tool_calls"] is False
    elif method == "json_schema":
        assert body["response_format"]["json_schema"]["name"] == name
        assert body["response_format"]["json_schema"].get("strict", False) is (schema is Joke)
    else:
        assert body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("method", METHODS)
def test_the_raw_message_can_be_had_too(sim: Simulator, llm: ChatFailover, method: Any) -> None:
    """With the error of a bad answer instead of an exception."""
    tell(sim, method, "Joke")
    structured = llm.with_structured_output(Joke, method=method, include_raw=True)
    found = structured.invoke("x")
    assert isinstance(found["raw"], AIMessage)
    assert (found["parsed"], found["parsing_error"]) == (Joke(**JOKE), None)
    bad = {"setup": 3}
    sim.script("second", Reply(tool_calls=[ToolCall("Joke", bad)]) if method == "function_calling" else Reply("{oops"))
    found = structured.invoke("x")
    assert found["parsed"] is None
    assert found["parsing_error"] is not None


def test_an_answer_that_does_not_fit_is_an_error(sim: Simulator, llm: ChatFailover) -> None:
    """The parser's, as with any other model."""
    sim.script("first", Reply("{oops"))
    with pytest.raises(OutputParserException):
        llm.with_structured_output(Joke, method="json_schema").invoke("x")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", [None, "v1"])
async def test_a_refusal_is_told_as_one(
    sim: Simulator, make: Callable[..., ChatFailover], method: Any, version: str | None
) -> None:
    """Not as a badly formed answer; with the whole text, streamed too."""
    sim.script("first", Reply(refusal="I won't tell jokes today."))
    structured = make(output_version=version).with_structured_output(Joke, method=method)
    with pytest.raises(ModelRefusalError, match="I won't tell jokes today"):
        structured.invoke("x")
    with pytest.raises(ModelRefusalError, match="I won't tell jokes today"):
        list(structured.stream("x"))
    with pytest.raises(ModelRefusalError, match="I won't tell jokes today"):
        [part async for part in structured.astream("x")]


def test_an_answer_cut_by_a_filter_is_not_parsed(sim: Simulator, llm: ChatFailover) -> None:
    """The call fails, and says what ended the answer."""
    sim.script("*", Reply('{"setup": "Wh', finish="content_filter"))
    with pytest.raises(RequestRejectedError, match="content filter ended the answer"):
        llm.with_structured_output(Joke, method="json_schema").invoke("x")


def test_a_tool_may_be_called_instead(sim: Simulator, llm: ChatFailover) -> None:
    """With tools beside the schema, a call is no answer and no error."""

    def look_up(topic: str) -> str:
        """Look something up."""
        return topic

    structured = llm.with_structured_output(Joke, method="json_schema", include_raw=True, tools=[look_up])
    sim.script("first", Reply(tool_calls=[ToolCall("look_up", {"topic": "cats"})]), Reply(TEXT))
    found = structured.invoke("x")
    assert (found["parsed"], found["parsing_error"]) == (None, None)
    assert found["raw"].tool_calls[0]["args"] == {"topic": "cats"}
    assert structured.invoke("x")["parsed"] == Joke(**JOKE)


def test_json_mode_needs_no_schema(sim: Simulator, llm: ChatFailover) -> None:
    """Any object will do."""
    sim.script("first", Reply(TEXT))
    assert llm.with_structured_output(method="json_mode").invoke("x") == JOKE


@pytest.mark.parametrize(
    ("schema", "options", "expected"),
    [
        (Joke, {"method": "xml"}, "method"),
        (None, {}, "schema"),
        (None, {"method": "json_schema"}, "schema"),
        (Joke, {"method": "json_mode", "strict": True}, "strict"),
        (3, {"method": "json_schema"}, "cannot be read"),
        ({"type": "json_object"}, {"method": "json_schema"}, "schema"),
    ],
)
def test_wrong_arguments_are_told_at_once(llm: ChatFailover, schema: Any, options: Any, expected: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match=expected):
        llm.with_structured_output(schema, **options)
