"""The drivers: they perform what the walk decides. The only place that sleeps, awaits, reads a clock.

`Journey` is what both have in common, without waiting; `drive` and `adrive` are the two thin loops. A consumer's own
exceptions and its going away are never taken for a target's failure: nothing is caught around a `yield`, and leaving
early reports *abandoned*, closes the provider's stream and gives permits back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared_core.classify import ClassifierRule, classify_error
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import End, StreamEvent, WireEvent
from shared_core.hooks import Hooks, Notice, tell, tell_async
from shared_core.intake import Intake
from shared_core.memory import Memory
from shared_core.timers import AsyncGuard, Progress, SyncGuard, Watchdog
from shared_core.walk import Attempt, Decision, GiveUp, Wait, Walk

__all__ = ["Door", "Journey", "adrive", "drive"]

_watchdog = Watchdog()
_Stream = TypeVar("_Stream")


class Door(Protocol):
    """Where attempts are sent: the manager, which knows providers and keys."""

    def open(self, attempt: Attempt, guard: SyncGuard) -> Generator[Sequence[WireEvent], None, None]:
        """The provider's stream for `attempt`."""

    def aopen(self, attempt: Attempt) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, async."""


@dataclass(slots=True)
class Journey:
    """One call under way: the walk, the attempt at hand, and what both drivers do alike.

    Attributes:
        walk: Decides.
        memory: Guarded by its lock.
        door: Opens attempts.
        hold: Show nothing before the whole answer is there.
        linger: Seconds that a finished stream is read on.
        hooks: Whom to tell.
        rules: The user's classifier rules.
        clock: Monotonic clock, in seconds.
    """

    walk: Walk
    memory: Memory
    door: Door
    hold: bool
    linger: float
    hooks: Hooks | None = None
    rules: Sequence[ClassifierRule] = ()
    clock: Callable[[], float] = time.monotonic
    intake: Intake | None = None

    def decide(self) -> Decision:
        """What to do next."""
        with self.memory.lock:
            return self.walk.next(self.clock())

    def notices(self) -> Sequence[Notice]:
        """What there is to tell since the last time."""
        notices = self.walk.notices
        if not notices:
            return ()
        self.walk.notices = []
        return notices

    def begin(self, attempt: Attempt) -> Progress:
        """Begins an attempt."""
        self.intake = Intake(hold=self.hold)
        return Progress(attempt.first_token_timeout, attempt.idle_timeout, attempt.deadline)

    def take(self, batch: Sequence[WireEvent], progress: Progress, seconds: float) -> Sequence[StreamEvent]:
        """Takes a batch that was `seconds` in coming; what to show."""
        intake = self._intake()
        had_content, was_finished = intake.has_content, intake.finish is not None
        shown = intake.feed(batch)
        progress.read(seconds, has_moved=intake.has_moved)
        if intake.has_content and not had_content:
            with self.memory.lock:
                self.walk.answered(self.clock())
        if intake.finish is not None and not was_finished:
            progress.linger(self.linger)
        return shown

    def is_broken(self) -> bool:
        """Whether the stream itself said that it is broken."""
        return self._intake().error is not None

    def broke(self, raised: Exception | None, progress: Progress, *, has_fired: bool) -> None:
        """The read ended: in an exception, by our timer, or at the end of the stream (None).

        Raises:
            ConfigurationError: It was one; no other target would help.
        """
        intake = self._intake()
        if intake.error is not None:
            return
        if intake.finish is not None:
            return  # the answer is whole; what broke behind it took nothing away
        if has_fired:
            intake.error = progress.error(self.clock())
        elif isinstance(raised, FailoverError) and not isinstance(raised, ProviderError):
            raise raised
        elif raised is not None:
            intake.error = classify_error(raised, rules=self.rules)
        else:
            intake.error = ProviderError("the stream ended early", kind=ErrorKind.TRANSIENT, code="truncated")

    def settle(self) -> Sequence[StreamEvent] | None:
        """Ends the attempt: the last events of an answer, or None if the walk goes on."""
        intake = self._intake()
        with self.memory.lock:
            now = self.clock()
            if intake.error is not None:
                self.walk.failed(intake.error, now, shown=intake.text if intake.is_shown else None)
                return None
            self.walk.succeeded(now, intake.usage)
        return [*intake.rest(), End(self.walk.report, intake.finish, intake.usage, intake.details)]

    def leave(self) -> None:
        """The call is over, one way or another; what still runs is abandoned."""
        with self.memory.lock:
            self.walk.abandoned(self.clock())

    def _intake(self) -> Intake:
        if self.intake is None:
            raise RuntimeError("no attempt was begun")
        return self.intake


def drive(journey: Journey, *, sleep: Callable[[float], None] = time.sleep) -> Generator[StreamEvent, None, None]:
    """Performs the walk in sync code; yields the events of the answer, `End` last.

    Raises:
        FailoverError: As the walk decides.
    """
    try:
        while True:
            decision = journey.decide()
            tell(journey.notices(), journey.hooks)
            match decision:
                case GiveUp(error):
                    raise error
                case Wait(seconds):
                    sleep(seconds)
                case Attempt():
                    yield from _attempt(journey, decision)
                    last = journey.settle()
                    if last is not None:
                        tell(journey.notices(), journey.hooks)
                        yield from last
                        return
    finally:
        journey.leave()


def _attempt(journey: Journey, attempt: Attempt) -> Generator[StreamEvent, None, None]:
    progress = journey.begin(attempt)
    clock = journey.clock
    guard = SyncGuard(progress.limit(clock()))
    _watchdog.watch(guard)
    try:
        opened = _opened(journey, progress, lambda: journey.door.open(attempt, guard))
        if opened is None:
            return
        with closing(opened) as batches:
            while True:
                began = clock()
                guard.limit = progress.limit(began)
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
        _watchdog.release(guard)


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
                await tell_async(notices, journey.hooks)
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
                        await tell_async(journey.notices(), journey.hooks)
                        for event in last:
                            yield event
                        return
    finally:
        journey.leave()


async def _aattempt(journey: Journey, attempt: Attempt) -> AsyncGenerator[StreamEvent, None]:
    progress = journey.begin(attempt)
    clock = journey.clock
    guard = AsyncGuard(clock)
    try:
        opened = _opened(journey, progress, lambda: journey.door.aopen(attempt))
        if opened is None:
            return
        async with aclosing(opened) as batches:
            while True:
                began = clock()
                raised: Exception | None = None
                batch: Sequence[WireEvent] | None = None
                try:
                    batch = await guard.read(batches, progress.limit(began))
                except Exception as error:
                    raised = error
                now = clock()
                if batch is None:
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
