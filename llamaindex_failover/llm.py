"""`FailoverLLM`: the engine as an LLM of LlamaIndex.

Translates and never decides: a call becomes a request, the engine's events become responses, and what goes wrong is
raised as the engine raises it. Every async method is async down to the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
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
)
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM, ToolSelection
from llama_index.core.tools.types import BaseTool
from pydantic import ConfigDict

from llamaindex_failover import tools as tooling
from llamaindex_failover.instrumentation import instrumentation
from llamaindex_failover.links import CHAIN
from llamaindex_failover.messages import reads_files, to_core
from llamaindex_failover.native import Native
from llamaindex_failover.observing import observable
from llamaindex_failover.request import request_of
from llamaindex_failover.responses import (
    AsyncEvents,
    Events,
    acompletions,
    agrowing,
    as_chat,
    awhole,
    completion,
    completions,
    growing,
    whole,
)
from llamaindex_failover.streaming import as_prompt, atold_chat, atold_completion, told_chat, told_completion
from llamaindex_failover.structured import StructuredPrediction
from shared_core.request import LLMRequest

__all__ = ["FailoverLLM"]

_SENT = (
    "temperature",
    "max_tokens",
    "top_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "user",
    "extra_body",
    "extra_headers",
)
"""Settings that go into every request."""


class FailoverLLM(StructuredPrediction):
    """An LLM that fails over to the next API-key profile and the next model of its chain, streams included.

    It takes the place of any LLM of the framework: `Settings.llm`, query and chat engines, agents, structured output.

    >>> from llama_index.core import Settings
    >>> Settings.llm = FailoverLLM(
    ...     model="openai/gpt-4.1",
    ...     fallbacks=["anthropic/claude-sonnet-4-5", "ollama/llama3.2"],
    ...     profiles={"openai": {"main": "key-main", "backup": "key-backup"}},
    ...     deadline=60,
    ... )

    Every answer tells who gave it: `response.additional_kwargs["failover"]` holds the model, the profile and the
    trail of attempts and skips; in a stream it is on the last response.

    `chat` and `complete` show nothing before the whole answer is there, so an answer that breaks is asked for again.
    A stream that breaks after its content was shown raises; agents stream unless they are made with `streaming=False`.

    Args:
        model: First link of the chain: `provider/model`, or any LLM of the framework. Such a member answers in its own
            objects and with its own settings; of a call's keywords it gets those that this call was given.
        fallbacks: Further links, in order, of either kind.
        provider_style: "llamaindex" if strings are `provider/model` of LlamaIndex's own packages
            ("bedrock_converse/…"), so that every provider with a package `llama_index.llms.…` is reachable; each
            becomes a member, with its key from the environment.
        profiles: API keys by provider and profile name; without, keys come from the environment.
        order: Order in which a provider's profiles are tried.
        base_urls: Base URL by provider.
        vendors: Further providers, as rows of data.
        aliases: Model strings by alias.
        models: What models can do, by model string, in place of what is known.
        policy: All settings of the failover.
        manager: An engine to share with other models, and with it the memory of what is down. It has keys, URLs,
            vendors, aliases, rules, hooks and clients of its own; they are not given beside it.
        hooks: Told of attempts, failovers, cooldowns and recoveries.
        rules: Further rules for judging errors.
        accept: Judges whole answers (of `chat`, `complete` and their async twins): False asks the next target.
        http_client: The client for sync calls.
        http_async_client: The client for async calls.
        **settings: The fields of this class, such as `temperature`, `max_tokens`, `context_window`, `deadline`,
            `mid_stream`, `first_token_timeout`, `idle_timeout`, `hedge_after`, `system_prompt`,
            `callback_manager`.

    Raises:
        ConfigurationError: A setting is wrong or unknown; the message names it.
    """

    model_config = ConfigDict(defer_build=False)

    @classmethod
    def class_name(cls) -> str:
        """Name of the class in dumps."""
        return "failover_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """What the framework plans with: the smallest known window of the chain, unless a setting says otherwise."""
        chain = self._chain()
        registry = self.manager.registry
        known = [registry.info(*registry.resolve_model(name)) for name in chain]
        window = min((info.context_window for info in known if info and info.context_window), default=None)
        can_call = self.is_function_calling_model
        if can_call is None:
            can_call = any(info is None or info.tool_calling is not False for info in known)
        return LLMMetadata(
            context_window=self.context_window or window or DEFAULT_CONTEXT_WINDOW,
            num_output=self.num_output or self.max_tokens or DEFAULT_NUM_OUTPUTS,
            is_chat_model=True,
            is_function_calling_model=can_call,
            model_name=chain[0],
        )

    def to_payload(self) -> dict[str, Any]:
        """What traces are told about this LLM; nothing secret."""
        links = {"model": self._names(self.model)[0], "fallbacks": self._names(*self.fallbacks)}
        return {**super().to_payload(), **links, "temperature": self.temperature, "max_tokens": self.max_tokens}

    @observable(llm_chat_callback())
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer.

        Args:
            messages: The conversation.
            **kwargs: Settings of this call alone, such as `model`, `temperature`, `tools`, `response_format`,
                `deadline`; what is not known goes into the request's body.

        Raises:
            ChainExhaustedError: No target of the chain gave an answer.
            RequestRejectedError: The request itself was refused.
        """
        return as_chat(whole(self._ask(messages, kwargs, is_whole=True)))

    @observable(llm_completion_callback())
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to one user message; arguments and errors as with `chat`."""
        return completion(whole(self._ask(as_prompt(prompt, is_formatted=formatted), kwargs, is_whole=True)))

    @observable(told_chat)
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it grows. Nothing is sent before the first response is asked for.

        Raises:
            StreamInterruptedError: The stream broke after content had been shown, and the policy says not to go on.
        """
        return growing(self._ask(messages, kwargs))

    @observable(told_completion)
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The answer to one user message as it grows; errors as with `stream_chat`."""
        return completions(self._ask(as_prompt(prompt, is_formatted=formatted), kwargs))

    @observable(llm_chat_callback())
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The whole answer, natively async; arguments and errors as with `chat`."""
        return as_chat(await awhole(await self._aask(messages, kwargs, is_whole=True)))

    @observable(llm_completion_callback())
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The whole answer to one user message, natively async; arguments and errors as with `chat`."""
        asked = as_prompt(prompt, is_formatted=formatted)
        return completion(await awhole(await self._aask(asked, kwargs, is_whole=True)))

    @observable(atold_chat)
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The answer as it grows, natively async; errors as with `stream_chat`."""
        return agrowing(await self._aask(messages, kwargs))

    @observable(atold_completion)
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The answer to one user message as it grows, natively async; errors as with `stream_chat`."""
        return acompletions(await self._aask(as_prompt(prompt, is_formatted=formatted), kwargs))

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of a response, whichever LLM made it; in a stream, with the arguments so far.

        Raises:
            ValueError: There is none, and `error_on_no_tool_call` is set.
        """
        return tooling.selections(response, is_call_expected=error_on_no_tool_call)

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - the framework passes it to every LLM; what it prints, it prints itself
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or ())
        if user_msg:
            messages += as_prompt(user_msg) if isinstance(user_msg, str) else [user_msg]
        specs = tooling.specs(tools, strict=self.strict if strict is None else strict)
        if not specs:
            return {**kwargs, "messages": messages}
        return {
            **kwargs,
            "messages": messages,
            "tools": specs,
            "tool_choice": tool_choice or ("required" if tool_required else "auto"),
            "parallel_tool_calls": allow_parallel_tool_calls,
        }

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002 - the framework's signature
        allow_parallel_tool_calls: bool = False,
        **_kwargs: Any,
    ) -> ChatResponse:
        if not allow_parallel_tool_calls:
            tooling.keep_first_call(response)
        return response

    def _ask(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any], *, is_whole: bool = False) -> Events:
        request = self._request(messages, kwargs, is_whole=is_whole)
        return self.manager.stream(request, hold=is_whole, policy=self._call_policy(), hooks=instrumentation())

    async def _aask(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any], *, is_whole: bool = False
    ) -> AsyncEvents:
        if reads_files(messages):
            request = await asyncio.to_thread(self._request, messages, kwargs, is_whole=is_whole)
        else:
            request = self._request(messages, kwargs, is_whole=is_whole)
        return self.manager.astream(request, hold=is_whole, policy=self._call_policy(), hooks=instrumentation())

    def _request(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any], *, is_whole: bool = False
    ) -> LLMRequest:
        settings = {name: value for name in _SENT if (value := getattr(self, name)) is not None}
        settings["model"], *settings["fallback_models"] = self._names(self.model, *self.fallbacks)
        core, handlers = to_core(messages), self.callback_manager.handlers

        def native(max_tokens: int | None) -> Native:
            return Native.of(messages, core, kwargs, max_tokens=max_tokens, is_whole=is_whole, handlers=handlers)

        return request_of(core, settings, self.additional_kwargs, self._with_names(kwargs), native=native)

    def _with_names(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call's keywords, with names for the LLMs in a chain of its own."""
        if kwargs.keys().isdisjoint(CHAIN):
            return kwargs
        named = dict(kwargs)
        for name in (name for name in CHAIN if name in kwargs):
            if isinstance(given := kwargs[name], LLM):
                named[name] = self._names(given)[0]
            elif isinstance(given, Sequence) and not isinstance(given, str):
                named[name] = self._names(*given)
        return named
