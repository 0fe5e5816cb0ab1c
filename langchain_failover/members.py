"""LangChain chat models as links of the chain.

`LangChainMember` presents a `BaseChatModel`, or a binding of one, to the engine: what it is called, what is known of
it, and its answer as its own `_stream` or `_generate` gives it. How it is asked is the business of `asking`.

Invariants: the user's object is never changed; what differs is set on a copy. The chunks are the member's own objects.
Its own retries are off.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_failover.asking import MemberCall, aclose, asks_whole, close
from langchain_failover.messages import PROVIDERS
from langchain_failover.readings import Reading
from langchain_failover.retries import without_retries
from langchain_failover.runs import AsyncChildRun, ChildRun
from shared_core.errors import ConfigurationError
from shared_core.events import MemberChunk
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo, describe
from shared_core.providers.vendors import find
from shared_core.request import LLMRequest

__all__ = ["LangChainMember", "not_a_member", "underlying"]

_TELLS_FINISH = frozenset({"openai", "openai-responses", "anthropic", "groq", "deepseek", "gemini", "mistral", "xai"})
"""Vendors whose integrations always hand the finish reason on."""

_PROFILE = {
    "context_window": "max_input_tokens",
    "max_output_tokens": "max_output_tokens",
    "image_inputs": "image_inputs",
    "audio_inputs": "audio_inputs",
    "pdf_inputs": "pdf_inputs",
    "tool_calling": "tool_calling",
    "structured_output": "structured_output",
    "reasoning": "reasoning_output",
}
"""Fields of `ModelInfo`, and of LangChain's model profiles."""


def underlying(entry: object) -> BaseChatModel | None:
    """The chat model behind an entry of a chain: itself, or what a binding is about; None if it is no such entry."""
    while isinstance(entry, RunnableBinding):
        entry = entry.bound
    return entry if isinstance(entry, BaseChatModel) else None


class LangChainMember:
    """A chat model in a chain.

    Args:
        given: A `BaseChatModel`, or what its `bind`, `bind_tools` or `with_config` gave.
        origin: The string that it was made of, if it was; two members of one string are the same.

    Raises:
        ConfigurationError: It is none of these.

    Attributes:
        given: The user's object.
        kind: The model's class.
        model: The model's name.
        vendor: Name of the engine's vendor behind it, if there is one.
        info: What its profile says, or else what is known of the model.
        tells_finish: See `Member`.
    """

    def __init__(self, given: Any, *, origin: str | None = None) -> None:
        self.given = given
        self._origin = origin
        self._kwargs: dict[str, Any] = {}
        config = RunnableConfig()
        llm = given
        while isinstance(llm, RunnableBinding):
            self._kwargs = {**llm.kwargs, **self._kwargs}
            config = merge_configs(llm.config, config)
            llm = llm.bound
        if not isinstance(llm, BaseChatModel):
            raise ConfigurationError(not_a_member(given))
        params = llm._get_ls_params()  # noqa: SLF001  # where every integration says who it is
        provider = str(params.get("ls_provider") or type(llm).__name__.lower())
        self.kind = type(llm).__name__.partition("[")[0]
        self.model = str(params.get("ls_model_name") or llm._llm_type).strip()  # noqa: SLF001  # every model has one
        self._vendor = _vendor(provider, llm)
        self._providers = frozenset(
            {provider, *(theirs for theirs, ours in PROVIDERS.items() if ours == self._vendor.name)}
        )
        self.vendor = None if find(self._vendor.name) is None else self._vendor.name
        self.info = _info(llm, self.vendor, self.model)
        self.tells_finish = self._vendor.name in _TELLS_FINISH
        # A `ChatFailover` itself, whose class cannot be imported here; it has its retries for its own targets.
        self._is_chain = hasattr(llm, "own_engine")
        self._llm, is_certain = (llm, True) if self._is_chain else without_retries(llm)
        self._llm = _configured(self._llm, config)
        if not is_certain:
            warnings.warn(
                f"{self.kind} ({self.model}) may retry by itself, beside the chain: give it max_retries=0", stacklevel=2
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LangChainMember):
            return False
        return other.given is self.given if self._origin is None else other._origin == self._origin

    def __hash__(self) -> int:
        return id(self.given) if self._origin is None else hash(self._origin)

    @property
    def llm(self) -> BaseChatModel:
        """The model that is asked: the user's, or a copy without retries."""
        return self._llm

    def answers_whole(self, request: LLMRequest) -> bool:
        """Whether it gives this answer in one piece. A chain in the chain is given as long: it has its own timers."""
        return self._is_chain or asks_whole(self._llm, request, self._kwargs)

    def ls_params(self, stop: list[str] | None) -> LangSmithParams:
        """What LangSmith is told of the model."""
        kwargs = {**self._kwargs, "stop": stop or self._kwargs.get("stop")}
        return self._llm._get_ls_params(**kwargs)  # noqa: SLF001  # passed on

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        """The answer, sync."""
        call = self._call(request)
        reading = Reading(tells_finish=self.tells_finish)
        run = ChildRun.heard(call.parent, call.llm, self.kind, call.stop, call.kwargs)
        if run is not None:
            yield from _told(run, call, reading)
            return
        result = call.whole()
        if result is not None:
            yield reading.whole(result)
            return
        chunks = call.chunks()
        try:
            for chunk in chunks:
                yield reading.of(chunk)
        finally:
            close(chunks)

    async def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        """The answer, async."""
        call = self._call(request)
        reading = Reading(tells_finish=self.tells_finish)
        run = AsyncChildRun.heard(call.parent, call.llm, self.kind, call.stop, call.kwargs)
        if run is not None:
            async with aclosing(_atold(run, call, reading)) as told:
                async for piece in told:
                    yield piece
            return
        result = await call.awhole()
        if result is not None:
            yield reading.whole(result)
            return
        chunks = await call.achunks()
        try:
            async for chunk in chunks:
                yield reading.of(chunk)
        finally:
            await aclose(chunks)

    def _call(self, request: LLMRequest) -> MemberCall:
        call = MemberCall.of(self._llm, request, self._vendor, self._providers, self._kwargs)
        call.is_chain = self._is_chain
        return call


