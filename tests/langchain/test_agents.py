"""Agents and graphs: tools are called, results go back, and the chain fails over in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, SummarizationMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator, ToolCall

Make = Callable[..., ChatFailover]


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It is sunny in {city}."


class Report(BaseModel):
    """A weather report."""

    city: str
    is_sunny: bool


def agent_model(body: dict[str, Any]) -> Reply:
    """Asks for the weather of Rome and Paris at once, then answers with what it was told."""
    told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if told:
        return Reply(" ".join(told))
    return Reply(tool_calls=[ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {"city": "Paris"})])


@pytest.mark.parametrize("version", [None, "v1"])
async def test_an_agent_survives_an_outage_in_the_middle(sim: Simulator, make: Make, version: str | None) -> None:
    """The first model calls the tools, then it is down; the second one reads the history and answers."""
    sim.script("first", Reply(answer=agent_model), "503")
    sim.script("second", Reply(answer=agent_model))
    agent = create_agent(make(output_version=version), [weather])
    result = agent.invoke({"messages": [HumanMessage("How is the weather?")]})
    kinds = [type(message) for message in result["messages"]]
    assert kinds == [HumanMessage, AIMessage, ToolMessage, ToolMessage, AIMessage]
    assert result["messages"][1].response_metadata["model_name"] == "first"
    assert result["messages"][-1].response_metadata["model_name"] == "second"
    assert result["messages"][-1].text == "It is sunny in Rome. It is sunny in Paris."
    sent = sim.requests_for("second")[-1].body
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
    assert sent["tools"][0]["function"]["name"] == "weather"


async def test_an_agent_streams(sim: Simulator, llm: ChatFailover) -> None:
    """Tokens of the answer arrive piece by piece, from whichever model speaks."""
    sim.script("first", "503")
    sim.script("second", Reply(answer=agent_model))
    agent = create_agent(llm, [weather])
    pieces = [
        message.text
        async for message, _ in agent.astream({"messages": [HumanMessage("x")]}, stream_mode="messages")
        if isinstance(message, AIMessage)
    ]
    assert "".join(pieces) == "It is sunny in Rome. It is sunny in Paris."
    assert len(pieces) > 3


@pytest.mark.parametrize("strategy", [ToolStrategy(Report), ProviderStrategy(Report)])
def test_an_agent_answers_with_an_object(sim: Simulator, llm: ChatFailover, strategy: Any) -> None:
    """Both of LangChain's strategies for structured answers work."""
    is_tool = isinstance(strategy, ToolStrategy)
    text = '{"city": "Rome", "is_sunny": true}'
    call = ToolCall("Report", {"city": "Rome", "is_sunny": True})
    sim.script("first", "503")
    sim.script("second", Reply(tool_calls=[call]) if is_tool else Reply(text))
    agent = create_agent(llm, [weather], response_format=strategy)
    result = agent.invoke({"messages": [HumanMessage("x")]})
    assert result["structured_response"] == Report(city="Rome", is_sunny=True)


def test_a_graph_keeps_the_conversation(sim: Simulator, llm: ChatFailover) -> None:
    """Messages go through LangGraph's checkpoints and come back readable."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [llm.invoke(state["messages"])]})
    graph.add_edge(START, "model")
    program = graph.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    sim.script("first", Reply("One.", reasoning="Hm."), "503")
    sim.script("second", Reply("Two."))
    program.invoke({"messages": [HumanMessage("a")]}, thread)
    result = program.invoke({"messages": [HumanMessage("b")]}, thread)
    assert [message.text for message in result["messages"]] == ["a", "One.", "b", "Two."]
    assert [message["role"] for message in sim.requests_for("second")[-1].body["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


def test_langchains_middleware_understands_the_errors(sim: Simulator, make: Make) -> None:
    """Retry asks again after what passes, fallback asks its own model, and neither asks again what is refused."""
    sim.script("first", "openai.rate_limit", Reply("Late."))
    alone = make(fallbacks=(), policy={"min_cooldown": 0, "patience": 0, "max_cooldown": 0})
    agent = create_agent(alone, middleware=[ModelRetryMiddleware(max_retries=1, initial_delay=0)])
    assert agent.invoke({"messages": [HumanMessage("x")]})["messages"][-1].text
    sim.clear()
    sim.script("first", "400")
    sim.script("third", Reply("Third."))
    agent = create_agent(make(), middleware=[ModelFallbackMiddleware(make("openai/third"))])
    assert agent.invoke({"messages": [HumanMessage("x")]})["messages"][-1].text == "Third."
    assert len(sim.requests_for("first")) == 1


def test_a_conversation_is_summarised_by_the_chains_window(sim: Simulator, make: Make) -> None:
    """Middleware that asks for the model's window and counts its tokens finds both."""
    sim.script("first", Reply("Fine."))
    llm = make(context_window=200)
    middleware = SummarizationMiddleware(
        model=llm, trigger=("fraction", 0.5), keep=("messages", 1), token_counter=llm.get_num_tokens_from_messages
    )
    agent = create_agent(llm, middleware=[middleware])
    history = [HumanMessage("word " * 60), AIMessage("word " * 60), HumanMessage("And now?")]
    result = agent.invoke({"messages": history})
    assert len(sim.requests) == 2
    assert "word " * 60 not in result["messages"][0].text
