"""Whole LlamaIndex pipelines over a small in-memory index survive an outage of the primary in their middle."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.extractors import SummaryExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.memory import ChatMemoryBuffer, ChatSummaryMemoryBuffer
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.selectors import LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool

from llamaindex_failover import FailoverLLM
from shared_core.errors import ChainExhaustedError
from shared_core.simulator import Reply, Simulator, ToolCall
from tests.llamaindex.conftest import Maker

FACTS = ["The red boat sails on Monday.", "The blue boat sails on Friday.", "The green boat stays at home."]


class WordEmbedding(BaseEmbedding):
    """Counts words by their hash: no model, no download, and alike texts are near each other."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector = [0.01] * 64
        for word in text.lower().split():
            vector[zlib.crc32(word.strip(".,?").encode()) % 64] += 1.0
        return vector

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@pytest.fixture
def llm(make_llm: Maker) -> Iterator[FailoverLLM]:
    """The LLM of all pipelines, given to them by `Settings` alone."""
    Settings.llm = llm = make_llm(context_window=16_000)
    Settings.embed_model = WordEmbedding()
    yield llm
    Settings._llm = None
    Settings._embed_model = None
    Settings._prompt_helper = None


@pytest.fixture
def index(llm: FailoverLLM) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=fact) for fact in FACTS])


def prompts(sim: Simulator, model: str) -> list[str]:
    """The last user message of each request."""
    found = []
    for request in sim.requests_for(model):
        content = request.body["messages"][-1]["content"]
        found.append(content if isinstance(content, str) else "".join(part.get("text", "") for part in content))
    return found


def falls_over_after(sim: Simulator, answers: int, *, fallback: Reply) -> None:
    """The primary answers so often, and is down from then on."""
    sim.script("gpt-4.1", f"ok*{answers},503")
    sim.script("claude-sonnet-4-5", fallback)


