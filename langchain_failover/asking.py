"""One call of a member, made the way its user would have made it.

Tools go through the model's own `bind_tools`, formats through its own `with_structured_output`, settings to the fields
that its class has, on a copy. What a model has no way to say is left out: the chain asks for the same of all its links,
and each gives what it can. Only a forced choice among tools, at a model without tools, is no attempt worth making.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, SystemMessage, merge_content
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableBinding, RunnableParallel, RunnableSequence

from langchain_failover.native import Native
from langchain_failover.passing import Blocks
from langchain_failover.runs import RUN, ParentRun, hears_tokens
from shared_core.errors import ErrorKind, ProviderError
from shared_core.mending import NOT_ACCEPTED
from shared_core.providers.base import Vendor
from shared_core.records import record
from shared_core.request import JSONObject, JSONSchema, LLMRequest, NamedTool, ResponseFormat

__all__ = ["MemberCall", "aclose", "asks_whole", "close", "configured_for"]

_SETTINGS = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort", "user")
_LENGTHS = ("max_tokens", "max_output_tokens", "max_completion_tokens", "num_predict", "max_new_tokens")
"""What integrations call the highest number of tokens to generate."""

_STEERING = ("ls_structured_output_format", "structured_output_format", "stream")
"""Keywords that LangChain takes off before a model's `_stream` sees them."""


@record(slots=True)
class MemberCall:
    """What is asked of a model, and how.

    Attributes:
        llm: The model, with the settings of the call.
        messages: The conversation as it gets it.
        stop: Stop sequences, if any.
        kwargs: Keywords of its `_stream`.
        parent: The run under which the attempt appears.
        is_chain: It is a chain itself, which shows its own attempts.
        wants_stream: It is to stream where it can.
    """

    llm: BaseChatModel
    messages: list[BaseMessage]
    stop: list[str] | None
    kwargs: dict[str, Any]
    parent: ParentRun
    is_chain: bool = False
    wants_stream: bool = True
    _is_admitted: bool = field(default=False, init=False)

    @classmethod
    def of(
        cls,
        llm: BaseChatModel,
        request: LLMRequest,
        vendor: Vendor,
        providers: frozenset[str],
        bound: Mapping[str, Any],
    ) -> MemberCall:
        """The call that a request means for a model.

        Args:
            llm: The model.
            request: What is asked; `request.model` is of no interest, the model has its own.
            vendor: Whose rules hold for it.
            providers: What its integration writes into `model_provider`.
            bound: Keywords that the user bound to it; those of the call win.

        Raises:
            ProviderError: The model cannot do what is asked.
        """
        native = Native.of(request)
        messages = native.history(request, vendor, providers, request.model)
        wants_stream = _wants_stream(llm, native, bound)
        llm = configured_for(llm, request, is_collected=native.is_collected and wants_stream)
        kwargs = {**bound, **native.options}
        bound_stop = kwargs.pop("stop", None)
        stop = list(request.stop) or bound_stop
        if request.tools:
            kwargs.update(_with_tools(llm, native.tools_for(request, vendor), request, native.strict, vendor))
        if request.response_format is not None:
            form = _format(llm, request.response_format)
            if form is None:
                messages = _told_in_words(messages, request.response_format)
            kwargs.update(form or {})
        for name in _STEERING:
            kwargs.pop(name, None)
        return cls(llm, messages, stop, kwargs, native.parent, wants_stream=wants_stream)

    def whole(self, run_id: UUID | None = None) -> ChatResult | None:
        """The answer in one piece, or None if the model is to stream it.

        Raises:
            ProviderError: It gave no answer, or half of one.
        """
        llm = self.llm
        if self.wants_stream and self._can_stream(is_async=False):
            return None
        if llm.rate_limiter is not None:
            llm.rate_limiter.acquire(blocking=True)
        self._is_admitted = True
        try:
            result = llm._generate(self.messages, stop=self.stop, **self._kwargs(run_id))  # noqa: SLF001  # as `invoke`
        except NotImplementedError:
            if not self._can_stream(is_async=False):
                raise
            return None
        except Exception as error:
            result = _salvaged(llm, error)
            if result is None:
                raise
        return _answered(llm, result)

    async def awhole(self, run_id: UUID | None = None) -> ChatResult | None:
        """The same, async."""
        llm = self.llm
        if self.wants_stream and self._can_stream(is_async=True):
            return None
        if llm.rate_limiter is not None:
            await llm.rate_limiter.aacquire(blocking=True)
        self._is_admitted = True
        try:
            kwargs = self._kwargs(run_id)
            result = await llm._agenerate(self.messages, stop=self.stop, **kwargs)  # noqa: SLF001  # as `ainvoke`
        except NotImplementedError:
            if not self._can_stream(is_async=True):
                raise
            return None
        except Exception as error:
            result = _salvaged(llm, error)
            if result is None:
                raise
        return _answered(llm, result)

    def chunks(self, run_id: UUID | None = None) -> Iterator[ChatGenerationChunk]:
        """The answer in pieces, of a model whose `whole` is None."""
        llm = self.llm
        if llm.rate_limiter is not None and not self._is_admitted:
            llm.rate_limiter.acquire(blocking=True)
        found = llm._stream(self.messages, stop=self.stop, **self._kwargs(run_id))  # noqa: SLF001  # as `stream` does
        return _in_blocks(found) if llm.output_version == "v1" else found

    async def achunks(self, run_id: UUID | None = None) -> AsyncIterator[ChatGenerationChunk]:
        """The same, async."""
        llm = self.llm
        if llm.rate_limiter is not None and not self._is_admitted:
            await llm.rate_limiter.aacquire(blocking=True)
        found = llm._astream(self.messages, stop=self.stop, **self._kwargs(run_id))  # noqa: SLF001  # as `astream` does
        return _ain_blocks(found) if llm.output_version == "v1" else found

    def _can_stream(self, *, is_async: bool) -> bool:
        return _streams(self.llm, self.kwargs, is_async=is_async)

    def _kwargs(self, run_id: UUID | None) -> dict[str, Any]:
        if not self.is_chain:
            return self.kwargs
        return {**self.kwargs, RUN: self.parent if run_id is None else replace(self.parent, run_id=run_id)}


