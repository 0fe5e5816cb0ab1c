"""What happens when a stream breaks after its content was shown."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage

from langchain_failover import ChatFailover
from langchain_failover.chunks import RESTART
from shared_core.errors import StreamInterruptedError
from shared_core.simulator import Fault, Reply, Simulator

WHOLE = "The capital of France is Paris, and it lies on the Seine, a river that flows to the sea."


class Ended(BaseCallbackHandler):
    """Keeps what LangChain merged."""

    def __init__(self) -> None:
        self.messages: list[AIMessage] = []

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.messages.append(response.generations[0][0].message)


def model(provider: Simulator, **settings: Any) -> ChatFailover:
    urls = {"one": provider.base_url, "two": provider.base_url}
    return ChatFailover(model="one/first", fallbacks=["two/second"], base_urls=urls, max_retries=0, **settings)


async def streamed(llm: ChatFailover, flavour: str) -> list[Any]:
    if flavour == "stream":
        return list(llm.stream("Where?"))
    return [chunk async for chunk in llm.astream("Where?")]


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("flavour", ["stream", "astream"])
async def test_a_text_goes_on_at_the_next_target(flavour: str, version: str) -> None:
    """With mid_stream="continue" the reader sees one seamless answer, and the trail says where it was joined."""
    with Simulator() as provider:
        provider.script("first", Fault.cut(8, reply=Reply(WHOLE)))
        provider.script("second", Reply(WHOLE[WHOLE.index("France") :]))
        llm = model(provider, mid_stream="continue", output_version=version)
        chunks = await streamed(llm, flavour)
    assert "".join(chunk.text for chunk in chunks) == WHOLE
    whole = sum(chunks[1:], chunks[0])
    trail = whole.response_metadata["failover"]
    assert trail["continued"] is True
    assert [step.get("resumed_at") for step in trail["trail"]] == [None, len("The capital of France is Paris, and it")]
    assert whole.response_metadata["model_name"] == "second"


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("flavour", ["stream", "astream"])
async def test_a_restart_voids_what_was_shown(flavour: str, version: str) -> None:
    """With mid_stream="restart" a marked chunk comes, and what LangChain merges is the second answer alone."""
    ended = Ended()
    with Simulator() as provider:
        provider.script("first", Fault.cut(3, reply=Reply(WHOLE, reasoning="Let me see")))
        provider.script("second", Reply("It is Paris."))
        llm = model(provider, mid_stream="restart", output_version=version)
        seen: list[str] = []
        marks: list[str] = []

        def note(chunk: Any) -> None:
            if RESTART in chunk.response_metadata:
                marks.append(chunk.response_metadata[RESTART])
                seen.clear()
            seen.append(chunk.text)

        if flavour == "stream":
            chunks = []
            for chunk in llm.stream("Where?", config={"callbacks": [ended]}):
                note(chunk)
                chunks.append(chunk)
        else:
            chunks = []
            async for chunk in llm.astream("Where?", config={"callbacks": [ended]}):
                note(chunk)
                chunks.append(chunk)
    assert marks == ["two/second"]
    assert "".join(seen) == "It is Paris."
    merged = sum(chunks[1:], chunks[0])
    assert merged.text == "It is Paris."
    assert [message.text for message in ended.messages] == ["It is Paris."]
    assert not merged.additional_kwargs.get("reasoning_content")


@pytest.mark.parametrize("flavour", ["stream", "astream"])
async def test_tools_are_never_continued(flavour: str) -> None:
    """With tools in play a broken answer raises, whatever the setting: half a call must not be joined to another."""

    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    with Simulator() as provider:
        provider.script("first", Fault.cut(3, reply=Reply(WHOLE)))
        llm = model(provider, mid_stream="continue").bind_tools([add])
        with pytest.raises(StreamInterruptedError, match="broke off after"):
            await streamed(llm, flavour)  # type: ignore[arg-type]
    assert provider.requests_for("second") == []