@pytest.mark.parametrize("mode", ["refine", "compact", "tree_summarize", "simple_summarize", "accumulate"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_query_engine_survives(index: VectorStoreIndex, sim: Simulator, mode: str, *, is_async: bool) -> None:
    """A query whose steps begin at the primary and end at the fallback has an answer and its sources."""
    steps = {"refine": 3, "accumulate": 3}.get(mode, 1)
    falls_over_after(sim, steps - 1, fallback=Reply("On Monday"))
    engine = index.as_query_engine(similarity_top_k=3, response_mode=mode)
    question = "When does the red boat sail?"
    response = await engine.aquery(question) if is_async else engine.query(question)
    assert "On Monday" in str(response)
    assert len(response.source_nodes) == 3
    assert question in prompts(sim, "claude-sonnet-4-5")[-1]
    assert len(sim.requests_for("gpt-4.1")) == steps


async def test_a_streaming_query_engine_survives(index: VectorStoreIndex, sim: Simulator) -> None:
    """A streamed answer of a query comes from the fallback, piece by piece."""
    falls_over_after(sim, 0, fallback=Reply("On Monday at noon"))
    engine = index.as_query_engine(streaming=True)
    pieces = list(engine.query("When does the red boat sail?").response_gen)
    assert [piece for piece in pieces if piece] == ["On", " Monday", " at", " noon"]
    response = await engine.aquery("When does the red boat sail?")
    assert "".join([piece async for piece in response.response_gen]) == "On Monday at noon"


@pytest.mark.parametrize("mode", ["context", "condense_plus_context", "condense_question", "simple"])
async def test_a_chat_engine_with_memory_survives(index: VectorStoreIndex, sim: Simulator, mode: str) -> None:
    """The turns of a conversation before and after the outage are one conversation."""
    engine = index.as_chat_engine(chat_mode=mode, memory=ChatMemoryBuffer.from_defaults(token_limit=4000))
    sim.script("gpt-4.1", Reply("The red boat sails on Monday"))
    assert "Monday" in str(engine.chat("When does the red boat sail?"))
    sim.script("gpt-4.1", "503")
    sim.script("claude-sonnet-4-5", Reply("The blue one sails on Friday"))
    assert "Friday" in str(await engine.achat("And the blue one?"))
    streamed = engine.stream_chat("Sure?")
    assert "".join(streamed.response_gen) == "The blue one sails on Friday"
    astreamed = await engine.astream_chat("Really?")
    assert "".join([piece async for piece in astreamed.async_response_gen()]) == "The blue one sails on Friday"
    history = [(message.role.value, message.content) for message in engine.chat_history]
    assert [content for role, content in history if role == "user"] == [
        "When does the red boat sail?",
        "And the blue one?",
        "Sure?",
        "Really?",
    ]
    assert [content for role, content in history if role == "assistant"] == [
        "The red boat sails on Monday",
        *["The blue one sails on Friday"] * 3,
    ]


async def test_a_memory_that_summarises_survives(llm: FailoverLLM, sim: Simulator) -> None:
    """A memory that uses the LLM itself goes on as well."""
    memory = ChatSummaryMemoryBuffer.from_defaults(llm=llm, token_limit=30)
    engine = SimpleChatEngine.from_defaults(memory=memory)
    falls_over_after(sim, 1, fallback=Reply("Something short"))
    for turn in range(3):
        await engine.achat(f"Turn {turn}: please tell me much about boats, harbours and the weather at sea")
    assert "Something short" in str(await engine.achat("And now?"))


def router(index: VectorStoreIndex, selector: Any) -> RouterQueryEngine:
    tools = [
        QueryEngineTool.from_defaults(index.as_query_engine(), name=name, description=f"Knows about {name}")
        for name in ("harbours", "boats")
    ]
    return RouterQueryEngine(selector=selector, query_engine_tools=tools)


async def test_a_router_survives_between_choice_and_answer(index: VectorStoreIndex, sim: Simulator) -> None:
    """The primary chooses the engine, the fallback answers through it."""
    choice = json.dumps([{"choice": 2, "reason": "It is about boats"}])
    sim.script("gpt-4.1", Reply(choice), "503")
    sim.script("claude-sonnet-4-5", Reply("On Monday"))
    response = await router(index, LLMSingleSelector.from_defaults()).aquery("When does the red boat sail?")
    assert str(response) == "On Monday"
    assert response.metadata["selector_result"].selections[0].index == 1


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_router_chooses_by_function_call(
    index: VectorStoreIndex, llm: FailoverLLM, sim: Simulator, *, is_async: bool
) -> None:
    """The choice itself falls to the fallback, as a tool call in another provider's form."""
    sim.script("gpt-4.1", "503")
    call = ToolCall("SingleSelection", {"index": 2, "reason": "It is about boats"})
    sim.script("claude-sonnet-4-5", Reply(tool_calls=[call]), Reply("On Monday"))
    engine = router(index, PydanticSingleSelector.from_defaults(llm=llm))
    question = "When does the red boat sail?"
    response = await engine.aquery(question) if is_async else engine.query(question)
    assert str(response) == "On Monday"
    assert response.metadata["selector_result"].selections[0].index == 1


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_pipeline_says_why_it_failed(index: VectorStoreIndex, sim: Simulator, *, is_async: bool) -> None:
    """When nobody answers, the engine's own error comes through the pipeline with its trail and causes."""
    sim.script("*", "503")
    engine = index.as_query_engine()
    with pytest.raises(ChainExhaustedError) as caught:
        await engine.aquery("When?") if is_async else engine.query("When?")
    assert [attempt.status for attempt in caught.value.report.attempts] == [503, 503]
    assert caught.value.__cause__ in caught.value.errors


async def test_an_ingestion_survives(llm: FailoverLLM, sim: Simulator) -> None:
    """Extractors that ask for each node go on with the fallback."""
    falls_over_after(sim, 1, fallback=Reply("From the fallback"))
    pipeline = IngestionPipeline(transformations=[SummaryExtractor(num_workers=1)])
    nodes = await pipeline.arun(nodes=[TextNode(text=fact) for fact in FACTS])
    assert sum(node.metadata["section_summary"] == "From the fallback" for node in nodes) >= 1
    assert all(node.metadata["section_summary"] for node in nodes)
