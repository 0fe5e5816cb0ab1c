"""Who is told what happens: hooks of the user, and the standard log.

The walk notes (`notices`); the drivers tell, outside the lock. A hook may be a plain or an async function; one that
raises is logged and never breaks a call. The log says WARNING for each failover, INFO for each recovery, DEBUG for the
rest, with the notice's fields as structured extras.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from shared_core.notices import Notice
from shared_core.records import record

__all__ = ["Hook", "Hooks", "Notice", "tell", "tell_async"]

logger = logging.getLogger("llm_failover")

Hook: TypeAlias = Callable[[Notice], Awaitable[None] | None]


@record(frozen=True, slots=True)
class Hooks:
    """Functions to call, each with a `Notice`.

    Every attempt is told to `on_attempt` when it begins, and to one of `on_success`, `on_failure` and `on_abandoned`
    when it ends, repetitions on the same target included. In a sync call an async hook cannot be awaited: it is closed
    unrun, with a warning in the log.

    Attributes:
        on_attempt: An attempt begins.
        on_failover: An attempt failed and another target is next.
        on_cooldown: A profile or a model is left alone for a while.
        on_recovery: Something that failed answers again.
        on_retry: The same target is to be asked again, after `seconds`.
        on_success: An attempt gave a whole answer.
        on_failure: An attempt failed, whatever follows.
        on_abandoned: An attempt was given up because its caller went away, or another target was faster. An async hook
            is awaited while the call is being closed, so it should be short.
    """

    on_attempt: Hook | None = None
    on_failover: Hook | None = None
    on_cooldown: Hook | None = None
    on_recovery: Hook | None = None
    on_retry: Hook | None = None
    on_success: Hook | None = None
    on_failure: Hook | None = None
    on_abandoned: Hook | None = None

    @classmethod
    def all(cls, hook: Hook) -> Self:
        """The same function for whatever happens; `notice.event` says what it was."""
        return cls(*[hook] * len(fields(cls)))


_LEVELS: Mapping[str, int] = MappingProxyType({"failover": logging.WARNING, "recovery": logging.INFO})


def tell(notices: Iterable[Notice], *hooks: Hooks | None) -> None:
    """Tells the log and the hooks, in sync code."""
    for notice in notices:
        for hook in _told(notice, hooks):
            outcome = _call(hook, notice)
            if inspect.isawaitable(outcome):
                if inspect.iscoroutine(outcome):
                    outcome.close()
                logger.warning("on_%s is async and was not run: this call is sync", notice.event)


async def tell_async(notices: Iterable[Notice], *hooks: Hooks | None) -> None:
    """Tells the log and the hooks, awaiting those that are async."""
    for notice in notices:
        for hook in _told(notice, hooks):
            outcome = _call(hook, notice)
            if inspect.isawaitable(outcome):
                try:
                    await outcome
                except Exception:
                    logger.exception("on_%s raised", notice.event)


def _told(notice: Notice, hooks: Iterable[Hooks | None]) -> list[Hook]:
    """The hooks that are to hear a notice, now that the log has it."""
    level = _LEVELS.get(notice.event, logging.DEBUG)
    if logger.isEnabledFor(level):
        extra = {name: value for name, value in notice.as_dict().items() if name not in {"message", "attempt"}}
        logger.log(level, "%s", notice, extra={"failover": extra})
    name = f"on_{notice.event}"
    return [hook for each in hooks if each is not None and (hook := getattr(each, name)) is not None]


def _call(hook: Hook, notice: Notice) -> Any:
    try:
        return hook(notice)
    except Exception:
        logger.exception("on_%s raised", notice.event)
        return None
