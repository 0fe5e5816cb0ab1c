"""A floor: the loop over httpx that one would write by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx

from benchmarks.peers.base import Chain, Client, Heard, Openers
from benchmarks.peers.raw import HEADERS, body, length, read

__all__ = ["OPENERS"]

_LIMITS = httpx.Limits(max_connections=None)
"""httpx's own cap of 100 would keep most of 1000 streams waiting."""


@asynccontextmanager
async def _open(chain: Chain) -> AsyncIterator[Client]:
    url = f"{chain.urls[0]}/chat/completions"
    async with httpx.AsyncClient(limits=_LIMITS, timeout=300) as client:

        async def stream(prompt: str) -> Heard:
            heard = Heard()
            async with client.stream("POST", url, json=body(prompt), headers=HEADERS) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    if line.startswith("data: {"):
                        read(heard, line[6:])
            return heard

        async def whole(prompt: str) -> int:
            response = await client.post(url, json=body(prompt, stream=False), headers=HEADERS)
            return length(response.raise_for_status().content)

        yield Client(stream, whole)


@contextmanager
def _open_sync(chain: Chain) -> Iterator[Client]:
    url = f"{chain.urls[0]}/chat/completions"
    with httpx.Client(limits=_LIMITS, timeout=300) as client:

        def stream(prompt: str) -> Heard:
            heard = Heard()
            with client.stream("POST", url, json=body(prompt), headers=HEADERS) as response:
                response.raise_for_status()
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        read(heard, line[6:])
            return heard

        def whole(prompt: str) -> int:
            response = client.post(url, json=body(prompt, stream=False), headers=HEADERS)
            return length(response.raise_for_status().content)

        yield Client(stream, whole)


OPENERS: dict[str, Openers] = {"raw httpx": {"async": _open, "sync": _open_sync}}
