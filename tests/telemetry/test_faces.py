"""Spans through the faces: the caller's span stands above the call's, and what a member calls below its attempt's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from llama_index.core.base.llms.types import ChatMessage
from opentelemetry import trace

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.manager import FailoverManager
from shared_core.simulator import Simulator
from tests.telemetry.conftest import Telescope

Maker = Callable[..., FailoverManager]
Ask = Callable[[FailoverManager], Any]


async def langchain(manager: FailoverManager, way: str) -> None:
    llm = ChatFailover("a/first", fallbacks=["b/second"], manager=manager)
    match way:
        case "sync":
            assert llm.invoke("Hi").text
        case "async":
            assert (await llm.ainvoke("Hi")).text
        case "sync stream":
            assert {trace.get_current_span() for _ in llm.stream("Hi")} == {trace.get_current_span()}
        case _:
            assert {trace.get_current_span() async for _ in llm.astream("Hi")} == {trace.get_current_span()}


async def llamaindex(manager: FailoverManager, way: str) -> None:
    llm = FailoverLLM("a/first", ["b/second"], manager=manager)
    messages = [ChatMessage("Hi")]
    match way:
        case "sync":
            assert llm.chat(messages).message.content
        case "async":
            assert (await llm.achat(messages)).message.content
        case "sync stream":
            assert {trace.get_current_span() for _ in llm.stream_chat(messages)} == {trace.get_current_span()}
        case _:
            stream = await llm.astream_chat(messages)
            assert {trace.get_current_span() async for _ in stream} == {trace.get_current_span()}


@pytest.mark.parametrize("face", [langchain, llamaindex])
@pytest.mark.parametrize("way", ["sync", "async", "sync stream", "async stream"])
async def test_a_face_hands_the_callers_span_down(
    face: Any, way: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """Caller, call, attempts; and the caller's span is the current one between two chunks and afterwards."""
    sim.script("first", "503")
    manager = make()
    with scope.tracer.start_as_current_span("caller") as caller:
        await face(manager, way)
        assert trace.get_current_span() is caller
    assert scope.call.parent.span_id == caller.get_span_context().span_id
    assert [span.attributes["failover.outcome"] for span in scope.attempts] == ["failed", "succeeded"]
    assert {span.parent.span_id for span in scope.attempts} == {scope.call.context.span_id}
    await manager.aclose()


class Instrumented(BaseChatModel):
    """A member whose SDK makes spans."""

    scope: Any
    model: str = "inside"

    @property
    def _llm_type(self) -> str:
        return "instrumented"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with self.scope.tracer.start_as_current_span("sdk"):
            pass
        yield ChatGenerationChunk(message=AIMessageChunk(content="One "))
        yield ChatGenerationChunk(message=AIMessageChunk(content="two."))

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream():
            yield chunk


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_what_a_member_calls_is_below_its_attempt(way: str, make: Maker, scope: Telescope) -> None:
    """In sync code the member has a thread of its own."""
    llm = ChatFailover(Instrumented(scope=scope), manager=make())
    answer = llm.invoke("Hi") if way == "invoke" else await llm.ainvoke("Hi")
    assert answer.text == "One two."
    (attempt,) = scope.attempts
    assert attempt.attributes["gen_ai.provider.name"] == "Instrumented"
    (inner,) = [span for span in scope.spans if span.name == "sdk"]
    assert inner.parent.span_id == attempt.context.span_id
