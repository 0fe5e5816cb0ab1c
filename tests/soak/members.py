"""Members of a soak: model objects of both frameworks and of the engine's own kind, that block, break and stall.

Three are written by hand, as users write them; the others are the frameworks' own classes, asking the provider through
their SDKs. What the hand-made ones do is a matter of chance by seed, case and name. Asked to go on with an answer they
begin it again, as models do that do not do as they are told.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import httpx
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.llms.openai import OpenAI

from shared_core.events import Finish, MemberChunk
from shared_core.providers.models import ModelInfo
from shared_core.request import LLMRequest
from tests.soak.cases import asked_in, pieces

__all__ = ["SDK_MODELS", "Clients", "CoreMember", "Mishap", "langchain_members", "llamaindex_members"]

_LONGEST_READ = 2.0
"""Seconds after which an SDK's read of a silent provider ends by itself, and with it an abandoned call's thread."""

SDK_MODELS = ("langchain-openai-0", "langchain-openai-1", "langchain-anthropic-0", "gpt-4o-mini", "gpt-4.1-mini")
"""Models that are asked through an SDK."""

_STOP = Finish("stop", "stop")


class Mishap:
    """What hand-made members do to a case: a sequence of texts to say, seconds to block, and errors to raise."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._asked: Counter[tuple[int, str]] = Counter()
        self.met: Counter[str] = Counter()

    def steps(self, name: str, asked: str) -> list[str | float | Exception]:
        """The steps of one answer of the member called `name`."""
        case = asked_in(asked)
        with self._lock:
            self._asked[case.number, name] += 1
            rng = random.Random(f"{self._seed} {case.number} {name} {self._asked[case.number, name]}")
        said = pieces(case.answer(name), rng)
        at = rng.randrange(len(said))
        pause = rng.choice((0.05, 0.3, 1.2))
        error = rng.choice((ConnectionResetError("gone"), TimeoutError("slow"), RuntimeError("HTTP 503"), OSError(5)))
        found: dict[str, list[str | float | Exception]] = {
            "none": [*said],
            "raises": [error],
            "breaks": [*said[:at], error],
            "blocks": [pause, *said],
            "stalls": [*said[:at], pause, *said[at:]],
            "blocks and breaks": [pause, error],
        }
        name = "none" if rng.random() < 0.5 else rng.choice(list(found))
        with self._lock:
            self.met[f"member {name}"] += 1
        return found[name]


def played(steps: list[str | float | Exception]) -> Iterator[str]:
    """Plays steps in sync code."""
    for step in steps:
        match step:
            case str():
                yield step
            case float():
                time.sleep(step)
            case _:
                raise step


async def aplayed(steps: list[str | float | Exception]) -> AsyncGenerator[str, None]:
    """Plays steps in async code."""
    for step in steps:
        match step:
            case str():
                yield step
            case float():
                await asyncio.sleep(step)
            case _:
                raise step


class CoreMember:
    """A member of the engine's own kind, without a framework."""

    kind = "Core"
    vendor: str | None = None
    info: ModelInfo | None = None
    tells_finish = True

    def __init__(self, model: str, mishap: Mishap) -> None:
        self.model = model
        self._mishap = mishap

    def _steps(self, request: LLMRequest) -> list[str | float | Exception]:
        return self._mishap.steps(self.model, " ".join(message.text for message in request.messages))

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        for text in played(self._steps(request)):
            yield MemberChunk(text, text, has_content=True)
        yield MemberChunk("", finish=_STOP)

    async def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        async with aclosing(aplayed(self._steps(request))) as texts:
            async for text in texts:
                yield MemberChunk(text, text, has_content=True)
        yield MemberChunk("", finish=_STOP)


class LangChainFake(BaseChatModel):
    """A chat model that somebody wrote for LangChain."""

    model: str
    mishap: Any

    @property
    def _llm_type(self) -> str:
        return self.model

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "homemade", "ls_model_name": self.model, "ls_model_type": "chat"}

    def _steps(self, messages: list[BaseMessage]) -> list[str | float | Exception]:
        return self.mishap.steps(self.model, " ".join(message.text for message in messages))

    def _stream(self, messages: list[BaseMessage], *_: Any, **_kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for text in played(self._steps(messages)):
            yield _chunk(text)
        yield _chunk("", finish_reason="stop")

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **_kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(aplayed(self._steps(messages))) as texts:
            async for text in texts:
                yield _chunk(text)
        yield _chunk("", finish_reason="stop")

    def _generate(self, messages: list[BaseMessage], *_: Any, **_kwargs: Any) -> ChatResult:
        merged = merge_chat_generation_chunks(list(self._stream(messages)))
        assert merged is not None
        return ChatResult(generations=[merged])


def _chunk(text: str, **metadata: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=metadata))


class LlamaIndexFake(CustomLLM):
    """An LLM that somebody wrote for LlamaIndex, in sync code alone."""

    model: str
    mishap: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model, is_chat_model=False)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="".join(played(self.mishap.steps(self.model, prompt))))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **_kwargs: Any) -> CompletionResponseGen:
        def responses() -> CompletionResponseGen:
            whole = ""
            for text in played(self.mishap.steps(self.model, prompt)):
                whole += text
                yield CompletionResponse(text=whole, delta=text)

        return responses()


class Clients:
    """HTTP clients of the SDKs, which keep no idle connection, so that open ones can be counted."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        self.sync = httpx.Client(limits=limits, timeout=_LONGEST_READ)
        self.asynchronous = httpx.AsyncClient(limits=limits, timeout=_LONGEST_READ)

    async def close(self) -> None:
        self.sync.close()
        await self.asynchronous.aclose()


def langchain_members(url: str, key: str, mishap: Mishap, clients: Clients) -> Sequence[BaseChatModel]:
    """Members for LangChain's face."""
    given: dict[str, Any] = {"api_key": key, "max_retries": 0, "timeout": _LONGEST_READ}
    shared = {**given, "http_client": clients.sync, "http_async_client": clients.asynchronous}
    return (
        *(LangChainFake(model=f"langchain-fake-{number}", mishap=mishap) for number in range(2)),
        *(ChatOpenAI(model=model, base_url=f"{url}/v1", **shared) for model in SDK_MODELS[:2]),
        # It takes no client; its own would keep connections.
        ChatAnthropic(
            model_name=SDK_MODELS[2], base_url=url, stop=None, default_headers={"connection": "close"}, **given
        ),
    )


def llamaindex_members(url: str, key: str, mishap: Mishap, clients: Clients) -> Sequence[Any]:
    """Members for LlamaIndex's face."""
    shared: dict[str, Any] = {"http_client": clients.sync, "async_http_client": clients.asynchronous}
    known = {"api_base": f"{url}/v1", "api_key": key, "max_retries": 0, "timeout": _LONGEST_READ}
    return (
        *(LlamaIndexFake(model=f"llamaindex-fake-{number}", mishap=mishap) for number in range(2)),
        *(OpenAI(model=model, **known, **shared) for model in SDK_MODELS[3:]),
    )
