"""A LlamaIndex LLM as a member: a link of the chain beside model strings.

Owns how an LLM is asked: by the method that the caller used, with its own form of tools, with a history that is valid
for it, on a copy that neither retries nor counts tokens a second time. Its responses are handed on as they are. Refuses
to judge what it raises, and to time it; the engine does.

Invariants: the caller's LLM, messages and tools are never changed; two members are equal if they stand for the same
object. A whole answer is asked for as one, so that `raw`, usage and log probabilities are what the LLM gives then.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from copy import copy
from functools import cache, cached_property
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, LLMMetadata, MessageRole
from llama_index.core.callbacks import TokenCountingHandler
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index_instrumentation.span import active_span_id

from llamaindex_failover.blocking import beside, is_blocking
from llamaindex_failover.histories import is_question, suited
from llamaindex_failover.holding import aholding, holding
from llamaindex_failover.native import Native, keywords
from llamaindex_failover.readings import Reading
from llamaindex_failover.retries import Quiet
from llamaindex_failover.tools import as_tools
from shared_core.events import MemberChunk
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.providers.vendors import find
from shared_core.records import record
from shared_core.request import JSONObject, LLMRequest, NamedTool, ResponseFormat

__all__ = ["LLMMember"]

_PACKAGES = "llama_index.llms."
_OPENAI = "llama_index.llms.openai.base"
_RESPONSES = "llama_index.llms.openai.responses"
_ANTHROPIC = "llama_index.llms.anthropic.base"

_UNKNOWN = "member"
"""The wire of a class that nothing is known of."""

_IN_WORDS = "Answer with one JSON object, and nothing else."
_BY_SCHEMA = "Answer with one JSON object that follows this JSON Schema, and nothing else:\n"


class LLMMember:
    """One LLM.

    Args:
        llm: The LLM.
    """

    def __init__(self, llm: LLM) -> None:
        self.llm = llm
        self._quiet = Quiet(llm)
        self._is_chain = hasattr(llm, "manager")  # a chain of its own has one owner of retries already

    @property
    def may_retry(self) -> bool:
        """Whether it may repeat what fails by itself, and cannot be kept from it."""
        return not (self._is_chain or self._quiet.is_certain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LLMMember) and self.llm is other.llm

    def __hash__(self) -> int:
        return id(self.llm)

    @property
    def kind(self) -> str:
        """The LLM's class."""
        return type(self.llm).__name__

    @property
    def model(self) -> str:
        """The name of its model; "default" if it has none."""
        named = getattr(self.llm, "model", None) or getattr(self.llm, "model_name", None)
        if isinstance(named, str) and named:
            return named
        stated = self.metadata.model_name if self.metadata else ""
        return stated if stated not in {"", "unknown"} else "default"

    @property
    def metadata(self) -> LLMMetadata | None:
        """What it says of itself; None where it does not know its own model."""
        try:
            return self.llm.metadata
        except Exception:  # noqa: BLE001 - classes raise what they like for models that are newer than they are
            return None

    @property
    def vendor(self) -> str | None:
        """Name of the vendor behind it, by the package that its class comes from."""
        return None if self._vendor.wire == _UNKNOWN else self._vendor.name

    @property
    def info(self) -> ModelInfo | None:
        """What it says of its window and of function calling."""
        said = self.metadata
        window = said.context_window if said and "context_window" in said.model_fields_set else None
        return ModelInfo(context_window=window, tool_calling=self._calls_functions)

    @property
    def tells_finish(self) -> bool:
        """Whether its class hands on the finish reason of its provider."""
        return bool({_OPENAI, _ANTHROPIC} & self._modules)

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        """The answer, read in the caller's thread."""
        native: Native = request.native
        llm = self._copy(request, native)
        asked = self._asked(llm, request, native)
        reading = Reading(self.vendor)
        has_begun = False
        try:
            if not native.is_whole:
                try:
                    with _under(native.span):
                        answer = asked.of(llm, "stream_")
                    with holding(answer) as responses:
                        for response in responses:
                            has_begun = True
                            yield reading.of(response)
                    yield reading.end()
                except NotImplementedError:
                    if has_begun:
                        raise
                else:
                    return
            with _under(native.span):
                answer = asked.of(llm)
            yield reading.whole(answer)
        finally:
            self._quiet.keep(llm)

    async def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        """The answer, natively async where the LLM is, else read in a thread beside the event loop."""
        native: Native = request.native
        llm = self._copy(request, native)
        asked = self._asked(llm, request, native)
        if is_blocking(llm, asked.method, is_whole=native.is_whole):
            async with aclosing(beside(self.stream(request))) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        reading = Reading(self.vendor)
        has_begun = False
        try:
            if not native.is_whole:
                try:
                    with _under(native.span):
                        answer = await asked.of(llm, "astream_")
                    async with aholding(answer) as responses:
                        async for response in responses:
                            has_begun = True
                            yield reading.of(response)
                    yield reading.end()
                except NotImplementedError:
                    if has_begun:
                        raise
                else:
                    return
            with _under(native.span):
                answer = await asked.of(llm, "a")
            yield reading.whole(answer)
        finally:
            self._quiet.keep(llm)

    # How it is asked

    def _asked(self, llm: LLM, request: LLMRequest, native: Native) -> _Asked:
        kwargs = keywords(native.kwargs, self._vendor.wire)
        if request.max_tokens != native.max_tokens:
            for name in ("max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens"):
                kwargs.pop(name, None)
        is_as_given = request.messages is native.core
        if native.prompt is not None and is_as_given and not request.tools and request.response_format is None:
            return _Asked("complete", (native.prompt,), {**kwargs, "formatted": native.is_formatted})
        if is_as_given and is_question(native.messages):
            messages = list(native.messages)
        else:
            messages = suited(request.messages, native.own(), self._vendor, self.model)
        if request.response_format is not None:
            kwargs |= self._form(request.response_format, messages)
        if request.tools and isinstance(llm, FunctionCallingLLM) and (offered := self._offered(llm, request, native)):
            return _Asked("chat_with_tools", (), {**offered, **kwargs, "chat_history": messages})
        return _Asked("chat", (messages,), kwargs)

    def _offered(self, llm: FunctionCallingLLM, request: LLMRequest, native: Native) -> dict[str, Any]:
        """The tools and the choice among them, in the words of `chat_with_tools`; nothing if none may be called."""
        tools = as_tools(native.kwargs.get("tools") or request.tools)
        choice = request.tool_choice
        offered: dict[str, Any] = {"allow_parallel_tool_calls": request.parallel_tool_calls is not False}
        if choice == "required":
            offered["tool_required"] = True
        elif choice is not None and choice != "auto":
            if _takes_choice(type(llm)):
                offered["tool_choice"] = choice.name if isinstance(choice, NamedTool) else choice
            elif isinstance(choice, NamedTool):
                # A choice of one is the same as that one being named.
                tools = [tool for tool in tools if tool.metadata.name == choice.name] or tools
                offered["tool_required"] = True
            else:
                return {}
        return {"tools": tools, **offered} if tools else {}

    def _form(self, wanted: ResponseFormat, messages: list[ChatMessage]) -> dict[str, Any]:
        """Keywords that ask for JSON; where the class has none for that, words in front of the conversation."""
        if isinstance(wanted, JSONObject):
            if _OPENAI in self._modules:
                return {"response_format": {"type": "json_object"}}
            words = _IN_WORDS
        elif _OPENAI in self._modules:
            schema: dict[str, Any] = {"name": wanted.name, "schema": dict(wanted.schema)}
            if wanted.strict is not None:
                schema["strict"] = wanted.strict
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        else:
            words = _BY_SCHEMA + json.dumps(wanted.schema, ensure_ascii=False)
        behind = next((place for place, told in enumerate(messages) if told.role != MessageRole.SYSTEM), len(messages))
        messages.insert(behind, ChatMessage(role=MessageRole.SYSTEM, content=words))
        return {}

    def _copy(self, request: LLMRequest, native: Native) -> LLM:
        llm = copy(self.llm) if self._is_chain else self._quiet.copy()
        if request.max_tokens != native.max_tokens and "max_tokens" in type(llm).model_fields:
            # OpenAI's class prefers its own setting to a call's keyword.
            llm.__dict__["max_tokens"] = request.max_tokens
        told = llm.callback_manager
        if any(isinstance(handler, TokenCountingHandler) and handler in native.handlers for handler in told.handlers):
            # It counts what the whole call took; a member that told it as well would count that twice.
            llm.__dict__["callback_manager"] = quieter = copy(told)
            quieter.handlers = [
                handler
                for handler in told.handlers
                if not (isinstance(handler, TokenCountingHandler) and handler in native.handlers)
            ]
        return llm

    # What it is

    @cached_property
    def _modules(self) -> frozenset[str]:
        return frozenset(made.__module__ for made in type(self.llm).__mro__)

    @cached_property
    def _vendor(self) -> Vendor:
        """The row of the vendor behind it; for others one that asks for nothing special."""
        for made in type(self.llm).__mro__:
            if made.__module__ == _RESPONSES:
                found = find("openai-responses")
            elif made.__module__.startswith(_PACKAGES):
                found = find(made.__module__.removeprefix(_PACKAGES).partition(".")[0])
            else:
                continue
            if found is not None:
                return found
        return Vendor(name=self.kind, wire=_UNKNOWN)

    @property
    def _calls_functions(self) -> bool:
        said = self.metadata
        return isinstance(self.llm, FunctionCallingLLM) and (said is None or said.is_function_calling_model)


@record(frozen=True, slots=True)
class _Asked:
    """A call of one of the LLM's methods, by the name that all its forms share."""

    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def of(self, llm: LLM, form: str = "") -> Any:
        """Calls the method of `llm` in a form: "stream_", "a", "astream_", or plain."""
        return getattr(llm, form + self.method)(*self.args, **self.kwargs)


@cache
def _takes_choice(cls: type[FunctionCallingLLM]) -> bool:
    return "tool_choice" in inspect.signature(cls._prepare_chat_with_tools).parameters


@contextmanager
def _under(span: str | None) -> Iterator[None]:
    """Spans that begin meanwhile belong under the call's, which for a stream is over by then."""
    token = active_span_id.set(span)
    try:
        yield
    finally:
        active_span_id.reset(token)
