"""Callbacks and traces of members: every attempt is a run of its own, and nothing is told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tracers import BaseTracer

from langchain_failover import ChatFailover

USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


class Speaker(BaseChatModel):
    """Streams `words`, with its tokens at the end; an exception among them is raised."""

    words: tuple[Any, ...] = ("One ", "two.")
    model: str = "speaker-1"

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        for word in self.words:
            if isinstance(word, Exception):
                raise word
        message = AIMessage("".join(self.words), usage_metadata=USAGE, response_metadata={"model_name": self.model})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in self.words:
            if isinstance(word, Exception):
                raise word
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        last = AIMessageChunk(content="", usage_metadata=USAGE, response_metadata={"model_name": self.model})
        yield ChatGenerationChunk(message=last)


class Mute(Speaker):
    """Does not stream."""

    disable_streaming: bool = True


class Log(BaseCallbackHandler):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.parents: dict[str, str | None] = {}
        self.events: list[tuple[str, str, Any]] = []
        self.metadata: dict[str, Any] = {}

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Any = None,
        **kwargs: Any,
    ) -> None:
        name = kwargs.get("name") or "outer"
        self.names[run_id] = name
        self.parents[name] = self.names.get(parent_run_id) if parent_run_id is not None else None
        self.metadata[name] = metadata
        self.events.append(("start", name, messages[0][-1].text))

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.events.append(("token", self.names[run_id], token))

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        message = response.generations[0][0].message
        self.events.append(("end", self.names[run_id], (message.text, message.usage_metadata)))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.events.append(("error", self.names[run_id], type(error)))

    def of(self, kind: str) -> list[tuple[str, Any]]:
        return [(name, value) for found, name, value in self.events if found == kind]


class AsyncLog(AsyncCallbackHandler):
    """The same, async."""

    def __init__(self) -> None:
        self.log = Log()

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.log.on_chat_model_start(*args, **kwargs)

    async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.log.on_llm_new_token(token, **kwargs)

    async def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.log.on_llm_end(response, **kwargs)

    async def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.log.on_llm_error(error, **kwargs)


class Tracer(BaseTracer):
    """Keeps whole trees of runs."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.roots.append(run)


every_way = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "generate", "v3"])


async def answer(llm: Any, way: str, config: Any = None) -> str:
    match way:
        case "invoke":
            return str(llm.invoke("Hello", config).text)
        case "ainvoke":
            return str((await llm.ainvoke("Hello", config)).text)
        case "stream":
            return "".join(chunk.text for chunk in llm.stream("Hello", config))
        case "astream":
            return "".join([chunk.text async for chunk in llm.astream("Hello", config)])
        case "generate":
            found = llm.generate([[HumanMessage("Hello")]], callbacks=(config or {}).get("callbacks"))
            return str(found.generations[0][0].text)
        case _:
            return str(llm.stream_events("Hello", config, version="v3").output.text)


def failing_chain(**settings: Any) -> ChatFailover:
    return ChatFailover(Speaker(words=(ValueError("no"),)), fallbacks=[Mute(), Speaker()], max_retries=0, **settings)


@every_way
async def test_every_attempt_is_a_child_run(way: str) -> None:
    """Under its real name, with its own failure."""
    log = Log()
    assert await answer(failing_chain(), way, {"callbacks": [log]}) == "One two."
    assert log.parents == {"outer": None, "Speaker": "outer", "Mute": "outer"}
    assert log.of("start") == [("outer", "Hello"), ("Speaker", "Hello"), ("Mute", "Hello")]
    assert log.of("error") == [("Speaker", ValueError)]
    assert log.of("end") == [("Mute", ("One two.", None)), ("outer", ("One two.", USAGE))]
    assert log.metadata["Mute"]["ls_model_name"] == "speaker-1"


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_tokens_are_told_once(way: str) -> None:
    """By the outer run, to handlers sync and async."""
    log, other = Log(), AsyncLog()
    await answer(ChatFailover(Speaker()), way, {"callbacks": [log, other]})
    expected = [("outer", "One "), ("outer", "two."), ("outer", ""), ("outer", "")]
    assert log.of("token") == other.log.of("token") == expected
    assert log.of("end") == other.log.of("end")


