"""`llm-failover drill`: plays one's own chain through outages, and shows what its users would have seen.

It draws what `shared_core.drill` found and judges nothing. No key is read and nobody is asked but this machine.
"""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from collections.abc import Sequence

from shared_core.cli.chains import say
from shared_core.cli.results import print_json
from shared_core.cli.screen import Screen, Span, choose_screen
from shared_core.configuration import Configuration
from shared_core.drill import SCENARIOS, CallResult, DrillReport, Result, Role, drill
from shared_core.drill.report import ABOUT_TIME, HEADS, row
from shared_core.drill.results import spoken_seconds
from shared_core.drill.shapes import require_format
from shared_core.errors import ConfigurationError

__all__ = ["run"]

_FEW = 3
"""So many scenarios are shown call by call."""

_NARROW = 36
"""Columns that a verdict needs at least, to stand in the table."""


def run(options: Namespace) -> int:
    """Plays the scenarios, or lists them.

    Returns:
        0 if every call was answered, but where an error may be right or a stream broke off as the policy says; 1 if
        one was not; 2 if a setting is wrong or the picture cannot be written.
    """
    screen = choose_screen(io.StringIO() if options.json else sys.stdout, plain=options.plain)
    if options.list:
        _list(screen, is_json=options.json)
        return 0
    try:
        if options.picture is not None:
            require_format(options.picture)
        source = _source(options)
        screen.busy("playing")
        report = drill(source, options.scenario)
        screen.rest()
        if options.picture is not None:
            report.timeline().save(options.picture)
    except (ConfigurationError, TimeoutError) as error:
        say(error)
        return 2
    except OSError as error:
        say(f"the picture cannot be written: {error.strerror}")
        return 2
    finally:
        screen.rest()
    if options.json:
        print_json(report.as_dict())
    else:
        _draw(screen, report, options.picture)
    return 0 if report.survived else 1


def _source(options: Namespace) -> Configuration | list[str]:
    if options.file is None:
        return [options.model, *options.fallback]
    return Configuration.load(options.file)


def _list(screen: Screen, *, is_json: bool) -> None:
    if is_json:
        print_json([{"scenario": scenario.name, "about": scenario.about} for scenario in SCENARIOS.values()])
        return
    width = max(map(len, SCENARIOS)) + 2
    for scenario in SCENARIOS.values():
        screen.show((scenario.name.ljust(width), "target"), (scenario.about, "plain"), hang=width)


def _draw(screen: Screen, report: DrillReport, picture: str | None) -> None:
    for role in report.roles:
        screen.show((f"  {role.letter}  ", "bold"), (role.name, "target"), hang=5)
    screen.show()
    table = _Table(screen, report.results)
    table.heads()
    for number, result in enumerate(report.results):
        table.line(result)
        if len(report.results) <= _FEW:
            screen.show(("    " + result.scenario.about, "dim"), hang=4)
            for call in result.calls:
                _draw_call(screen, call, report.roles)
            if number + 1 < len(report.results):
                screen.show()
    screen.show()
    screen.show((report.summary, "good" if report.survived else "bad"), hang=2)
    screen.show((ABOUT_TIME, "dim"))
    for label, texts in (("note", report.notes), ("advice", report.advice)):
        for text in texts:
            screen.show((f"{label}: ", "dim"), (text, "plain"), hang=2)
    if picture is not None:
        screen.show(("picture: ", "dim"), (picture, "target"))


class _Table:
    """The results line by line; where the screen is narrow, a verdict has a line of its own."""

    def __init__(self, screen: Screen, results: Sequence[Result]) -> None:
        self._screen = screen
        rows = [HEADS, *map(row, results)]
        self._widths = [max(len(cells[at]) for cells in rows) for at in range(len(HEADS) - 1)]
        self._hang = 2 + sum(self._widths) + 2 * len(self._widths)
        self._is_narrow = screen.width - self._hang < _NARROW

    def heads(self) -> None:
        """The heads of the columns."""
        cells: list[Span] = [(cell, "dim") for cell in HEADS]
        self._show(("", "dim"), cells[: -1 if self._is_narrow else None])

    def line(self, result: Result) -> None:
        """One result."""
        name, *cells, verdict = row(result)
        spans: list[Span] = [(name, "bold"), *((cell, "plain") for cell in cells)]
        if self._is_narrow:
            self._show(_mark(self._screen, result), spans)
            self._screen.show(("    " + result.verdict, "plain"), hang=4)
        else:
            self._show(_mark(self._screen, result), [*spans, (verdict, "plain")])

    def _show(self, mark: Span, spans: Sequence[Span]) -> None:
        widths = [*self._widths, 0]
        padded: list[Span] = [(f"{text:{width}}  ", style) for (text, style), width in zip(spans, widths, strict=False)]
        self._screen.show((mark[0].ljust(2), mark[1]), *padded, hang=self._hang)


def _mark(screen: Screen, result: Result) -> Span:
    if result.answered:
        return screen.marks.serve, "good"
    return (screen.marks.note, "dim") if result.survived else (screen.marks.fail, "bad")


def _draw_call(screen: Screen, call: CallResult, roles: Sequence[Role]) -> None:
    letters = {(role.model, role.profile): role.letter for role in roles}
    asked = ", ".join(f"{letters[each.model, each.profile]} {each.kind or each.outcome}" for each in call.attempts)
    seen = "no word" if call.first_word is None else f"first word {spoken_seconds(call.first_word)}"
    if call.kind is not None:
        end = f"{'error' if call.outcome == 'error' else 'broke off'} after {spoken_seconds(call.seconds)}: {call.kind}"
    else:
        end = f"whole {spoken_seconds(call.seconds)}"
    screen.show(
        (f"    {call.number:>2}  {'streamed' if call.is_streamed else 'whole':10}", "dim"),
        (f"{seen}, ", "plain"),
        (end, "plain" if call.kind is None else "bad"),
        (f"   {asked or 'nobody was asked'}", "dim"),
        hang=18,
    )
