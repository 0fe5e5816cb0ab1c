"""What happened, told to whoever listens: hooks of the user, and the standard log.

The walk notes; the drivers tell, outside the lock. A hook may be a plain or an async function; one that raises is
logged and never breaks a call. The log says WARNING for each failover, INFO for each recovery, DEBUG for the rest,
with the notice's fields as structured extras.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, assert_never

from shared_core.errors import ErrorKind

__all__ = ["Hook", "Hooks", "Notice", "tell", "tell_async"]

logger = logging.getLogger("llm_failover")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. It holds no content and no key.

    Attributes:
        event: "attempt" (one begins), "failover" (one failed and another target is next), "cooldown" (something is
            left alone for a while) or "recovery" (something answers again).
        model: Canonical model string.
        provider: Provider's name.
        profile: Profile's name; None where the whole model is meant.
        kind: Kind of the failure.
        message: Scrubbed text of the failure.
        seconds: Length of the cooldown.
        next_model: Where a failover goes.
        next_profile: Under which profile.
    """

    event: Literal["attempt", "failover", "cooldown", "recovery"]
    model: str
    provider: str
    profile: str | None = None
    kind: ErrorKind | None = None
    message: str | None = None
    seconds: float | None = None
    next_model: str | None = None
    next_profile: str | None = None

    def __str__(self) -> str:
        where = self.model if self.profile is None else f"{self.model} [{self.profile}]"
        match self.event:
            case "attempt":
                return f"asking {where}"
            case "failover":
                return f"{where} failed ({self.kind}: {self.message}); next is {self.next_model} [{self.next_profile}]"
            case "cooldown":
                return f"{where} is left alone for {self.seconds:.1f} s after {self.kind}"
            case "recovery":
                return f"{where} answers again"
            case _:
                assert_never(self.event)


Hook: TypeAlias = Callable[[Notice], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions to call, each with a `Notice`.

    In a sync call an async hook cannot be awaited: it is closed unrun, with a warning in the log.
    """

    on_attempt: Hook | None = None
    on_failover: Hook | None = None
    on_cooldown: Hook | None = None
    on_recovery: Hook | None = None


_NO_HOOKS = Hooks()
_LEVELS = {"attempt": logging.DEBUG, "failover": logging.WARNING, "cooldown": logging.DEBUG, "recovery": logging.INFO}


def tell(notices: Iterable[Notice], hooks: Hooks | None) -> None:
    """Tells the log and the hooks, in sync code."""
    for notice in notices:
        outcome = _call(notice, hooks or _NO_HOOKS)
        if inspect.isawaitable(outcome):
            if inspect.iscoroutine(outcome):
                outcome.close()
            logger.warning("on_%s is async and was not run: this call is sync", notice.event)


async def tell_async(notices: Iterable[Notice], hooks: Hooks | None) -> None:
    """Tells the log and the hooks, awaiting those that are async."""
    for notice in notices:
        outcome = _call(notice, hooks or _NO_HOOKS)
        if inspect.isawaitable(outcome):
            try:
                await outcome
            except Exception:
                logger.exception("on_%s raised", notice.event)


def _call(notice: Notice, hooks: Hooks) -> Any:
    level = _LEVELS[notice.event]
    if logger.isEnabledFor(level):
        extra = {name: value for name, value in asdict(notice).items() if value is not None and name != "message"}
        logger.log(level, "%s", notice, extra={"failover": extra})
    hook: Hook | None = getattr(hooks, f"on_{notice.event}")
    if hook is None:
        return None
    try:
        return hook(notice)
    except Exception:
        logger.exception("on_%s raised", notice.event)
        return None
