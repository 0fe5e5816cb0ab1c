"""When a silent attempt is given up: the arithmetic, the watchdog of sync code, the guard of async code."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest

from shared_core.errors import ErrorKind
from shared_core.events import TextDelta, WireEvent
from shared_core.timers import AsyncGuard, Progress, SyncGuard, Watchdog

LONG = 1e6
PATIENCE = 10.0
"""Longest time that a test waits for another thread; none of them needs it."""


# Progress


def test_the_first_content_has_its_own_time() -> None:
    """Then the idle timeout counts, from each piece of content anew."""
    progress = Progress(30, 5, None)
    assert progress.limit(100) == 130
    progress.read(2, has_moved=True)
    assert progress.limit(102) == 107
    progress.read(4, has_moved=True)
    assert progress.limit(200) == 205


def test_keepalives_restart_nothing() -> None:
    """Reads without content use up the time, before and after the first content."""
    progress = Progress(30, 5, None)
    progress.read(20, has_moved=False)
    assert progress.limit(100) == 110
    progress.read(1, has_moved=True)
    progress.read(3, has_moved=False)
    assert progress.limit(100) == 102


def test_a_slow_consumer_is_no_silent_provider() -> None:
    """Only time spent reading counts: what passes between two reads does not."""
    progress = Progress(30, 5, None)
    progress.read(1, has_moved=True)
    assert progress.limit(1000) == 1005


def test_the_deadline_bounds_every_read() -> None:
    """Whatever the other timers would allow."""
    progress = Progress(30, 5, deadline=110)
    assert progress.limit(100) == 110
    progress.read(1, has_moved=True)
    assert progress.limit(104) == 109
    assert progress.limit(106) == 110


def test_a_finished_stream_is_read_on_for_a_moment() -> None:
    """For usage, and so that its connection can be used again."""
    progress = Progress(30, 5, None)
    progress.read(3, has_moved=False)
    progress.linger(1)
    assert progress.limit(100) == 101


@pytest.mark.parametrize(
    ("moved", "now", "code", "text"),
    [
        (False, 50, "first_token_timeout", "no content for 30 s"),
        (True, 50, "idle_timeout", "no content for 5 s"),
        (True, 60, "deadline", "the call's deadline passed"),
    ],
)
def test_the_error_names_the_timer(moved: bool, now: float, code: str, text: str) -> None:
    """It is transient, and a timeout."""
    progress = Progress(30, 5, deadline=60)
    progress.read(1, has_moved=moved)
    error = progress.error(now)
    assert (error.kind, error.code, error.message, error.is_timeout) == (ErrorKind.TRANSIENT, code, text, True)


def test_lingering_has_a_name_of_its_own() -> None:
    """Nobody blames the provider for it."""
    progress = Progress(30, 5, None)
    progress.linger(1)
    assert progress.error(0).code == "linger"


# The watchdog of sync code


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watchdog(clock: Clock) -> Iterator[Watchdog]:
    """One that looks often, and ends when a test lets its clock run away."""
    dog = Watchdog(clock, interval=0.005, rest=LONG)
    yield dog
    dog._guards.clear()
    thread = dog._thread
    if thread is not None:
        dog._rest = -1.0
        thread.join(PATIENCE)
        assert not thread.is_alive()


def fires(guard: SyncGuard) -> threading.Event:
    fired = threading.Event()
    guard.on_interrupt(fired.set)
    return fired


def test_a_read_whose_limit_has_passed_is_interrupted(clock: Clock, watchdog: Watchdog) -> None:
    """And only that one."""
    late, early = SyncGuard(10), SyncGuard(20)
    late_fired, early_fired = fires(late), fires(early)
    watchdog.watch(early)
    watchdog.watch(late)
    assert not late_fired.wait(0.02)
    clock.now = 10
    assert late_fired.wait(PATIENCE)
    assert late.has_fired
    assert not early_fired.wait(0.02)
    watchdog.release(late)
    watchdog.release(early)


def test_a_limit_can_be_moved(clock: Clock, watchdog: Watchdog) -> None:
    """It is a plain attribute that the watchdog reads anew."""
    guard = SyncGuard(LONG)
    fired = fires(guard)
    watchdog.watch(guard)
    guard.limit = 5
    clock.now = 5
    assert fired.wait(PATIENCE)


def test_a_limit_that_is_moved_earlier_wakes_the_watchdog() -> None:
    """It need not wait for the next look, which may be far away."""
    dog = Watchdog(interval=PATIENCE, rest=0.0)
    for first in (LONG, PATIENCE / 2):
        guard = SyncGuard(time.monotonic() + first)
        fired = fires(guard)
        dog.watch(guard)
        begun = time.monotonic()
        while dog._wake_at == float("inf"):  # it has yet to fall asleep
            time.sleep(0.001)
        dog.move(guard, begun + 0.02)
        assert fired.wait(PATIENCE)
        assert time.monotonic() - begun < PATIENCE / 4
        dog.release(guard)


def test_a_released_read_is_never_interrupted(clock: Clock, watchdog: Watchdog) -> None:
    """Its connection may serve another call by then."""
    released, other = SyncGuard(10), SyncGuard(10)
    released_fired, other_fired = fires(released), fires(other)
    watchdog.watch(released)
    watchdog.watch(other)
    watchdog.release(released)
    clock.now = 10
    assert other_fired.wait(PATIENCE)
    assert not released_fired.is_set()


def test_a_guard_fires_once(clock: Clock, watchdog: Watchdog) -> None:
    """Though it stays under watch until it is released."""
    calls: list[int] = []
    guard, second = SyncGuard(10), SyncGuard(20)
    guard.on_interrupt(lambda: calls.append(1))
    fired = fires(second)
    watchdog.watch(guard)
    watchdog.watch(second)
    clock.now = 20
    assert fired.wait(PATIENCE)
    clock.now = 30
    third = SyncGuard(0)
    third_fired = fires(third)
    watchdog.watch(third)
    assert third_fired.wait(PATIENCE)
    assert calls == [1]


def test_a_guard_that_is_released_at_the_last_moment_does_not_fire(clock: Clock, watchdog: Watchdog) -> None:
    """Two are late at once, and the first that fires releases the other."""
    fired: list[SyncGuard] = []
    done = threading.Event()
    one, two = SyncGuard(10), SyncGuard(10)

    def interrupt(guard: SyncGuard, other: SyncGuard) -> None:
        watchdog.release(other)
        fired.append(guard)
        done.set()

    one.on_interrupt(lambda: interrupt(one, two))
    two.on_interrupt(lambda: interrupt(two, one))
    watchdog.watch(one)
    watchdog.watch(two)
    clock.now = 10
    assert done.wait(PATIENCE)
    third = SyncGuard(0)
    third_fired = fires(third)
    watchdog.watch(third)
    assert third_fired.wait(PATIENCE)
    assert len(fired) == 1


def test_whoever_registers_too_late_is_interrupted_at_once() -> None:
    """The time was up before there was anything to interrupt."""
    guard = SyncGuard(0)
    guard.fire()
    assert guard.has_fired
    assert fires(guard).is_set()


def test_an_interrupt_that_fails_does_not_matter() -> None:
    """The socket was closed already, which is what was wanted."""
    guard = SyncGuard(0)

    def interrupt() -> None:
        raise OSError("bad file descriptor")

    guard.on_interrupt(interrupt)
    guard.fire()
    assert guard.has_fired


def test_the_thread_ends_without_work_and_begins_anew(clock: Clock) -> None:
    """A program that makes no calls keeps no thread."""
    dog = Watchdog(clock, interval=0.005, rest=0.0)
    for _ in range(2):
        guard = SyncGuard(clock.now)
        fired = fires(guard)
        dog.watch(guard)
        thread = dog._thread
        assert fired.wait(PATIENCE)
        dog.release(guard)
        assert thread is not None
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert dog._thread is None


def test_a_forked_child_begins_anew(clock: Clock, watchdog: Watchdog) -> None:
    """It has the memory of its parent, but not its threads."""
    watchdog._pid, watchdog._thread = -1, threading.Thread(target=lambda: None)
    guard = SyncGuard(0)
    fired = fires(guard)
    watchdog.watch(guard)
    assert fired.wait(PATIENCE)


# The guard of async code


class Stream:
    """Batches that come when a test lets them; `on_cancel` is what it does when a read is cancelled."""

    def __init__(self, on_cancel: Callable[[], Sequence[WireEvent]] | None = None) -> None:
        self.queue: asyncio.Queue[Sequence[WireEvent] | None] = asyncio.Queue()
        self._on_cancel = on_cancel

    async def __aiter__(self) -> AsyncIterator[Sequence[WireEvent]]:
        while True:
            try:
                batch = await self.queue.get()
            except asyncio.CancelledError:
                if self._on_cancel is None:
                    raise
                batch = self._on_cancel()
            if batch is None:
                return
            yield batch


def loop_clock() -> Callable[[], float]:
    return asyncio.get_running_loop().time


async def test_a_batch_that_comes_in_time_is_read() -> None:
    """And the end of the stream is None."""
    stream, clock = Stream(), loop_clock()
    batches, guard = aiter(stream), AsyncGuard(clock)
    stream.queue.put_nowait([TextDelta("Hi")])
    stream.queue.put_nowait(None)
    assert await guard.read(batches, clock() + 60) == [TextDelta("Hi")]
    assert await guard.read(batches, clock() + 60) is None
    assert not guard.has_fired
    guard.close()
    guard.close()


async def test_a_read_that_lasts_too_long_is_a_timeout() -> None:
    """The task itself is not cancelled by it."""
    clock = loop_clock()
    guard = AsyncGuard(clock)
    with pytest.raises(TimeoutError):
        await guard.read(aiter(Stream()), clock() + 0.01)
    assert guard.has_fired
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_later_limit_keeps_the_handle_and_an_earlier_one_does_not() -> None:
    """One timer an attempt: it looks again when it wakes too early, and is set anew for a shorter time."""
    stream, clock = Stream(), loop_clock()
    batches, guard = aiter(stream), AsyncGuard(clock)
    stream.queue.put_nowait([])
    await guard.read(batches, clock() + 0.02)
    handle = guard._handle
    stream.queue.put_nowait([])
    await guard.read(batches, clock() + 60)
    assert guard._handle is handle
    stream.queue.put_nowait([])
    await guard.read(batches, clock() + 0.001)
    assert guard._handle is not handle
    with pytest.raises(TimeoutError):
        await guard.read(batches, clock() + 0.05)
    guard.close()


async def test_a_timer_that_wakes_between_two_reads_does_nothing() -> None:
    """A consumer that is slow with what it has is not cancelled."""
    stream, clock = Stream(), loop_clock()
    batches, guard = aiter(stream), AsyncGuard(clock)
    stream.queue.put_nowait([])
    await guard.read(batches, clock() + 0.005)
    woke = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, woke.set)
    await woke.wait()
    assert guard._handle is None
    stream.queue.put_nowait([TextDelta("Hi")])
    assert await guard.read(batches, clock() + 60) == [TextDelta("Hi")]
    guard.close()


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    """The caller's own cancel goes through."""
    clock = loop_clock()
    guard = AsyncGuard(clock)
    task = asyncio.ensure_future(guard.read(aiter(Stream()), clock() + 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not guard.has_fired
    guard.close()


async def test_a_cancellation_that_comes_with_the_timeout_goes_through() -> None:
    """Whoever cancels at the same moment is not swallowed."""
    clock = loop_clock()
    guard = AsyncGuard(clock)
    task = asyncio.ensure_future(guard.read(aiter(Stream()), clock() + 60))
    await asyncio.sleep(0)
    guard._limit = 0
    guard._look()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _raises() -> Sequence[WireEvent]:
    raise RuntimeError("closed")


def _answers() -> Sequence[WireEvent]:
    return [TextDelta("late")]


@pytest.mark.parametrize("on_cancel", [_raises, _answers])
async def test_a_stream_that_answers_its_cancellation_leaves_no_mark(
    on_cancel: Callable[[], Sequence[WireEvent]],
) -> None:
    """A provider that turns the cancellation into an error, or ignores it, does not spoil the caller's own timeouts."""
    clock = loop_clock()
    guard = AsyncGuard(clock)
    if on_cancel is _raises:
        with pytest.raises(RuntimeError, match="closed"):
            await guard.read(aiter(Stream(on_cancel)), clock() + 0.01)
    else:
        assert await guard.read(aiter(Stream(on_cancel)), clock() + 0.01) == [TextDelta("late")]
    assert guard.has_fired
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


def test_outside_of_a_task_there_is_nothing_to_cancel() -> None:
    """A coroutine that is driven by hand is refused."""

    class Bare:
        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> Sequence[WireEvent]:
            return []

    loop = asyncio.new_event_loop()
    errors: list[BaseException] = []

    def by_hand() -> None:
        try:
            AsyncGuard(loop.time).read(Bare(), 60).send(None)
        except RuntimeError as error:
            errors.append(error)
        loop.stop()

    loop.call_soon(by_hand)
    loop.run_forever()
    loop.close()
    assert [str(error) for error in errors] == ["not inside a task"]
