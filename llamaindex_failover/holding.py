"""A member's stream, held while it is read and let go of for good, its socket included.

LLM classes iterate over an SDK's stream inside a generator, which the framework's decorators wrap in another. Closing
the outermost closes none of them: the inner ones live until they are collected, and the SDK's streams, being cyclic,
until the garbage collector comes by. So what a suspended generator iterates on is looked up, and closed.

Invariants: a stream that came to its end is left alone; what cannot be found is left to the collector, as without us.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import AsyncGeneratorType, CellType, GeneratorType
from typing import Any

import httpx

from llamaindex_failover.growing import Response

__all__ = ["aholding", "holding"]

_LOOKED_INTO = (GeneratorType, AsyncGeneratorType, CellType)


@contextmanager
def holding(answer: Any) -> Iterator[Generator[Response, None, None]]:
    """The responses of a stream; of classes that give a whole answer or a plain iterator instead as well."""
    responses = answer if isinstance(answer, Generator) else _each(answer)
    try:
        yield responses
    finally:
        held = _http_responses(responses)
        responses.close()
        for response in held:
            response.close()


@asynccontextmanager
async def aholding(answer: Any) -> AsyncIterator[AsyncGenerator[Response, None]]:
    """The same in async code."""
    responses = answer if isinstance(answer, AsyncGenerator) else _aeach(answer)
    try:
        yield responses
    finally:
        held = _http_responses(responses)
        await responses.aclose()
        for response in held:
            await response.aclose()


def _http_responses(generator: Any) -> list[httpx.Response]:
    """The HTTP responses behind a suspended generator, through the generators and closures that it holds."""
    found: list[httpx.Response] = []
    seen: set[int] = set()
    pending = [generator]
    while pending:
        for held in gc.get_referents(pending.pop()):
            if id(held) in seen:
                continue
            seen.add(id(held))
            if isinstance(held, _LOOKED_INTO):
                pending.append(held)
            elif isinstance(response := getattr(held, "response", None), httpx.Response):
                found.append(response)
    return found


def _each(answer: Any) -> Generator[Response, None, None]:
    yield from [answer] if hasattr(answer, "raw") else answer


async def _aeach(answer: Any) -> AsyncGenerator[Response, None]:
    if hasattr(answer, "raw"):
        yield answer
        return
    async for response in answer:
        yield response
