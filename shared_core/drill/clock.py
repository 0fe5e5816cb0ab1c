"""An event loop whose time jumps: what would be waited for is skipped, so that an hour of outage takes a moment.

Time stands still while anything happens and jumps to the next timer when nothing does. Client and server share the
loop, so that both live in the same time: a pause of the server's is as long as the client's timer for it says.

Bytes on loopback arrive with the call that sends them. A jump is preceded by a breath of real time all the same, for a
kernel that is busy; before a long one, which a late byte would turn into a false time-out, it is deeper.

Invariants: time never goes backwards; `played` returns only when its thread has ended, within a bound of real time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["SkippingLoop", "played"]

_T = TypeVar("_T")

_BREATH = 0.0002
"""Seconds of real time before a jump."""

_DEEP_BREATH = 0.004
"""The same before a jump of a second or more."""

_LOOK = 0.1
"""Seconds of real time between two looks at the bound, where no timer is due."""

_FAREWELL = 5.0
"""Seconds of real time for closing everything, after the bound."""

_LOGGERS = ("llm_failover", "shared_core.simulator", "httpx", "asyncio")
"""Who would tell the program's log of outages that are none."""


class _Selector(selectors.DefaultSelector):
    """Finds sockets that are ready; where none is, and a timer is due, time jumps to it."""

    def __init__(self, limit: float, gone: threading.Event) -> None:
        super().__init__()
        self.now = 0.0
        self._bound = time.monotonic() + limit
        self._gone = gone

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; `timeout` passes in the loop's time alone.

        Raises:
            TimeoutError: The bound of real time has passed, or nobody waits for the outcome any more.
        """
        if self._gone.is_set() or time.monotonic() > self._bound:
            self._gone.clear()
            self._bound = time.monotonic() + _FAREWELL
            raise TimeoutError("the drill was ended before it was over")
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return super().select(_LOOK)
        time.sleep(_BREATH if timeout < 1 else _DEEP_BREATH)
        ready = super().select(0)
        # A little beyond: after months, the smallest step of a float is longer than what the loop takes for now.
        self.now += 0.0 if ready else timeout + math.ulp(self.now)
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """The loop. Its time begins at 0 seconds.

    Args:
        limit: Seconds of real time that it may run.
        gone: Set from any thread to end it.
    """

    def __init__(self, limit: float, gone: threading.Event) -> None:
        self._skipping = _Selector(limit, gone)
        super().__init__(self._skipping)

    def time(self) -> float:
        """Seconds since the beginning, skipped ones included."""
        return self._skipping.now


def played(play: Callable[[], Coroutine[Any, Any, _T]], *, limit: float) -> _T:
    """Runs `play` in a skipping loop and a thread of its own, so that it may be called inside a running loop.

    What is logged in that thread is dropped: nobody is to be woken by an outage that is played.

    Args:
        play: Makes the coroutine to run.
        limit: Seconds of real time that it may take.

    Raises:
        TimeoutError: It took longer.
    """
    gone = threading.Event()

    def run() -> _T:
        with _muted(), asyncio.Runner(loop_factory=lambda: SkippingLoop(limit, gone)) as runner:
            return runner.run(play())

    with ThreadPoolExecutor(1, "llm-failover-drill") as pool:
        running = pool.submit(run)
        try:
            return running.result()
        finally:
            gone.set()  # if the caller was interrupted; else it is over


@contextmanager
def _muted() -> Iterator[None]:
    own = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != own

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(is_of_others)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_of_others)
