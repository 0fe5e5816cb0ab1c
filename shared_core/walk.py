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

from collections.abc import Sequence
from typing import Literal, assert_never

from shared_core.blame import FAIR_TRY, cool_model, cool_profile, is_cut_short
from shared_core.chain import Link, Target
from shared_core.cooldown import Scoped
from shared_core.cursor import Cursor
from shared_core.decisions import Attempt, Decision, GiveUp, Hedge, Wait
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import Usage
from shared_core.farewell import Failure, exhausted, interrupted, rejected
from shared_core.gate import Gate
from shared_core.logbook import Ending, Logbook
from shared_core.memory import Memory
from shared_core.mending import OPTIONAL_PARAMETERS, Mending
from shared_core.notices import Notice
from shared_core.policy import Action, FailoverPolicy
from shared_core.report import AttemptRecord, Report
from shared_core.verdict import PROBE_CHECK, Verdict, cooling_kinds, soonest

__all__ = ["Walk"]


class Walk:
    """The journey of one call through its chain. Private to that call.

    Args:
        chain: The links in order.
        memory: What is known of targets; shared.
        policy: Settings.
        now: Instant at which the call began.
        max_tokens: What the caller asked for.
        deadline: Seconds for the whole call, instead of the policy's.
        is_rival: It belongs to a call that is counted already.
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
        is_rival: bool = False,
    ) -> None:
        self._log = Logbook(now, max_tokens)
        self._memory = memory
        self._policy = policy
        self._began = now
        seconds = policy.deadline if deadline is None else deadline
        self._deadline = None if seconds is None else now + seconds
        self._asked = max_tokens
        self._cursor = Cursor(chain, memory, self)
        self._attempt: Attempt | None = None
        self._started = now
        self._again: tuple[Attempt, ProviderError] | None = None
        self._pause: Wait | None = None
        self._mending = Mending(policy, memory, max_tokens)
        self._permits: list[Gate] = []
        self._link_error: ProviderError | None = None
        self._failures: list[Failure] = []
        self._broke: Failure | None = None
        self._rested = 0.0
        self._shown: str | None = None
        self._end: FailoverError | Literal["answered", "abandoned"] | None = None
        self._may_hedge = policy.hedge_after is not None and not is_rival
        memory.health.ensure(link.name for link in chain)
        if not is_rival:
            memory.budget.deposit(now)
            memory.hedges.deposit(now)

    @property
    def report(self) -> Report:
        """What happened so far."""
        return self._log.report

    @property
    def notices(self) -> list[Notice]:
        """What to tell hooks and log; the driver takes them out."""
        return self._log.notices

    @property
    def chain(self) -> Sequence[Link]:
        """The links in order."""
        return self._cursor.chain

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
            self._log.wait(pause)
            return pause
        if self._again is not None:
            (attempt, error), self._again = self._again, None
            if not self._is_late(now) and self._cursor.judge(attempt.target, now) is None:
                return self._begin(attempt.target, now)
            # Another call shut it during the pause, or the deadline passed meanwhile: what failed stays a failure.
            self._settle(attempt, error, now)
        return self._select(now)

    def _select(self, now: float) -> Decision:
        while (link := self._cursor.here) is not None:
            if link.profiles and self._cursor.profile >= len(link.profiles):
                self._leave(now)
                continue
            if self._is_late(now):
                verdict: Verdict | None = Verdict("the deadline has passed")
            else:
                verdict = self._cursor.judge_link(link, now)
            if verdict is not None:
                self._log.skip(link, None, verdict, now)
                self._leave(now)
                continue
            while self._cursor.profile < len(link.profiles):
                profile = link.profiles[self._cursor.profile]
                self._cursor.profile += 1
                verdict = self._cursor.judge_profile(link, profile, now)
                if verdict is None:
                    self._mending = Mending(self._policy, self._memory, self._asked)
                    return self._begin(Target(link, profile), now)
                self._log.skip(link, profile.name, verdict, now)
            self._leave(now)
        return self._rest_or_give_up(now)

    def hedge(self, now: float) -> Hedge | None:
        """Whether to ask another target as well, now that the first content is late: at most once a call.

        The links behind the running one come first, since it is the model that is slow; then its other profiles.
        """
        again = None if self._again is None else self._again[0]
        late = self._attempt or again
        if late is None or self._log.has_content or self._shown is not None or not self._may_hedge:
            return None
        if self._is_late(now) or not self._cursor.count_ahead(now):
            return None
        if not self._memory.hedges.withdraw(now):
            return None
        self._may_hedge = False
        link = late.target.link
        return Hedge(self._cursor.rest(link))

    def rival(self, hedge: Hedge) -> Walk:
        """The walk of a hedge: neither of the two asks a target that the other has asked."""
        walk = Walk(
            hedge.chain,
            memory=self._memory,
            policy=self._policy,
            now=self._began,
            max_tokens=self._asked,
            deadline=None if self._deadline is None else self._deadline - self._began,
            is_rival=True,
        )
        walk._cursor.others, self._cursor.others = self._cursor.mine, walk._cursor.mine
        walk._log.numbers = self._log.numbers
        return walk

    def outlive(self, other: Walk) -> None:
        """The other walk of the call was cut: what it was asking is no longer being asked, and may be asked here."""
        abandoned = {(step.model, step.profile) for step in other.report.attempts if step.outcome == "abandoned"}
        self._cursor.take_back(other._cursor, abandoned)

    def _begin(self, target: Target, now: float) -> Attempt:
        link, policy = target.link, self._policy
        self._cursor.mine.add((link.name, target.profile.name))
        learnt = self._memory.learnt(link.name)
        max_tokens = self._mending.max_tokens(learnt)
        left = self._cursor.count_ahead(now)
        granted = policy.silent_first_token_timeout if link.thinks_silently else policy.first_token_timeout
        fair = granted * FAIR_TRY
        if link.answers_whole:
            granted, fair = policy.whole_timeout, policy.silent_first_token_timeout * FAIR_TRY
        first = granted if left else max(granted, policy.last_first_token_timeout)
        is_cut = False
        if self._deadline is not None:
            # Each target left gets a fair share of the time, and the last one all that remains.
            share = (self._deadline - now) / (left + 1)
            is_cut = share < fair
            first = min(first, share)
        # A permit must outlive a slow answer, and lapse if its caller vanishes.
        is_probe = self._take_permits(target, now, lease=first + policy.connect_timeout)
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
        self._started = now
        self._log.begin(self._attempt, now, is_probe=is_probe)
        return self._attempt

    def _take_permits(self, target: Target, now: float, lease: float) -> bool:
        link, profile = target.link, target.profile
        gates = [self._memory.health.gate(link.name, now)]
        entries = self._memory.cooldowns.gates(link.provider, profile.name, link.model, profile.fingerprint, now)
        gates += [gate for _, gate in entries]
        taken = [gate for gate in gates if gate.take(now, self, lease)]
        self._permits += [gate for gate in taken if gate not in self._permits]
        return bool(taken)

    def has_more(self, now: float) -> bool:
        """Whether another target could still be attempted."""
        return self._cursor.count_ahead(now) > 0

    # What happened

    def note(self, changes: Sequence[str]) -> None:
        """The request was changed for the running attempt's target."""
        self._log.note(self._running()[1], changes)

    def answered(self, now: float) -> None:
        """The running attempt got its first content: others may use the target again."""
        self._log.answered(self._running()[1], now)
        for gate in self._permits:
            gate.answered(self)
        self._permits.clear()

    def succeeded(self, now: float, usage: Usage | None = None) -> None:
        """The running attempt gave a whole answer."""
        attempt, record = self._close("succeeded", now, usage=usage)
        link, profile = attempt.target.link, attempt.target.profile
        latency = None if record.first_token is None else record.first_token - record.started
        recovered = self._memory.health.record_success(link.name, started=self._started, latency=latency)
        self._memory.profiles[Scoped(link.provider, profile.name)].succeeded(latency)
        gone = self._memory.cooldowns.succeeded(link.provider, profile.name, link.model, started=self._started)
        if recovered or gone:
            self._log.tell(Notice("recovery", link.name, link.provider, profile.name))
        self._give_back()
        report = self._log.report
        report.model, report.provider, report.profile = link.name, link.provider, profile.name
        self._end = "answered"

    def abandoned(self, now: float) -> None:
        """The caller went away: nobody is to blame, and permits are given back. Legal at any time before the end."""
        if self._attempt is not None:
            self._close("abandoned", now)
        elif self._again is not None:
            # What failed before the pause did fail, whoever goes away now.
            (attempt, error), self._again = self._again, None
            self._settle(attempt, error, now)
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
        had_prefill: bool = False,
    ) -> None:
        """The running attempt failed.

        Args:
            error: Why, classified.
            now: The present instant.
            shown: All text that the caller has seen of this call ("" for other content); None if this attempt
                showed nothing.
            may_go_on: Another target may go on from what was shown, or start again with a mark.
            usage: Tokens that the attempt cost, if it said so.
            had_prefill: Its request ended in a turn of the assistant to go on from.
        """
        attempt, record = self._close("failed", now, error=error, usage=usage)
        self._failures.append((error, record))
        target, rule = attempt.target, self._policy.rule(error.kind)
        self._memory.health.record_attempt(target.link.name)
        self._memory.profiles[Scoped(target.link.provider, target.profile.name)].failed()
        if shown is not None:
            self._shown, self._broke = shown, (error, record)
            self._settle(attempt, error, now)
            self._go(rule.then if may_go_on else "raise", error, record, now)
            return
        if had_prefill and error.kind is ErrorKind.BAD_REQUEST and error.parameter not in OPTIONAL_PARAMETERS:
            # Most likely that is what it refuses: it is asked in words, once, and from then on.
            self._memory.learnt(target.link.name).refuses_prefill = True
            self._again = (attempt, error)
            self._log.repeats(record, 0.0)
            return
        pause = self._mending.mend(
            attempt.target,
            error,
            sent=attempt.max_tokens,
            seconds=now - self._started,
            now=now,
            deadline=self._deadline,
            others=lambda: self._cursor.count_ahead(now),
            siblings=lambda: self._cursor.has_free_sibling(target.link, now),
        )
        if pause is not None:
            self._again = attempt, error
            self._pause = Wait(*pause) if pause[0] > 0 else None
            self._log.repeats(record, pause[0])
            return
        self._settle(attempt, error, now)
        self._go(rule.then, error, record, now)

    def _settle(self, attempt: Attempt, error: ProviderError, now: float) -> None:
        """What the failure means for the profile and the model."""
        rule = self._policy.rule(error.kind)
        # What the profile before this one did says nothing of the model any more.
        self._link_error = None
        spent, has_content = now - self._started, self._log.has_content
        if is_cut_short(attempt, error, spent=spent, has_content=has_content, is_late=self._is_late(now)):
            return
        told = cool_profile(attempt.target, error, self._memory, self._policy, now=now, started=self._started)
        self._log.tell(told)
        if rule.health == "now":
            self._cool_model(attempt.target.link, error, now)
        elif rule.health == "last_profile":
            self._link_error = error

    def _cool_model(self, link: Link, error: ProviderError, now: float) -> None:
        told = cool_model(link, error, self._memory, self._policy, now=now, started=self._started, holder=self)
        self._log.tell(told)

    def _go(self, then: Action, error: ProviderError, record: AttemptRecord, now: float) -> None:
        link = self._cursor.chain[self._cursor.link]
        match then:
            case "next_profile":
                return
            case "raise":
                self._leave(now)
                self._end = self._interrupted() or rejected((error, record), self._log.report, self._failures)
                return
            case "larger_window":
                learnt = self._memory.learnt(link.name)
                learnt.refused_input(error.ceiling)
                self._cursor.min_window = max(self._cursor.min_window, learnt.window or link.window or 0)
            case "next_model":
                pass
            case _:
                assert_never(then)
        for profile in link.profiles[self._cursor.profile :]:
            self._log.skip(link, profile.name, Verdict(f"{link.name} failed: {error.kind}"), now)
        self._leave(now)

    # Moving on

    def _leave(self, now: float) -> None:
        """Goes on to the next link."""
        link = self._cursor.chain[self._cursor.link]
        if self._link_error is not None and self._cursor.profile >= len(link.profiles) and not link.is_part:
            self._cool_model(link, self._link_error, now)
        self._link_error = None
        self._give_back()
        self._cursor.next_link()

    def _rest_or_give_up(self, now: float) -> Decision:
        """The chain is at its end: wait for the first target to come back if that is soon, else give up."""
        ready = soonest(self._cursor.chain, self._memory, now, self, self._cursor.min_window)
        if ready is not None and now < ready <= now + self._policy.patience - self._rested and not self._is_late(ready):
            # Another rest is not shorter than a look at a probe, so that there cannot be many of them.
            shortest = min(PROBE_CHECK, self._policy.patience - self._rested) if self._rested else 0.0
            seconds = max(ready - now, shortest)
            self._rested += seconds
            self._cursor.rewind()
            # They are judged anew after the wait, and then attempted or skipped for good.
            self._log.forget_skips()
            wait = Wait(seconds, "everything is cooling; the first target is about to be free")
            self._log.wait(wait)
            return wait
        self._end = self._last_error(ready, now)
        return GiveUp(self._end)

    def _last_error(self, ready: float | None, now: float) -> FailoverError:
        if (error := self._interrupted()) is not None:
            return error
        overflowed = {error.kind for error, _ in self._failures} == {ErrorKind.CONTEXT_EXCEEDED}
        if overflowed and self._policy.rule(ErrorKind.CONTEXT_EXCEEDED).then == "larger_window":
            return rejected(self._failures[-1], self._log.report, self._failures)
        kinds = cooling_kinds(self._cursor.chain, self._memory, now, self)
        retry_after = None if ready is None else max(0.0, ready - now)
        models = len({link.name for link in self._cursor.chain})
        return exhausted(self._log.report, self._failures, models, retry_after, kinds)

    def _interrupted(self) -> FailoverError | None:
        """The error of a call whose stream broke after something was shown; None if nothing was."""
        if self._shown is None or self._broke is None:
            return None
        return interrupted(self._shown, self._broke, self._log.report, self._failures)

    def _is_late(self, instant: float) -> bool:
        return self._deadline is not None and instant >= self._deadline

    # Attempts begin and end once

    def _running(self) -> tuple[Attempt, AttemptRecord]:
        if self._attempt is None or self._log.newest is None:
            raise RuntimeError("no attempt is running")
        return self._attempt, self._log.newest

    def _close(
        self, outcome: Ending, now: float, *, error: ProviderError | None = None, usage: Usage | None = None
    ) -> tuple[Attempt, AttemptRecord]:
        attempt, record = self._running()
        self._attempt = None
        self._log.end(record, outcome, now, error=error, usage=usage)
        return attempt, record

    def _give_back(self) -> None:
        for gate in self._permits:
            gate.give_back(self)
        self._permits.clear()
