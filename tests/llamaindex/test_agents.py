"""The framework's agents over the local provider, with the primary going down in the middle of their work."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import Context

from shared_core.errors import StreamInterruptedError
from shared_core.simulator import Fault, Reply, Simulator, ToolCall
from tests.llamaindex.conformance import Person, add, weather
from tests.llamaindex.conftest import Maker

pytestmark = [
    # The framework's workflows use what pydantic and they themselves deprecate, and cannot store a chat memory.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key"),
]

ADD = ToolCall("add", {"a": 3, "b": 4}, id="call_add")
WEATHER = ToolCall("weather", {"city": "Oslo"}, id="call_weather")


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_a_function_agent_survives(make_llm: Maker, sim: Simulator, *, streaming: bool) -> None:
    """The primary calls two tools at once and goes down; the fallback reads the results and answers."""
    sim.script("gpt-4.1", Reply(tool_calls=[ADD, WEATHER]), "503")
    sim.script("claude-sonnet-4-5", Reply("It is 7 and sunny"))
    agent = FunctionAgent(tools=[add, weather], llm=make_llm(), system_prompt="Be brief.", streaming=streaming)
    output = await agent.run("What is 3 and 4, and how is Oslo?")
    assert str(output) == "It is 7 and sunny"
    assert [(call.tool_name, str(call.tool_output)) for call in output.tool_calls] == [
        ("add", "7"),
        ("weather", "Sunny in Oslo"),
    ]
    (request,) = sim.requests_for("claude-sonnet-4-5")
    _, assistant, results = request.body["messages"]
    assert [block["id"] for block in assistant["content"]] == ["call_add", "call_weather"]
    assert [(block["tool_use_id"], block["type"]) for block in results["content"]] == [
        ("call_add", "tool_result"),
        ("call_weather", "tool_result"),
    ]


async def test_an_agents_stream_shows_text_thinking_and_calls(make_llm: Maker, sim: Simulator) -> None:
    """What an agent streams grows: text and thinking by deltas, calls with their arguments so far."""
    sim.script("claude-sonnet-4-5", Reply(reasoning="Let me think", text="So", tool_calls=[ADD]), Reply("It is 7"))
    llm = make_llm("anthropic/claude-sonnet-4-5", ())
    handler = FunctionAgent(tools=[add], llm=llm).run("3 and 4")
    streamed = [event async for event in handler.stream_events() if isinstance(event, AgentStream)]
    await handler
    assert "".join(event.delta for event in streamed) == "SoIt is 7"
    assert "".join(event.thinking_delta or "" for event in streamed) == "Let me think"
    calls = [event.tool_calls[0] for event in streamed if event.tool_calls]
    assert calls[-1].tool_kwargs == {"a": 3, "b": 4}
    assert {call.tool_name for call in calls} == {"add"}


async def test_an_agent_goes_on_in_the_same_conversation(make_llm: Maker, sim: Simulator) -> None:
    """A second run, served by the fallback, has the first one's tool calls in its memory."""
    agent = FunctionAgent(tools=[add], llm=make_llm())
    context = Context(agent)
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)
    sim.script("gpt-4.1", Reply(tool_calls=[ADD]), Reply("It is 7"), "503")
    sim.script("claude-sonnet-4-5", Reply("As I said, 7"))
    assert str(await agent.run("3 and 4", ctx=context, memory=memory)) == "It is 7"
    assert str(await agent.run("Sure?", ctx=context, memory=memory)) == "As I said, 7"
    (request,) = sim.requests_for("claude-sonnet-4-5")
    assert [message["role"] for message in request.body["messages"]] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    stored = await memory.aget_all()
    assert [ChatMessage.model_validate_json(message.model_dump_json()) for message in stored] == stored


async def test_a_first_tool_can_be_forced(make_llm: Maker, sim: Simulator) -> None:
    """`initial_tool_choice` forces a tool by name in the first step alone."""
    agent = FunctionAgent(tools=[add, weather], llm=make_llm(), initial_tool_choice="weather")
    await agent.run("Hello")
    first, second = (request.body.get("tool_choice") for request in sim.requests_for("gpt-4.1"))
    assert first == {"type": "function", "function": {"name": "weather"}}
    assert second == "auto"


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_a_react_agent_survives(make_llm: Maker, sim: Simulator, *, streaming: bool) -> None:
    """An agent that works through text goes on with the fallback."""
    sim.script("gpt-4.1", Reply('Thought: I need a tool\nAction: add\nAction Input: {"a": 3, "b": 4}'), "503")
    sim.script("claude-sonnet-4-5", Reply("Thought: I can answer without any more tools\nAnswer: It is 7"))
    output = await ReActAgent(tools=[add], llm=make_llm(), streaming=streaming).run("3 and 4")
    assert str(output) == "It is 7"
    (request,) = sim.requests_for("claude-sonnet-4-5")
    assert "Observation: 7" in str(request.body["messages"])


async def test_a_workflow_of_agents_survives_a_handoff(make_llm: Maker, sim: Simulator) -> None:
    """One agent hands off to another while the primary goes down; the other works with the fallback."""
    llm = make_llm()
    handoff = ToolCall("handoff", {"to_agent": "reckoner", "reason": "It is about numbers"}, id="call_handoff")
    sim.script("gpt-4.1", Reply(tool_calls=[handoff]), "503")
    sim.script("claude-sonnet-4-5", Reply(tool_calls=[ADD]), Reply("It is 7"))
    workflow = AgentWorkflow(
        agents=[
            FunctionAgent(name="host", description="Greets", llm=llm, can_handoff_to=["reckoner"], tools=[weather]),
            FunctionAgent(name="reckoner", description="Reckons", llm=llm, tools=[add]),
        ],
        root_agent="host",
    )
    handler = workflow.run("3 and 4")
    seen: list[Any] = [event async for event in handler.stream_events()]
    output = await handler
    assert str(output) == "It is 7"
    assert output.current_agent_name == "reckoner"
    results = [event for event in seen if isinstance(event, ToolCallResult)]
    assert [result.tool_name for result in results] == ["handoff", "add"]
    outputs = [event for event in seen if isinstance(event, AgentOutput)]
    assert [(found.raw or {}).get("finish_reason") for found in outputs] == ["tool_calls", "tool_calls", "stop"]


async def test_an_agent_ends_with_an_object(make_llm: Maker, sim: Simulator) -> None:
    """An agent with an output class turns its conversation into an object, by the fallback if need be."""
    sim.script("gpt-4.1", Reply(tool_calls=[ADD]), Reply("It is 7"), "503")
    sim.script("claude-sonnet-4-5", Reply(tool_calls=[ToolCall("Person", {"name": "Ann", "age": 7})]))
    output = await FunctionAgent(tools=[add], llm=make_llm(), output_cls=Person).run("3 and 4")
    assert output.get_pydantic_model(Person) == Person(name="Ann", age=7)


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_an_agent_whose_answer_breaks(make_llm: Maker, sim: Simulator, *, streaming: bool) -> None:
    """An agent that streams has shown text, so it raises with the trail; one that does not has its answer elsewhere."""
    sim.script("gpt-4.1", Fault.cut(2, reply=Reply("one two three four")))
    sim.script("claude-sonnet-4-5", Reply("From the fallback"))
    agent = FunctionAgent(tools=[add], llm=make_llm(), streaming=streaming)
    if streaming:
        with pytest.raises(StreamInterruptedError) as caught:
            await agent.run("Count")
        assert caught.value.partial == "one two"
    else:
        assert str(await agent.run("Count")) == "From the fallback"
