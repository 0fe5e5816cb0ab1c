"""A conversation goes from A to B and back to A, where both may be strings or chat models of LangChain's.

The simulator refuses what the real provider would refuse: unknown fields, orphan calls, ids and blocks of another
provider, empty text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator, ToolCall
from shared_core.simulator.wires.conversation import ENCRYPTED, SIGNATURE

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALLS = [ToolCall("weather", {"city": "Rome"}), ToolCall("weather", {"city": "Paris"})]
PROVIDERS = ("openai", "openai-responses", "anthropic", "gemini")
MAKERS = {
    **{provider: provider for provider in PROVIDERS},
    "ChatOpenAI": "openai",
    "ChatOpenAI-responses": "openai-responses",
    "ChatAnthropic": "anthropic",
    "ChatGoogleGenerativeAI": "gemini",
}
"""Whom each link of a chain asks: who made what is asked again by any of its links."""
THINKING = {"type": "enabled", "budget_tokens": 1024}
PROOFS = {
    "openai-responses": ENCRYPTED.encode(),
    "anthropic": SIGNATURE.encode(),
    "gemini": SIGNATURE.encode(),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(provider: Simulator) -> Simulator:
    """One provider for all tests, since the SDKs' clients take long to make, and know its address."""
    provider.clear()
    return provider


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as http:
        yield http


def named(kind: str, place: str) -> str:
    """Gemini is asked by a name that makes it demand its signatures."""
    return f"gemini-3-{place}" if MAKERS[kind] == "gemini" else place


@cache
def entry(kind: str, model: str, sim: Simulator) -> Any:
    settings: dict[str, Any] = {"model": model, "api_key": "key-main", "max_retries": 0}
    match kind:
        case "ChatOpenAI":
            return ChatOpenAI(base_url=sim.base_url, **settings)
        case "ChatOpenAI-responses":
            return ChatOpenAI(base_url=sim.base_url, use_responses_api=True, **settings)
        case "ChatAnthropic":
            return ChatAnthropic(base_url=sim.url, max_tokens=2048, thinking=THINKING, **settings)
        case "ChatGoogleGenerativeAI":
            return ChatGoogleGenerativeAI(base_url=sim.url, include_thoughts=True, **settings)
        case _:
            return f"{kind}/{model}"


@pytest.fixture
def make_chain(sim: Simulator, client: httpx.Client) -> Callable[[str, str], ChatFailover]:
    def make(first: str, second: str) -> ChatFailover:
        return ChatFailover(
            entry(first, named(first, "first"), sim),
            fallbacks=[entry(second, named(second, "second"), sim)],
            base_urls={name: sim.base_url if "openai" in name else sim.url for name in PROVIDERS},
            profiles={name: {"main": "key-main"} for name in PROVIDERS},
            http_client=client,
            max_retries=0,
        )

    return make


def invoke(llm: Any, history: list[BaseMessage]) -> AIMessage:
    found: AIMessage = llm.invoke(history)
    return found


def stream(llm: Any, history: list[BaseMessage]) -> AIMessage:
    first, *rest = llm.stream(history)
    return AIMessage(**(first + rest).model_dump(exclude={"type", "tool_call_chunks", "chunk_position"}))


@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(MAKERS, 2)))
def test_there_and_back(
    sim: Simulator, make_chain: Callable[[str, str], ChatFailover], first: str, second: str, ask: Any
) -> None:
    """System message, image, reasoning, two parallel calls, their results (one an error), and an empty text."""
    sim.script(named(first, "first"), Reply("", reasoning="Think.", tool_calls=CALLS), "503", Reply("Home again."))
    sim.script(named(second, "second"), Reply("One is sunny.", reasoning="Also think."))
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
    (in_between,) = sim.requests_for(named(second, "second"))
    last = sim.requests_for(named(first, "first"))[-1]
    for request in (in_between, last):
        raw = request.raw.translate(bytes.maketrans(b"-_", b"+/"))  # Google's SDK writes base64 for URLs
        for said in (b"Be brief.", PIXEL.encode(), b"sunny", b"no such city"):
            assert said in raw, (said, request.raw)
    assert b"One is sunny." in last.raw
    proof = PROOFS.get(MAKERS[first], b"")
    assert proof in last.raw
    if MAKERS[first] == MAKERS[second]:  # one maker, whoever asks it
        assert proof in in_between.raw
    else:
        assert not proof or proof not in in_between.raw
        assert b'"Think.' not in in_between.raw
        assert b'"Also think.' not in last.raw
