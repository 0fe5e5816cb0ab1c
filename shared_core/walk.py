"""The chain walk as a machine without I/O: it decides, and is told what happened.

    decision = walk.next(now)    Attempt: ask this target    → answered()?, then succeeded(), failed() or abandoned()
                                 Wait: sleep so long         → next()
                                 GiveUp: raise this error    (the end)

Each call of `next` is legal only while no attempt runs, each report of an ending only while one does; anything else is
a `RuntimeError`, for it would be a bug in a driver. The walk never calls, sleeps, awaits, reads a clock or draws a
random number. It reads and writes the shared `Memory`, so its caller holds `memory.lock` around every method.

Invariants: every candidate is attempted or skipped with a reason, once, to the end of the chain; every attempt ends
exactly once; no attempt while cooling; at most one probe of a gate; no wait and no attempt begins that cannot end
before the deadline; a repair of the request belongs to one target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared_core.chain import Link, Target
from shared_core.cooldown import Scoped
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import Usage
from shared_core.farewell import exhausted, interrupted, rejected
from shared_core.gate import Gate
from shared_core.hooks import Notice
from shared_core.memory import Memory
from shared_core.mending import Mending
from shared_core.policy import Action, FailoverPolicy
from shared_core.report import AttemptRecord, Report, SkipRecord, WaitRecord
from shared_core.verdict import Verdict, judge_link, judge_profile, soonest

__all__ = ["Attempt", "Decision", "GiveUp", "Wait", "Walk"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Ask `target` now.

    Attributes:
        target: What to ask.
        max_tokens: What to send for it; None leaves it out.
        omit: Body fields to leave out.
        renames: Body fields to send under another name.
        connect_timeout: Seconds for the connection.
        first_token_timeout: Seconds from now until the first content.
        idle_timeout: Seconds between two pieces of content.
        deadline: Instant at which the whole call ends.
        shown: What an attempt before this one had shown when it broke; None if nothing was shown yet.
        is_cut: The deadline left it less time than the policy grants, so running out of it is not the target's fault.
    """

    target: Target
    max_tokens: int | None
    omit: frozenset[str]
    renames: Mapping[str, str]
    connect_timeout: float
    first_token_timeout: float
    idle_timeout: float
    deadline: float | None
    is_cut: bool
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Sleep for `seconds`, then ask again what to do."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Raise `error`; nothing follows."""

    error: FailoverError


Decision: TypeAlias = Attempt | Wait | GiveUp