def _streams(llm: BaseChatModel, kwargs: Mapping[str, Any], *, is_async: bool) -> bool:
    """Whether a model streams an answer to which `kwargs` apply, as its own `stream` decides."""
    return llm._should_stream(async_api=is_async, **{**kwargs, "stream": True})  # noqa: SLF001  # as `stream` does


def asks_whole(llm: BaseChatModel, request: LLMRequest, bound: Mapping[str, Any]) -> bool:
    """Whether a request is put to a model in a way that shows nothing before the whole answer is there."""
    kwargs = {"tools": bool(request.tools)}
    return not (_wants_stream(llm, Native.of(request), bound) and _streams(llm, kwargs, is_async=False))


def _wants_stream(llm: BaseChatModel, native: Native, bound: Mapping[str, Any]) -> bool:
    """Whether a model is to stream: the caller sees its chunks, or its pace, or it would stream for `invoke` itself."""
    if not native.is_collected or native.is_watched:
        return True
    if "stream" in bound:
        return bool(bound["stream"])
    return ("streaming" in llm.model_fields_set and getattr(llm, "streaming", None) is True) or hears_tokens(llm)


def configured_for(llm: BaseChatModel, request: LLMRequest, *, is_collected: bool = False) -> BaseChatModel:
    """The model with the settings of a call, on a copy; itself if it has them."""
    wanted: dict[str, Any] = {}
    for name, of_ours in _settings_of(type(llm)):
        value = getattr(request, of_ours)
        if value is not None:
            wanted[name] = value
    if request.reasoning_effort is not None and "thinking_budget" in type(llm).model_fields:
        wanted.update(_googles_effort(llm, request.reasoning_effort))
    changes = {name: value for name, value in wanted.items() if value is not None and getattr(llm, name) != value}
    if is_collected and getattr(llm, "stream_usage", True) is None:
        changes["stream_usage"] = True  # who asks for a whole answer gets its tokens, and this one is streamed
    return llm.model_copy(update=changes) if changes else llm


@lru_cache(maxsize=256)
def _settings_of(cls: type[BaseChatModel]) -> tuple[tuple[str, str], ...]:
    """The fields of a class that a call may set, each with the name of the request's."""
    fields = cls.model_fields
    length = next((name for name in _LENGTHS if name in fields), None)
    lengths = () if length is None else ((length, "max_tokens"),)
    return (*((name, name) for name in _SETTINGS if name in fields), *lengths)


def _googles_effort(llm: BaseChatModel, effort: str) -> dict[str, Any]:
    """A level or a budget, as the model's generation has it."""
    from shared_core.providers.gemini_generate import thinking_config  # noqa: PLC0415  # wires load when they are used

    thinking = thinking_config(effort, str(getattr(llm, "model", ""))) or {}
    return {"reasoning_effort": thinking.get("thinkingLevel"), "thinking_budget": thinking.get("thinkingBudget")}


def _with_tools(
    llm: BaseChatModel, tools: list[Any], request: LLMRequest, strict: bool | None, vendor: Vendor
) -> Mapping[str, Any]:
    """What the model's own `bind_tools` makes of the tools."""
    if not tools:
        return {}
    options: dict[str, Any] = {}
    match request.tool_choice:
        case NamedTool(name=name):
            options["tool_choice"] = name
        case "required":
            options["tool_choice"] = "any"
        case "none":
            # Anthropic's integration takes a word for a tool's name.
            options["tool_choice"] = {"type": "none"} if vendor.wire == "anthropic" else "none"
        case choice if choice is not None:
            options["tool_choice"] = choice
    known = inspect.signature(llm.bind_tools).parameters
    extra = {"strict": strict, "parallel_tool_calls": request.parallel_tool_calls}
    options |= {name: value for name, value in extra.items() if value is not None and name in known}
    try:
        bound = llm.bind_tools(tools, **options)
    except NotImplementedError:
        raise _not_able(llm, "does not call tools") from None
    found = _bound_kwargs(bound)
    if found is None:
        raise _not_able(llm, "binds tools in a way that cannot be followed")
    return found


