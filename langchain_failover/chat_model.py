"""`ChatFailover`: the failover engine as a LangChain chat model.

It translates and never decides: messages, tools and options go down to the engine, events come up as chunks, errors
come up as LangChain's kinds too. A call that is collected (`invoke`, `ainvoke`, `batch`) shows nothing before the
answer is whole, so a stream that breaks halfway is asked anew elsewhere; a call that streams fails over until its first
content, and after that tells of a break.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ConfigDict

from langchain_failover.answers import to_result
from langchain_failover.blocks import register
from langchain_failover.chunks import Chunks
from langchain_failover.errors import translate
from langchain_failover.messages import to_messages
from langchain_failover.passing import member_result
from langchain_failover.requests import prepare
from langchain_failover.runs import RUN, ParentRun, is_heard, under_config
from langchain_failover.settings import FailoverSettings, under_own_names
from langchain_failover.tools import ToolLike, as_openai
from shared_core import configuration
from shared_core.answer import Answer
from shared_core.errors import FailoverError
from shared_core.events import StreamEvent
from shared_core.lazy import deferred

if TYPE_CHECKING:
    from langchain_failover import structured, tokens
    from shared_core import views
else:
    structured = deferred("langchain_failover.structured")
    tokens = deferred("langchain_failover.tokens")
    views = deferred("shared_core.views")

__all__ = ["ChatFailover"]


class ChatFailover(FailoverSettings):
    """A chat model that survives: it tries the next API key, then the next model, inside LangChain's own calls.

    Example:
        ```python
        from langchain_failover import ChatFailover

        llm = ChatFailover(
            "openai/gpt-4.1",
            fallbacks=["groq/llama-3.3-70b-versatile", "ollama/llama3.2"],
            temperature=0,
        )
        answer = llm.invoke("Why is the sky blue?")
        answer.response_metadata["failover"]  # who answered, and what it took
        ```

    Keys come from the usual environment variables, or from `profiles`. A model that cannot be asked (no key, unknown
    provider) is skipped with the reason. What is down is remembered by the manager, which several models may share.

    Attributes:
        model: First link of the chain, `provider/model` or a chat model of LangChain's; also as the first positional
            argument.
        fallbacks: Further links, in order; strings and chat models as you like.
        provider_style: "langchain" if strings mean what `init_chat_model` understands by them ("google_vertexai:…"), so
            that every provider with a LangChain package can be asked, by that package.
        profiles: API keys by provider and profile name: `{"openai": {"main": key, "backup": key}}`. A key is a string,
            a `SecretStr`, or a function that returns it.
        order: Order in which the profiles of a provider are tried, where it is not that of `profiles`.
        base_urls: Where a provider lives, by provider.
        vendors: Further providers.
        aliases: Names of your own for model strings.
        models: What models can do, by model string, in place of what is known: windows, ceilings, abilities.
        policy: All settings of the failover; see `FailoverPolicy`.
        manager: A manager to share with other models, instead of the settings above; without it, the model's own.
        rules: Further rules for judging errors, before the built-in ones.
        accept: Judges whole answers (of `invoke`, `ainvoke`, `batch`): False asks the next target.
        hooks: Functions that are told of attempts, failovers, cooldowns and recoveries.
        http_client: Client for synchronous calls, instead of one that the manager makes.
        http_async_client: Client for asynchronous calls, likewise.
        deadline: Seconds for a whole call (also as `timeout`).
        mid_stream: What happens when a stream breaks after its content was shown.
        first_token_timeout: Seconds until the first content.
        idle_timeout: Seconds between two pieces of content.
        hedge_after: Seconds after which, without content, the next target is asked as well.
        max_retries: Repetitions on the same target after a quick passing failure, before the next target is tried.
        temperature: Sampling temperature.
        max_tokens: Highest number of tokens to generate (also as `max_completion_tokens`).
        top_p: Nucleus sampling.
        stop: Stop sequences.
        seed: Sampling seed.
        presence_penalty: Penalty for tokens that occurred already.
        frequency_penalty: Penalty by how often a token occurred.
        reasoning_effort: "none", "minimal", "low", "medium", "high".
        parallel_tool_calls: Whether several calls may come in one answer.
        user: An opaque id of the end user.
        extra_body: Further fields of the request body (also as `model_kwargs`).
        extra_headers: Further HTTP headers (also as `default_headers`).
        context_window: Tokens that fit into the smallest window of the chain, instead of what is known of its models.
        streaming: Whether `invoke` streams, as callbacks for single tokens need.

    `api_key` and `base_url` are short for a profile and a URL of the first model's provider.

    Raises:
        ConfigurationError: A setting is wrong; the message names it.
    """

    model_config = ConfigDict(defer_build=False)

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], **overrides: Any) -> Self:
        """The model that a file describes; see `shared_core.configuration`.

        Args:
            path: A TOML file; keys are read from the environment variables that it names.
            **overrides: Settings of this class, each in place of the file's. A `manager` has keys, addresses, vendors,
                aliases and models of its own, so that those of the file are left out.

        Raises:
            ConfigurationError: Something in the file, or an override, is wrong.
        """
        file = configuration.Configuration.load(path)
        given = under_own_names(overrides)
        if "provider_style" not in given:
            file.require_own_style(but="langchain")
        return cls(**file.arguments(**{"provider_style": file.provider_style, **given}))

    @property
    def _llm_type(self) -> str:
        return "failover-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in _IDENTIFYING}
        found["model"], *fallbacks = self.names
        found["fallbacks"] = tuple(fallbacks)
        given = {name: value for name, value in found.items() if value or value == 0}
        return {**given, **self.lc_attributes}

    # Calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        run = kwargs.get(RUN) or ParentRun.of(run_manager)
        call = prepare(self, messages, stop, kwargs, parent=run, is_collected=True)
        try:
            events = list(self._engine.stream(call.request, hold=True, policy=call.policy, hooks=run.hooks()))
        except FailoverError as error:
            raise translate(error) from error.__cause__
        return self._result(events)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        run = kwargs.get(RUN) or ParentRun.of(run_manager)
        call = prepare(self, messages, stop, kwargs, parent=run, is_collected=True)
        try:
            stream = self._engine.astream(call.request, hold=True, policy=call.policy, hooks=run.ahooks())
            events = [event async for event in stream]
        except FailoverError as error:
            raise translate(error) from error.__cause__
        return self._result(events)

    def _result(self, events: Sequence[StreamEvent]) -> ChatResult:
        return member_result(events, self.output_version) or to_result(Answer.collect(events), self.output_version)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        run = kwargs.get(RUN) or ParentRun.of(run_manager)
        call = prepare(self, messages, stop, kwargs, parent=run)
        chunks = Chunks(self.output_version)
        try:
            # Closing the events when the caller goes away is what tells the engine that the call was abandoned.
            stream = self._engine.stream(call.request, policy=call.policy, hooks=run.hooks())
            with contextlib.closing(stream) as events:
                for event in events:
                    chunk = chunks.add(event)
                    if chunk is None:
                        continue
                    if run_manager is not None:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        except FailoverError as error:
            raise translate(error) from error.__cause__

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        run = kwargs.get(RUN) or ParentRun.of(run_manager)
        call = prepare(self, messages, stop, kwargs, parent=run)
        chunks = Chunks(self.output_version)
        try:
            stream = self._engine.astream(call.request, policy=call.policy, hooks=run.ahooks())
            async with contextlib.aclosing(stream) as events:
                async for event in events:
                    chunk = chunks.add(event)
                    if chunk is None:
                        continue
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        except FailoverError as error:
            raise translate(error) from error.__cause__

    # How attempts on members and custom events come to appear under the call's run: LangChain tells `_generate` of it,
    # but not `_stream`.

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """The answer in pieces; see `BaseChatModel.stream`."""
        if self.has_members or is_heard(self, config):
            config, kwargs[RUN] = under_config(self, config, kwargs, is_async=False)
        return super().stream(input, config, **kwargs)

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """The same, async."""
        if self.has_members or is_heard(self, config):
            config, kwargs[RUN] = under_config(self, config, kwargs, is_async=True)
        return super().astream(input, config, **kwargs)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if run_manager is not None:
            kwargs.setdefault(RUN, ParentRun.of(run_manager))
        return super()._generate_with_cache(messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if run_manager is not None:
            kwargs.setdefault(RUN, ParentRun.of(run_manager))
        return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)

    # Binding

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: Mapping[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call.

        Args:
            tools: Functions, `BaseTool`s, pydantic classes, `TypedDict`s, JSON schemas, dicts in OpenAI's or
                Anthropic's form, or a provider's own tools. They are kept as given; each target gets its own schema.
            tool_choice: "auto", "none", "any" (or "required", or True), a tool's name, or OpenAI's or Anthropic's dict.
            strict: Whether arguments must follow the schemas exactly.
            parallel_tool_calls: Whether several calls may come in one answer.
            **kwargs: Further options of every call.

        Raises:
            ValueError: One of them cannot be read as a tool.
        """
        for tool in tools:
            as_openai(tool, strict=strict)
        options = {"tool_choice": tool_choice, "strict": strict, "parallel_tool_calls": parallel_tool_calls}
        given = {name: value for name, value in options.items() if value is not None}
        return self.bind(tools=list(tools), **given, **kwargs)

    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: structured.Method = "function_calling",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers that are objects of `schema`.

        Args:
            schema: A pydantic class, a `TypedDict`, a JSON schema, or an OpenAI function; JSON mode needs none.
            method: "function_calling" (nearly every provider can do it), "json_schema", or "json_mode".
            include_raw: Return a dict with `raw`, `parsed` and `parsing_error` instead of raising.
            strict: Whether the schema must be followed exactly; None for what the schema allows.
            **kwargs: Further options of every call.

        Returns:
            A runnable that gives an instance of a pydantic class, or a dict for any other schema.

        Raises:
            ValueError: The method is unknown, or does not go with the other arguments.
        """
        return structured.structured(self, schema, method=method, include_raw=include_raw, strict=strict, **kwargs)

    # What others ask of the model

    def explain(self, messages: LanguageModelInput = "", **kwargs: Any) -> views.Explanation:
        """What would be tried for this call, in what order, and what would be skipped and why; nobody is asked.

        Args:
            messages: The input of the call; may be left out where only the chain matters.
            **kwargs: Its options, as for `invoke`.

        Returns:
            The targets in order, each with the reason if it would be skipped; it prints as a table.
        """
        return self._engine.explain(prepare(self, self._convert_input(messages).to_messages(), None, kwargs).request)

    def get_token_ids(self, text: str) -> list[int]:
        """One number for each token of `text`, by `custom_get_token_ids` or by an estimate that needs no download."""
        return tokens.token_ids(text) if self.custom_get_token_ids is None else self.custom_get_token_ids(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[ToolLike] | None = None) -> int:
        """Estimated input tokens of a conversation, with images, documents and tool schemas."""
        schemas = (json.dumps(as_openai(tool), ensure_ascii=False, default=str) for tool in tools or ())
        spent = tokens.count_messages(to_messages(messages), self.get_num_tokens)
        return spent + sum(map(self.get_num_tokens, schemas))

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        given = under_own_names(kwargs)
        asked = given.get("model")
        if not asked or not isinstance(asked, str):  # what is no string is refused when the call is made
            asked = self.first_name
        member = self.member(asked)
        if member is not None:
            return {**member.ls_params(stop), **self._ls_settings(given)}
        provider, name = self._engine.registry.resolve_model(asked)
        params = LangSmithParams(ls_provider=provider, ls_model_name=name, ls_model_type="chat")
        params.update(self._ls_settings(given))
        stops = stop or list(self.stop)
        if stops:
            params["ls_stop"] = stops
        return params

    def _ls_settings(self, given: Mapping[str, Any]) -> LangSmithParams:
        params = LangSmithParams()
        temperature = given.get("temperature", self.temperature)
        if temperature is not None:
            params["ls_temperature"] = temperature
        max_tokens = given.get("max_tokens", self.max_tokens)
        if max_tokens is not None:
            params["ls_max_tokens"] = max_tokens
        return params

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return {**self.asdict(), "stop": stop or list(self.stop) or None, **_told(kwargs), "_type": self._llm_type}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        # Not `_serialized`, which LangChain computes once: a copy with another temperature has other answers.
        settings = json.dumps(dumpd(self), sort_keys=True)
        return f"{settings}---{sorted({**_told(kwargs), 'stop': stop}.items())}"


_IDENTIFYING = (
    "model",
    "fallbacks",
    "base_urls",
    "aliases",
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "parallel_tool_calls",
    "extra_body",
)


def _told(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a call as traces and caches may see them: without headers, tools and formats as plain schemas."""
    found = {name: value for name, value in kwargs.items() if name not in {"extra_headers", "default_headers", RUN}}
    if found.get("tools"):
        found["tools"] = [_without_secrets(as_openai(tool)) for tool in found["tools"]]
    form = found.get("response_format")
    if form is not None and not isinstance(form, Mapping):
        found["response_format"] = as_openai(form)
    return found


def _without_secrets(tool: dict[str, Any]) -> dict[str, Any]:
    """A provider's own tool may carry a credential for a server that the provider calls (MCP)."""
    return {name: "**********" if name in {"authorization", "headers"} else value for name, value in tool.items()}


register()  # from here on there may be messages of ours
