"""What the engine tells its hooks, as events of LlamaIndex's instrumentation.

A `FailoverEvent` goes to the event handlers of the dispatcher (`get_dispatcher().add_event_handler(...)`) in the span
of the call that it is about. A call that goes well has the framework's own events alone: that attempts begin and
succeed is not told. Without a handler beside the framework's idle one nothing is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler
from llama_index_instrumentation.span import active_span_id

from shared_core.hooks import Hooks, Notice

__all__ = ["NOTICES", "FailoverEvent", "instrumentation"]

NOTICES = get_dispatcher(__name__)
"""Tells what hooks are told."""


class FailoverEvent(BaseEvent):
    """Something happened on the way to an answer.

    Attributes:
        name: The hook's: "on_failure", "on_retry", "on_failover", "on_cooldown", "on_recovery" or "on_abandoned".
        notice: What it was told, in plain JSON values, without content: `model`, `provider`, `profile`, `kind` …
    """

    name: str
    notice: dict[str, Any]

    @classmethod
    def class_name(cls) -> str:
        """Name of the class in dumps."""
        return "FailoverEvent"


def instrumentation() -> Hooks | None:
    """What tells of a call that begins now, in the present span; None if nobody listens."""
    if not _has_listener(NOTICES):
        return None
    span = active_span_id.get()

    def tell(notice: Notice) -> None:
        NOTICES.event(FailoverEvent(name=f"on_{notice.event}", notice=notice.as_dict(), span_id=span))

    return replace(Hooks.all(tell), on_attempt=None, on_success=None)


def _has_listener(dispatcher: Dispatcher) -> bool:
    for handler in dispatcher.event_handlers:
        if type(handler) is not NullEventHandler:  # `isinstance` with a class of pydantic's is slow
            return True
    return dispatcher.propagate and _has_listener(dispatcher.parent)
