"""What a soak watches beside its calls: attempts, the log, warnings, threads, tasks, files, memory."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import sys
import threading
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared_core.manager import FailoverManager
from shared_core.walk import Walk
from tests.soak.stations import SECRET

__all__ = ["Held", "Ledger", "Watch", "drained"]

_FILES = Path("/proc/self/fd")
_PAGES = Path("/proc/self/statm")


class _Log(logging.Handler):
    """Looks for keys in everything that anybody logs."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._found = found
        self.records = 0

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """None: for the lock of a handler a hundred threads would let a loop starve for seconds."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        text = record.getMessage()
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
        if SECRET in text or SECRET in str(vars(record).get("failover", "")):
            self._found.append(f"a key in the log of {record.name}: {record.msg!r}")
        if record.name == "asyncio" and record.levelno >= logging.WARNING:
            self._found.append(f"asyncio complains: {text[:1500]}")


class Ledger:
    """Every attempt of every walk, from its begin to its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._begin, self._close = Walk._begin, Walk._close

    def open(self) -> None:
        begin, close = self._begin, self._close

        def begun(walk: Walk, target: Any, now: float) -> Any:
            self._note(walk, target.link.name, "begun")
            return begin(walk, target, now)

        def closed(walk: Walk, outcome: Any, now: float, **how: Any) -> Any:
            found = close(walk, outcome, now, **how)
            self._note(walk, found[0].target.link.name, outcome)
            return found

        Walk._begin, Walk._close = begun, closed  # type: ignore[method-assign]

    def close(self) -> None:
        Walk._begin, Walk._close = self._begin, self._close  # type: ignore[method-assign]

    def _note(self, walk: Walk, model: str, what: str) -> None:
        with self._lock:
            self._counts[id(walk._memory)][model, what] += 1

    def begun(self) -> Counter[str]:
        """Attempts by the name under which the provider knows the model."""
        found: Counter[str] = Counter()
        for counts in self._counts.values():
            for (model, what), count in counts.items():
                if what == "begun":
                    found[model.partition("/")[2]] += count
        return found

    def total(self, what: str) -> int:
        """How often an attempt was begun, or ended so."""
        return sum(count for counts in self._counts.values() for (_, seen), count in counts.items() if seen == what)

    def violations(self, manager: FailoverManager) -> list[str]:
        """What does not add up for a manager, while none of its calls runs."""
        memory = manager._memory
        counts, found = self._counts[id(memory)], []
        for model in manager.health().models:
            begun, won, lost, left = (
                counts[model.model, what] for what in ("begun", "succeeded", "failed", "abandoned")
            )
            if begun != won + lost + left:
                found.append(f"{model.model}: {begun} attempts began, {won + lost + left} ended")
            if (model.attempts, model.successes) != (won + lost, won):
                found.append(
                    f"{model.model}: health counts {model.attempts} and {model.successes}, not {won + lost}, {won}"
                )
        gates = [(name, entry.gate) for name, entry in memory.health._entries.items()]
        gates += [(str(scope), gate) for scope, gate in memory.cooldowns]
        found += [f"{name} is being probed by nobody" for name, gate in gates if gate.probe is not None]
        if memory.budget._tokens < 0 or memory.hedges._tokens < 0:
            found.append("a budget is overdrawn")
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds at a moment when nobody calls."""

    threads: int
    tasks: int
    files: int
    objects: int
    memory: int

    @classmethod
    def now(cls, lost: int) -> Held:
        """Of now, garbage collected; `lost` files are nobody's of ours."""
        for _ in range(3):
            gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # glibc alone
            ctypes.CDLL(None).malloc_trim(0)  # what hundreds of threads freed lies in arenas of theirs
        pages = int(_PAGES.read_text().split()[1]) if _PAGES.exists() else 0
        return cls(
            threads=len(_threads()),
            tasks=len(asyncio.all_tasks()),
            files=len(list(_FILES.iterdir())) - lost if _FILES.exists() else 0,
            objects=len(gc.get_objects()),
            memory=pages * os.sysconf("SC_PAGE_SIZE"),
        )


def _threads() -> list[str]:
    # The executor's own threads stay for the loop's life, the watchdog's for some seconds.
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if not name.startswith(("asyncio_", "llm-failover-watchdog"))]


async def drained(is_drained: Callable[[], bool], seconds: float) -> bool:
    """Whether something that must end by itself has ended, within some seconds."""
    until = time.monotonic() + seconds
    gc.collect()
    while not is_drained():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.05)
    return True


class Watch:
    """Watches from its entry to its exit; `found` lists what must not happen.

    Attributes:
        found: Violations.
        ledger: The attempts.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self.ledger = Ledger()
        self._log = _Log(self.found)

    @property
    def records(self) -> int:
        """Records of the log that were looked at."""
        return self._log.records

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level, self._disabled = root.level, logging.root.manager.disable
        logging.disable(logging.NOTSET)
        root.setLevel(logging.DEBUG)
        root.addHandler(self._log)
        self._hooks = sys.unraisablehook, threading.excepthook
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._dead_thread
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("error", ResourceWarning)
        warnings.simplefilter("error", RuntimeWarning)
        self.ledger.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.collect()
        self.ledger.close()
        self._warnings.__exit__(None, None, None)
        sys.unraisablehook, threading.excepthook = self._hooks
        root = logging.getLogger()
        root.removeHandler(self._log)
        root.setLevel(self._level)
        logging.disable(self._disabled)

    def _unraisable(self, unraisable: Any) -> None:
        self.found.append(f"nobody could be told of {unraisable.exc_value!r} in {unraisable.object!r}")

    def _dead_thread(self, dead: Any) -> None:
        self.found.append(f"thread {dead.thread.name if dead.thread else '?'} died of {dead.exc_value!r}")
