"""What happens when a stream breaks after its content was shown."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from llamaindex_failover import FailoverLLM
from llamaindex_failover.growing import RESTART
from shared_core.simulator import Fault, Reply, Simulator

WHOLE = "The capital of France is Paris, and it lies on the Seine, a river that flows to the sea."


async def streamed(provider: Simulator, flavour: str, **settings: Any) -> list[Any]:
    urls = {"one": provider.base_url, "two": provider.base_url}
    llm = FailoverLLM(model="one/first", fallbacks=["two/second"], base_urls=urls, max_retries=0, **settings)
    question = [ChatMessage("Where?")]
    if flavour == "sync":
        return list(llm.stream_chat(question))
    return [response async for response in await llm.astream_chat(question)]


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_text_goes_on_at_the_next_target(flavour: str) -> None:
    """With mid_stream="continue" deltas and the cumulative message are one seamless answer."""
    with Simulator() as provider:
        provider.script("first", Fault.cut(8, reply=Reply(WHOLE)))
        provider.script("second", Reply(WHOLE[WHOLE.index("France") :]))
        responses = await streamed(provider, flavour, mid_stream="continue")
    assert "".join(response.delta or "" for response in responses) == WHOLE
    assert responses[-1].message.content == WHOLE
    assert responses[-1].additional_kwargs["failover"]["continued"] is True


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_restart_voids_what_was_shown(flavour: str) -> None:
    """With mid_stream="restart" a marked response comes, and the message grows to the second answer alone."""
    with Simulator() as provider:
        provider.script("first", Fault.cut(3, reply=Reply(WHOLE)))
        provider.script("second", Reply("It is Paris."))
        responses = await streamed(provider, flavour, mid_stream="restart")
    (mark,) = [number for number, response in enumerate(responses) if RESTART in response.additional_kwargs]
    assert responses[mark].additional_kwargs[RESTART] == "two/second"
    assert responses[mark].message.content in {"", None}
    assert "".join(response.delta or "" for response in responses[mark:]) == "It is Paris."
    assert responses[-1].message.content == "It is Paris."
