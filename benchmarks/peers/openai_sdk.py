"""OpenAI's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from openai import AsyncOpenAI, OpenAI

from benchmarks.peers.base import KEY, MODEL, Chain, Client, Heard, Openers

__all__ = ["OPENERS"]


@asynccontextmanager
async def _open(chain: Chain) -> AsyncIterator[Client]:
    async with AsyncOpenAI(api_key=KEY, base_url=chain.urls[0]) as client:

        async def stream(prompt: str) -> Heard:
            heard = Heard()
            messages = [{"role": "user", "content": prompt}]
            async for chunk in await client.chat.completions.create(model=MODEL, messages=messages, stream=True):
                for choice in chunk.choices:
                    heard.add(choice.delta.content)
            return heard

        async def whole(prompt: str) -> int:
            messages = [{"role": "user", "content": prompt}]
            made = await client.chat.completions.create(model=MODEL, messages=messages)
            return len(made.choices[0].message.content)

        yield Client(stream, whole)


@contextmanager
def _open_sync(chain: Chain) -> Iterator[Client]:
    with OpenAI(api_key=KEY, base_url=chain.urls[0]) as client:

        def stream(prompt: str) -> Heard:
            heard = Heard()
            messages = [{"role": "user", "content": prompt}]
            for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
                for choice in chunk.choices:
                    heard.add(choice.delta.content)
            return heard

        def whole(prompt: str) -> int:
            messages = [{"role": "user", "content": prompt}]
            made = client.chat.completions.create(model=MODEL, messages=messages)
            return len(made.choices[0].message.content)

        yield Client(stream, whole)


OPENERS: dict[str, Openers] = {"openai SDK": {"async": _open, "sync": _open_sync}}
