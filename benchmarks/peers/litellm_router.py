"""LiteLLM's Router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from litellm import Router

from benchmarks.peers.base import KEY, MODEL, Chain, Client, Heard, Openers

__all__ = ["OPENERS", "router"]


def _name(place: int) -> str:
    return f"link-{place}"


def router(chain: Chain) -> Router:
    """A Router whose first model falls back to the others."""
    links = [
        {
            "model_name": _name(place),
            "litellm_params": {"model": f"openai/{MODEL}", "api_key": KEY, "api_base": url},
        }
        for place, url in enumerate(chain.urls)
    ]
    others = [_name(place) for place in range(1, len(links))]
    return Router(model_list=links, fallbacks=[{_name(0): others}] if others else [])


@asynccontextmanager
async def _open(chain: Chain) -> AsyncIterator[Client]:
    made = router(chain)

    async def stream(prompt: str) -> Heard:
        heard = Heard()
        messages = [{"role": "user", "content": prompt}]
        async for chunk in await made.acompletion(model=_name(0), messages=messages, stream=True):
            for choice in chunk.choices:
                heard.add(choice.delta.content)
        return heard

    async def whole(prompt: str) -> int:
        answer = await made.acompletion(model=_name(0), messages=[{"role": "user", "content": prompt}])
        return len(answer.choices[0].message.content)

    yield Client(stream, whole)


@contextmanager
def _open_sync(chain: Chain) -> Iterator[Client]:
    made = router(chain)

    def stream(prompt: str) -> Heard:
        heard = Heard()
        messages = [{"role": "user", "content": prompt}]
        for chunk in made.completion(model=_name(0), messages=messages, stream=True):
            for choice in chunk.choices:
                heard.add(choice.delta.content)
        return heard

    def whole(prompt: str) -> int:
        answer = made.completion(model=_name(0), messages=[{"role": "user", "content": prompt}])
        return len(answer.choices[0].message.content)

    yield Client(stream, whole)


OPENERS: dict[str, Openers] = {"LiteLLM Router": {"async": _open, "sync": _open_sync}}