def _format(llm: BaseChatModel, form: ResponseFormat) -> Mapping[str, Any] | None:
    """What the model's own `with_structured_output` asks for; None if it does not know the method."""
    method = "json_mode" if isinstance(form, JSONObject) else "json_schema"
    known = inspect.signature(llm.with_structured_output).parameters
    if "method" not in known or method not in str(known["method"].annotation):
        return None
    options: dict[str, Any] = {}
    given: Any = None
    if isinstance(form, JSONSchema):
        described = {} if form.description is None else {"description": form.description}
        given = {"title": form.name, **described, **form.schema}
        if form.strict is not None and "strict" in known:
            options["strict"] = form.strict
    elif "response_mime_type" in type(llm).model_fields:
        return {"response_mime_type": "application/json"}  # Google's method wants a schema
    return _bound_kwargs(llm.with_structured_output(given, method=method, include_raw=True, **options))


def _bound_kwargs(runnable: Any) -> dict[str, Any] | None:
    """The keywords that a binding somewhere at the beginning of a runnable has for the model."""
    while not isinstance(runnable, RunnableBinding):
        match runnable:
            case RunnableSequence():
                runnable = runnable.first
            case RunnableParallel() if "raw" in runnable.steps__:
                runnable = runnable.steps__["raw"]
            case _:
                return None
    found: dict[str, Any] = {}
    while isinstance(runnable, RunnableBinding):
        found = {**runnable.kwargs, **found}
        runnable = runnable.bound
    return found


def _not_able(llm: BaseChatModel, why: str) -> ProviderError:
    # Not repeated and nobody's fault: the next link may be able.
    return ProviderError(f"{type(llm).__name__} {why}", kind=ErrorKind.UNKNOWN, code=NOT_ACCEPTED)


def _told_in_words(messages: list[BaseMessage], form: ResponseFormat) -> list[BaseMessage]:
    words = "Answer with one JSON object, and nothing else."
    if isinstance(form, JSONSchema):
        schema = json.dumps(dict(form.schema), ensure_ascii=False)
        words = f"Answer with one JSON object that follows this JSON Schema, and nothing else:\n{schema}"
    if messages and isinstance(messages[0], SystemMessage):
        first = messages[0].model_copy(update={"content": merge_content(messages[0].content, f"\n\n{words}")})
        return [first, *messages[1:]]
    return [SystemMessage(words), *messages]


def _answered(llm: BaseChatModel, result: ChatResult) -> ChatResult:
    """A result that holds an answer, in the shape that the model is to give."""
    if not result.generations:
        raise ProviderError("the model gave no answer", kind=ErrorKind.TRANSIENT, code="truncated")
    if llm.output_version != "v1":
        return result
    first, *others = result.generations
    message = first.message
    told = {**message.response_metadata, "output_version": "v1"}
    changed = message.model_copy(update={"content": message.content_blocks, "response_metadata": told})
    made = ChatGeneration(message=changed, generation_info=first.generation_info)
    return ChatResult(generations=[made, *others], llm_output=result.llm_output)


def _salvaged(llm: BaseChatModel, error: Exception) -> Any:
    """The answer in whose place a model raised: OpenAI's SDK does so where one in a form ended at its length.

    Returns:
        The result, or None if there is no answer in `error`.

    Raises:
        ProviderError: What came was no whole JSON document.
    """
    completion, read = getattr(error, "completion", None), getattr(llm, "_create_chat_result", None)
    if completion is not None and read is not None:
        return read(completion)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or str(error).startswith(_NO_JSON):
        text = "the answer is no whole JSON document"
        # Without its cause, which quotes what came, and that may hold a key.
        raise ProviderError(text, kind=ErrorKind.TRANSIENT, code="truncated") from None
    return None


_NO_JSON = "Unexpected response type"
"""How the error of OpenAI's integration begins where a page came in place of an answer."""


def _in_blocks(chunks: Iterator[ChatGenerationChunk]) -> Iterator[ChatGenerationChunk]:
    blocks = Blocks()
    try:
        for chunk in chunks:
            yield blocks.of(chunk)
    finally:
        close(chunks)


async def _ain_blocks(chunks: AsyncIterator[ChatGenerationChunk]) -> AsyncIterator[ChatGenerationChunk]:
    blocks = Blocks()
    try:
        async for chunk in chunks:
            yield blocks.of(chunk)
    finally:
        await aclose(chunks)


def close(chunks: Iterator[Any]) -> None:
    """Closes what a model streams from; LangChain promises an iterator, not a generator."""
    if hasattr(chunks, "close"):
        chunks.close()


async def aclose(chunks: AsyncIterator[Any]) -> None:
    """The same, async."""
    if hasattr(chunks, "aclose"):
        await chunks.aclose()
