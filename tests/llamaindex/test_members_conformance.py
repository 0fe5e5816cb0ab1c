"""A chain whose only link is an LLM of the framework keeps the promises that the LLM keeps by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.llms.openai import OpenAI

from llamaindex_failover import FailoverLLM
from shared_core.simulator import Reply, Simulator
from tests.llamaindex.conformance import MODEL, Callbacks, Driver, Events, LLMConformance, ask
from tests.llamaindex.conftest import Maker, certificates


class TestOpenAIAsMember(LLMConformance):
    streams_usage = False

    @pytest.fixture
    async def llm(self, sim: Simulator, make_llm: Maker) -> AsyncIterator[FailoverLLM]:
        with httpx.Client(verify=certificates()) as client:
            async with httpx.AsyncClient(verify=certificates()) as aclient:
                member = OpenAI(
                    MODEL,
                    api_key="key-main",
                    api_base=sim.base_url,
                    http_client=client,
                    async_http_client=aclient,
                )
                yield make_llm(member, ())

    async def test_instrumentation_sees_a_chat(self, driver: Driver, sim: Simulator, events: Events) -> None:
        """The attempt's events stand between the call's own, in a span below the call's."""
        sim.script(MODEL, Reply("Hello there"))
        await driver.call("chat", ask())
        assert events.names == ["LLMChatStartEvent"] * 2 + ["LLMChatEndEvent"] * 2
        outer, inner = events.seen[0].span_id, events.seen[1].span_id
        assert [event.span_id for event in events.seen] == [outer, inner, inner, outer]
        del events.seen[:]
        responses = await driver.stream("stream_chat", ask())
        outer, inner = events.seen[0].span_id, events.seen[1].span_id
        assert outer != inner
        own = [event.class_name() for event in events.seen if event.span_id == outer]
        assert own == ["LLMChatStartEvent", *["LLMChatInProgressEvent"] * len(responses), "LLMChatEndEvent"]
        for event in events.seen:
            event.model_dump()  # as exporters do

    async def test_instrumentation_sees_a_completion(self, driver: Driver, sim: Simulator, events: Events) -> None:
        """A completion is a completion for the member as well."""
        sim.script(MODEL, Reply("Hello there"))
        await driver.call("complete", "Hi")
        assert events.names == ["LLMCompletionStartEvent"] * 2 + ["LLMCompletionEndEvent"] * 2

    async def test_callbacks_of_the_member_are_nested(self, driver: Driver, sim: Simulator) -> None:
        """The member tells its own callbacks of each attempt."""
        outer, inner = Callbacks(), Callbacks()
        driver.llm.callback_manager = CallbackManager([outer])
        member: Any = driver.llm
        member.model.callback_manager = CallbackManager([inner])
        sim.script(MODEL, "401", Reply("Hello there"))
        with pytest.raises(Exception, match="auth"):
            await driver.call("chat", ask())
        assert len(inner.started) == len(inner.ended) == len(outer.started) == 1
