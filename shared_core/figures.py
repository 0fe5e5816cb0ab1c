"""How a target has done so far: attempts, successes, and how soon the first content came.

Figures are for people. They decide nothing, and no reset touches them.
"""

from __future__ import annotations

from shared_core.records import record

__all__ = ["Figures"]


@record(slots=True)
class Figures:
    """Figures of one model or one profile.

    Attributes:
        attempts: Attempts that ended in an answer or a failure; abandoned ones say nothing.
        successes: How many of them succeeded.
        latency: Mean seconds to the first content of the successes, weighted towards recent ones; None before the
            first.
    """

    attempts: int = 0
    successes: int = 0
    latency: float | None = None

    def succeeded(self, latency: float | None) -> None:
        """Counts a success; its seconds to the first content, if it had any."""
        self.attempts += 1
        self.successes += 1
        if latency is not None:
            # A fifth of the weight to the newest: follows a change within about ten calls.
            self.latency = latency if self.latency is None else 0.8 * self.latency + 0.2 * latency

    def failed(self) -> None:
        """Counts a failure."""
        self.attempts += 1
