"""Plays walks through in plain calls: a world with a clock, calls that walk in it, and outcomes by target.

    world = World()
    call = world.call("a/x", "b/y").play({"a/x": [fails(TRANSIENT)] * 3, "b/y": [answers()]})
    assert call.trail == ["a/x: transient", "wait 0.5", ..., "b/y: answered"]

A target is written `model` under the profile "default", `model [profile]` under another one. Nothing here sleeps: a
wait or an attempt moves the world's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared_core.chain import Link, Profile, Target
from shared_core.decisions import Attempt, GiveUp, Wait
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import Usage
from shared_core.memory import Memory
from shared_core.policy import FailoverPolicy
from shared_core.report import SkipRecord
from shared_core.walk import Walk

MOST_STEPS = 400
"""More decisions than any walk of these tests may need."""


def link(name: str, *profiles: str | Profile, **more: Any) -> Link:
    """`provider/model` under these profiles; "default" if none is given."""
    provider, _, model = name.partition("/")
    made = tuple(Profile(each) if isinstance(each, str) else each for each in profiles)
    return Link(provider, model, made or (Profile("default"),), **more)


def name_of(target: Target) -> str:
    profile = target.profile.name
    return target.link.name if profile == "default" else f"{target.link.name} [{profile}]"


def error(kind: ErrorKind, message: str = "", **more: Any) -> ProviderError:
    """What a classifier would make of a refusal."""
    return ProviderError(message or f"{kind} happened", kind=kind, **more)


@dataclass(frozen=True)
class Answers:
    """The attempt answers whole, its first content after `first` and its end after `seconds`."""

    seconds: float = 1.0
    first: float | None = 0.5
    usage: Usage | None = None


@dataclass(frozen=True)
class Fails:
    """The attempt fails after `seconds`; its first content came after `first`, and the caller had seen `shown`."""

    error: ProviderError
    seconds: float = 0.1
    first: float | None = None
    shown: str | None = None
    may_go_on: bool = False


@dataclass(frozen=True)
class Leaves:
    """The caller goes away after `seconds`."""

    seconds: float = 0.1


Outcome: TypeAlias = Answers | Fails | Leaves
Script: TypeAlias = Mapping[str, Iterable[Outcome] | Outcome]


def answers(seconds: float = 1.0, *, first: float | None = 0.5, usage: Usage | None = None) -> Answers:
    return Answers(seconds, first, usage)


def fails(
    kind: ErrorKind,
    message: str = "",
    *,
    seconds: float = 0.1,
    first: float | None = None,
    shown: str | None = None,
    may_go_on: bool = False,
    **more: Any,
) -> Fails:
    return Fails(error(kind, message, **more), seconds, first, shown, may_go_on)


def times_out(seconds: float = 30.0, code: str = "first_token_timeout", **more: Any) -> Fails:
    """One of the engine's own timers ran out."""
    return fails(
        ErrorKind.TRANSIENT, f"no content for {seconds:g} s", seconds=seconds, code=code, is_timeout=True, **more
    )


class World:
    """The shared memory, the settings and the clock."""

    def __init__(self, policy: FailoverPolicy | None = None, *, now: float = 1000.0, **settings: Any) -> None:
        self.policy = policy or FailoverPolicy(**settings)
        self.memory = Memory(self.policy)
        self.now = now

    def call(self, *chain: str | Link, policy: FailoverPolicy | None = None, **more: Any) -> Call:
        """A call with this chain begins."""
        links = [link(each) if isinstance(each, str) else each for each in chain]
        walk = Walk(links, memory=self.memory, policy=policy or self.policy, now=self.now, **more)
        return Call(self, walk)

    def later(self, seconds: float) -> None:
        self.now += seconds

    def health(self, model: str) -> tuple[str, float]:
        """State of a model, and seconds until it may be tried again."""
        found = {each.model: each for each in self.memory.health.snapshot(self.now)}[model]
        return found.state, round(found.retry_after, 3)

    def cooling(self) -> dict[str, float]:
        """Seconds for which each scope still cools, written `provider [profile]` or `provider/model [profile]`."""
        return {
            (scope.provider if scope.model is None else f"{scope.provider}/{scope.model}")
            + f" [{scope.profile}]": round(gate.until - self.now, 3)
            for scope, gate in self.memory.cooldowns
            if gate.state(self.now) == "cooling"
        }


