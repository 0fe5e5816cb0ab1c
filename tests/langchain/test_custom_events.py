"""Custom events: what hooks are told is in `astream_events` and in handlers, under the run of the call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from langchain_failover import ChatFailover
from langchain_failover.runs import ParentRun
from shared_core.simulator import Reply, Simulator

STORY = ["on_attempt", "on_failure", "on_cooldown", "on_failover", "on_attempt", "on_success"]
Maker = Callable[..., ChatFailover]


class Listener(BaseCallbackHandler):
    """Keeps custom events, and the run of the call."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.runs: set[UUID] = set()
        self.about: list[Any] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def on_chat_model_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        self.runs.add(run_id)

    def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID, tags: Any = None, metadata: Any = None, **kwargs: Any
    ) -> None:
        self.told.append((name, data))
        self.about.append((run_id, tags, metadata))


class AsyncListener(AsyncCallbackHandler):
    """The same, async."""

    def __init__(self) -> None:
        self.listener = Listener()

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.listener.on_chat_model_start(*args, **kwargs)

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.listener.on_custom_event(name, data, **kwargs)


async def ask(llm: Any, way: str, **config: Any) -> None:
    match way:
        case "invoke":
            llm.invoke("Hi", config)
        case "stream":
            list(llm.stream("Hi", config))
        case "ainvoke":
            await llm.ainvoke("Hi", config)
        case _:
            [_ async for _ in llm.astream("Hi", config)]


WAYS = pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])


@WAYS
@pytest.mark.parametrize("place", ["of the call", "of the model"])
async def test_handlers_hear_what_hooks_are_told(way: str, place: str, sim: Simulator, make: Maker) -> None:
    """In the run of the call, with its tags and metadata, as plain JSON values; each event once."""
    sim.script("first", "503")
    listener = Listener()
    if place == "of the call":
        await ask(make(tags=["ours"]), way, callbacks=[listener], tags=["theirs"], metadata={"user": "u-1"})
    else:
        await ask(make(callbacks=[listener], tags=["ours"]), way, tags=["theirs"], metadata={"user": "u-1"})
    assert listener.names == STORY
    assert {run_id for run_id, _, _ in listener.about} == listener.runs
    _, tags, metadata = listener.about[0]
    assert set(tags) == {"ours", "theirs"}
    assert metadata["user"] == "u-1"
    assert metadata["ls_provider"] == "openai"
    failover = json.loads(json.dumps(listener.told[3][1]))
    assert failover["model"] == "openai/first"
    assert failover["next_model"] == "openai/second"
    assert failover["kind"] == "transient"


@WAYS
async def test_async_handlers_hear_them_too(way: str, make: Maker) -> None:
    """In sync code LangChain runs them in a loop of its own."""
    handler = AsyncListener()
    await ask(make(), way, callbacks=[handler])
    assert handler.listener.names == ["on_attempt", "on_success"]


async def events_of(runnable: Any, given: Any = "Hi") -> list[Any]:
    return [event async for event in runnable.astream_events(given, version="v2")]


async def test_they_are_among_the_events_of_a_model(sim: Simulator, make: Maker) -> None:
    """With the run of the model; the failover stands before the first token."""
    sim.script("first", "503")
    events = await events_of(make())
    (start,) = [event for event in events if event["event"] == "on_chat_model_start"]
    told = [event for event in events if event["event"] == "on_custom_event"]
    assert [event["name"] for event in told] == STORY
    assert {event["run_id"] for event in told} == {start["run_id"]}
    kinds = [event["event"] for event in events]
    assert kinds.index("on_custom_event") < kinds.index("on_chat_model_stream")


@pytest.mark.parametrize("calls", ["invoke", "ainvoke", "astream"])
async def test_they_are_among_the_events_of_a_chain(calls: str, sim: Simulator, make: Maker) -> None:
    """However the chain calls the model, they name their parents."""
    sim.script("first", "503")
    llm = make()

    async def inside(text: str) -> str:
        if calls == "astream":
            return "".join([chunk.text async for chunk in llm.astream(text)])
        return (llm.invoke(text) if calls == "invoke" else await llm.ainvoke(text)).text

    events = await events_of(RunnableLambda(inside))
    told = [event for event in events if event["event"] == "on_custom_event"]
    (start,) = [event for event in events if event["event"] == "on_chat_model_start"]
    assert [event["name"] for event in told] == STORY
    assert {event["run_id"] for event in told} == {start["run_id"]}
    assert {tuple(event["parent_ids"]) for event in told} == {tuple(start["parent_ids"])} != {()}


async def test_they_are_among_the_events_of_an_agent(sim: Simulator, make: Maker) -> None:
    """As in any graph of LangGraph's."""
    sim.script("first", "503")
    events = await events_of(create_agent(make(), []), {"messages": [("user", "Hi")]})
    assert [event["name"] for event in events if event["event"] == "on_custom_event"] == STORY


class Speaker(BaseChatModel):
    """A member that speaks, or not."""

    words: tuple[Any, ...] = ("One ", "two.")
    model: str = "speaker-1"

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in self.words:
            if isinstance(word, Exception):
                raise word
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


@WAYS
async def test_chains_of_members_tell_them_too(way: str) -> None:
    """Members in a chain are targets like others."""
    listener = Listener()
    broken, sound = Speaker(words=(ConnectionError("reset"),), model="broken"), Speaker()
    llm = ChatFailover(broken, fallbacks=[sound], max_retries=0)
    await ask(llm, way, callbacks=[listener])
    assert listener.names == STORY


@WAYS
async def test_a_handler_that_raises_breaks_no_call(way: str, make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """Even where it asks that its errors be raised."""

    class Broken(Listener):
        raise_error = True

        def on_custom_event(self, *args: Any, **kwargs: Any) -> None:
            raise ZeroDivisionError

    await ask(make(), way, callbacks=[Broken()])
    assert "on_attempt raised" in caplog.text


def test_nothing_is_made_where_nobody_hears_it(make: Maker) -> None:
    """Neither for calls without handlers, nor for handlers that have no use for custom events."""

    class Deaf(Listener):
        ignore_custom_event = True

    seen: list[ParentRun] = []

    class Spy(ChatFailover):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(kwargs.get("failover_parent_run"))
            return super()._stream(*args, **kwargs)

    llm = Spy(**{name: getattr(make(), name) for name in ("model", "fallbacks", "manager")})
    list(llm.stream("Hi"))
    list(llm.stream("Hi", {"callbacks": [BaseCallbackHandler(), Deaf()]}))
    assert seen[0] is None
    assert seen[1].hooks() is None
    assert seen[1].ahooks() is None


async def test_an_abandoned_stream_tells_its_end(sim: Simulator, make: Maker) -> None:
    """Closed by its reader."""
    sim.script("first", Reply("a long answer", delay_chunk=60.0))
    listener = Listener()
    llm = make()
    stream = llm.astream("Hi", {"callbacks": [listener]})
    assert isinstance(await anext(stream), AIMessage)
    await stream.aclose()
    assert listener.names == ["on_attempt", "on_abandoned"]
