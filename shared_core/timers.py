"""When a silent attempt is given up, and who interrupts it.

`Progress` is the arithmetic, pure: it counts only time spent reading, so a slow consumer is never mistaken for a slow
provider, and only content restarts it, so keepalives do not. `Watchdog` acts in sync code: one daemon thread for the
process looks after all blocked reads and interrupts those whose limit has passed. In async code `AsyncGuard` cancels
the read and turns that cancellation into a time-out, as `asyncio.timeout` does, with one timer handle an attempt
instead of one a chunk.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import WireEvent
from shared_core.lazy import deferred

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = deferred("asyncio")

__all__ = ["WATCHDOG", "AsyncGuard", "Progress", "SyncGuard", "Watchdog"]


class Progress:
    """How much longer an attempt may stay silent. All values are seconds or instants of one monotonic clock."""

    __slots__ = ("_deadline", "_idle", "_name", "_spent", "_timeout")

    def __init__(self, first_token: float, idle: float, deadline: float | None) -> None:
        self._timeout = first_token
        self._idle = idle
        self._deadline = deadline
        self._name = "first_token_timeout"
        self._spent = 0.0

    def limit(self, now: float) -> float:
        """Instant at which a read that begins at `now` has lasted too long."""
        limit = now + self._timeout - self._spent
        return limit if self._deadline is None or limit < self._deadline else self._deadline

    def read(self, seconds: float, *, has_moved: bool) -> None:
        """A read took `seconds`, and did or did not bring content."""
        if has_moved:
            self._timeout, self._name, self._spent = self._idle, "idle_timeout", 0.0
        else:
            self._spent += seconds

    def linger(self, seconds: float) -> None:
        """The answer is whole; what may follow gets `seconds`."""
        self._timeout, self._name, self._spent = seconds, "linger", 0.0

    def error(self, now: float) -> ProviderError:
        """The error of an attempt that lasted too long."""
        if self._deadline is not None and now >= self._deadline:
            text, code = "the call's deadline passed", "deadline"
        else:
            text, code = f"no content for {round(self._timeout, 3):g} s", self._name
        return ProviderError(text, kind=ErrorKind.TRANSIENT, code=code, is_timeout=True)


class SyncGuard:
    """One attempt under the watchdog's eyes. To move its limit away is to set it; `Watchdog.move` moves it nearer."""

    __slots__ = ("_interrupt", "has_fired", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.has_fired = False
        self._interrupt: Callable[[], object] | None = None

    def on_interrupt(self, interrupt: Callable[[], object]) -> None:
        """Registers what makes the blocked read fail; called at once if the time is already up."""
        self._interrupt = interrupt
        if self.has_fired:
            self.fire()

    def fire(self) -> None:
        """The limit has passed."""
        self.has_fired = True
        if self._interrupt is not None:
            # The socket may be closed by now, which is what was wanted.
            with contextlib.suppress(Exception):
                self._interrupt()


class Watchdog:
    """A thread that interrupts reads whose limit has passed; it runs while there is something to watch.

    Args:
        clock: The monotonic clock of the limits.
        interval: Longest time between two looks, whatever the limits.
        rest: How long the thread stays without work before it ends.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, interval: float = 1.0, rest: float = 5.0
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._rest = rest
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._guards: set[SyncGuard] = set()
        self._thread: threading.Thread | None = None
        self._wake_at = float("inf")

    def watch(self, guard: SyncGuard) -> None:
        """Looks after `guard` until `release`."""
        if self._pid != os.getpid():
            self._forget()  # a forked child has the memory of its parent, but not its threads
        with self._condition:
            self._guards.add(guard)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="llm-failover-watchdog", daemon=True)
                self._thread.start()
            elif guard.limit < self._wake_at:
                self._condition.notify()

    def move(self, guard: SyncGuard, limit: float) -> None:
        """Sets a limit, and sees to it that the thread wakes in time for it."""
        guard.limit = limit
        if limit < self._wake_at:
            with self._condition:
                self._condition.notify()

    def release(self, guard: SyncGuard) -> None:
        """Looks after `guard` no longer."""
        with self._condition:
            self._guards.discard(guard)

    def interrupt(self, guard: SyncGuard) -> None:
        """Interrupts the read of `guard` now, unless it has been released."""
        with self._condition:
            if guard in self._guards:
                guard.fire()

    def _run(self) -> None:
        idle_since: float | None = None
        while True:
            with self._condition:
                # Whoever moves a limit while they are looked at must wait for the lock, and wakes the thread.
                self._wake_at = float("inf")
                now = self._clock()
                late = [guard for guard in self._guards if guard.limit <= now and not guard.has_fired]
                if not late:
                    waiting = [guard.limit for guard in self._guards if not guard.has_fired]
                    idle_since = None if self._guards else now if idle_since is None else idle_since
                    if idle_since is not None and now >= idle_since + self._rest:
                        self._thread = None
                        return
                    self._wake_at = min([*waiting, now + self._interval])
                    self._condition.wait(max(0.0, self._wake_at - now))
            for guard in late:
                # Under the lock, so that none is interrupted after its release: its connection may serve another call.
                self.interrupt(guard)


WATCHDOG = Watchdog()
"""The one that looks after every sync call of the process."""


_LONGEST_SLEEP = 15.0
"""Seconds after which a timer looks at its limit at the latest: less than any usual limit, and no work to speak of."""


class AsyncGuard:
    """Reads batches within a limit, in the task that asks for them.

    Args:
        clock: The monotonic clock of the limits.
    """

    __slots__ = ("_base", "_clock", "_due", "_handle", "_is_cancelling", "_limit", "_loop", "_task", "has_fired")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._limit = 0.0
        self._due = 0.0  # the limit for which the timer was set; limits move on with each read, the timer seldom
        self._task: asyncio.Task[object] | None = None
        self._base = 0
        self._is_cancelling = False
        self.has_fired = False

    async def read(self, batches: AsyncIterator[Sequence[WireEvent]], limit: float) -> Sequence[WireEvent] | None:
        """The next batch, or None at the end.

        Raises:
            TimeoutError: `limit` passed; `has_fired` is set.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not inside a task")
        self._limit = limit
        if self._handle is None or self._due > limit:
            self._arm(limit)
        self._base, self._task = task.cancelling(), task
        try:
            return await anext(batches, None)
        except asyncio.CancelledError:
            if self._take_back() and task.cancelling() <= self._base:
                raise TimeoutError from None
            raise
        finally:
            # A stream may answer its cancellation with an error or a batch; the task must not stay marked for it.
            if self._is_cancelling:
                self._take_back()
            self._task = None

    def _take_back(self) -> bool:
        """Takes back the cancellation that this guard asked for; whether there was one."""
        if not self._is_cancelling or self._task is None:
            return False
        self._is_cancelling = False
        self._task.uncancel()
        return True

    def close(self) -> None:
        """Ends the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, limit: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        now = self._clock()
        # Once the content flows the limit is often nearer than that of the first token: then the timer need not move.
        self._due = min(limit, now + _LONGEST_SLEEP)
        self._handle = self._loop.call_later(max(0.0, self._due - now), self._look)

    def _look(self) -> None:
        self._handle = None
        if self._task is None:
            return  # nobody is reading; the next read arms it again
        if self._clock() < self._limit:
            self._arm(self._limit)
            return
        self.has_fired = self._is_cancelling = True
        self._task.cancel()
