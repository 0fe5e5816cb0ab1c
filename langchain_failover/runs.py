"""The run of a call, as those see it who listen: its custom events, and the runs of attempts on members below it.

What the engine tells its hooks becomes custom events of the call's run: `on_failover` and its like, in `astream_events`
and in handlers with an `on_custom_event`. Without such a handler nothing is made.

An attempt on a member is a child of the model's own run. It is told to every handler that the outer run passes on,
under the member's real name, with its start and its end. What the outer run reports itself is not reported twice:
tokens go to the member's own handlers alone, and the end that inherited handlers see has no usage. Handlers that show
tokens as they come (LangGraph's message stream, `astream_events`) see the outer run alone, for they would show each
answer twice.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    BaseRunManager,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.utils.uuid import uuid7

from langchain_failover.passing import with_metadata
from shared_core.hooks import Hooks, Notice
from shared_core.records import record

__all__ = ["RUN", "AsyncChildRun", "Audience", "ChildRun", "ParentRun", "hears_tokens", "is_heard", "under_config"]

RUN = "failover_parent_run"
"""Keyword that carries a `ParentRun` through LangChain's own methods to ours."""


@record(frozen=True, slots=True)
class Audience:
    """Who hears the custom events of a run, and what they are told of the run."""

    handlers: Sequence[BaseCallbackHandler] = ()
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, run: BaseRunManager | BaseCallbackManager) -> Self:
        """Those of a run's handlers that have an `on_custom_event`."""
        return cls([handler for handler in run.handlers if _hears_events(handler)], run.tags, run.metadata)


@record(frozen=True, slots=True)
class ParentRun:
    """The run of a call: under which attempts appear, and who is told of them, and of its custom events."""

    handlers: Sequence[BaseCallbackHandler] = ()
    run_id: UUID | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    audience: Audience = field(default_factory=Audience)

    @classmethod
    def of(cls, manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> Self:
        """The run that LangChain began for this call."""
        if manager is None:
            return cls()
        heard = _hearing(manager.inheritable_handlers)
        metadata = manager.inheritable_metadata
        return cls(heard, manager.run_id, manager.inheritable_tags, metadata, Audience.of(manager))

    def hooks(self) -> Hooks | None:
        """What tells of the call in custom events, in sync code; None if nobody hears them."""
        if not self.audience.handlers:
            return None
        manager, run_id = CallbackManager(**self._manager()), self.run_id

        def tell(notice: Notice) -> None:
            manager.on_custom_event(f"on_{notice.event}", notice.as_dict(), run_id=run_id)

        return Hooks.all(tell)

    def ahooks(self) -> Hooks | None:
        """The same, in async code."""
        if not self.audience.handlers:
            return None
        manager, run_id = AsyncCallbackManager(**self._manager()), self.run_id

        async def tell(notice: Notice) -> None:
            await manager.on_custom_event(f"on_{notice.event}", notice.as_dict(), run_id=run_id)

        return Hooks.all(tell)

    def _manager(self) -> dict[str, Any]:
        audience = self.audience
        return {
            "handlers": list(audience.handlers), "tags": list(audience.tags), "metadata": dict(audience.metadata),
        }  # fmt: skip


def under_config(
    llm: BaseChatModel, config: RunnableConfig | None, kwargs: Mapping[str, Any], *, is_async: bool
) -> tuple[RunnableConfig, ParentRun]:
    """A call's config with the id that its run will have, and that run: `stream` hands us no run manager."""
    made = ensure_config(config)
    kind = AsyncCallbackManager if is_async else CallbackManager
    manager: BaseCallbackManager = kind.configure(made.get("callbacks"))
    tags, metadata = made.get("tags") or [], made.get("metadata") or {}
    if not (manager.handlers or llm.callbacks):
        return made, ParentRun((), made.get("run_id"), tags, metadata)  # nobody will hear of the run
    run_id = made.get("run_id") or uuid7()
    made = {**made, "callbacks": manager, "run_id": run_id}
    params = llm._get_ls_params_with_defaults(**kwargs)  # noqa: SLF001  # as `stream` does
    own: BaseCallbackManager = kind.configure(
        manager,
        llm.callbacks,
        inheritable_tags=tags,
        local_tags=llm.tags,
        inheritable_metadata={**metadata, **params},
        local_metadata=llm.metadata,
    )
    return made, ParentRun(_hearing(manager.inheritable_handlers), run_id, tags, metadata, Audience.of(own))


def is_heard(llm: BaseChatModel, config: RunnableConfig | None) -> bool:
    """Whether a call of `stream` may have handlers: the model's, the call's, or those of the run that it is part of."""
    outer = var_child_runnable_config.get()
    return bool(llm.callbacks or (config and config.get("callbacks")) or (outer and outer.get("callbacks")))


def hears_tokens(llm: BaseChatModel) -> bool:
    """Whether a model's own handlers are told of single tokens, for which it must stream. A trace needs none."""
    return bool(llm.callbacks) and any(_hears_tokens(handler) for handler in _own_handlers(llm))


def _own_handlers(llm: BaseChatModel) -> list[BaseCallbackHandler]:
    own = llm.callbacks
    return list(own.handlers if isinstance(own, BaseCallbackManager) else own or ())


def _hears_tokens(handler: BaseCallbackHandler) -> bool:
    if hasattr(handler, "tap_output_iter"):
        return True
    return not _is_tracer(handler) and type(handler).on_llm_new_token not in _NO_TOKENS


_NO_TOKENS = (BaseCallbackHandler.on_llm_new_token, AsyncCallbackHandler.on_llm_new_token)
"""What LangChain's own classes do with a token: nothing."""


def _hears_events(handler: BaseCallbackHandler) -> bool:
    return not handler.ignore_custom_event and type(handler).on_custom_event not in _DEAF


_DEAF = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)
"""What LangChain's own classes do with a custom event: nothing."""


