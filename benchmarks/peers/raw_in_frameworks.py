"""The floor of each framework: the hand-written loop over aiohttp as the thinnest model that the framework takes.

What these cost above `raw aiohttp` is the framework's own and nobody's to save; what ours costs above these is ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.peers.base import Chain, Client, Openers
from benchmarks.peers.raw import HEADERS, body, loads

__all__ = ["OPENERS"]


async def _pieces(session: aiohttp.ClientSession, url: str, prompt: str) -> AsyncIterator[str]:
    async with session.post(url, json=body(prompt)) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


async def _answer(session: aiohttp.ClientSession, url: str, prompt: str) -> str:
    async with session.post(url, json=body(prompt, stream=False)) as response:
        response.raise_for_status()
        return loads(await response.read())["choices"][0]["message"]["content"]


def _langchain(session: aiohttp.ClientSession, url: str) -> Client:
    from langchain_core.language_models import BaseChatModel  # noqa: PLC0415  # each process measures one peer
    from langchain_core.messages import AIMessage, AIMessageChunk  # noqa: PLC0415
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult  # noqa: PLC0415

    from benchmarks.peers.langchain_asking import asking  # noqa: PLC0415

    class Thin(BaseChatModel):
        """Nothing but the loop, in async code alone: the framework wants the other methods, and nobody calls them."""

        @property
        def _llm_type(self) -> str:
            return "thin"

        def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
            raise NotImplementedError

        async def _agenerate(self, messages: Any, *_args: Any, **_kwargs: Any) -> ChatResult:
            text = await _answer(session, url, messages[-1].content)
            return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

        async def _astream(self, messages: Any, *_args: Any, **_kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            async for text in _pieces(session, url, messages[-1].content):
                yield ChatGenerationChunk(message=AIMessageChunk(text))

    return asking(Thin())


def _llamaindex(session: aiohttp.ClientSession, url: str) -> Client:
    from llama_index.core.llms import (  # noqa: PLC0415  # each process measures one peer
        ChatMessage,
        ChatResponse,
        CompletionResponse,
        CustomLLM,
        LLMMetadata,
    )
    from llama_index.core.llms.callbacks import llm_chat_callback  # noqa: PLC0415

    from benchmarks.peers.llamaindex_asking import asking  # noqa: PLC0415

    class Thin(CustomLLM):
        """Nothing but the loop, in async code alone: the framework wants the other methods, and nobody calls them."""

        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata()

        def complete(self, *_args: Any, **_kwargs: Any) -> CompletionResponse:
            raise NotImplementedError

        def stream_complete(self, *_args: Any, **_kwargs: Any) -> Any:
            raise NotImplementedError

        @llm_chat_callback()
        async def achat(self, messages: Any, **_kwargs: Any) -> ChatResponse:
            text = await _answer(session, url, messages[-1].content)
            return ChatResponse(message=ChatMessage(role="assistant", content=text))

        @llm_chat_callback()
        async def astream_chat(self, messages: Any, **_kwargs: Any) -> Any:
            async def responses() -> AsyncIterator[ChatResponse]:
                whole = ""
                async for text in _pieces(session, url, messages[-1].content):
                    whole += text
                    yield ChatResponse(message=ChatMessage(role="assistant", content=whole), delta=text)

            return responses()

    return asking(Thin())


def _opener(
    make: Callable[[aiohttp.ClientSession, str], Client],
) -> Callable[[Chain], AbstractAsyncContextManager[Client]]:
    @asynccontextmanager
    async def opening(chain: Chain) -> AsyncIterator[Client]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
            yield make(session, f"{chain.urls[0]}/chat/completions")

    return opening


OPENERS: dict[str, Openers] = {
    "raw aiohttp in LangChain": {"async": _opener(_langchain)},
    "raw aiohttp in LlamaIndex": {"async": _opener(_llamaindex)},
}
