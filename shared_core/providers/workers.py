"""Threads for work that may block: one for each task, taken from those that have just finished theirs.

To start a thread costs more than all else that is done to look after a blocking call. So a thread that has done its
task waits a moment for the next one. The tasks of a program that calls one after the other all run in the same thread.

Invariants: a thread has one task at a time, and holds on to nothing of the last one; one whose task does not say that
it may `rest` ends with it, so that whatever is done to the thread of a task that nobody wants any more meets no other
task; a forked child has no threads.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeAlias

__all__ = ["Worker", "begin"]

Task: TypeAlias = Callable[["Worker"], bool]
"""What a thread does; whether it called `rest`. It must not raise."""

_REST = 1.0
"""Seconds that a thread waits for its next task: longer than a program that is at work pauses between two calls."""


class Worker(threading.Thread):
    """A daemon thread that does one task after the other."""

    def __init__(self) -> None:
        super().__init__(name="llm-failover-member", daemon=True)
        self._tasks: SimpleQueue[Task] = SimpleQueue()

    def give(self, task: Task) -> None:
        """The next task."""
        self._tasks.put(task)

    def rest(self) -> None:
        """From here on, the end of its task, the thread may be given the next one."""
        _RESTING.append(self)

    def run(self) -> None:
        """Does what it is given, until nothing comes any more."""
        task: Task | None = self._tasks.get()
        while task is not None:
            may_go_on = task(self)
            task = None
            task = self._next() if may_go_on else None

    def _next(self) -> Task | None:
        try:
            return self._tasks.get(timeout=_REST)
        except Empty:
            try:
                _RESTING.remove(self)
            except ValueError:  # somebody has just taken it, and is about to give it a task
                return self._tasks.get()
            return None


_RESTING: list[Worker] = []
"""Threads without a task, the latest last. Lists are taken from and added to in one step."""

with contextlib.suppress(AttributeError):  # a system on which no process forks
    os.register_at_fork(after_in_child=_RESTING.clear)


def begin(task: Task) -> Worker:
    """Has `task` done in a thread, which is returned."""
    try:
        worker = _RESTING.pop()
    except IndexError:
        worker = Worker()
        worker.start()
    worker.give(task)
    return worker
