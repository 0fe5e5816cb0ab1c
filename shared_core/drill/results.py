"""What a drill found: each call as its user saw it, each scenario with a verdict, the whole with advice.

Everything is plain frozen data, prints as a table, shows as one in a notebook, and turns into JSON values.

Invariants: all times are seconds of the drill; nothing here plays or decides; no key and no real answer is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared_core.drill.cast import Role
from shared_core.drill.dialects import ANSWER, CHUNK_DELAY, FIRST_DELAY
from shared_core.drill.scenarios import Scenario
from shared_core.errors import ErrorKind
from shared_core.policy import RULES
from shared_core.report import AttemptRecord, Report
from shared_core.simulator.asked import words

__all__ = [
    "HEALTHY_SECONDS",
    "PAUSE",
    "CallResult",
    "Cooldown",
    "Outcome",
    "Result",
    "Spell",
    "spoken_seconds",
    "usual_seconds",
]

Outcome = Literal["answered", "error", "broke off"]
"""How a call ended for its user."""


def usual_seconds(text: str) -> float:
    """How long an answer takes where nothing is wrong."""
    return FIRST_DELAY + CHUNK_DELAY * max(len(words(text)) - 1, 0)


HEALTHY_SECONDS = usual_seconds(ANSWER)
"""The same for the common answer."""

PAUSE = 0.5
"""Seconds between two words that make a pause."""

_NOTICED = 1.0
"""Seconds; a shorter delay is one that people take for the usual pace."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call as its user saw it.

    Attributes:
        number: Counts from 1 in each scenario.
        began: When it began, since the scenario's beginning.
        seconds: How long it took, to its end or its error.
        is_streamed: The user saw the answer grow; else all at once.
        words: From when until when the user saw words, since the call's beginning, cut at every pause.
        usual: How long its text takes where nothing is wrong.
        outcome: How it ended for the user.
        role: The target that answered.
        shown: Characters that the user saw and may keep.
        restarts: How often what was shown was taken back.
        is_whole: The text is what a healthy target answers, no more and no less.
        kind: Kind of the error that the user saw.
        message: Its first line.
        retry_after: When it says to come back.
        report: All attempts, skips and waits.
    """

    number: int
    began: float
    seconds: float
    is_streamed: bool
    words: tuple[tuple[float, float], ...]
    usual: float
    outcome: Outcome
    role: Role | None
    shown: int
    restarts: int
    is_whole: bool
    kind: ErrorKind | None
    message: str | None
    retry_after: float | None
    report: Report = field(repr=False)

    @property
    def first_word(self) -> float | None:
        """When the user saw the first word, since the call's beginning; None if there was none."""
        return self.words[0][0] if self.words else None

    @property
    def delay(self) -> float:
        """How much longer than usual the user waited: for the whole, or for a word of a stream."""
        if self.is_streamed and self.words:
            begins = [*(began for began, _ in self.words[1:]), self.seconds]
            pauses = (then - ended for (_, ended), then in zip(self.words, begins, strict=True))
            return max(0.0, self.words[0][0] - FIRST_DELAY, *pauses)
        return max(0.0, self.seconds - self.usual)

    @property
    def attempts(self) -> list[AttemptRecord]:
        """The requests that were sent for it."""
        return self.report.attempts

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "call": self.number,
            "began": round(self.began, 3),
            "seconds": round(self.seconds, 3),
            "first_word": _rounded(self.first_word),
            "delay": round(self.delay, 3),
            "streamed": self.is_streamed,
            "outcome": self.outcome,
            "answered_by": None if self.role is None else self.role.letter,
            "shown": self.shown,
            "restarts": self.restarts,
            "error": None
            if self.kind is None
            else {"kind": self.kind.value, "message": self.message, "retry_after": _rounded(self.retry_after)},
            "failover": self.report.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A time in which something is left alone; `profile` is None for all of a model."""

    model: str
    provider: str
    profile: str | None
    began: float
    seconds: float
    kind: ErrorKind | None

    def covers(self, role: Role) -> bool:
        """Whether it keeps `role` from being asked; a refused key is one for all models."""
        is_account = self.kind is not None and self.profile is not None and RULES[self.kind].profile == "account"
        place = (self.provider, role.model) if is_account else (self.provider, self.model)
        return place == (role.provider, role.model) and self.profile in {None, role.profile}


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a trouble is on."""

    roles: tuple[Role, ...]
    since: float
    until: float


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """What came of one scenario.

    Attributes:
        scenario: What was played.
        roles: The targets of the chain, in order.
        calls: Its calls, in order.
        cooldowns: What was left alone, and when.
        spells: What was wrong, and when.
        mid_stream: What the policy says of streams that break.
    """

    scenario: Scenario
    roles: tuple[Role, ...]
    calls: tuple[CallResult, ...]
    cooldowns: tuple[Cooldown, ...] = ()
    spells: tuple[Spell, ...] = ()
    mid_stream: str = "raise"

    def __repr__(self) -> str:
        return f"<Result of {self.name}: {self.verdict}>"

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def answered(self) -> bool:
        """Every call was answered."""
        return all(call.outcome == "answered" for call in self.calls)

    @property
    def survived(self) -> bool:
        """Every call was answered, or needed not be.

        An error may be the right end of a scenario (`Scenario.is_survivable`), and a stream that breaks after its first
        words ends as the policy says with `mid_stream="raise"`.
        """
        allowed = {"answered", "broke off"} if self.mid_stream == "raise" else {"answered"}
        return not self.scenario.is_survivable or all(call.outcome in allowed for call in self.calls)

    @property
    def served(self) -> Mapping[Role, int]:
        """How many calls each target answered, in the order of the chain."""
        counts = Counter(call.role for call in self.calls)
        return {role: counts[role] for role in self.roles if counts[role]}

    @property
    def requests(self) -> Mapping[Role, int]:
        """How many requests each target got, refused connections included."""
        counts = Counter((step.model, step.profile) for call in self.calls for step in call.attempts)
        return {role: counts[role.model, role.profile] for role in self.roles}

    @property
    def longest_delay(self) -> float:
        """The longest that the user of an answered call waited beyond the usual."""
        return max((call.delay for call in self.calls if call.outcome == "answered"), default=0.0)

    @property
    def first_words(self) -> tuple[float, float] | None:
        """Shortest and longest time to the first word that a user saw; None if nobody saw one."""
        seen = [call.first_word for call in self.calls if call.first_word is not None]
        return (min(seen), max(seen)) if seen else None

    @property
    def verdict(self) -> str:
        """What the users saw, in a line."""
        parts = [*self._errors(), *self._breaks(), *self._seams(), *self._waits()]
        return "your users " + ("; ".join(parts) if parts else "saw nothing")

    def _errors(self) -> list[str]:
        failed = [call for call in self.calls if call.outcome == "error"]
        if not failed:
            return []
        kinds = ", ".join(dict.fromkeys(str(call.kind) for call in failed))
        text = f"saw an error {self._times(failed)}: {kinds}"
        longest = max(call.seconds for call in failed)
        if longest >= _NOTICED:
            text += f", after {spoken_seconds(longest)} at worst"
        stated = [call.retry_after for call in failed if call.retry_after is not None]
        return [text + (f", to come back in {spoken_seconds(max(stated))} at most" if stated else "")]

    def _breaks(self) -> list[str]:
        broken = [call for call in self.calls if call.outcome == "broke off"]
        if not broken:
            return []
        text = f"saw an answer break off {self._times(broken)}"
        longest = max(call.seconds for call in broken)
        return [text + (f", after {spoken_seconds(longest)} at worst" if longest >= HEALTHY_SECONDS + _NOTICED else "")]

    def _seams(self) -> list[str]:
        restarted = [call for call in self.calls if call.restarts]
        torn = [call for call in self.calls if call.outcome == "answered" and not call.is_whole and not self._has_texts]
        found = [f"saw an answer begin anew {self._times(restarted)}"] if restarted else []
        return found + ([f"got a text that was doubled or cut {self._times(torn)}"] if torn else [])

    @property
    def _has_texts(self) -> bool:
        """Whether the troubles may bring texts of their own."""
        return any(not isinstance(trouble.what, str) for trouble in self.scenario.troubles)

    def _waits(self) -> list[str]:
        late = [call for call in self.calls if call.outcome == "answered" and call.delay >= _NOTICED]
        if not late:
            return []
        least, most = min(call.delay for call in late), max(call.delay for call in late)
        span = "" if most - least < PAUSE else f"{spoken_seconds(least)} to "
        return [f"waited {span}{spoken_seconds(most)} longer {self._times(late)}"]

    def _times(self, calls: Sequence[CallResult]) -> str:
        return "each time" if len(calls) == len(self.calls) else f"in {len(calls)} of {len(self.calls)} calls"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "scenario": self.name,
            "about": self.scenario.about,
            "answered": sum(call.outcome == "answered" for call in self.calls),
            "survived": self.survived,
            "verdict": self.verdict,
            "served": {role.letter: count for role, count in self.served.items()},
            "requests": {role.letter: count for role, count in self.requests.items()},
            "longest_delay": round(self.longest_delay, 3),
            "calls": [call.as_dict() for call in self.calls],
            "cooldowns": [
                {
                    "model": each.model,
                    "profile": each.profile,
                    "began": round(each.began, 3),
                    "seconds": round(each.seconds, 3),
                    "kind": None if each.kind is None else each.kind.value,
                }
                for each in self.cooldowns
            ],
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def spoken_seconds(seconds: float) -> str:
    """As people say it: one decimal below ten seconds."""
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
