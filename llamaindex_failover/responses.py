"""The engine's events as LlamaIndex responses: whole, or one for each piece of content.

Owns the iteration and nothing else: what an answer looks like is `growing`'s matter, failures are raised by the
engine and pass through.

Invariants: the last response of a stream has an empty delta, the whole message, the usage and the trail; whoever
stops early closes the engine's generator, so that the call is abandoned at once (see `streaming`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import TypeAlias

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from llamaindex_failover.growing import Growing
from shared_core.events import End, StreamEvent

__all__ = [
    "AsyncEvents",
    "Events",
    "acompletions",
    "agrowing",
    "awhole",
    "completion",
    "completions",
    "growing",
    "whole",
]

Events: TypeAlias = Generator[StreamEvent, None, None]
"""One call to the engine."""

AsyncEvents: TypeAlias = AsyncGenerator[StreamEvent, None]
"""One call to the engine, natively async."""


def whole(events: Events) -> ChatResponse:
    """The answer as one response."""
    answer = Growing()
    with closing(events):
        for event in events:
            if isinstance(event, End):
                return answer.finished(event)
            answer.take(event)
    raise _unfinished()


async def awhole(events: AsyncEvents) -> ChatResponse:
    """The answer as one response."""
    answer = Growing()
    async with aclosing(events):
        async for event in events:
            if isinstance(event, End):
                return answer.finished(event)
            answer.take(event)
    raise _unfinished()


def growing(events: Events) -> Generator[ChatResponse, None, None]:
    """A response for each piece of content, and the last one."""
    answer = Growing()
    for event in events:
        if isinstance(event, End):
            yield answer.finished(event)
        elif response := answer.shown(event):
            yield response


async def agrowing(events: AsyncEvents) -> AsyncGenerator[ChatResponse, None]:
    """A response for each piece of content, and the last one."""
    answer = Growing()
    async for event in events:
        if isinstance(event, End):
            yield answer.finished(event)
        elif response := answer.shown(event):
            yield response


def completions(events: Events) -> Generator[CompletionResponse, None, None]:
    """The same as text alone."""
    for response in growing(events):
        yield completion(response)


async def acompletions(events: AsyncEvents) -> AsyncGenerator[CompletionResponse, None]:
    """The same as text alone."""
    async for response in agrowing(events):
        yield completion(response)


def completion(response: ChatResponse) -> CompletionResponse:
    """A response as text alone."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        additional_kwargs=response.additional_kwargs,
    )


def _unfinished() -> RuntimeError:
    return RuntimeError("the engine's stream ended without its End event")
