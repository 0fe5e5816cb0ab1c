"""What happened in one call: every attempt, skip and wait, in order, and who answered in the end.

A report holds no message content and no key, and turns into plain JSON values with `as_dict`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal, TypeAlias

from shared_core.errors import ErrorKind
from shared_core.events import Usage
from shared_core.records import record

__all__ = ["AttemptRecord", "Outcome", "Report", "SkipRecord", "Step", "WaitRecord"]

Outcome = Literal["running", "succeeded", "failed", "abandoned"]


@record(slots=True)
class AttemptRecord:
    """One request to one target. Times are seconds since the call began.

    Attributes:
        model: Canonical model string, `provider/model`.
        provider: Provider's name.
        profile: Name of the API-key profile.
        started: When the attempt began.
        outcome: How it ended; every attempt ends exactly once.
        ended: When it ended.
        first_token: When its first content came.
        kind: Kind of the failure.
        status: HTTP status of the failure.
        code: Provider's code of the failure.
        message: Scrubbed text of the failure.
        retry_after: Wait that the provider stated.
        is_probe: Whether it was the one test call after a cooldown.
        max_tokens: The value that was sent, where it differs from what the caller asked for ("dropped" for none).
        notes: What was adapted for this target.
        resumed_at: How many characters had been shown when this attempt took over from one that broke.
        usage: Tokens that it cost, if it said so.
        number: Which attempt of the call it is, counted from 1; a hedge and its rival count together.
    """

    model: str
    provider: str
    profile: str
    started: float
    outcome: Outcome = "running"
    ended: float | None = None
    first_token: float | None = None
    kind: ErrorKind | None = None
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    is_probe: bool = False
    max_tokens: int | Literal["dropped"] | None = None
    notes: tuple[str, ...] = ()
    resumed_at: int | None = None
    usage: Usage | None = None
    number: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; empty fields are left out."""
        found: dict[str, Any] = {
            "step": "attempt",
            "model": self.model,
            "profile": self.profile,
            "outcome": self.outcome,
            "started": round(self.started, 4),
        }
        if self.ended is not None:
            found["seconds"] = round(self.ended - self.started, 4)
        if self.first_token is not None:
            found["first_token"] = round(self.first_token - self.started, 4)
        if self.kind is not None:
            found["kind"] = self.kind.value
        for name in ("status", "code", "message", "retry_after", "max_tokens", "resumed_at"):
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        if self.is_probe:
            found["is_probe"] = True
        if self.notes:
            found["notes"] = list(self.notes)
        if self.usage is not None:
            found["input_tokens"] = self.usage.input_tokens
            found["output_tokens"] = self.usage.output_tokens
        return found


@record(slots=True)
class SkipRecord:
    """A target that was not attempted, and why. `profile` is None where the whole model was skipped."""

    model: str
    provider: str
    profile: str | None
    reason: str
    retry_after: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; empty fields are left out."""
        found: dict[str, Any] = {"step": "skip", "model": self.model, "reason": self.reason}
        if self.profile is not None:
            found["profile"] = self.profile
        if self.retry_after is not None:
            found["retry_after"] = round(self.retry_after, 4)
        return found


@record(slots=True)
class WaitRecord:
    """A pause before the next attempt."""

    seconds: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"step": "wait", "seconds": round(self.seconds, 4), "reason": self.reason}


Step: TypeAlias = AttemptRecord | SkipRecord | WaitRecord


@record(slots=True)
class Report:
    """The journey of one call.

    Attributes:
        steps: Attempts, skips and waits, in order.
        model: Canonical model string of the target that answered; None if none did.
        provider: Its provider.
        profile: Its profile.
        hedged: A second target was asked while the first was late.
        continued: The answer was continued by another target after it broke.
    """

    steps: list[Step] = field(default_factory=list)
    model: str | None = None
    provider: str | None = None
    profile: str | None = None
    hedged: bool = False
    continued: bool = False

    @property
    def attempts(self) -> list[AttemptRecord]:
        """The attempts alone."""
        return [step for step in self.steps if isinstance(step, AttemptRecord)]

    @property
    def skips(self) -> list[SkipRecord]:
        """The skips alone."""
        return [step for step in self.steps if isinstance(step, SkipRecord)]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: what the faces put on their answers."""
        return {
            "model": self.model,
            "provider": self.provider,
            "profile": self.profile,
            "hedged": self.hedged,
            "continued": self.continued,
            "trail": [step.as_dict() for step in self.steps],
        }
