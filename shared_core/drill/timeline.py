"""A drill as a picture: one panel a scenario, one row for the users, one for each target, time from left to right.

It owns the layout alone. What is drawn is what the report says: the users' waits and answers, attempts and how they
ended, probes, cooldowns, and when something was wrong.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from shared_core.drill.cast import Role
from shared_core.drill.results import PAUSE, CallResult, Cooldown, Result
from shared_core.drill.shapes import Box, Cross, Label, Line, Picture, Ring, Shape
from shared_core.report import AttemptRecord

__all__ = ["Timeline"]

_INK, _DIM, _RULE = "#2d3748", "#718096", "#cbd5e0"
_GOOD, _BAD, _GONE = "#2b6cb0", "#c0392b", "#a0aec0"
_WAIT, _COOL, _TROUBLE = "#e9c46a", "#f6e7bd", "#fbe3e0"

_WIDE, _NARROW = 900.0, 620.0
"""Width of a panel that stands alone, and of one of two side by side."""

_MARGIN, _ROW, _BAR, _LEFT = 18.0, 21.0, 9.0, 52.0
_SMALLEST = 2.5
"""Pixels of the shortest bar, so that an error that came at once is seen."""


@dataclass(frozen=True, slots=True, repr=False)
class Timeline:
    """Results as a picture. Shows itself in a notebook; `save("drill.svg")` or `save("drill.png")` writes it."""

    roles: tuple[Role, ...]
    results: tuple[Result, ...]

    def picture(self) -> Picture:
        """The shapes, laid out."""
        columns = 1 if len(self.results) == 1 else 2
        width = _WIDE if columns == 1 else _NARROW
        panels = [_Panel(result, width) for result in self.results]
        whole = columns * width + (columns + 1) * _MARGIN
        shapes = list(self._legend(whole))
        y = _MARGIN + 18.0 * (len(self.roles) + 1) + 14.0
        for first in range(0, len(panels), columns):
            beside = panels[first : first + columns]
            for column, panel in enumerate(beside):
                shapes += panel.shapes(_MARGIN + column * (width + _MARGIN), y)
            y += max(panel.height for panel in beside)
        return Picture(whole, y, tuple(shapes))

    def svg(self) -> str:
        """The picture as SVG."""
        return self.picture().svg()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the name says how: `.svg`, or `.png` with matplotlib.

        Raises:
            ConfigurationError: The name says neither, or matplotlib is not installed.
            OSError: The file cannot be written.
        """
        self.picture().save(path)

    def __repr__(self) -> str:
        return f"<Timeline: {', '.join(result.name for result in self.results)}>"

    def _repr_svg_(self) -> str:
        return self.svg()

    def _legend(self, width: float) -> Iterator[Shape]:
        y = _MARGIN + 12
        for role in self.roles:
            yield Label(_MARGIN, y, role.letter, _INK, 12, is_bold=True)
            yield Label(_MARGIN + 22, y, role.name, _INK, 12)
            y += 18
        x, y = _MARGIN, y + 2
        for sample, text in (
            (Box(0, 0, 16, _BAR, _WAIT), "a user waits"),
            (Box(0, 0, 16, _BAR, _GOOD), "an answer"),
            (Cross(8, _BAR / 2, 8, _BAD), "a failure"),
            (Box(0, 0, 16, _BAR, _GONE), "abandoned"),
            (Ring(8, _BAR / 2, 5.5, _INK), "a probe"),
            (Box(0, 0, 16, _BAR, _COOL, _WAIT), "left alone"),
            (Box(0, 0, 16, _BAR, _TROUBLE), "something is wrong"),
        ):
            yield _moved(sample, x, y - _BAR)
            yield Label(x + 22, y, text, _DIM)
            x += 40 + 6.2 * len(text)
        yield Line(_MARGIN, y + 12, width - _MARGIN, y + 12, _RULE)


def _moved(shape: Box | Cross | Ring, x: float, y: float) -> Shape:
    match shape:
        case Box():
            return Box(shape.x + x, shape.y + y, shape.width, shape.height, shape.fill, shape.edge)
        case Cross():
            return Cross(shape.x + x, shape.y + y, shape.size, shape.colour)
        case Ring():
            return Ring(shape.x + x, shape.y + y, shape.radius, shape.edge, shape.fill)
        case _:
            assert_never(shape)


