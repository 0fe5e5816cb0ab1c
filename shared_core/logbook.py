"""What is written down of a call while it walks: the report's steps, and the notices for hooks and log.

It owns the record of the attempt at hand, from its beginning to its one end. It decides nothing and asks nobody; times
in records are seconds since the call began. Private to one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal, TypeAlias

from shared_core.chain import Link
from shared_core.decisions import Attempt, Wait
from shared_core.errors import ProviderError
from shared_core.events import Usage
from shared_core.notices import Notice, beginning, ending, retrying
from shared_core.report import AttemptRecord, Report, SkipRecord, WaitRecord
from shared_core.verdict import Verdict

__all__ = ["Ending", "Logbook"]

Ending: TypeAlias = Literal["succeeded", "failed", "abandoned"]
"""How an attempt ends."""


class Logbook:
    """The records of one walk.

    Args:
        began: Instant at which the call began.
        max_tokens: What the caller asked for.

    Attributes:
        report: What happened so far.
        notices: What to tell hooks and log; the driver takes them out.
        newest: The record of the newest attempt, running or ended; None before the first.
        numbers: Numbers of the attempts to come; a hedge and its rival draw from the same.
    """

    def __init__(self, began: float, max_tokens: int | None) -> None:
        self.report = Report()
        self.notices: list[Notice] = []
        self.newest: AttemptRecord | None = None
        self.numbers: Iterator[int] = count(1)
        self._began = began
        self._asked = max_tokens

    @property
    def has_content(self) -> bool:
        """Whether the newest attempt had content."""
        return self.newest is not None and self.newest.first_token is not None

    def begin(self, attempt: Attempt, now: float, *, is_probe: bool) -> None:
        """An attempt begins."""
        link, sent, shown = attempt.target.link, attempt.max_tokens, attempt.shown
        record = AttemptRecord(
            model=link.name,
            provider=link.provider,
            profile=attempt.target.profile.name,
            started=now - self._began,
            is_probe=is_probe,
            resumed_at=None if shown is None else len(shown),
            max_tokens=None if sent == self._asked else "dropped" if sent is None else sent,
            notes=tuple(f"sent {name} as {other}" for name, other in attempt.renames.items()),
            number=next(self.numbers),
        )
        self.report.steps.append(record)
        self.notices += beginning(record, self.newest)
        self.newest = record

    def note(self, record: AttemptRecord, changes: Sequence[str]) -> None:
        """The request was changed for the target of a running attempt."""
        record.notes = (*record.notes, *changes)

    def answered(self, record: AttemptRecord, now: float) -> None:
        """A running attempt has its first content."""
        record.first_token = now - self._began

    def end(
        self,
        record: AttemptRecord,
        outcome: Ending,
        now: float,
        *,
        error: ProviderError | None = None,
        usage: Usage | None = None,
    ) -> None:
        """A running attempt has ended: how, why if it failed, and the tokens that it cost if it said so."""
        record.outcome, record.ended, record.usage = outcome, now - self._began, usage
        if error is not None:
            record.kind, record.status, record.code = error.kind, error.status, error.code
            record.message, record.retry_after = error.message, error.retry_after
        self.notices.append(ending(record))

    def repeats(self, record: AttemptRecord, seconds: float) -> None:
        """The target of an attempt that failed is to be asked again after a pause."""
        self.notices.append(retrying(record, seconds))

    def tell(self, notice: Notice | None) -> None:
        """What else there is to tell, if there is anything."""
        if notice is not None:
            self.notices.append(notice)

    def wait(self, wait: Wait) -> None:
        """A pause."""
        self.report.steps.append(WaitRecord(wait.seconds, wait.reason))

    def skip(self, link: Link, profile: str | None, verdict: Verdict, now: float) -> None:
        """A target is not asked; `profile` is None where none of the link's is."""
        until = None if verdict.until is None else max(0.0, verdict.until - now)
        self.report.steps.append(SkipRecord(link.name, link.provider, profile, verdict.reason, until))

    def forget_skips(self) -> None:
        """What was skipped is judged anew."""
        self.report.steps[:] = [step for step in self.report.steps if not isinstance(step, SkipRecord)]
