"""One streaming call between the framework's callback decorators and the engine, closed from the outside in.

The decorators wrap the generator of a call in one of their own, which does not close it: it lives on until it is
collected, and a debugging callback that keeps the `GeneratorExit` keeps it alive for as long. `Call` is what the
decorators see in place of the LLM, so that the engine's generator is known here and can be closed with the caller's.

Invariants: nothing is sent before the first `next`, so that a stream that is never iterated holds nothing; once the
caller's generator is closed the engine's is closed too, which abandons the attempt and closes its socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
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
from llamaindex_failover.responses import AsyncEvents, Events, acompletions, agrowing, completions, growing

__all__ = ["AsyncCall", "Call", "as_prompt"]

_Response = TypeVar("_Response")


def as_prompt(prompt: str, *, is_formatted: bool = False) -> list[ChatMessage]:
    """A completion's prompt as a conversation."""
    return Prompt(prompt, is_formatted=is_formatted)


class _Observed:
    """What the decorators use of an LLM."""

    def __init__(self, llm: LLM) -> None:
        self.callback_manager = llm.callback_manager
        self.rate_limiter = llm.rate_limiter
        self.to_payload = llm.to_payload


class Call(_Observed):
    """One streaming call. `ask` gives the engine's events for messages and keyword arguments."""

    _events: Events

    def __init__(self, llm: LLM, ask: Callable[[Sequence[ChatMessage], Mapping[str, Any]], Events]) -> None:
        super().__init__(llm)
        self._ask = ask

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The responses, to be closed by the caller."""
        return self._owned(self._chat(messages, **kwargs))

    def complete(self, prompt: str, **kwargs: Any) -> CompletionResponseGen:
        """The responses, to be closed by the caller."""
        return self._owned(self._complete(prompt, **kwargs))

    @llm_chat_callback()
    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        self._events = self._ask(messages, kwargs)
        return growing(self._events)

    @llm_completion_callback()
    def _complete(self, prompt: str, **kwargs: Any) -> CompletionResponseGen:
        self._events = self._ask(as_prompt(prompt, is_formatted=bool(kwargs.get("formatted"))), kwargs)
        return completions(self._events)

    def _owned(self, responses: Generator[_Response, None, None]) -> Generator[_Response, None, None]:
        with closing(self._events), closing(responses):
            yield from responses


class AsyncCall(_Observed):
    """One streaming call, natively async. `ask` may have to wait, for files that the messages name."""

    _events: AsyncEvents

    def __init__(
        self, llm: LLM, ask: Callable[[Sequence[ChatMessage], Mapping[str, Any]], Awaitable[AsyncEvents]]
    ) -> None:
        super().__init__(llm)
        self._ask = ask

    async def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The responses, to be closed by the caller."""
        return self._owned(await self._chat(messages, **kwargs))

    async def complete(self, prompt: str, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The responses, to be closed by the caller."""
        return self._owned(await self._complete(prompt, **kwargs))

    @llm_chat_callback()
    async def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        self._events = await self._ask(messages, kwargs)
        return agrowing(self._events)

    @llm_completion_callback()
    async def _complete(self, prompt: str, **kwargs: Any) -> CompletionResponseAsyncGen:
        self._events = await self._ask(as_prompt(prompt, is_formatted=bool(kwargs.get("formatted"))), kwargs)
        return acompletions(self._events)

    async def _owned(self, responses: AsyncGenerator[_Response, None]) -> AsyncGenerator[_Response, None]:
        async with aclosing(self._events), aclosing(responses):
            async for response in responses:
                yield response