def _hearing(handlers: Sequence[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    return [handler for handler in handlers if not hasattr(handler, "tap_output_iter") or _is_tracer(handler)]


def _is_tracer(handler: BaseCallbackHandler) -> bool:
    # Looked up and not imported: it brings LangSmith's client along, and where nobody has done so there is no tracer.
    base = getattr(sys.modules.get("langchain_core.tracers.base"), "BaseTracer", None)
    return base is not None and isinstance(handler, base)


class _Child:
    """What a child run is, and what it has seen; nobody is told here."""

    def __init__(self, parent: ParentRun, llm: BaseChatModel, name: str, stop: list[str] | None, kwargs: Any) -> None:
        self.run_id = uuid7()
        self._parent = parent
        self._llm = llm
        self._name = name
        self._stop = stop
        self._kwargs = kwargs
        self._handlers = (list(parent.handlers), _own_handlers(llm))
        self._seen: list[ChatGenerationChunk] = []
        self._whole: ChatResult | None = None

    @classmethod
    def heard(
        cls, parent: ParentRun, llm: BaseChatModel, name: str, stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> Self | None:
        """A child run, or None if there is nobody to tell."""
        return cls(parent, llm, name, stop, kwargs) if parent.handlers or llm.callbacks else None

    def _managers(self, kind: type[Any]) -> list[Any]:
        """For the handlers that the outer run passes on, and for the member's own."""
        params = self._llm._get_ls_params_with_defaults(stop=self._stop, **self._kwargs)  # noqa: SLF001  # as `stream`
        found = []
        for handlers in self._handlers:
            manager = kind(handlers=handlers, inheritable_handlers=handlers, parent_run_id=self._parent.run_id)
            manager.add_tags(list(self._parent.tags))
            manager.add_tags(self._llm.tags or [], inherit=False)
            manager.add_metadata({**self._parent.metadata, **params})
            manager.add_metadata(self._llm.metadata or {}, inherit=False)
            found.append(manager)
        return found

    def _start(self) -> dict[str, Any]:
        params = self._llm._get_invocation_params(stop=self._stop, **self._kwargs)  # noqa: SLF001  # as `stream` does
        options = {"stop": self._stop}
        told = {"invocation_params": params, "options": options, "name": self._name, "run_id": self.run_id}
        return {"serialized": self._llm._serialized, **told}  # noqa: SLF001  # as `stream` does

    def _see(self, piece: ChatGenerationChunk | ChatResult) -> None:
        if isinstance(piece, ChatGenerationChunk):
            self._seen.append(piece)
        else:
            self._whole = piece

    def _results(self) -> tuple[LLMResult, LLMResult]:
        """The answer so far, without usage for inherited handlers and with it for the member's own."""
        if self._whole is not None:
            found: ChatGeneration | None = with_metadata(self._whole)
            output = self._whole.llm_output
        else:
            found, output = merge_chat_generation_chunks(self._seen), None
        if found is None:
            return LLMResult(generations=[[]]), LLMResult(generations=[[]])
        metadata = {name: value for name, value in found.message.response_metadata.items() if name not in _COUNTS}
        message = found.message.model_copy(update={"usage_metadata": None, "response_metadata": metadata})
        quiet = ChatGeneration(message=message, generation_info=found.generation_info)
        return LLMResult(generations=[[quiet]]), LLMResult(generations=[[found]], llm_output=output)


_COUNTS = frozenset({"token_usage", "usage", "usage_metadata"})
"""Where integrations put the tokens of a whole answer beside its `usage_metadata`."""


class ChildRun(_Child):
    """One attempt's run, in sync code."""

    def start(self, messages: list[BaseMessage]) -> None:
        """The attempt begins."""
        told = self._start()
        self._runs: list[CallbackManagerForLLMRun] = [
            manager.on_chat_model_start(messages=[messages], **told)[0] for manager in self._managers(CallbackManager)
        ]

    def see(self, piece: ChatGenerationChunk | ChatResult) -> None:
        """A piece of the answer, or all of it, has come."""
        self._see(piece)
        if self._handlers[1] and isinstance(piece, ChatGenerationChunk):
            self._runs[1].on_llm_new_token(piece.text, chunk=piece)

    def end(self) -> None:
        """The answer is whole."""
        for run, result in zip(self._runs, self._results(), strict=True):
            run.on_llm_end(result)

    def fail(self, error: BaseException) -> None:
        """The attempt failed, or was abandoned."""
        for run, result in zip(self._runs, self._results(), strict=True):
            run.on_llm_error(error, response=result)


class AsyncChildRun(_Child):
    """One attempt's run, in async code; the methods are those of `ChildRun`."""

    async def start(self, messages: list[BaseMessage]) -> None:
        """The attempt begins."""
        told = self._start()
        self._runs: list[AsyncCallbackManagerForLLMRun] = [
            (await manager.on_chat_model_start(messages=[messages], **told))[0]
            for manager in self._managers(AsyncCallbackManager)
        ]

    async def see(self, piece: ChatGenerationChunk | ChatResult) -> None:
        """A piece of the answer, or all of it, has come."""
        self._see(piece)
        if self._handlers[1] and isinstance(piece, ChatGenerationChunk):
            await self._runs[1].on_llm_new_token(piece.text, chunk=piece)

    async def end(self) -> None:
        """The answer is whole."""
        for run, result in zip(self._runs, self._results(), strict=True):
            await run.on_llm_end(result)

    async def fail(self, error: BaseException) -> None:
        """The attempt failed, or was abandoned."""
        for run, result in zip(self._runs, self._results(), strict=True):
            await run.on_llm_error(error, response=result)
