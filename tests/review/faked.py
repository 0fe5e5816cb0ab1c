"""A provider that plays scripts in memory, for tests of the engine that need thousands of calls or odd moments."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from shared_core import FailoverManager, FailoverPolicy, LLMRequest, Message
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Finish, TextDelta, WireEvent
from shared_core.providers.base import Attempted, Guard

Step: TypeAlias = WireEvent | Sequence[WireEvent] | BaseException | float
"""An event, a batch of them, something to raise, or seconds of silence."""
Script: TypeAlias = Callable[[Attempted], Iterable[Step]]

STOP = Finish("stop", "stop")


def down(text: str = "down", kind: ErrorKind = ErrorKind.TRANSIENT) -> ProviderError:
    return ProviderError(text, kind=kind)


def words(*pieces: str) -> list[Step]:
    return [*map(TextDelta, pieces), STOP]


class Scripted:
    """Plays a script by model, and counts what it opened and closed."""

    name = "fake"

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = dict(scripts)
        self.opened: list[str] = []
        self.closed: list[str] = []

    def _begin(self, attempted: Attempted) -> Iterable[Step]:
        self.opened.append(attempted.request.model)
        return self.scripts[attempted.request.model](attempted)

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        interrupted = threading.Event()
        guard.on_interrupt(interrupted.set)
        try:
            for step in self._begin(attempted):
                if isinstance(step, float):
                    if interrupted.wait(step):
                        raise down("interrupted")
                else:
                    yield _batch(step)
        finally:
            self.closed.append(attempted.request.model)

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        try:
            for step in self._begin(attempted):
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield _batch(step)
        finally:
            self.closed.append(attempted.request.model)


def _batch(step: WireEvent | Sequence[WireEvent] | BaseException) -> Sequence[WireEvent]:
    if isinstance(step, BaseException):
        raise step
    return step if isinstance(step, Sequence) else [step]


def engine(
    scripts: Mapping[str, Iterable[Step] | Script], *, policy: Mapping[str, Any] | None = None, **settings: Any
) -> tuple[FailoverManager, Scripted]:
    manager = FailoverManager(policy=FailoverPolicy(**{"transient_backoffs": (), **(policy or {})}), **settings)
    provider = Scripted({model: script if callable(script) else _always(script) for model, script in scripts.items()})
    manager.registry.add(provider)
    return manager, provider


def _always(steps: Iterable[Step]) -> Script:
    kept = list(steps)
    return lambda _: kept


def request(*models: str, **fields: Any) -> LLMRequest:
    first, *rest = (f"fake/{model}" for model in models)
    return LLMRequest(model=first, fallback_models=tuple(rest), messages=(Message.of("user", "Hi"),), **fields)
