"""Objects from answers: both ways of asking, both forms of answering, and what is not an object."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ValidationError

from llamaindex_failover import FailoverLLM
from shared_core.errors import StreamInterruptedError
from shared_core.simulator import Fault, Reply, Simulator, ToolCall
from tests.llamaindex.conformance import Driver, Events, Person
from tests.llamaindex.conftest import Maker

WHO = PromptTemplate("Who is {name}?")
ANN = Person(name="Ann", age=42)
CALL = ToolCall("Person", {"name": "Ann", "age": 42})


class Team(BaseModel):
    """A team of persons."""

    name: str
    members: list[Person]


@pytest.fixture(params=["function_calling", "json_schema"])
def llm(make_llm: Maker, request: pytest.FixtureRequest) -> FailoverLLM:
    return make_llm(structured_output=request.param, system_prompt="Be brief.")


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def driver(llm: FailoverLLM, request: pytest.FixtureRequest) -> Driver:
    return Driver(llm, is_async=request.param)


async def test_the_way_of_asking_is_a_setting(driver: Driver, sim: Simulator) -> None:
    """A required tool or a JSON schema, as the setting says; the system prompt goes along."""
    await driver.call("structured_predict", Person, WHO, name="Ann")
    await driver.stream("stream_structured_predict", Person, WHO, name="Ann")
    for request in sim.requests:
        body = request.body
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        if driver.llm.structured_output == "json_schema":
            assert body["response_format"]["json_schema"]["name"] == "Person"
            assert "tools" not in body
        else:
            assert [tool["function"]["name"] for tool in body["tools"]] == ["Person"]
            assert body["tool_choice"] == "required"
            assert "response_format" not in body


@pytest.mark.parametrize(
    "reply", [Reply(ANN.model_dump_json()), Reply(f"Sure:\n```json\n{ANN.model_dump_json()}\n```")]
)
async def test_json_in_the_text_is_an_answer(driver: Driver, sim: Simulator, reply: Reply) -> None:
    """A model that writes the object instead of calling the tool has answered."""
    sim.script("gpt-4.1", reply)
    assert await driver.call("structured_predict", Person, WHO, name="Ann") == ANN
    assert (await driver.stream("stream_structured_predict", Person, WHO, name="Ann"))[-1] == ANN


async def test_an_outage_is_not_seen(driver: Driver, sim: Simulator) -> None:
    """The fallback is asked for the same object in its own form."""
    sim.script("gpt-4.1", "503")
    assert isinstance(await driver.call("structured_predict", Person, WHO, name="Ann"), Person)
    assert isinstance((await driver.stream("stream_structured_predict", Person, WHO, name="Ann"))[-1], Person)
    assert len(sim.requests_for("claude-sonnet-4-5")) == 2


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (Reply("I do not know"), ValueError, "expected a Person, but the answer is plain text: 'I do not know'"),
        (Reply('{"name": "Ann"}'), ValidationError, "age"),
        (Reply(tool_calls=[ToolCall("Person", {"name": "Ann"})]), ValidationError, "age"),
        (Reply(tool_calls=[ToolCall("Person", "no JSON")]), ValidationError, "age"),
    ],
    ids=["plain text", "text", "call", "broken call"],
)
async def test_what_is_no_object_is_an_error(
    driver: Driver, sim: Simulator, reply: Reply, error: type[Exception], message: str
) -> None:
    """An answer that does not fit is an error, in a stream at its end."""
    sim.script("gpt-4.1", reply)
    with pytest.raises(error, match=message):
        await driver.call("structured_predict", Person, WHO, name="Ann")
    with pytest.raises(error, match=message):
        await driver.stream("stream_structured_predict", Person, WHO, name="Ann")


async def test_objects_grow(driver: Driver, sim: Simulator) -> None:
    """Partial objects have what has come so far, nested lists too; the last one is of the class."""
    team = Team(name="Blue", members=[Person(name="Ann", age=42), Person(name="Bob", age=7)])
    if driver.llm.structured_output == "json_schema":
        sim.script("gpt-4.1", Reply(team.model_dump_json(indent=1)))
    else:
        sim.script("gpt-4.1", Reply(tool_calls=[ToolCall("Team", team.model_dump())]))
    objects = await driver.stream("stream_structured_predict", Team, WHO, name="Blue")
    assert objects[-1] == team
    known = [len(found.members or []) for found in objects]
    assert known == sorted(known)
    assert {getattr(found, "name", None) for found in objects} <= {None, "B", "Bl", "Blu", "Blue"}


async def test_a_broken_stream_is_no_object(driver: Driver, sim: Simulator) -> None:
    """A stream that breaks raises, instead of passing a partial object for the whole one."""
    sim.script("gpt-4.1", Fault.cut(3, reply=Reply(ANN.model_dump_json(indent=1))))
    with pytest.raises(StreamInterruptedError):
        await driver.stream("stream_structured_predict", Person, WHO, name="Ann")


async def test_events_frame_the_prediction(driver: Driver, sim: Simulator) -> None:
    """The events of a structured prediction are those of the framework's own."""
    handler = Events()
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    try:
        await driver.call("structured_predict", Person, WHO, name="Ann")
    finally:
        dispatcher.event_handlers.remove(handler)
    assert handler.names == [
        "LLMStructuredPredictStartEvent",
        "LLMChatStartEvent",
        "LLMChatEndEvent",
        "LLMStructuredPredictEndEvent",
    ]


async def test_arguments_of_the_call_are_passed_on_and_kept(driver: Driver, sim: Simulator) -> None:
    """`llm_kwargs` reach the provider, and the caller's dictionary stays as it is."""
    given: dict[str, Any] = {"temperature": 0.25}
    await driver.call("structured_predict", Person, WHO, llm_kwargs=given, name="Ann")
    assert sim.requests[0].body["temperature"] == 0.25
    assert given == {"temperature": 0.25}


@pytest.mark.parametrize(
    "settings",
    [{"pydantic_program_mode": PydanticProgramMode.LLM}, {"is_function_calling_model": False}],
    ids=["mode", "no functions"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_other_modes_are_the_frameworks(
    make_llm: Maker, sim: Simulator, settings: dict[str, Any], *, is_async: bool
) -> None:
    """Where function calling is not wanted or not there, the framework's program asks for JSON in the text."""
    sim.script("gpt-4.1", Reply(ANN.model_dump_json()))
    driver = Driver(make_llm(**settings), is_async=is_async)
    assert await driver.call("structured_predict", Person, WHO, name="Ann") == ANN
    assert (await driver.stream("stream_structured_predict", Person, WHO, name="Ann"))[-1] == ANN
    assert all("tools" not in request.body for request in sim.requests)
    assert "JSON schema to follow" in sim.requests[0].body["messages"][-1]["content"]


async def test_a_program_of_the_framework_works(make_llm: Maker, sim: Simulator) -> None:
    """`FunctionCallingProgram` finds what it needs: calls, parallel calls, streams."""
    llm = make_llm()
    sim.script("gpt-4.1", Reply(tool_calls=[CALL, CALL]))
    program = FunctionCallingProgram.from_defaults(Person, prompt=WHO, llm=llm, allow_parallel_tool_calls=True)
    assert program(name="Ann") == [ANN, ANN]
    assert await program.acall(name="Ann") == [ANN, ANN]
    assert list(program.stream_call(name="Ann"))[-1] == [ANN, ANN]
    single = FunctionCallingProgram.from_defaults(Person, prompt=WHO, llm=llm)
    assert single(name="Ann") == ANN
