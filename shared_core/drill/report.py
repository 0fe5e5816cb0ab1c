"""The report of a drill: a mapping of results that prints as a table, with advice at the end.

Invariants: the same rows in print, in a notebook and on the command line; whatever a provider's words may hold is
escaped in HTML.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from shared_core.drill.cast import Role
from shared_core.drill.dialects import FIRST_DELAY
from shared_core.drill.results import HEALTHY_SECONDS, Result
from shared_core.drill.scenarios import canonical
from shared_core.drill.timeline import Timeline

__all__ = ["ABOUT_TIME", "HEADS", "DrillReport", "row"]

HEADS = ("scenario", "answered", "by", "first word", "requests", "your users")
"""Heads of the table's columns."""

_WIDTH = 110
"""Columns of a printed report."""

ABOUT_TIME = (
    f"Times are the drill's own: waits were skipped, not slept. A healthy first word comes after {FIRST_DELAY:g} s, a "
    f"whole answer after {HEALTHY_SECONDS:.1f} s."
)
"""What a reader must know of the seconds in a report."""


def row(result: Result) -> tuple[str, ...]:
    """A result's cells, one for each of `HEADS`."""
    answered = sum(call.outcome == "answered" for call in result.calls)
    return (
        result.name,
        f"{answered}/{len(result.calls)}",
        counted(result.served) or "-",
        _range(result.first_words),
        counted(result.requests) or "-",
        result.verdict.removeprefix("your users "),
    )


def counted(counts: Mapping[Role, int]) -> str:
    """How often each target: "A2 B4"."""
    return " ".join(f"{role.letter}{count}" for role, count in counts.items() if count)


def _range(seconds: tuple[float, float] | None) -> str:
    if seconds is None:
        return "-"
    low, high = (f"{value:.1f}" for value in seconds)
    return f"{low} s" if low == high else f"{low}-{high} s"


@dataclass(frozen=True, eq=False)
class DrillReport(Mapping[str, Result]):
    """What a drill found, by scenario: `report["primary-down"].answered`.

    Attributes:
        roles: The targets of the chain, in the order in which they are tried.
        results: The results in the order in which they were played.
        notes: What the drill did otherwise than the chain would.
        advice: What to change.
    """

    roles: tuple[Role, ...]
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    advice: tuple[str, ...]

    def __getitem__(self, name: str) -> Result:
        for result in self.results:
            if result.name == canonical(name):
                return result
        raise KeyError(f"{name!r} was not played; there are {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return (result.name for result in self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def survived(self) -> bool:
        """Every scenario was survived; see `Result.survived`."""
        return not self.failures

    @property
    def failures(self) -> tuple[Result, ...]:
        """The scenarios that were not survived."""
        return tuple(result for result in self.results if not result.survived)

    @property
    def summary(self) -> str:
        """The whole in a line."""
        whole = [result for result in self.results if result.answered]
        said = [f"answered in full: {len(whole)} of {len(self.results)} scenario{'s' * (len(self.results) != 1)}"]
        rest = [result for result in self.results if not result.answered and result.survived]
        for words, results in (
            ("not answered, and should have been", self.failures),
            ("broken off, as mid_stream says", [each for each in rest if each.scenario.is_survivable]),
            ("an error, which may be right", [each for each in rest if not each.scenario.is_survivable]),
        ):
            if results:
                said.append(f"{words}: {', '.join(result.name for result in results)}")
        return "; ".join(said)

    def timeline(self, *names: str) -> Timeline:
        """A picture of the scenarios named, or of all: who was asked when, and what was left alone for how long."""
        return Timeline(self.roles, tuple(self[name] for name in names) if names else self.results)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "survived": self.survived,
            "summary": self.summary,
            "targets": [{"letter": role.letter, "model": role.model, "profile": role.profile} for role in self.roles],
            "scenarios": [result.as_dict() for result in self.results],
            "notes": list(self.notes),
            "advice": list(self.advice),
        }

    def __repr__(self) -> str:
        return f"<DrillReport: {self.summary}>"

    def __str__(self) -> str:
        rows = [HEADS, *map(row, self.results)]
        widths = [max(len(cells[at]) for cells in rows) for at in range(len(HEADS) - 1)]
        lines = [f"  {role.letter}  {role.name}" for role in self.roles]
        lines.append("")
        for cells in rows:
            head = "".join(f"{cell:{width}}  " for cell, width in zip(cells, widths, strict=False))
            lines += textwrap.wrap(head + cells[-1], _WIDTH, subsequent_indent=" " * len(head), drop_whitespace=True)
        lines += ["", *textwrap.wrap(self.summary, _WIDTH), *textwrap.wrap(ABOUT_TIME, _WIDTH)]
        for mark, texts in (("note: ", self.notes), ("advice: ", self.advice)):
            for text in texts:
                lines += textwrap.wrap(mark + text, _WIDTH, subsequent_indent="  ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = "".join(f"<th style='text-align:left'>{escape(head)}</th>" for head in ("", *HEADS))
        rows = "".join(_html_row(result) for result in self.results)
        chain = "".join(f"<div><b>{role.letter}</b> {escape(role.name)}</div>" for role in self.roles)
        said = "".join(f"<li>{escape(text)}</li>" for text in (*self.notes, *self.advice))
        return (
            f"<div>{chain}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p><b>{escape(self.summary)}</b>. {escape(ABOUT_TIME)}</p><ul>{said}</ul></div>"
        )

    def _repr_mimebundle_(self, **_wanted: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def _html_row(result: Result) -> str:
    sign, colour = ("✓", "#2f855a") if result.answered else ("✗", "#c0392b")
    if result.survived and not result.answered:
        sign, colour = "·", "#718096"
    cells = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row(result))
    return f"<tr title='{escape(result.scenario.about)}'><td style='color:{colour}'>{sign}</td>{cells}</tr>"
