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

from llama_index.core.base.llms.generic_utils import completion_response_to_chat_response
from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from llamaindex_failover.growing import Growing, Response
from llamaindex_failover.trusted import completion_response
from shared_core.events import End, StreamEvent

__all__ = [
    "AsyncEvents",
    "Events",
    "acompletions",
    "agrowing",
    "as_chat",
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


def whole(events: Events) -> Response:
    """The answer as one response."""
    answer = Growing()
    with closing(events):
        for event in events:
            if isinstance(event, End):
                return answer.finished(event)
            answer.take(event)
    raise _unfinished()


async def awhole(events: AsyncEvents) -> Response:
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
    with closing(events):
        for event in events:
            if (response := answer.shown(event)) is not None:
                yield as_chat(response)


async def agrowing(events: AsyncEvents) -> AsyncGenerator[ChatResponse, None]:
    """A response for each piece of content, and the last one."""
    answer = Growing()
    async with aclosing(events):
        async for event in events:
            if (response := answer.shown(event)) is not None:
                yield as_chat(response)


def completions(events: Events) -> Generator[CompletionResponse, None, None]:
    """The same as text alone."""
    answer = Growing()
    with closing(events):
        for event in events:
            if (response := answer.shown(event)) is not None:
                yield completion(response)


async def acompletions(events: AsyncEvents) -> AsyncGenerator[CompletionResponse, None]:
    """The same as text alone."""
    answer = Growing()
    async with aclosing(events):
        async for event in events:
            if (response := answer.shown(event)) is not None:
                yield completion(response)


def as_chat(response: Response) -> ChatResponse:
    """A response of a chat."""
    # The type first: that something is no instance of a class of pydantic's takes long to find out.
    if type(response) is not ChatResponse and isinstance(response, CompletionResponse):
        return completion_response_to_chat_response(response)
    return response


def completion(response: Response) -> CompletionResponse:
    """A response as text alone."""
    if type(response) is not ChatResponse and isinstance(response, CompletionResponse):
        return response
    return completion_response(
        response.message.content or "", response.delta, response.raw, dict(response.additional_kwargs)
    )


def _unfinished() -> RuntimeError:
    return RuntimeError("the engine's stream ended without its End event")
