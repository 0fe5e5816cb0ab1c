"""Streams that are left early, dropped, cancelled or never begun: nothing leaks and nobody else is asked."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler

from llamaindex_failover import FailoverLLM
from shared_core.simulator import Fault, Reply, Simulator
from tests.llamaindex.conformance import ask
from tests.llamaindex.conftest import Maker

ENDLESS = Fault.stall(2)
"""Two pieces of content, and then nothing for ever."""


@pytest.fixture
def llm(make_llm: Maker, sim: Simulator) -> FailoverLLM:
    """An LLM whose primary never ends a stream, with a callback that keeps all that it is told."""
    sim.script("gpt-4.1", ENDLESS)
    debug = LlamaDebugHandler(print_trace_on_end=False)
    return make_llm(callback_manager=CallbackManager([debug]))


def left_alone(sim: Simulator) -> bool:
    """The one request was given up by the client."""
    return len(sim.requests) == 1 and sim.requests[0].aborted


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
def test_closing_a_stream_closes_its_connection(llm: FailoverLLM, sim: Simulator, method: str) -> None:
    """A closed generator abandons the call at once, also where a callback keeps the exception that ended it."""
    stream = getattr(llm, method)(ask() if method == "stream_chat" else "Hi")
    next(stream)
    stream.close()
    sim.wait_for(lambda: left_alone(sim))


@pytest.mark.parametrize("method", ["astream_chat", "astream_complete"])
async def test_closing_an_async_stream_closes_its_connection(llm: FailoverLLM, sim: Simulator, method: str) -> None:
    """The same, natively async."""
    stream = await getattr(llm, method)(ask() if method == "astream_chat" else "Hi")
    await anext(stream)
    await stream.aclose()
    await sim.await_for(lambda: left_alone(sim))


def test_dropping_a_stream_closes_its_connection(llm: FailoverLLM, sim: Simulator) -> None:
    """A generator that is forgotten is as good as closed."""
    stream = llm.stream_chat(ask())
    next(stream)
    del stream
    gc.collect()
    sim.wait_for(lambda: left_alone(sim))


async def test_dropping_an_async_stream_closes_its_connection(llm: FailoverLLM, sim: Simulator) -> None:
    """The loop closes an async generator that is forgotten."""
    stream = await llm.astream_chat(ask())
    await anext(stream)
    del stream
    gc.collect()
    await sim.await_for(lambda: left_alone(sim))


async def test_cancelling_a_reader_closes_the_connection(llm: FailoverLLM, sim: Simulator) -> None:
    """A cancelled task has gone away: its request is given up and no fallback is asked."""
    began = asyncio.Event()

    async def read() -> None:
        async for _ in await llm.astream_chat(ask()):
            began.set()

    task = asyncio.create_task(read())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sim.await_for(lambda: left_alone(sim))


async def test_cancelling_a_chat_closes_the_connection(llm: FailoverLLM, sim: Simulator) -> None:
    """The same for an answer that is waited for as a whole."""
    task = asyncio.create_task(llm.achat(ask()))
    await sim.await_for(lambda: bool(sim.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sim.await_for(lambda: left_alone(sim))


async def test_a_stream_that_is_not_begun_asks_nobody(llm: FailoverLLM, sim: Simulator) -> None:
    """The request starts with the first response that is asked for; before, there is nothing to leak."""
    streams: list[Any] = [llm.stream_chat(ask()), llm.stream_complete("Hi")]
    astreams: list[Any] = [await llm.astream_chat(ask()), await llm.astream_complete("Hi")]
    for stream in streams:
        stream.close()
    for astream in astreams:
        await astream.aclose()
    del streams, astreams, stream, astream
    gc.collect()
    assert sim.connections.accepted == 0


async def test_an_abandoned_stream_is_no_failure(llm: FailoverLLM, sim: Simulator) -> None:
    """The primary of an abandoned call is asked again, and first."""
    stream = await llm.astream_chat(ask())
    await anext(stream)
    await stream.aclose()
    sim.script("gpt-4.1", Reply("Still here"))
    answer = await llm.achat(ask())
    assert answer.message.content == "Still here"


async def test_responses_come_as_they_are_made(make_llm: Maker, sim: Simulator) -> None:
    """The first response is there before the last piece is sent."""
    llm = make_llm()
    sim.script("gpt-4.1", Reply("one two three", delay_chunk=0.1))
    loop = asyncio.get_running_loop()
    times = [loop.time() async for response in await llm.astream_chat(ask()) if response.delta]
    assert times[-1] - times[0] > 0.15
