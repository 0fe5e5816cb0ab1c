"""Snapshots for people: what a call would try (`Explanation`) and what is down (`HealthSnapshot`).

Both are plain frozen data that print as a table, and show as one in a notebook. They hold no key and no message
content.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar

from shared_core.chain import Link
from shared_core.cooldown import Scoped
from shared_core.errors import ErrorKind
from shared_core.figures import Figures
from shared_core.gate import Gate, GateState
from shared_core.health import ModelHealth
from shared_core.memory import Memory
from shared_core.records import record
from shared_core.verdict import judge_link, judge_profile

__all__ = ["Candidate", "Explanation", "HealthSnapshot", "ProfileHealth"]


class _Table(ABC):
    """Shows itself as a table: in print, by `rich.print` in colours, at IPython's prompt, in a notebook."""

    __slots__ = ()
    _heads: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _rows(self) -> Sequence[tuple[str, ...]]:
        """One row for each thing, a cell for each head."""

    def __str__(self) -> str:
        lines = (self._heads, *self._rows())
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        cells = ((cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join("  ".join(line).rstrip() for line in cells)

    def _repr_html_(self) -> str:
        rows = "".join(_html_row("td", row) for row in self._rows())
        return f"<table><thead>{_html_row('th', self._heads)}</thead><tbody>{rows}</tbody></table>"

    def __rich__(self) -> Any:
        # Asked for by rich alone, so that it is there. A cell is no markup: a provider's own words are among them.
        table, text = import_module("rich.table").Table(*self._heads), import_module("rich.text").Text
        for row in self._rows():
            table.add_row(*(text(cell, style=_STYLES.get(cell, "")) for cell in row))
        return table

    def _repr_mimebundle_(self, **_wanted: object) -> dict[str, str]:
        # Without the plain text IPython would show the repr of a dataclass beside the table.
        return {"text/plain": str(self), "text/html": self._repr_html_()}


_STYLES: Mapping[str, str] = MappingProxyType(
    {
        "open": "green",
        "would be tried": "green",
        "cooling": "yellow",
        "ajar": "yellow",
        "probing": "yellow",
        "disabled": "red",
    }
)
"""Named colours, so that the terminal's own palette decides what they look like."""


def _html_row(tag: str, cells: Sequence[str]) -> str:
    # A provider's own words are among them.
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


@record(frozen=True, slots=True)
class Candidate:
    """One target of the chain. `skip` is None if it would be attempted; `profile` is None for a whole model."""

    model: str
    profile: str | None
    skip: str | None = None


@record(frozen=True, slots=True)
class Explanation(_Table):
    """What would be tried, in order, and what skipped and why."""

    _heads = ("", "model", "profile", "verdict")

    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, chain: Sequence[Link], memory: Memory, now: float) -> Explanation:
        """Judges every target of the chain. The caller holds the memory's lock."""
        found = []
        for link in chain:
            verdict = judge_link(link, memory, now, None)
            if verdict is not None:
                found.append(Candidate(link.name, None, verdict.reason))
                continue
            for profile in link.profiles:
                verdict = judge_profile(link, profile, memory, now, None)
                found.append(Candidate(link.name, profile.name, None if verdict is None else verdict.reason))
        return cls(tuple(found))

    def _rows(self) -> Sequence[tuple[str, ...]]:
        return [
            (str(number), candidate.model, candidate.profile or "-", candidate.skip or "would be tried")
            for number, candidate in enumerate(self.candidates, 1)
        ]


@record(frozen=True, slots=True)
class ProfileHealth:
    """A profile, or (with a `model`) what is held against it for one model. Times are seconds.

    Attributes:
        provider: Provider's name.
        profile: Profile's name.
        model: The model that is meant; None for the whole profile.
        state: "open", "cooling", "ajar" (the next call probes) or "probing".
        retry_after: Seconds until it may be tried again; 0 if now.
        kind: Why it cools.
        message: Scrubbed text of the last failure.
        hits: Consecutive failures that were its own.
        figures: Of the whole profile: attempts, successes, latency.
    """

    provider: str
    profile: str
    model: str | None
    state: GateState
    retry_after: float
    kind: ErrorKind | None
    message: str
    hits: int
    figures: Figures | None = None

    @classmethod
    def all(cls, memory: Memory, now: float) -> tuple[ProfileHealth, ...]:
        """Every profile that was asked, and everything that is held against one. The caller holds the lock."""
        gates = dict(memory.cooldowns)
        scopes = sorted(
            {*memory.profiles, *gates}, key=lambda scope: (scope.provider, scope.profile, scope.model or "")
        )
        return tuple(cls.of(scope, gates.get(scope, Gate()), memory.profiles.get(scope), now) for scope in scopes)

    @classmethod
    def of(cls, scope: Scoped, gate: Gate, figures: Figures | None, now: float) -> ProfileHealth:
        """The snapshot of one of them."""
        left = 0.0 if gate.is_open else max(0.0, gate.until - now)
        kind = gate.kind if gate.hits else None
        return cls(*scope, gate.state(now), left, kind, gate.message, gate.hits, figures and replace(figures))


@record(frozen=True, slots=True)
class HealthSnapshot(_Table):
    """Every known model and profile, and what is held against a profile for one model."""

    _heads = ("target", "state", "free in", "answered", "first token", "last failure")

    models: tuple[ModelHealth, ...]
    profiles: tuple[ProfileHealth, ...]

    def _rows(self) -> Sequence[tuple[str, ...]]:
        return [
            (
                model.model,
                "disabled" if model.disabled else model.state,
                f"{model.retry_after:.1f} s" if model.retry_after else "-",
                f"{model.successes}/{model.attempts}",
                "-" if model.latency is None else f"{model.latency:.2f} s",
                model.disabled or (f"{model.kind}{_in_a_row(model.failures)}: {model.message}" if model.kind else "-"),
            )
            for model in self.models
        ] + [
            (
                f"{entry.provider} [{entry.profile}]" + (f" for {entry.model}" if entry.model else ""),
                entry.state,
                f"{entry.retry_after:.1f} s" if entry.retry_after else "-",
                f"{entry.figures.successes}/{entry.figures.attempts}" if entry.figures else "-",
                f"{entry.figures.latency:.2f} s" if entry.figures and entry.figures.latency is not None else "-",
                f"{entry.kind}{_in_a_row(entry.hits)}: {entry.message}" if entry.kind else "-",
            )
            for entry in self.profiles
        ]


def _in_a_row(failures: int) -> str:
    return f" ({failures} in a row)" if failures > 1 else ""
