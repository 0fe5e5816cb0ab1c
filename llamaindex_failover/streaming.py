"""One streaming call between the framework's callback decorators and the engine, closed from the outside in.

The decorators wrap the generator of a call in one of their own, which does not close it: it lives on until it is
collected, and a debugging callback that keeps the `GeneratorExit` keeps it alive for as long. `Call` is what the
decorators see in place of the LLM, so that the generator that they were given is known here and can be closed with the
caller's.

Invariants: nothing is sent before the first `next`, so that a stream that is never iterated holds nothing; once the
caller's generator is closed the engine's is closed too, which abandons the attempt and closes its socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing, closing
from functools import partial, wraps
from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM

from llamaindex_failover.native import Prompt

__all__ = ["as_prompt", "atold_chat", "atold_completion", "told_chat", "told_completion"]

_Response = TypeVar("_Response")


def as_prompt(prompt: str, *, is_formatted: bool = False) -> list[ChatMessage]:
    """A completion's prompt as a conversation."""
    return Prompt(prompt, is_formatted=is_formatted)


def told_chat(method: Callable[..., ChatResponseGen]) -> Callable[..., ChatResponseGen]:
    """`stream_chat`, telling the framework's events."""

    @wraps(method)
    def told(llm: LLM, /, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return _Call(llm, method).chat(messages, **kwargs)

    return told


def told_completion(method: Callable[..., CompletionResponseGen]) -> Callable[..., CompletionResponseGen]:
    """`stream_complete`, telling the framework's events."""

    @wraps(method)
    def told(llm: LLM, /, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return _Call(llm, method).complete(prompt, formatted=formatted, **kwargs)

    return told


def atold_chat(
    method: Callable[..., Awaitable[ChatResponseAsyncGen]],
) -> Callable[..., Awaitable[ChatResponseAsyncGen]]:
    """`astream_chat`, telling the framework's events."""

    @wraps(method)
    async def told(llm: LLM, /, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return await _AsyncCall(llm, method).chat(messages, **kwargs)

    return told


def atold_completion(
    method: Callable[..., Awaitable[CompletionResponseAsyncGen]],
) -> Callable[..., Awaitable[CompletionResponseAsyncGen]]:
    """`astream_complete`, telling the framework's events."""

    @wraps(method)
    async def told(llm: LLM, /, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        return await _AsyncCall(llm, method).complete(prompt, formatted=formatted, **kwargs)

    return told


class _Observed:
    """What the decorators use of an LLM."""

    def __init__(self, llm: LLM) -> None:
        self.callback_manager = llm.callback_manager
        self.rate_limiter = llm.rate_limiter
        self.to_payload = llm.to_payload


class _Call(_Observed):
    """One streaming call. `method` gives the responses, as if nobody were to be told of them."""

    _asked: Generator[Any, None, None]

    def __init__(self, llm: LLM, method: Callable[..., Generator[Any, None, None]]) -> None:
        super().__init__(llm)
        self._ask = partial(method, llm)

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The responses, to be closed by the caller."""
        return self._owned(self._chat(messages, **kwargs))

    def complete(self, prompt: str, **kwargs: Any) -> CompletionResponseGen:
        """The responses, to be closed by the caller."""
        return self._owned(self._complete(prompt, **kwargs))

    @llm_chat_callback()
    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        self._asked = self._ask(messages, **kwargs)
        return self._asked

    @llm_completion_callback()
    def _complete(self, prompt: str, **kwargs: Any) -> CompletionResponseGen:
        self._asked = self._ask(prompt, **kwargs)
        return self._asked

    def _owned(self, responses: Generator[_Response, None, None]) -> Generator[_Response, None, None]:
        with closing(self._asked), closing(responses):
            yield from responses


class _AsyncCall(_Observed):
    """One streaming call, natively async. `method` may have to wait, for files that the messages name."""

    _asked: AsyncGenerator[Any, None]

    def __init__(self, llm: LLM, method: Callable[..., Awaitable[AsyncGenerator[Any, None]]]) -> None:
        super().__init__(llm)
        self._ask = partial(method, llm)

    async def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The responses, to be closed by the caller."""
        return self._owned(await self._chat(messages, **kwargs))

    async def complete(self, prompt: str, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The responses, to be closed by the caller."""
        return self._owned(await self._complete(prompt, **kwargs))

    @llm_chat_callback()
    async def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        self._asked = await self._ask(messages, **kwargs)
        return self._asked

    @llm_completion_callback()
    async def _complete(self, prompt: str, **kwargs: Any) -> CompletionResponseAsyncGen:
        self._asked = await self._ask(prompt, **kwargs)
        return self._asked

    async def _owned(self, responses: AsyncGenerator[_Response, None]) -> AsyncGenerator[_Response, None]:
        async with aclosing(self._asked), aclosing(responses):
            async for response in responses:
                yield response
