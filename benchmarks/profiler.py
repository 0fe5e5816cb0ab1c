"""Where CPU time goes, by sampling: a timer that counts CPU time interrupts, and the frame that runs is noted.

Other than tracing profilers it slows nothing down, so the shares are those of the real thing. Only the main thread is
seen; time inside a C function counts for the Python function that called it.
"""

from __future__ import annotations

import signal
import sysconfig
from collections import Counter
from pathlib import Path
from types import FrameType

__all__ = ["Sampler"]

_EVERY = 0.001
"""CPU seconds between two samples."""

_ROOT = str(Path(__file__).parent.parent)
_SITE = sysconfig.get_paths()["purelib"]
_STDLIB = sysconfig.get_paths()["stdlib"]


class Sampler:
    """Collects samples between `start` and `stop`."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, int]] = Counter()

    def start(self) -> None:
        """Begins to sample."""
        signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)

    def stop(self) -> None:
        """Pauses."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _note(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            self._seen[code.co_filename, code.co_qualname, code.co_firstlineno] += 1

    def owners(self) -> list[tuple[str, float]]:
        """Packages with their share of the time, the largest first."""
        found: Counter[str] = Counter()
        for (file, _, _), n in self._seen.items():
            found[_owner(file)[0]] += n
        return self._shares(found)

    def functions(self) -> list[tuple[str, float]]:
        """Functions with their share of the time (without what they call), the largest first."""
        found: Counter[str] = Counter()
        for (file, name, line), n in self._seen.items():
            found[f"{_owner(file)[1]}:{line} {name}"] += n
        return self._shares(found)

    def _shares(self, found: Counter[str]) -> list[tuple[str, float]]:
        total = max(1, sum(found.values()))
        return [(name, n / total) for name, n in found.most_common()]


def _owner(file: str) -> tuple[str, str]:
    """The package that a file belongs to, and a short name of the file."""
    for root, owner in ((_SITE, None), (_ROOT, None), (_STDLIB, "standard library")):
        if file.startswith(root + "/"):
            short = file[len(root) + 1 :]
            return owner or short.partition("/")[0].removesuffix(".py"), short
    return "generated code", file
