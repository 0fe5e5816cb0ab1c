"""How anything that answers in LangChain's messages is asked."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.base import Client, Heard

__all__ = ["asking", "asking_sync"]


def asking(model: Any) -> Client:
    """Async."""

    async def stream(prompt: str) -> Heard:
        heard = Heard()
        async for chunk in model.astream(prompt):
            heard.add(chunk.content)
        return heard

    async def whole(prompt: str) -> int:
        return len((await model.ainvoke(prompt)).content)

    return Client(stream, whole)


def asking_sync(model: Any) -> Client:
    """Sync."""

    def stream(prompt: str) -> Heard:
        heard = Heard()
        for chunk in model.stream(prompt):
            heard.add(chunk.content)
        return heard

    def whole(prompt: str) -> int:
        return len(model.invoke(prompt).content)

    return Client(stream, whole)
