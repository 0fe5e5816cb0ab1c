"""A conversation goes from A to B and back to A, where both may be strings or chat models of LangChain's.

The simulator refuses what the real provider would refuse: unknown fields, orphan calls, ids and blocks of another
provider, empty text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator, ToolCall

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALLS = [ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {"city": "Paris"})]
KINDS = ("openai", "anthropic", "ChatOpenAI", "ChatAnthropic", "ChatOpenAI-responses")
THINKING = {"type": "enabled", "budget_tokens": 1024}
SIGNATURE = b"c2ltdWxhdGVkIHNpZ25hdHVyZQ=="


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(provider: Simulator) -> Simulator:
    """One provider for all tests, since the SDKs' clients take long to make, and know its address."""
    provider.clear()
    return provider


@cache
def entry(kind: str, model: str, sim: Simulator) -> Any:
    match kind:
        case "ChatOpenAI":
            return ChatOpenAI(model=model, base_url=sim.base_url, api_key="key-main")
        case "ChatOpenAI-responses":
            return ChatOpenAI(model=model, base_url=sim.base_url, api_key="key-main", use_responses_api=True)
        case "ChatAnthropic":
            return ChatAnthropic(model=model, base_url=sim.url, api_key="key-main", max_tokens=2048, thinking=THINKING)
        case _:
            return f"{kind}/{model}"


@pytest.fixture
def make_chain(sim: Simulator) -> Iterator[Callable[[str, str], ChatFailover]]:
    made: list[ChatFailover] = []

    def make(first: str, second: str) -> ChatFailover:
        llm = ChatFailover(
            entry(first, "first", sim),
            fallbacks=[entry(second, "second", sim)],
            base_urls={"openai": sim.base_url, "anthropic": sim.url},
            profiles={"openai": {"main": "key-main"}, "anthropic": {"main": "key-main"}},
            max_retries=0,
        )
        made.append(llm)
        return llm

    yield make
    for llm in made:
        llm.manager.close()  # type: ignore[union-attr]


def invoke(llm: Any, history: list[BaseMessage]) -> AIMessage:
    found: AIMessage = llm.invoke(history)
    return found


def stream(llm: Any, history: list[BaseMessage]) -> AIMessage:
    first, *rest = llm.stream(history)
    return AIMessage(**(first + rest).model_dump(exclude={"type", "tool_call_chunks", "chunk_position"}))


@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_there_and_back(
    sim: Simulator, make_chain: Callable[[str, str], ChatFailover], first: str, second: str, ask: Any
) -> None:
    """System message, image, reasoning, two parallel calls, their results (one an error), and an empty text."""
    sim.script("first", Reply("", reasoning="Think.", tool_calls=CALLS), "503", Reply("Home again."))
    sim.script("second", Reply("One is sunny.", reasoning="Also think."))
    chain = make_chain(first, second)
    llm = chain.bind_tools([TOOL])

    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    history: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "Which of the two is this?"}, picture]),
    ]
    asked = ask(llm, history)
    assert [call["args"]["city"] for call in asked.tool_calls] == ["Rome", "Paris"]
    rome, paris = asked.tool_calls
    history += [
        asked,
        ToolMessage("sunny", tool_call_id=rome["id"]),
        ToolMessage("no such city", tool_call_id=paris["id"], status="error"),
    ]
    told = ask(llm, history)
    assert told.text == "One is sunny."
    assert told.response_metadata["failover"]["trail"][0]["status"] == 503
    history += [told, HumanMessage("And now?")]
    before = [message.model_copy(deep=True) for message in history]
    chain.manager.reset()  # type: ignore[union-attr]
    done = ask(llm, history)
    assert done.text == "Home again."
    assert done.response_metadata["failover"]["model"] == chain.names[0]
    assert history == before
    (in_between,) = sim.requests_for("second")
    last = sim.requests_for("first")[-1]
    for request, signed_by in ((in_between, second), (last, first)):
        for said in (b"Be brief.", PIXEL.encode(), b"sunny", b"no such city"):
            assert said in request.raw, (said, request.raw)
        if "nthropic" not in signed_by:
            assert SIGNATURE not in request.raw
    if first in {"anthropic", "ChatAnthropic"}:
        assert SIGNATURE in last.raw
    assert b"One is sunny." in last.raw
    if not {first, second} <= {"anthropic", "ChatAnthropic"}:  # one vendor, whoever asks it
        assert b"Also think." not in last.raw
