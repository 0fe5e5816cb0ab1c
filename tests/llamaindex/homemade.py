"""LLMs as users write them: they remember what they were asked, and answer as they are told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools.types import BaseTool
from pydantic import PrivateAttr


class PromptOnly(CustomLLM):
    """Completes prompts, whole, in sync code: the least that an LLM can be."""

    window: int | None = None
    _prompts: list[tuple[str, bool]] = PrivateAttr(default_factory=list)
    _threads: list[threading.Thread] = PrivateAttr(default_factory=list)

    @property
    def prompts(self) -> list[tuple[str, bool]]:
        """What it was asked, and whether that was formatted already."""
        return self._prompts

    @property
    def threads(self) -> list[threading.Thread]:
        """Where it was asked."""
        return self._threads

    @classmethod
    def class_name(cls) -> str:
        return "prompt_only"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=False, **({} if self.window is None else {"context_window": self.window}))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_kwargs: Any) -> CompletionResponse:
        self._prompts.append((prompt, formatted))
        self._threads.append(threading.current_thread())
        return CompletionResponse(text="Completed.", raw={"engine": "local"})

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError("it does not stream")


class Stuck(PromptOnly):
    """Never gives the first word, until it is let go."""

    _begun: threading.Event = PrivateAttr(default_factory=threading.Event)
    _let_go: threading.Event = PrivateAttr(default_factory=threading.Event)

    @property
    def begun(self) -> threading.Event:
        """Set once it was asked."""
        return self._begun

    def let_go(self) -> None:
        """Ends all waits."""
        self._let_go.set()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._threads.append(threading.current_thread())
        self._begun.set()
        self._let_go.wait(20)
        return CompletionResponse(text="Too late.")


class Scripted(FunctionCallingLLM):
    """Gives exactly these responses, and remembers messages, tools and keywords."""

    script: list[Any] = []  # noqa: RUF012 - a pydantic field, copied for each instance
    max_tokens: int | None = None
    _asked: list[dict[str, Any]] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Each call: its method, its messages or prompt, its keywords, and `max_tokens` as it was then."""
        return self._asked

    @classmethod
    def class_name(cls) -> str:
        return "scripted"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=5000, is_function_calling_model=True, model_name="v1")

    def _play(self, method: str, given: Any, kwargs: Any) -> list[Any]:
        self._asked.append({"method": method, "given": given, "max_tokens": self.max_tokens, **kwargs})
        return self.script or [said("Hello")]

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _raised(self._play("chat", messages, kwargs)[-1])

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _raised(self._play("achat", messages, kwargs)[-1])

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        played = self._play("stream_chat", messages, kwargs)
        return (_raised(item) for item in played)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        played = self._play("astream_chat", messages, kwargs)

        async def responses() -> ChatResponseAsyncGen:
            for item in played:
                yield _raised(item)

        return responses()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._play("complete", prompt, {**kwargs, "formatted": formatted})
        return CompletionResponse(text="Completed.")

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._play("acomplete", prompt, {**kwargs, "formatted": formatted})
        return CompletionResponse(text="Completed.")

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        self._play("stream_complete", prompt, {**kwargs, "formatted": formatted})
        return (
            CompletionResponse(text=text, delta=delta) for text, delta in (("Com", "Com"), ("Completed.", "pleted."))
        )

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        self._play("astream_complete", prompt, {**kwargs, "formatted": formatted})

        async def responses() -> CompletionResponseAsyncGen:
            yield CompletionResponse(text="Com", delta="Com")
            yield CompletionResponse(text="Completed.", delta="pleted.")

        return responses()

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return {
            "messages": chat_history or [],
            "offered": list(tools),
            "required": tool_required,
            "parallel": allow_parallel_tool_calls,
            **kwargs,
        }


def said(text: str, delta: str | None = None, **kwargs: Any) -> ChatResponse:
    """An assistant's response."""
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=delta, **kwargs)


def _raised(item: Any) -> ChatResponse:
    if isinstance(item, Exception):
        raise item
    made: ChatResponse = item
    return made
