"""A conversation goes from one provider's protocol to another's and back, through LangChain's messages.

The first model thinks and calls a tool, is then down, and comes back: it must find its own signed or encrypted
reasoning as it was, which the model that stood in for it must never have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage, message_chunk_to_message

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator, ToolCall

TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
SIGNATURE = b"c2ltdWxhdGVkIHNpZ25hdHVyZQ=="
ENCRYPTED = b"c2ltdWxhdGVkIGVuY3J5cHRlZCBjb250ZW50"
PROOFS = {"anthropic": SIGNATURE, "gemini": SIGNATURE, "openai-responses": ENCRYPTED, "deepseek": b'"Think."'}


@pytest.fixture
def make_first(sim: Simulator) -> Iterator[Callable[[str, str | None], ChatFailover]]:
    urls = {
        "anthropic": sim.url,
        "gemini": sim.url,
        "openai-responses": sim.base_url,
        "deepseek": sim.base_url,
        "openai": sim.base_url,
    }
    made: list[ChatFailover] = []

    def make(provider: str, version: str | None) -> ChatFailover:
        profiles = {name: {"main": "key-main"} for name in urls}
        settings: dict[str, Any] = {"profiles": profiles, "base_urls": urls, "max_retries": 0}
        made.append(ChatFailover(f"{provider}/first", fallbacks=["openai/second"], output_version=version, **settings))
        return made[-1]

    yield make
    for llm in made:
        llm.manager.close()  # type: ignore[union-attr]


def invoke(llm: Any, history: list[BaseMessage]) -> BaseMessage:
    found: BaseMessage = llm.invoke(history)
    return found


def stream(llm: Any, history: list[BaseMessage]) -> BaseMessage:
    first, *rest = llm.stream(history)
    return message_chunk_to_message(first + rest)


def stored(message: BaseMessage) -> BaseMessage:
    """The message as it comes back from a checkpoint."""
    found: BaseMessage = load(dumpd(message), allowed_objects="messages")
    return found


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("provider", PROOFS)
def test_reasoning_comes_back_to_its_maker_alone(
    sim: Simulator, make_first: Callable[..., ChatFailover], provider: str, version: str | None, ask: Any
) -> None:
    """With its proof, in its place, and through serialisation."""
    call = ToolCall("weather", {"city": "Rome"})
    sim.script("first", Reply("Let me look.", reasoning="Think.", tool_calls=[call]), "503", Reply("Done."))
    sim.script("second", Reply("Sunny.", reasoning="Also think."))
    first = make_first(provider, version)
    llm = first.bind_tools([TOOL])

    history: list[BaseMessage] = [HumanMessage("How is the weather?")]
    asked = stored(ask(llm, history))
    assert isinstance(asked, AIMessage)
    assert [block["type"] for block in asked.content_blocks] == ["reasoning", "text", "tool_call"]
    history += [asked, ToolMessage("sunny", tool_call_id=asked.tool_calls[0]["id"])]
    told = stored(ask(llm, history))
    first.manager.reset()  # type: ignore[union-attr]
    history += [told, HumanMessage("And now?")]
    done = ask(llm, history)

    answered = [message.response_metadata["model_provider"] for message in (asked, told, done)]
    assert answered == [provider, "openai", provider]
    (in_between,) = sim.requests_for("second")
    assert PROOFS[provider] not in in_between.raw
    last = sim.requests_for("first")[-1]
    assert PROOFS[provider] in last.raw
    assert b"Also think." not in last.raw
    assert b"Sunny." in last.raw