@every_way
async def test_a_members_own_callbacks_are_told_all(way: str) -> None:
    """They hear of this member alone, its tokens and their number included."""
    log = Log()
    llm = ChatFailover(Speaker(callbacks=[log], tags=["mine"], metadata={"team": "blue"}))
    await answer(llm, way)
    assert set(log.parents) == {"Speaker"}
    assert log.of("token") == [("Speaker", "One "), ("Speaker", "two."), ("Speaker", "")]
    assert log.of("end") == [("Speaker", ("One two.", USAGE))]
    assert log.metadata["Speaker"]["team"] == "blue"


async def test_what_with_config_said_of_a_member_holds() -> None:
    """Callbacks, tags and metadata of a binding are the member's."""
    log = Log()
    bound = Speaker(metadata={"team": "blue"}).with_config(callbacks=[log], tags=["mine"], metadata={"site": "north"})
    await answer(ChatFailover(bound), "stream")
    assert set(log.parents) == {"Speaker"}
    assert (log.metadata["Speaker"]["team"], log.metadata["Speaker"]["site"]) == ("blue", "north")


@every_way
async def test_usage_is_counted_once(way: str) -> None:
    """Also by handlers that add up all runs."""
    counting = UsageMetadataCallbackHandler()
    await answer(failing_chain(), way, {"callbacks": [counting]})
    assert counting.usage_metadata["speaker-1"]["total_tokens"] == 5


@every_way
async def test_a_trace_holds_the_attempts(way: str) -> None:
    """As a tree of runs, each with its end."""
    tracer = Tracer()
    await answer(failing_chain(), way, {"callbacks": [tracer]})
    (root,) = tracer.roots
    assert [(run.name, bool(run.error)) for run in root.child_runs] == [("Speaker", True), ("Mute", False)]
    assert all(run.end_time is not None for run in [root, *root.child_runs])


async def test_attempts_of_a_chain_in_a_chain_are_its_children() -> None:
    """Three levels, each under its own name."""
    for way in ("invoke", "ainvoke", "stream", "astream"):
        log = Log()
        await answer(ChatFailover(ChatFailover(Speaker())), way, {"callbacks": [log]})
        assert log.parents == {"outer": None, "ChatFailover": "outer", "Speaker": "ChatFailover"}


async def test_a_reader_that_leaves_ends_the_child_run() -> None:
    """As it does with the bare model."""
    log = Log()
    chunks: Any = ChatFailover(Speaker()).astream("Hello", {"callbacks": [log]})
    await anext(chunks)
    await chunks.aclose()
    # LangChain leaves its inner generator to the loop, which closes it in a task of its own.
    for _ in range(1000):
        if ("Speaker", GeneratorExit) in log.of("error"):
            break
        await asyncio.sleep(0)
    assert ("Speaker", GeneratorExit) in log.of("error")


async def test_a_graphs_message_stream_shows_an_answer_once() -> None:
    """LangGraph listens to every run; it hears the outer one alone."""
    agent = create_agent(failing_chain(), [])
    pieces = [
        message.text
        async for message, _ in agent.astream({"messages": [HumanMessage("Hello")]}, stream_mode="messages")
        if isinstance(message, AIMessage)
    ]
    assert "".join(pieces) == "One two."
    shown = [message for message, _ in agent.stream({"messages": [HumanMessage("x")]}, stream_mode="messages")]
    assert "".join(message.text for message in shown) == "One two."


async def test_stream_events_show_an_answer_once() -> None:
    """One start, one end, each token once."""
    events = [event["event"] async for event in ChatFailover(Speaker()).astream_events("Hello", version="v2")]
    assert events.count("on_chat_model_start") == events.count("on_chat_model_end") == 1
    assert events.count("on_chat_model_stream") == 4
