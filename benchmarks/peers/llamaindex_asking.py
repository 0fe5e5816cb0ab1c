"""How any LLM of LlamaIndex's is asked."""

from __future__ import annotations

from typing import Any

from llama_index.core.llms import ChatMessage

from benchmarks.peers.base import Client, Heard

__all__ = ["asking", "asking_sync"]


def _asked(prompt: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=prompt)]


def asking(llm: Any) -> Client:
    """Async."""

    async def stream(prompt: str) -> Heard:
        heard = Heard()
        async for response in await llm.astream_chat(_asked(prompt)):
            heard.add(response.delta)
        return heard

    async def whole(prompt: str) -> int:
        return len((await llm.achat(_asked(prompt))).message.content)

    return Client(stream, whole)


def asking_sync(llm: Any) -> Client:
    """Sync."""

    def stream(prompt: str) -> Heard:
        heard = Heard()
        for response in llm.stream_chat(_asked(prompt)):
            heard.add(response.delta)
        return heard

    def whole(prompt: str) -> int:
        return len(llm.chat(_asked(prompt)).message.content)

    return Client(stream, whole)