@dataclass
class Call:
    """One walk under way, and what happened to it.

    Attributes:
        trail: What happened, in words.
        attempts: Every attempt that was begun.
        waits: Every pause.
        error: What it ended in, if it gave up.
    """

    world: World
    walk: Walk
    trail: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    error: FailoverError | None = None

    @property
    def skips(self) -> dict[str, str]:
        """Reasons by what was skipped."""
        return {
            step.model if step.profile in {None, "default"} else f"{step.model} [{step.profile}]": step.reason
            for step in self.walk.report.steps
            if isinstance(step, SkipRecord)
        }

    @property
    def asked(self) -> list[str]:
        """The targets that were attempted, in order."""
        return [name_of(attempt.target) for attempt in self.attempts]

    @property
    def attempt(self) -> Attempt:
        return self.attempts[-1]

    def next(self) -> str:
        """The next decision in words; a wait passes at once."""
        decision = self.walk.next(self.world.now)
        match decision:
            case Attempt():
                self.attempts.append(decision)
                return name_of(decision.target)
            case Wait(seconds):
                self.waits.append(seconds)
                self.world.later(seconds)
                self.trail.append(f"wait {seconds:.4g}")
            case GiveUp(given):
                self.error = given
                self.trail.append(type(given).__name__)
        return self.trail[-1]

    def begin(self) -> Call:
        """Goes on to the next attempt, which is left running."""
        for _ in range(MOST_STEPS):
            asked = len(self.attempts)
            self.next()
            if len(self.attempts) > asked:
                return self
            assert self.error is None, self.error
        raise AssertionError(f"no attempt in {MOST_STEPS} decisions")

    def ends(self, outcome: Outcome) -> Call:
        """The running attempt has this outcome."""
        where, began = name_of(self.attempt.target), self.world.now
        if not isinstance(outcome, Leaves) and outcome.first is not None:
            self.world.now = began + outcome.first
            self.walk.answered(self.world.now)
        self.world.now = max(self.world.now, began + outcome.seconds)
        match outcome:
            case Answers():
                self.walk.succeeded(self.world.now, outcome.usage)
                self.trail.append(f"{where}: answered")
            case Fails():
                self.walk.failed(outcome.error, self.world.now, shown=outcome.shown, may_go_on=outcome.may_go_on)
                self.trail.append(f"{where}: {outcome.error.kind}")
            case Leaves():
                self.walk.abandoned(self.world.now)
                self.trail.append(f"{where}: abandoned")
        return self

    def play(self, script: Script | Callable[[str], Outcome]) -> Call:
        """Plays to the end. A target's outcomes are used up in order; the last one is repeated."""
        left = (
            {}
            if callable(script)
            else {
                name: [outcomes] if isinstance(outcomes, Answers | Fails | Leaves) else list(outcomes)
                for name, outcomes in script.items()
            }
        )
        for _ in range(MOST_STEPS):
            asked = len(self.attempts)
            said = self.next()
            if self.error is not None:
                return self
            if len(self.attempts) == asked:
                continue
            if callable(script):
                outcome = script(said)
            else:
                assert said in left, f"{said} was asked against the script"
                outcome = left[said].pop(0) if len(left[said]) > 1 else left[said][0]
            self.ends(outcome)
            if not isinstance(outcome, Fails):
                return self
        raise AssertionError(f"no end in {MOST_STEPS} decisions: {self.trail[-5:]}")
