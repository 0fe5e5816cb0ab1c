"""Figures and ratios of many rounds: the median, and between what they were.

A ratio is taken within a round, between neighbours in time, so that a machine that slows down does not look like a peer
that does; its spread is that of the rounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measuring import Measured

__all__ = ["DASH", "TIMES", "Spread", "figure", "percentile", "pooled", "ratio", "shown"]

DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what it is the median of."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of values; None without any."""
        return cls(statistics.median(values), min(values), max(values)) if values else None

    def __str__(self) -> str:
        if self.least == self.most:
            return _number(self.median)
        return f"{_number(self.median)} ({_number(self.least)}{DASH}{_number(self.most)})"


def shown(spread: Spread | None) -> str:
    """A spread in a table."""
    return DASH if spread is None else str(spread)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _values(measured: Measured, load: str, mode: str, peer: str, name: str) -> list[float | None]:
    rounds = measured.rounds.get((load, mode), {}).get(peer, [])
    return [None if figures is None else figures.get(name) for figures in rounds]


def figure(measured: Measured, load: str, mode: str, peer: str, name: str) -> Spread | None:
    """A figure of a peer under a load."""
    return Spread.of([value for value in _values(measured, load, mode, peer, name) if value is not None])


def ratio(measured: Measured, load: str, mode: str, peer: str, to: str, name: str) -> Spread | None:
    """The same, in multiples of another peer's."""
    ours, theirs = _values(measured, load, mode, peer, name), _values(measured, load, mode, to, name)
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=False) if one is not None and other])


def pooled(measured: Measured, load: str, mode: str, peer: str, name: str) -> list[float]:
    """A list of figures, of all rounds together."""
    rounds = measured.rounds.get((load, mode), {}).get(peer, [])
    return [value for figures in rounds if figures is not None for value in figures.get(name, ())]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
