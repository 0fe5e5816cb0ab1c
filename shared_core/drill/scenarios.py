"""What an outage is, as data: what is wrong, where in the chain, from when until when, and which calls are made.

Nothing here knows the chain that is rehearsed: `where` names a role ("primary"), and a cast fills it.

Invariants: times are seconds of the drill, counted from the scenario's beginning; a scenario that cannot be played is
refused where it is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared_core.drill.dialects import require_words
from shared_core.errors import ConfigurationError
from shared_core.simulator import Behaviour

__all__ = ["REFUSED", "Scenario", "Trouble", "canonical"]

REFUSED = "refused"
"""The word for connections that nobody accepts."""

_MOST_CALLS = 1000
"""Calls of one scenario; each takes a few milliseconds of real time."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        what: A word that each provider says in its own way ("overloaded", "rate_limit@20", "no_credit"; see
            `dialects`), the simulator's notation ("503*2,ok", "cut@3"), one of its behaviours, or "refused" for
            connections that nobody accepts.
        where: "primary" (the first model of the chain), "primary provider" (all its models), "first key" (of that
            provider, for all its models), "everything"; or a provider, a model, a target "provider/model [profile]"
            or a key "provider [profile]" by name.
        since: When it begins.
        until: When it is over. A provider that refuses connections does so to the end.
    """

    what: str | Behaviour
    where: str = "primary"
    since: float = 0.0
    until: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.since < self.until:
            raise ConfigurationError(f"a trouble begins at 0 or later and before its end: {self.since}, {self.until}")
        if self.what == REFUSED:
            if self.since > 0 or self.until < math.inf:
                raise ConfigurationError('"refused" lasts for the whole scenario; leave out since and until')
        elif isinstance(self.what, str):
            require_words(self.what)

    def is_on(self, seconds: float) -> bool:
        """Whether it is wrong so many seconds after the scenario's beginning."""
        return self.since <= seconds < self.until


@dataclass(frozen=True, slots=True)
class Scenario:
    """One outage, and the calls that meet it: one after the other, with a pause between them.

    Attributes:
        name: Its name, in words joined by hyphens.
        about: What is wrong, in one sentence without a full stop.
        troubles: What is wrong, where and when; where several meet, the first one counts.
        calls: How many calls are made.
        pause: Seconds between the end of a call and the next one.
        together: How many of the calls begin at the same moment.
        mode: "streamed", "whole" (the answer is collected first, as by `invoke`), or "both" by turns.
        max_tokens: What the calls ask for.
        is_survivable: An answer is owed. False where an error may be the right end.
    """

    name: str
    about: str = ""
    troubles: Sequence[Trouble] = ()
    calls: int = 6
    pause: float = 5.0
    together: int = 1
    mode: Literal["both", "streamed", "whole"] = "both"
    max_tokens: int | None = None
    is_survivable: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", canonical(self.name))
        if not isinstance(self.troubles, Sequence) or not all(isinstance(each, Trouble) for each in self.troubles):
            raise ConfigurationError(f"the troubles of {self.name!r} must be a list of Trouble")
        object.__setattr__(self, "troubles", tuple(self.troubles))
        if not self.name:
            raise ConfigurationError("a scenario needs a name")
        if not 1 <= self.calls <= _MOST_CALLS or self.together < 1:
            raise ConfigurationError(
                f"a scenario makes 1 to {_MOST_CALLS} calls, together at least 1; see {self.name!r}"
            )
        if not 0 <= self.pause < math.inf:
            raise ConfigurationError(f"the pause of {self.name!r} is not a number of seconds")
        if self.mode not in {"both", "streamed", "whole"}:
            raise ConfigurationError(f'the mode of {self.name!r} is "both", "streamed" or "whole"')


def canonical(name: str) -> str:
    """A scenario's name as it is kept: "Primary down" is "primary-down"."""
    return "-".join(name.lower().replace("_", " ").replace("-", " ").split())