def _told(run: ChildRun, call: MemberCall, reading: Reading) -> Generator[MemberChunk, None, None]:
    """An attempt of which somebody is told."""
    run.start(call.messages)
    try:
        result = call.whole(run.run_id)
        if result is not None:
            run.see(result)
            yield reading.whole(result)
        else:
            chunks = call.chunks(run.run_id)
            try:
                for chunk in chunks:
                    run.see(chunk)
                    yield reading.of(chunk)
            finally:
                close(chunks)
    except BaseException as error:
        run.fail(error)
        raise
    run.end()


async def _atold(run: AsyncChildRun, call: MemberCall, reading: Reading) -> AsyncGenerator[MemberChunk, None]:
    """The same, async."""
    await run.start(call.messages)
    try:
        result = await call.awhole(run.run_id)
        if result is not None:
            await run.see(result)
            yield reading.whole(result)
        else:
            chunks = await call.achunks(run.run_id)
            try:
                async for chunk in chunks:
                    await run.see(chunk)
                    yield reading.of(chunk)
            finally:
                await aclose(chunks)
    except BaseException as error:
        await run.fail(error)
        raise
    await run.end()


def not_a_member(given: object) -> str:
    """Why something cannot be a link of a chain."""
    name = type(given).__name__
    if isinstance(given, Runnable):
        return (
            f"a {name} cannot be a link of the chain: give the chat model itself; retries, fallbacks and what comes "
            "before or after the model belong around the whole ChatFailover"
        )
    return f"a link of the chain is a model string or a LangChain chat model, got {name}"


def _configured(llm: BaseChatModel, config: RunnableConfig) -> BaseChatModel:
    """The model with what `with_config` said, where it concerns callbacks and traces."""
    changes: dict[str, Any] = {}
    if config.get("callbacks"):
        changes["callbacks"] = config["callbacks"]
    if config.get("tags"):
        changes["tags"] = [*(llm.tags or ()), *config["tags"]]
    if config.get("metadata"):
        changes["metadata"] = {**(llm.metadata or {}), **config["metadata"]}
    return llm.model_copy(update=changes) if changes else llm


def _vendor(provider: str, llm: BaseChatModel) -> Vendor:
    """Whose rules hold for the member's history; for an unknown provider those of everyman's wire."""
    uses_responses = getattr(llm, "_use_responses_api", None)  # `ChatOpenAI` speaks both of OpenAI's protocols
    if callable(uses_responses) and provider == "openai" and uses_responses({}):
        provider = "openai-responses"
    elif provider != "openai":
        provider = PROVIDERS.get(provider, provider)
    return find(provider) or Vendor(name=provider)


def _info(llm: BaseChatModel, vendor: str | None, model: str) -> ModelInfo | None:
    known = None if vendor is None else describe(vendor, model)
    profile: Mapping[str, Any] = cast("Mapping[str, Any]", llm.profile or {})
    found = {ours: profile[theirs] for ours, theirs in _PROFILE.items() if profile.get(theirs) is not None}
    if type(llm).bind_tools is BaseChatModel.bind_tools:
        found["tool_calling"] = False
    return replace(known or ModelInfo(), **found) if found else known
