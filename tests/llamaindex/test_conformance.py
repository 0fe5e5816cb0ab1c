"""The promises of a LlamaIndex LLM: kept by `FailoverLLM` and, to prove them, by the framework's own OpenAI LLM."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import httpx
import pytest
from llama_index.llms.openai import OpenAI

from llamaindex_failover import FailoverLLM
from shared_core.simulator import Simulator
from tests.llamaindex.conformance import MODEL, Driver, LLMConformance
from tests.llamaindex.conftest import Maker, certificates


class TestFailoverLLM(LLMConformance):
    @pytest.fixture
    def llm(self, make_llm: Maker) -> FailoverLLM:
        return make_llm()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestOpenAI(LLMConformance):
    """A stream that is left early is closed only when it is collected, hence the warnings that are ignored."""

    streams_usage = False
    keeps_keys_out = False
    can_be_copied_deeply = False

    @pytest.fixture
    async def llm(self, sim: Simulator) -> AsyncIterator[OpenAI]:
        with httpx.Client(verify=certificates()) as client:
            async with httpx.AsyncClient(verify=certificates()) as aclient:
                yield OpenAI(
                    MODEL,
                    api_key="key-main",
                    api_base=sim.base_url,
                    max_retries=0,
                    http_client=client,
                    async_http_client=aclient,
                )

    async def test_a_stream_can_be_left_early(self, driver: Driver, sim: Simulator) -> None:
        await super().test_a_stream_can_be_left_early(driver, sim)
        gc.collect()
