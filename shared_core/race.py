"""Two walks of one call side by side: when the first content is late, another target is asked as well.

The first walk goes on as it would; a rival walks the rest of the chain. Whoever has content first answers; from that
moment the other is cut: its attempt is *abandoned*, not failed, and its stream is closed while the answer goes on. If
one gives up, the other goes on alone; if both do, the first one's error tells of all. Used only where `hedge_after` is
set, since it costs a task or a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import TypeVar

from shared_core.drive import adrive, drive
from shared_core.errors import ChainExhaustedError, FailoverError
from shared_core.events import StreamEvent
from shared_core.farewell import both_exhausted
from shared_core.hooks import tell
from shared_core.journey import CutError, Journey

__all__ = ["arace", "race"]


class _Lane:
    """One of the walks, in sync code: a thread brings its first event, then the caller's own thread goes on."""

    def __init__(self, journey: Journey, notify: Callable[[], None]) -> None:
        self.journey = journey
        self.has_content = False
        self.first: StreamEvent | None = None
        self.error: BaseException | None = None
        self._is_cut = False
        self._notify = notify
        self._woken = threading.Event()
        self._events = drive(journey, sleep=self._woken.wait)
        journey.on_content = self._commit
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._bring,), name="llm-failover-lane", daemon=True)
        self._thread.start()

    def _commit(self) -> None:
        self.has_content = True
        self._notify()

    def _bring(self) -> None:
        try:
            self.first = next(self._events)
        except CutError:
            pass
        except BaseException as error:
            self.error = error
        if self._is_cut:
            self._events.close()  # nobody will read on
        self._notify()

    @property
    def is_over(self) -> bool:
        return self.first is not None or self.error is not None

    def cut(self) -> None:
        """Abandons it, unless it has ended: what blocks it is interrupted, and its thread ends by itself."""
        self._is_cut = True
        self._woken.set()
        self.journey.cut()
        tell(self.journey.notices(), *self.journey.hooks)
        if not self._thread.is_alive():
            self._events.close()

    def rest(self) -> Generator[StreamEvent, None, None]:
        """All of its events."""
        self._thread.join()
        if self.error is not None:
            raise self.error
        with contextlib.closing(self._events):
            yield from () if self.first is None else (self.first,)
            yield from self._events


def race(journey: Journey, hedge_after: float) -> Generator[StreamEvent, None, None]:
    """Performs a call in sync code, with a hedge if its first content is late; yields and raises as `drive` does."""
    news: queue.SimpleQueue[None] = queue.SimpleQueue()
    lanes: list[_Lane] = []
    patience: float | None = hedge_after
    try:
        lanes.append(_Lane(journey, lambda: news.put(None)))
        while (winner := _winner(lanes)) is None:
            try:
                news.get(timeout=patience)
            except queue.Empty:
                patience = None
                rival = journey.hedge()
                if rival is not None:
                    lanes.append(_Lane(rival, lambda: news.put(None)))
        for lane in lanes:
            if lane is not winner:
                lane.cut()
        _merge(lanes, winner)
        yield from winner.rest()
    finally:
        for lane in lanes:
            lane.cut()


_CLOSING: set[asyncio.Task[None]] = set()
"""What closes the losers' streams: held here, since a loop does not hold its tasks."""


class _AsyncLane:
    """One of the walks, in async code: a task brings its first event, then the caller's own task goes on."""

    def __init__(self, journey: Journey, notify: Callable[[], None]) -> None:
        self.journey = journey
        self.has_content = False
        self._notify = notify
        self._events = adrive(journey)
        journey.on_content = self._commit
        self._closing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[StreamEvent] = asyncio.create_task(self._bring())
        self._task.add_done_callback(lambda _: notify())

    def _commit(self) -> None:
        self.has_content = True
        self._notify()

    async def _bring(self) -> StreamEvent:
        return await anext(self._events)

    @property
    def is_over(self) -> bool:
        return self._task.done()

    @property
    def error(self) -> BaseException | None:
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    def cut(self) -> asyncio.Task[None]:
        """Abandons it, unless it has ended, and begins to close its stream, once; what does that is returned."""
        if self._closing is None:
            self.journey.cut()
            # Only once: a second cancellation would hit a provider that is closing its stream.
            self._task.cancel()
            self._closing = asyncio.create_task(self._close())
            _CLOSING.add(self._closing)
            self._closing.add_done_callback(_CLOSING.discard)
        return self._closing

    async def _close(self) -> None:
        await asyncio.wait([self._task])
        with contextlib.suppress(FailoverError, CutError, asyncio.CancelledError):
            self._task.result()
        await self._events.aclose()

    async def rest(self) -> AsyncGenerator[StreamEvent, None]:
        """All of its events."""
        yield await self._task
        async for event in self._events:
            yield event


async def arace(journey: Journey, hedge_after: float) -> AsyncGenerator[StreamEvent, None]:
    """The same as `race`, in async code."""
    news = asyncio.Event()
    lanes: list[_AsyncLane] = []
    patience: float | None = hedge_after
    has_left = True
    try:
        lanes.append(_AsyncLane(journey, news.set))
        while (winner := _winner(lanes)) is None:
            news.clear()
            try:
                async with asyncio.timeout(patience):
                    await news.wait()
            except TimeoutError:
                patience = None
                rival = journey.hedge()
                if rival is not None:
                    lanes.append(_AsyncLane(rival, news.set))
        for lane in lanes:
            if lane is not winner:
                lane.cut()
        _merge(lanes, winner)
        async with contextlib.aclosing(winner.rest()) as events:
            async for event in events:
                yield event
        has_left = False
    finally:
        closing = [lane.cut() for lane in lanes]
        # Whoever leaves finds all closed; whoever has the answer does not wait for the loser's goodbye.
        if has_left:
            await asyncio.wait(closing)


_AnyLane = TypeVar("_AnyLane", _Lane, _AsyncLane)


def _winner(lanes: Sequence[_AnyLane]) -> _AnyLane | None:
    """The lane that answers, or the first one if all have failed; None while that is open."""
    for lane in lanes:
        if lane.has_content or (lane.is_over and lane.error is None):
            return lane
    if any(not lane.is_over for lane in lanes):
        return None
    return lanes[0]


def _merge(lanes: Sequence[_AnyLane], winner: _AnyLane) -> None:
    """Joins both walks in the winner: the steps of both in one report, and what the loser was asking may be asked.

    Raises:
        ChainExhaustedError: Both came to the end of their chains; it tells of both.
    """
    if len(lanes) < 2:
        return
    first, second = lanes[0], lanes[1]
    loser = second if winner is first else first
    if isinstance(first.error, ChainExhaustedError) and isinstance(second.error, ChainExhaustedError):
        raise both_exhausted(first.error, second.error)
    with winner.journey.memory.lock:
        winner.journey.walk.outlive(loser.journey.walk)
    report = winner.journey.walk.report
    report.steps[:] = [step for lane in lanes for step in lane.journey.walk.report.steps]
    report.hedged = True
