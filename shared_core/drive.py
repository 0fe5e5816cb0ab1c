"""The drivers: they perform what the walk decides. The only place that sleeps, awaits, opens a stream.

Two thin loops over one `Journey`. A consumer's own exceptions and its going away are never taken for a target's
failure: nothing is caught around a `yield`, and leaving early reports *abandoned*, closes the provider's stream and
gives permits back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar, assert_never

from shared_core.decisions import Attempt, GiveUp, Wait
from shared_core.events import StreamEvent, WireEvent
from shared_core.hooks import tell, tell_async
from shared_core.journey import Journey
from shared_core.lazy import deferred
from shared_core.timers import WATCHDOG, AsyncGuard, Progress, SyncGuard

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = deferred("asyncio")

__all__ = ["adrive", "drive"]

_Stream = TypeVar("_Stream")
_Batches: TypeAlias = Generator[Sequence[WireEvent], None, None]
_AsyncBatches: TypeAlias = AsyncGenerator[Sequence[WireEvent], None]


def drive(journey: Journey, *, sleep: Callable[[float], object] = time.sleep) -> Generator[StreamEvent, None, None]:
    """Performs the walk in sync code; yields the events of the answer, `End` last.

    Raises:
        FailoverError: As the walk decides.
    """
    try:
        while True:
            decision = journey.decide()
            tell(journey.notices(), *journey.hooks)
            match decision:
                case GiveUp(error):
                    raise error
                case Wait(seconds):
                    sleep(seconds)
                case Attempt():
                    yield from _attempt(journey, decision)
                    last = journey.settle()
                    if last is not None:
                        tell(journey.notices(), *journey.hooks)
                        yield from last
                        return
                case _:
                    assert_never(decision)
    finally:
        journey.leave()
        tell(journey.notices(), *journey.hooks)


def _attempt(journey: Journey, attempt: Attempt) -> Generator[StreamEvent, None, None]:
    progress, request = journey.begin(attempt)
    clock = journey.clock
    guard = journey.guard = SyncGuard(_by_watchdog(progress, clock()))
    opened = _opened(journey, progress, lambda: journey.door.open(attempt, request, journey.note, guard))
    if opened is None:
        return
    with _Closing(opened) as batches:
        # Released before the stream is closed: then its connection may serve another call.
        WATCHDOG.watch(guard)
        try:
            while True:
                began = clock()
                WATCHDOG.move(guard, _by_watchdog(progress, began))
                raised: Exception | None = None
                batch: Sequence[WireEvent] | None = None
                try:
                    batch = next(batches, None)
                except Exception as error:
                    raised = error
                now = clock()
                if batch is None or guard.has_fired:
                    journey.broke(raised, progress, has_fired=guard.has_fired)
                    return
                shown = journey.take(batch, progress, now - began)
                # A consumer that is slow with what it is shown must not look like a silent provider.
                guard.limit = float("inf")
                yield from shown
                if journey.is_broken():
                    return
                if progress.limit(now) <= now:
                    journey.broke(None, progress, has_fired=True)
                    return
        finally:
            journey.guard = None
            WATCHDOG.release(guard)


class _Closing:
    """Closes a provider's stream; what that raises changes neither why its attempt ended nor what the caller gets."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches

    def __enter__(self) -> _Batches:
        return self._batches

    def __exit__(self, *_error: object) -> None:
        with suppress(Exception):
            self._batches.close()


class _AsyncClosing:
    """The same, async. Not written as a generator, which the end of the loop would close beside the stream itself."""

    def __init__(self, batches: _AsyncBatches) -> None:
        self._batches = batches

    async def __aenter__(self) -> _AsyncBatches:
        return self._batches

    async def __aexit__(self, *_error: object) -> None:
        with suppress(Exception):
            await self._batches.aclose()


def _by_watchdog(progress: Progress, now: float) -> float:
    """The limit of a read that begins now, by the watchdog's clock: the journey's may be another one."""
    return time.monotonic() + progress.limit(now) - now


def _opened(journey: Journey, progress: Progress, door: Callable[[], _Stream]) -> _Stream | None:
    try:
        return door()
    except Exception as error:
        journey.broke(error, progress, has_fired=False)
        return None


async def adrive(journey: Journey) -> AsyncGenerator[StreamEvent, None]:
    """Performs the walk in async code; yields the events of the answer, `End` last.

    Raises:
        FailoverError: As the walk decides.
    """
    try:
        while True:
            decision = journey.decide()
            notices = journey.notices()
            if notices:
                await tell_async(notices, *journey.hooks)
            match decision:
                case GiveUp(error):
                    raise error
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Attempt():
                    async with aclosing(_aattempt(journey, decision)) as events:
                        async for event in events:
                            yield event
                    last = journey.settle()
                    if last is not None:
                        await tell_async(journey.notices(), *journey.hooks)
                        for event in last:
                            yield event
                        return
                case _:
                    assert_never(decision)
    finally:
        journey.leave()
        notices = journey.notices()
        if notices:
            await tell_async(notices, *journey.hooks)


async def _aattempt(journey: Journey, attempt: Attempt) -> AsyncGenerator[StreamEvent, None]:
    progress, request = journey.begin(attempt)
    clock = journey.clock
    guard = AsyncGuard(clock)
    try:
        opened = _opened(journey, progress, lambda: journey.door.aopen(attempt, request, journey.note))
        if opened is None:
            return
        async with _AsyncClosing(opened) as batches:
            while True:
                began = clock()
                raised: Exception | None = None
                batch: Sequence[WireEvent] | None = None
                try:
                    batch = await guard.read(batches, progress.limit(began))
                except Exception as error:
                    raised = error
                now = clock()
                if batch is None or guard.has_fired:
                    journey.broke(raised, progress, has_fired=guard.has_fired)
                    return
                for event in journey.take(batch, progress, now - began):
                    yield event
                if journey.is_broken():
                    return
                if progress.limit(now) <= now:
                    journey.broke(None, progress, has_fired=True)
                    return
    finally:
        guard.close()
