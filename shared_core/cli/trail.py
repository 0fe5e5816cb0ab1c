"""The walk of one call, drawn line by line while it happens: attempts, failures, waits, skips, and the text.

It listens to the engine's hooks, and takes skips, of which those do not tell, from the report at the end. It decides
nothing and makes nothing up: a wait is as long as it was, a skip has the engine's reason.

Invariants: each attempt, each failure and each skip is drawn once; a listener never raises into the engine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from functools import wraps
from itertools import takewhile
from typing import ParamSpec, TypeAlias

from shared_core.cli.advice import in_options
from shared_core.cli.results import CallError
from shared_core.cli.screen import Screen, Span, Style
from shared_core.hooks import Hooks, Notice
from shared_core.manager import FailoverManager
from shared_core.report import AttemptRecord, Report
from shared_core.request import LLMRequest
from shared_core.views import Candidate

__all__ = ["Trail", "target_name"]

Target: TypeAlias = tuple[str, str | None]
"""Model and profile; None for all of the model."""

_P = ParamSpec("_P")

_SHORTEST_WAIT = 0.03
"""Seconds; between a failure and the next attempt without a wait, the engine needs a fraction of this."""

_HANG = 13
"""Columns before the text of a line: the time, the sign, and blanks."""


def target_name(model: str, profile: str | None) -> str:
    """A target as people read it: `openai/gpt-4.1 [backup]`."""
    return model if profile is None else f"{model} [{profile}]"


def _safely(listener: Callable[_P, None]) -> Callable[_P, None]:
    """A terminal that went away is not the provider's failure; the next line outside the engine meets it again."""

    @wraps(listener)
    def listen(*args: _P.args, **kwargs: _P.kwargs) -> None:
        with contextlib.suppress(BrokenPipeError):
            listener(*args, **kwargs)

    return listen