class _Panel:
    """One scenario."""

    def __init__(self, result: Result, width: float) -> None:
        self._result = result
        self._width = width
        text = f"{result.scenario.about}: {result.verdict}" if result.scenario.about else result.verdict
        self._lines = textwrap.wrap(text, int(width / 5.9))
        self._lane_height = min(5.0, (_ROW - 5) / result.scenario.together)
        self._span = max(max(call.began + call.seconds for call in result.calls) * 1.01, 1.0)

    @property
    def height(self) -> float:
        """Pixels from its title to the next one's."""
        return 20 + 15 * len(self._lines) + _ROW * (len(self._result.roles) + 1) + 36

    def shapes(self, x: float, y: float) -> Iterator[Shape]:
        """Everything, with the upper left corner at `x`, `y`."""
        result = self._result
        colour = _GOOD if result.answered else _BAD if not result.survived else _DIM
        yield Label(x, y + 14, result.name, colour, 13, is_bold=True)
        for number, line in enumerate(self._lines):
            yield Label(x, y + 30 + 15 * number, line, _DIM)
        y += 22 + 15 * len(self._lines)
        left, right = x + _LEFT, x + self._width
        self._left, self._scale = left, (right - left) / self._span
        yield Label(left - 8, y + 14, "users", _INK, anchor="end")
        for call in result.calls:
            yield from self._call(call, self._lane(call, y + _ROW / 2))
        for number, role in enumerate(result.roles, 1):
            top = y + _ROW * number
            yield Line(left, top, right, top, "#edf2f7")
            yield Label(left - 8, top + 14, role.letter, _INK, anchor="end", is_bold=True)
            yield from self._target(role, top)
        yield from self._axis(left, right, y + _ROW * (len(result.roles) + 1))

    def _at(self, seconds: float) -> float:
        return self._left + min(seconds, self._span) * self._scale

    def _bar(
        self, since: float, until: float, middle: float, fill: str, *, height: float = _BAR, hint: str = ""
    ) -> Box:
        left = self._at(since)
        return Box(left, middle - height / 2, max(self._at(until) - left, _SMALLEST), height, fill, None, hint)

    def _lane(self, call: CallResult, middle: float) -> float:
        """Calls that begin together lie one below the other."""
        together = self._result.scenario.together
        return middle + ((call.number - 1) % together - (together - 1) / 2) * self._lane_height

    def _call(self, call: CallResult, middle: float) -> Iterator[Shape]:
        end = call.began + call.seconds
        height = _BAR if self._result.scenario.together == 1 else self._lane_height * 0.8
        last = call.began + call.words[-1][1] if call.words else end
        yield self._bar(call.began, end if end - last > PAUSE else last, middle, _WAIT, height=height, hint=_told(call))
        for since, until in call.words:
            yield self._bar(call.began + since, call.began + until, middle, _GOOD, height=height, hint=_told(call))
        if call.outcome != "answered":
            yield Cross(self._at(end), middle, 9, _BAD)

    def _target(self, role: Role, top: float) -> Iterator[Shape]:
        result, middle = self._result, top + _ROW / 2
        for spell in result.spells:
            if role in spell.roles and spell.since < self._span:
                left = self._at(spell.since)
                yield Box(left, top + 1, self._at(min(spell.until, self._span)) - left, _ROW - 2, _TROUBLE)
        for began, ended in _joined([each for each in result.cooldowns if each.covers(role)]):
            left = self._at(began)
            yield Box(left, middle - 6, max(self._at(ended) - left, 1.0), 12, _COOL, _WAIT, "left alone")
        for call in result.calls:
            for attempt in call.attempts:
                if (attempt.model, attempt.profile) == (role.model, role.profile):
                    yield from self._attempt(call, attempt, middle)

    def _attempt(self, call: CallResult, attempt: AttemptRecord, middle: float) -> Iterator[Shape]:
        began = call.began + attempt.started
        ended = call.began + (call.seconds if attempt.ended is None else attempt.ended)
        fill = {"succeeded": _GOOD, "failed": _BAD}.get(attempt.outcome, _GONE)
        why = "" if attempt.kind is None else f": {attempt.kind}"
        hint = f"{attempt.outcome}{why}, {ended - began:.1f} s"
        yield self._bar(began, ended, middle, fill, height=3.0 if attempt.outcome == "failed" else _BAR - 1, hint=hint)
        if attempt.outcome == "failed":
            yield Cross(self._at(ended), middle, 8, _BAD)
        if attempt.is_probe:
            yield Ring(self._at(began), middle, 5.5, _INK)

    def _axis(self, left: float, right: float, y: float) -> Iterator[Shape]:
        yield Line(left, y, right, y, _RULE)
        step = _step(self._span)
        for number in range(int(self._span / step) + 1):
            x = self._at(number * step)
            yield Line(x, y, x, y + 4, _RULE)
            yield Label(x, y + 16, f"{number * step:g}" + (" s" if number == 0 else ""), _DIM, 10, "middle")


def _told(call: CallResult) -> str:
    end = call.outcome if call.role is None else f"{call.outcome} by {call.role.name}"
    how = "streamed" if call.is_streamed else "whole"
    why = "" if call.kind is None else f": {call.kind}"
    return f"call {call.number} ({how}): {end}{why}, {call.seconds:.1f} s"


def _joined(cooldowns: Sequence[Cooldown]) -> list[tuple[float, float]]:
    """Cooldowns that overlap are one; a later answer may end one early, which no notice tells."""
    found: list[tuple[float, float]] = []
    for each in sorted(cooldowns, key=lambda each: each.began):
        end = each.began + each.seconds
        if found and each.began <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((each.began, end))
    return found


def _step(span: float) -> float:
    """A round distance between ticks, of which there are at most twelve."""
    for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0):
        if span / step <= 12:
            return step
    return 10.0 ** math.ceil(math.log10(span / 12))
