"""A shared cap on repetitions in place, so that an outage cannot multiply the load that meets it.

A token bucket after Finagle's retry budget: every call puts in a share of a token, every repetition takes a whole
one, and a reserve lets a quiet program repeat at all. Not thread-safe by itself: the owner holds the lock.
"""

from __future__ import annotations

__all__ = ["RetryBudget"]


class RetryBudget:
    """Tokens for repetitions.

    Args:
        share: Tokens that each call puts in: 0.2 allows one repetition for five calls.
        reserve: Most tokens that it holds, and what it starts with.
        per_second: Tokens that time puts in, so that a quiet program gets its reserve back within minutes.

    Example:
        >>> budget = RetryBudget(share=0.5, reserve=1)
        >>> budget.withdraw(0.0), budget.withdraw(0.0)
        (True, False)
        >>> budget.deposit(0.0); budget.deposit(0.0)
        >>> budget.withdraw(0.0)
        True
    """

    def __init__(self, share: float = 0.2, reserve: float = 10.0, per_second: float = 0.05) -> None:
        self._share = share
        self._reserve = reserve
        self._per_second = per_second if share else 0.0
        self._tokens = reserve
        self._seen: float | None = None

    @property
    def tokens(self) -> float:
        """What is left; never negative."""
        return self._tokens

    def reset(self) -> None:
        """Fills the reserve."""
        self._tokens = self._reserve

    def deposit(self, now: float) -> None:
        """A call began."""
        self._refill(now)
        self._tokens = min(self._reserve, self._tokens + self._share)

    def withdraw(self, now: float) -> bool:
        """Takes one token for a repetition, if there is one."""
        self._refill(now)
        # Ten deposits of 0.1 make 0.9999…: a repetition must not hang on that.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True

    def _refill(self, now: float) -> None:
        if self._seen is not None and now > self._seen:
            self._tokens = min(self._reserve, self._tokens + (now - self._seen) * self._per_second)
        self._seen = now if self._seen is None else max(self._seen, now)