class Trail:
    """Draws one call after the other.

    Args:
        screen: Where.
        clock: Monotonic clock, in seconds.

    Attributes:
        hooks: For the manager whose calls are drawn.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self.hooks = Hooks(
            on_attempt=_safely(self._attempt),
            on_failover=_safely(self._failover),
            on_cooldown=_safely(self._cooldown),
            on_recovery=_safely(self._recovery),
            on_failure=_safely(self._failure),
        )
        self._screen = screen
        self._clock = clock
        self._request = LLMRequest()
        self._begin(())

    def _begin(self, candidates: tuple[Candidate, ...]) -> None:
        self._candidates = candidates
        self._passed: set[Target] = set()
        self._asked: Target | None = None
        self._record: AttemptRecord | None = None
        self._fails_over = self._has_text = False
        self._began = self._last = self._clock()

    @contextlib.contextmanager
    def follow(self, manager: FailoverManager, request: LLMRequest) -> Generator[None, None, None]:
        """One call: what happens inside is drawn; what the hooks did not tell is taken from an error's report."""
        self._request = request
        self._begin(manager.explain(request).candidates)
        try:
            yield
        except CallError as error:
            self._complete(error.report)
            raise
        finally:
            self._screen.rest()

    def served(self, report: Report) -> None:
        """The call was answered; says by whom, and after what."""
        self._complete(report)
        self._screen.end_line()
        failures = sum(step.outcome == "failed" for step in report.attempts)
        after = f" after {failures} failed attempt{'s' * (failures != 1)}" if failures else ""
        served = target_name(report.model or "", report.profile)
        self._line(self._screen.marks.serve, "good", (served, "target"), (f" answered{after}", "plain"))

    def text(self, piece: str) -> None:
        """A piece of the answer."""
        if not self._has_text:
            self._has_text = True
            self._flush_notes()
            self._head(self._screen.marks.text, "good")
        self._screen.grow(piece, "bold", hang=_HANG)

    def rest(self) -> None:
        """Takes the spinner away, so that someone else can write on the terminal."""
        self._flush_notes()
        self._screen.rest()

    # What hooks say

    def _attempt(self, notice: Notice) -> None:
        self._pause()
        target = (notice.model, notice.profile)
        self._pass_by(target)
        marks, name = self._screen.marks, target_name(*target)
        if self._fails_over:
            self._line(marks.over, "wait", ("fails over to ", "plain"), (name, "target"))
        elif self._asked == target:
            self._line(marks.again, "wait", ("asks ", "plain"), (name, "target"), (" again", "plain"))
        else:
            self._line(marks.ask, "bold", ("asks ", "plain"), (name, "target"))
        self._asked, self._fails_over = target, False
        self._record = notice.record
        self._screen.busy("waiting for the first word")

    def _failure(self, notice: Notice) -> None:
        self._flush_notes()
        status, retry_after = getattr(notice.record, "status", None), getattr(notice.record, "retry_after", None)
        where = "" if status is None else f" (HTTP {status})"
        stated = "" if retry_after is None else f", to come back in {retry_after:g} s"
        self._screen.end_line()
        spans: tuple[Span, Span] = ((f"{notice.kind}{where}{stated}: ", "bad"), (notice.message or "", "plain"))
        self._line(self._screen.marks.fail, "bad", *spans)
        self._screen.busy("waiting")

    def _failover(self, _notice: Notice) -> None:
        self._pause()
        self._fails_over = True

    def _cooldown(self, notice: Notice) -> None:
        who = f"all of {notice.model}" if notice.profile is None else target_name(notice.model, notice.profile)
        self._note(f"{who} is left alone for {round(notice.seconds or 0, 1):g} s")

    def _recovery(self, notice: Notice) -> None:
        self._note(f"{target_name(notice.model, notice.profile)} is back in use")

    # Lines

    def _pass_by(self, target: Target) -> None:
        """Draws the skips on the way to `target`."""

        def is_before(candidate: Candidate) -> bool:
            return target not in {(candidate.model, candidate.profile), (candidate.model, None)}

        for candidate in takewhile(is_before, self._candidates):
            if candidate.skip is not None:
                self._skip(candidate.model, candidate.profile, candidate.skip)

    def _skip(self, model: str, profile: str | None, reason: str) -> None:
        if (model, profile) not in self._passed and (model, None) not in self._passed:
            self._passed.add((model, profile))
            # The engine's reasons are sentences of their own; the name stands before them already.
            reason = reason.removeprefix(f"{model} is ").removeprefix(f"profile {profile} is ")
            self._line(
                self._screen.marks.skip,
                "dim",
                ("skips ", "plain"),
                (target_name(model, profile), "target"),
                (f": {in_options(reason)}", "plain"),
            )

    def _pause(self) -> None:
        seconds = self._clock() - self._last
        if seconds >= _SHORTEST_WAIT:
            self._line(self._screen.marks.wait, "wait", (f"waited {seconds:.2f} s", "wait"))

    def _complete(self, report: Report) -> None:
        """Draws what hooks do not tell."""
        self._flush_notes()
        self._screen.end_line()
        for skip in report.skips:
            self._skip(skip.model, skip.profile, skip.reason)

    def _flush_notes(self) -> None:
        """Draws what the target gets otherwise than it was asked for; it is known once the request has been sent."""
        record, self._record = self._record, None
        if record is None:
            return
        asked = self._request.max_tokens
        if asked is not None and not any(note.startswith("max_tokens") for note in record.notes):
            sent = record.max_tokens or asked
            self._note("leaves out max_tokens" if sent == "dropped" else f"sends max_tokens {sent}")
        for note in record.notes:
            self._note(note)

    def _note(self, text: str) -> None:
        self._screen.show((f"{self._screen.marks.note:>11}  {text}", "dim"), hang=_HANG)
        self._last = self._clock()

    def _line(self, mark: str, style: Style, *spans: Span) -> None:
        self._screen.end_line()
        self._head(mark, style)
        for text, span_style in spans:
            self._screen.grow(text, span_style, hang=_HANG)
        self._screen.end_line()
        self._last = self._clock()

    def _head(self, mark: str, style: Style) -> None:
        self._screen.grow(f"{self._clock() - self._began:6.2f} s  ", "dim", hang=_HANG)
        self._screen.grow(f"{mark}  ", style, hang=_HANG)
