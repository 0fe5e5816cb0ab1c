"""Whether anybody observes a call, since one that nobody observes need not be told of.

The framework tells of every call twice, to the handlers of dispatchers and to those of callback managers. What it
tells (a span, a trace, validated events, one for each response of a stream) it makes whether or not there is anyone to
hear it, and that is most of what a call costs.

Invariants: where somebody may hear, the framework's own decorators do all the telling. Whether somebody does is asked
when a call begins. A call with a rate limiter, or with a member that has handlers of its own, whose own telling lies
within that of the call, counts as observed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Protocol, TypeVar

from llama_index.core.callbacks import CallbackManager
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR, Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler
from llama_index_instrumentation.span_handlers import NullSpanHandler

from llamaindex_failover.instrumentation import NOTICES
from llamaindex_failover.links import CHAIN, Link

__all__ = ["observable"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

_EVENTS = get_dispatcher("llama_index.core.llms.callbacks")
"""Tells the framework's events of calls and responses."""

_TOLD = "event_added"
"""Mark on an exception that has left a trace of the framework; the traces around that one are silent about it."""


class _LLM(Protocol):
    """What says whether a call is observed."""

    callback_manager: CallbackManager
    rate_limiter: Any | None
    model: Link
    fallbacks: list[Link]
    provider_style: Any | None


def observable(telling: Callable[[Any], Callable[..., Any]]) -> Callable[[_Method], _Method]:
    """Decorates a method that asks an LLM, so that its calls are told of where somebody observes them.

    Args:
        telling: Makes of the method one that tells the framework's events. The span is added here.
    """

    def decorate(method: _Method) -> _Method:
        spans = get_dispatcher(method.__module__)
        signature = inspect.signature(method)  # read before the framework marks the method

        def call(llm: _LLM, /, *args: Any, **kwargs: Any) -> Any:
            if _is_observed(llm, spans, kwargs):
                return told.__get__(llm, type(llm))(*args, **kwargs)
            try:
                return method(llm, *args, **kwargs)
            except Exception as error:
                vars(error)[_TOLD] = True
                raise

        async def acall(llm: _LLM, /, *args: Any, **kwargs: Any) -> Any:
            if _is_observed(llm, spans, kwargs):
                return await told.__get__(llm, type(llm))(*args, **kwargs)
            try:
                return await method(llm, *args, **kwargs)
            except Exception as error:
                vars(error)[_TOLD] = True
                raise

        made: Any = update_wrapper(acall if inspect.iscoroutinefunction(method) else call, method)
        # The framework marks the method with an attribute of the name that leads to it, but that is no function.
        del made.__wrapped__
        made.__signature__ = signature
        told: Any = spans.span(telling(method))
        # Else the framework would add a span to every call, observed or not.
        setattr(made, DISPATCHER_SPAN_DECORATED_ATTR, True)
        return made  # type: ignore[no-any-return]

    return decorate


def _is_observed(llm: _LLM, spans: Dispatcher, kwargs: Mapping[str, Any]) -> bool:
    told = llm.callback_manager
    return (
        type(told) is not CallbackManager
        or bool(told.handlers)
        or llm.rate_limiter is not None
        or _is_heard(_EVENTS, NOTICES, spans)
        or _has_observed_members(llm, kwargs)
    )


def _is_heard(*dispatchers: Dispatcher) -> bool:
    """Whether anybody hears the events or spans of one of them; the framework's idle handlers do not count."""
    top: Dispatcher | None = None
    for each in dispatchers:
        at = each
        while at is not top:
            # By type, since `isinstance` with a class of pydantic's costs more than all the rest.
            for listener in at.event_handlers:
                if type(listener) is not NullEventHandler:
                    return True
            for handler in at.span_handlers:
                if type(handler) is not NullSpanHandler:
                    return True
            if at.propagate:
                at = at.parent
            else:
                top = at
    return False


def _has_observed_members(llm: _LLM, kwargs: Mapping[str, Any]) -> bool:
    """Whether a link of the call's chain is an LLM with handlers of its own, or will be made into one."""
    if llm.provider_style is not None or _is_observed_member(llm.model):
        return True
    for link in llm.fallbacks:
        if _is_observed_member(link):
            return True
    given = (kwargs[name] for name in CHAIN if name in kwargs)
    return any(_is_observed_member(link) for links in given for link in _listed(links))


def _is_observed_member(link: object) -> bool:
    if type(link) is str:
        return False
    told = getattr(link, "callback_manager", None)
    return type(told) is not CallbackManager or bool(told.handlers)


def _listed(links: Any) -> Sequence[Any]:
    return links if isinstance(links, Sequence) else (links,)