class Walk:
    """The journey of one call through its chain. Private to that call.

    Args:
        chain: The links in order.
        memory: What is known of targets; shared.
        policy: Settings.
        now: Instant at which the call began.
        max_tokens: What the caller asked for.
        deadline: Seconds for the whole call, instead of the policy's.

    Attributes:
        report: What happened so far.
        notices: What to tell hooks and log; the driver takes them out.
    """

    def __init__(
        self,
        chain: Sequence[Link],
        *,
        memory: Memory,
        policy: FailoverPolicy,
        now: float,
        max_tokens: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self.report = Report()
        self.notices: list[Notice] = []
        self._chain = chain
        self._memory = memory
        self._policy = policy
        self._began = now
        seconds = policy.deadline if deadline is None else deadline
        self._deadline = None if seconds is None else now + seconds
        self._asked = max_tokens
        self._link = 0
        self._profile = 0
        self._attempt: Attempt | None = None
        self._record: AttemptRecord | None = None
        self._started = now
        self._again: Target | None = None
        self._pause: Wait | None = None
        self._mending = Mending(policy, memory, max_tokens)
        self._permits: list[Gate] = []
        self._min_window = 0
        self._link_error: ProviderError | None = None
        self._errors: list[ProviderError] = []
        self._rested = 0.0
        self._shown: str | None = None
        self._end: FailoverError | Literal["answered", "abandoned"] | None = None
        memory.health.ensure(link.name for link in chain)
        memory.budget.deposit(now)

    # What to do

    def next(self, now: float) -> Decision:
        """The next thing to do.

        Raises:
            RuntimeError: An attempt is running, or the walk has ended with an answer.
        """
        if self._attempt is not None or isinstance(self._end, str):
            raise RuntimeError("next() while an attempt runs or after the end")
        if self._end is not None:
            return GiveUp(self._end)
        if self._pause is not None:
            pause, self._pause = self._pause, None
            self.report.steps.append(WaitRecord(pause.seconds, pause.reason))
            return pause
        if self._again is not None:
            target, self._again = self._again, None
            verdict = self._judge(target, now)
            if verdict is None:
                return self._begin(target, now)
            # Another call shut it during the pause.
            self._skip(target.link, target.profile.name, verdict, now)
        return self._select(now)

    def _select(self, now: float) -> Decision:
        while self._link < len(self._chain):
            link = self._chain[self._link]
            if self._is_late(now):
                verdict: Verdict | None = Verdict("the deadline has passed")
            else:
                verdict = judge_link(link, self._memory, now, self, self._min_window)
            if verdict is not None:
                self._skip(link, None, verdict, now)
                self._leave(now)
                continue
            while self._profile < len(link.profiles):
                profile = link.profiles[self._profile]
                self._profile += 1
                verdict = judge_profile(link, profile, self._memory, now, self)
                if verdict is None:
                    self._mending = Mending(self._policy, self._memory, self._asked)
                    return self._begin(Target(link, profile), now)
                self._skip(link, profile.name, verdict, now)
            self._leave(now)
        return self._rest_or_give_up(now)

    def _begin(self, target: Target, now: float) -> Attempt:
        link, policy = target.link, self._policy
        learnt = self._memory.learnt(link.name)
        max_tokens = self._mending.max_tokens(learnt)
        left = self._count_left(now)
        first = policy.silent_first_token_timeout if link.thinks_silently else policy.first_token_timeout
        if not left:
            first = max(first, policy.last_first_token_timeout)
        is_cut = False
        if self._deadline is not None:
            # Each target left gets a fair share of the time, and the last one all that remains.
            share = (self._deadline - now) / (left + 1)
            is_cut = share < first
            first = min(first, share)
        is_probe = self._take_permits(target, now)
        self._attempt = Attempt(
            target=target,
            max_tokens=max_tokens,
            omit=learnt.omit,
            renames=learnt.renames,
            connect_timeout=min(policy.connect_timeout, first),
            first_token_timeout=first,
            idle_timeout=policy.idle_timeout,
            deadline=self._deadline,
            is_cut=is_cut,
            shown=self._shown,
        )
        self._record = AttemptRecord(
            model=link.name,
            provider=link.provider,
            profile=target.profile.name,
            started=now - self._began,
            is_probe=is_probe,
            resumed_at=None if self._shown is None else len(self._shown),
            max_tokens=None if max_tokens == self._asked else "dropped" if max_tokens is None else max_tokens,
            notes=tuple(
                [f"left out {name}" for name in sorted(learnt.omit)]
                + [f"sent {name} as {other}" for name, other in learnt.renames.items()]
            ),
        )
        self._started = now
        self._tell_failover(target)
        self.report.steps.append(self._record)
        self.notices.append(Notice("attempt", link.name, link.provider, target.profile.name))
        return self._attempt

    def _tell_failover(self, target: Target) -> None:
        before = next((step for step in reversed(self.report.steps) if isinstance(step, AttemptRecord)), None)
        if before is None or (before.model, before.profile) == (target.link.name, target.profile.name):
            return
        self.notices.append(
            Notice(
                "failover",
                before.model,
                before.provider,
                before.profile,
                kind=before.kind,
                message=before.message,
                next_model=target.link.name,
                next_profile=target.profile.name,
            )
        )

    def _take_permits(self, target: Target, now: float) -> bool:
        # The permit must outlive a slow answer, and lapse if its caller vanishes.
        lease = self._policy.last_first_token_timeout + self._policy.connect_timeout
        link, profile = target.link, target.profile
        gates = [self._memory.health.gate(link.name, now)]
        cooldowns = self._memory.cooldowns
        gates += [gate for _, gate in cooldowns.gates(link.provider, profile.name, link.model, profile.fingerprint)]
        for gate in gates:
            if gate not in self._permits and gate.take(now, self, lease):
                self._permits.append(gate)
        return bool(self._permits)

    def has_more(self, now: float) -> bool:
        """Whether another target could still be attempted."""
        return self._count_left(now) > 0

    # What happened

    def answered(self, now: float) -> None:
        """The running attempt got its first content: others may use the target again."""
        _, record = self._running()
        record.first_token = now - self._began
        for gate in self._permits:
            gate.answered(self)
        self._permits.clear()

    def succeeded(self, now: float, usage: Usage | None = None) -> None:
        """The running attempt gave a whole answer."""
        attempt, record = self._close(now, "succeeded")
        link, profile = attempt.target.link, attempt.target.profile
        record.usage = usage
        latency = None if record.first_token is None else record.first_token - record.started
        recovered = self._memory.health.record_success(link.name, started=self._started, latency=latency)
        gone = self._memory.cooldowns.succeeded(link.provider, profile.name, link.model, started=self._started)
        if recovered or gone:
            self.notices.append(Notice("recovery", link.name, link.provider, profile.name))
        self._give_back()
        self.report.model, self.report.provider, self.report.profile = link.name, link.provider, profile.name
        self._end = "answered"

    def abandoned(self, now: float) -> None:
        """The caller went away: nobody is to blame, and permits are given back. Legal at any time before the end."""
        if self._attempt is not None:
            self._close(now, "abandoned")
        self._give_back()
        if self._end is None:
            self._end = "abandoned"

    def failed(
        self,
        error: ProviderError,
        now: float,
        *,
        shown: str | None = None,
        may_go_on: bool = False,
        usage: Usage | None = None,
    ) -> None:
        """The running attempt failed.

        Args:
            error: Why, classified.
            now: The present instant.
            shown: All text that the caller has seen of this call ("" for other content); None if this attempt
                showed nothing.
            may_go_on: Another target may go on from what was shown, or start again with a mark.
            usage: Tokens that the attempt cost, if it said so.
        """
        attempt, record = self._close(now, "failed")
        record.kind, record.status, record.code = error.kind, error.status, error.code
        record.message, record.retry_after, record.usage = error.message, error.retry_after, usage
        self._errors.append(error)
        target, rule = attempt.target, self._policy.rule(error.kind)
        self._memory.health.record_attempt(target.link.name)
        if shown is not None:
            self._shown = shown
            self._settle(attempt, error, now)
            self._go(rule.then if may_go_on else "raise", error, record, now)
            return
        pause = self._mending.mend(
            attempt.target,
            error,
            sent=attempt.max_tokens,
            seconds=now - self._started,
            now=now,
            deadline=self._deadline,
            others=lambda: self._count_left(now),
            siblings=lambda: self._has_free_sibling(target.link, now),
        )
        if pause is not None:
            self._again = target
            self._pause = Wait(*pause) if pause[0] > 0 else None
            return
        self._settle(attempt, error, now)
        self._go(rule.then, error, record, now)

    def _settle(self, attempt: Attempt, error: ProviderError, now: float) -> None:
        """What the failure means for the profile and the model."""
        link, profile = attempt.target.link, attempt.target.profile
        rule = self._policy.rule(error.kind)
        if error.is_timeout and attempt.is_cut:
            return
        if rule.profile != "none":
            by_model = rule.profile == "model" and error.scope == "model" and self._policy.cooldown_scope == "model"
            scope = Scoped(link.provider, profile.name, link.model if by_model else None)
            seconds = self._memory.cooldowns.shut(
                scope, error, self._policy, now=now, fingerprint=profile.fingerprint, started=self._started
            )
            self.notices.append(
                Notice("cooldown", link.name, link.provider, profile.name, kind=error.kind, seconds=seconds)
            )
        if rule.health == "now":
            self._cool_model(link, error, now)
        elif rule.health == "last_profile":
            self._link_error = error

    def _cool_model(self, link: Link, error: ProviderError, now: float) -> None:
        stated = None
        if error.retry_after is not None:
            stated = min(max(error.retry_after, self._policy.min_cooldown), self._policy.max_cooldown)
            if self._policy.rule(error.kind).health == "last_profile":
                # The first of its profiles to be free again is when the model is.
                free = soonest((link,), self._memory, now, self)
                stated = stated if free is None or free <= now else min(stated, free - now)
        seconds = self._memory.health.record_failure(
            link.name, error.kind, error.message, now, started=self._started, cooldown=stated
        )
        self.notices.append(Notice("cooldown", link.name, link.provider, kind=error.kind, seconds=seconds))

    def _go(self, then: Action, error: ProviderError, record: AttemptRecord, now: float) -> None:
        link = self._chain[self._link]
        match then:
            case "next_profile":
                return
            case "raise":
                self._leave(now)
                self._end = (
                    rejected(error, record, self.report, self._errors)
                    if self._shown is None
                    else interrupted(self._shown, error, record, self.report, self._errors)
                )
                return
            case "larger_window":
                learnt = self._memory.learnt(link.name)
                learnt.refused_input(error.ceiling)
                self._min_window = max(self._min_window, learnt.window or link.window or 0)
            case "next_model":
                pass
        for profile in link.profiles[self._profile :]:
            self._skip(link, profile.name, Verdict(f"{link.name} failed: {error.kind}"), now)
        self._leave(now)

    # Moving on

    def _leave(self, now: float) -> None:
        """Goes on to the next link."""
        if self._link_error is not None:
            self._cool_model(self._chain[self._link], self._link_error, now)
            self._link_error = None
        self._give_back()
        self._link += 1
        self._profile = 0

    def _rest_or_give_up(self, now: float) -> Decision:
        """The chain is at its end: wait for the first target to come back if that is soon, else give up."""
        ready = soonest(self._chain, self._memory, now, self, self._min_window)
        if ready is not None and now < ready <= now + self._policy.patience - self._rested and not self._is_late(ready):
            seconds = ready - now
            self._rested += seconds
            self._link = self._profile = 0
            # They are judged anew after the wait, and then attempted or skipped for good.
            self.report.steps[:] = [step for step in self.report.steps if not isinstance(step, SkipRecord)]
            wait = Wait(seconds, "everything is cooling; the first target is about to be free")
            self.report.steps.append(WaitRecord(wait.seconds, wait.reason))
            return wait
        self._end = self._last_error(ready, now)
        return GiveUp(self._end)

    def _last_error(self, ready: float | None, now: float) -> FailoverError:
        last = self._errors[-1] if self._errors else None
        if last is not None and self._shown is not None:
            return interrupted(self._shown, last, self.report.attempts[-1], self.report, self._errors)
        overflowed = {error.kind for error in self._errors} == {ErrorKind.CONTEXT_EXCEEDED}
        attempts = self.report.attempts
        if last is not None and overflowed and self._policy.rule(last.kind).then == "larger_window":
            return rejected(last, attempts[-1], self.report, self._errors)
        kinds = [
            verdict.kind
            for link in self._chain
            if (verdict := judge_link(link, self._memory, now, self)) is not None and verdict.kind is not None
        ]
        retry_after = None if ready is None else max(0.0, ready - now)
        return exhausted(self.report, self._errors, len(self._chain), retry_after, kinds)

    def _skip(self, link: Link, profile: str | None, verdict: Verdict, now: float) -> None:
        until = None if verdict.until is None else max(0.0, verdict.until - now)
        self.report.steps.append(SkipRecord(link.name, link.provider, profile, verdict.reason, until))

    def _count_left(self, now: float) -> int:
        """How many targets could still be attempted after the one at hand."""
        count = 0
        for index in range(self._link, len(self._chain)):
            link = self._chain[index]
            if index > self._link and judge_link(link, self._memory, now, self, self._min_window) is not None:
                continue
            first = self._profile if index == self._link else 0
            count += sum(
                judge_profile(link, profile, self._memory, now, self) is None for profile in link.profiles[first:]
            )
        return count

    def _judge(self, target: Target, now: float) -> Verdict | None:
        if self._is_late(now):
            return Verdict("the deadline has passed")
        return judge_link(target.link, self._memory, now, self, self._min_window) or judge_profile(
            target.link, target.profile, self._memory, now, self
        )

    def _has_free_sibling(self, link: Link, now: float) -> bool:
        """Whether another profile of the same model could be attempted next."""
        later = link.profiles[self._profile :]
        return any(judge_profile(link, profile, self._memory, now, self) is None for profile in later)

    def _is_late(self, instant: float) -> bool:
        return self._deadline is not None and instant >= self._deadline

    # Attempts begin and end once

    def _running(self) -> tuple[Attempt, AttemptRecord]:
        if self._attempt is None or self._record is None:
            raise RuntimeError("no attempt is running")
        return self._attempt, self._record

    def _close(self, now: float, outcome: Literal["succeeded", "failed", "abandoned"]) -> tuple[Attempt, AttemptRecord]:
        attempt, record = self._running()
        record.outcome, record.ended = outcome, now - self._began
        self._attempt = None
        return attempt, record

    def _give_back(self) -> None:
        for gate in self._permits:
            gate.give_back(self)
        self._permits.clear()
