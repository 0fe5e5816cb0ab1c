"""A gate stands before something that failed: shut while it cools, then open for one probe, then open or shut again.

    open ──failed──▶ cooling ──time──▶ ajar ──take──▶ probing ──answered──▶ open
                        ▲                ▲               │  │
                        │                └──given back───┘  │
                        └────────────────failed─────────────┘

It knows no scope and no policy: how long to cool is told to it. A failure of an attempt that began before the gate
was last shut is old news: it may lengthen the cooldown but does not count as another hit, so that a hundred calls in
flight that fail together count once; it neither shuts an open gate nor takes the permit from a probe. A probe that is
never answered (its caller vanished) lapses after its lease.
"""

from __future__ import annotations

from typing import Literal

from shared_core.errors import ErrorKind
from shared_core.records import record

__all__ = ["Gate", "GateState"]

GateState = Literal["open", "cooling", "ajar", "probing"]


@record(slots=True, eq=False)
class Gate:
    """State of one gate. Instants are of the caller's monotonic clock, in seconds.

    Attributes:
        until: End of the cooldown.
        hits: Consecutive failures that counted.
        shut_at: When it was last shut.
        kind: Why.
        message: Scrubbed text of the failure.
        is_open: It was answered since it was shut; hits are kept until a success.
        probe: Who holds the probe permit.
        probe_until: When that permit lapses.
    """

    until: float = 0.0
    hits: int = 0
    shut_at: float = float("-inf")
    kind: ErrorKind = ErrorKind.UNKNOWN
    message: str = ""
    is_open: bool = True
    probe: object | None = None
    probe_until: float = 0.0

    def state(self, now: float) -> GateState:
        """What it lets through at `now`: all, nobody, or one."""
        if self.is_open:
            return "open"
        if now < self.until:
            return "cooling"
        return "probing" if self.probe is not None and now < self.probe_until else "ajar"

    def admits(self, now: float, holder: object) -> bool:
        """Whether `holder` may pass: it is open, ajar, or held by `holder` itself."""
        state = self.state(now)
        return state in {"open", "ajar"} or (state == "probing" and self.probe is holder)

    def take(self, now: float, holder: object, lease: float) -> bool:
        """Takes the probe permit if the gate is ajar, or holds it for longer; whether `holder` has it now."""
        state = self.state(now)
        if state != "ajar" and not (state == "probing" and self.probe is holder):
            return False
        self.probe, self.probe_until = holder, now + lease
        return True

    def give_back(self, holder: object) -> None:
        """Returns the permit unanswered; the next caller probes."""
        if self.probe is holder:
            self.probe = None

    def answered(self, holder: object) -> bool:
        """The probe got content: everyone may pass. Whether this opened the gate."""
        if self.probe is not holder:
            return False
        self.probe, self.is_open = None, True
        return True

    def _is_news(self, started: float | None) -> bool:
        return started is None or started >= self.shut_at

    def ignores(self, now: float, started: float | None) -> bool:
        """Whether a failure is of no account: of an attempt begun before others were answered, or are probing."""
        return not self._is_news(started) and self.state(now) in {"open", "probing"}

    def earlier_hits(self, started: float | None) -> int:
        """Hits before the one of an attempt begun at `started`; attempts that fail together share one."""
        return self.hits if self._is_news(started) else self.hits - 1

    def shut(self, now: float, seconds: float, kind: ErrorKind, message: str, *, started: float | None = None) -> bool:
        """Cools for `seconds` after a failure of an attempt that began at `started`; whether it counted as a hit."""
        if self.ignores(now, started):
            return False
        is_news = self._is_news(started)
        self.until = now + seconds if is_news else max(self.until, now + seconds)
        self.kind, self.message = kind, message
        self.is_open, self.probe = False, None
        if is_news:
            self.hits += 1
            self.shut_at = now
        return is_news

    def is_forgettable(self, now: float, memory: float) -> bool:
        """Whether the cooldown ended at least `memory` seconds ago and nobody is probing."""
        return now >= self.until + memory and self.state(now) != "probing"
