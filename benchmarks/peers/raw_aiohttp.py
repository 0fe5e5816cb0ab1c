"""A floor: the loop over aiohttp that one would write by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.peers.base import Chain, Client, Heard, Openers
from benchmarks.peers.raw import HEADERS, body, length, read

__all__ = ["OPENERS"]


@asynccontextmanager
async def _open(chain: Chain) -> AsyncIterator[Client]:
    url = f"{chain.urls[0]}/chat/completions"
    connector = aiohttp.TCPConnector(limit=0)  # its own cap of 100 would keep most of 1000 streams waiting
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def stream(prompt: str) -> Heard:
            heard = Heard()
            async with session.post(url, json=body(prompt)) as response:
                response.raise_for_status()
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        read(heard, line[6:])
            return heard

        async def whole(prompt: str) -> int:
            async with session.post(url, json=body(prompt, stream=False)) as response:
                response.raise_for_status()
                return length(await response.read())

        yield Client(stream, whole)


OPENERS: dict[str, Openers] = {"raw aiohttp": {"async": _open}}
