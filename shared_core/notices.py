"""What is told of a call while it goes on: the `Notice`, and which notices a walk's steps give.

Every attempt is told twice, when it begins ("attempt") and when it ends ("success", "failure" or "abandoned"),
whatever follows; what follows ("retry", "failover") and what it cost ("cooldown") or mended ("recovery") is told beside
that. Notices hold no content and no key. Pure: who listens, and when, is the business of `hooks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, assert_never

from shared_core.errors import ErrorKind
from shared_core.records import record
from shared_core.report import AttemptRecord, Outcome

__all__ = ["Notice", "NoticeEvent", "beginning", "ending", "retrying"]

NoticeEvent: TypeAlias = Literal[
    "attempt", "failover", "cooldown", "recovery", "retry", "success", "failure", "abandoned"
]


@record(frozen=True, slots=True)
class Notice:
    """One thing that happened. It holds no content and no key.

    Attributes:
        event: "attempt" (one begins), "success", "failure" or "abandoned" (one ended so), "retry" (the same target is
            to be asked again), "failover" (another target is next), "cooldown" (something is left alone for a while)
            or "recovery" (something answers again).
        model: Canonical model string.
        provider: Provider's name.
        profile: Profile's name; None where the whole model is meant.
        kind: Kind of the failure.
        message: Scrubbed text of the failure.
        seconds: Length of a cooldown; the pause before a retry; how long an attempt took that ended.
        next_model: Where a failover goes.
        next_profile: Under which profile.
        record: The attempt as the trail has it: the one that began, ended, or failed before what is told here. It is
            complete once the attempt has ended.
    """

    event: NoticeEvent
    model: str
    provider: str
    profile: str | None = None
    kind: ErrorKind | None = None
    message: str | None = None
    seconds: float | None = None
    next_model: str | None = None
    next_profile: str | None = None
    record: AttemptRecord | None = field(default=None, repr=False, compare=False)

    @property
    def number(self) -> int | None:
        """Which attempt of the call it is about, counted from 1; None for cooldowns and recoveries."""
        return None if self.record is None else self.record.number

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; empty fields are left out. An ended attempt's entry in the trail is `attempt`."""
        found: dict[str, Any] = {"event": self.event, "model": self.model, "provider": self.provider}
        found |= {name: value for name in _OPTIONAL if (value := getattr(self, name)) is not None}
        if self.kind is not None:
            found["kind"] = self.kind.value
        if self.seconds is not None:
            found["seconds"] = round(self.seconds, 4)
        if self.record is not None and self.event in _ENDINGS.values():
            found["attempt"] = self.record.as_dict()
        return found

    def __str__(self) -> str:
        where = self.model if self.profile is None else f"{self.model} [{self.profile}]"
        match self.event:
            case "attempt":
                return f"asking {where}"
            case "success":
                return f"{where} answered after {self.seconds:.2f} s"
            case "failure":
                return f"{where} failed after {self.seconds:.2f} s ({self.kind}: {self.message})"
            case "abandoned":
                return f"{where} was abandoned after {self.seconds:.2f} s"
            case "retry":
                return f"{where} is asked again in {self.seconds:.2f} s after {self.kind}"
            case "failover":
                return f"{where} failed ({self.kind}: {self.message}); next is {self.next_model} [{self.next_profile}]"
            case "cooldown":
                return f"{where} is left alone for {self.seconds:.1f} s after {self.kind}"
            case "recovery":
                return f"{where} answers again"
            case _:
                assert_never(self.event)


_OPTIONAL = ("number", "profile", "message", "next_model", "next_profile")

_ENDINGS: Mapping[Outcome, Literal["success", "failure", "abandoned"]] = MappingProxyType(
    {"succeeded": "success", "failed": "failure", "abandoned": "abandoned"}
)


def beginning(record: AttemptRecord, before: AttemptRecord | None) -> list[Notice]:
    """An attempt begins: that, and a failover if the one before it asked another target."""
    told = [Notice("attempt", record.model, record.provider, record.profile, record=record)]
    if before is None or (before.model, before.profile) == (record.model, record.profile):
        return told
    failover = _about(before, "failover", next_model=record.model, next_profile=record.profile)
    return [failover, *told]


def ending(record: AttemptRecord) -> Notice:
    """An attempt has ended."""
    return _about(record, _ENDINGS[record.outcome], seconds=(record.ended or record.started) - record.started)


def retrying(record: AttemptRecord, seconds: float) -> Notice:
    """The target of an attempt that failed is to be asked again after a pause."""
    return _about(record, "retry", seconds=seconds)


def _about(record: AttemptRecord, event: NoticeEvent, **fields: Any) -> Notice:
    kind, message = record.kind, record.message
    return Notice(
        event, record.model, record.provider, record.profile, kind=kind, message=message, record=record, **fields
    )
