"""One call under way, without waiting: what both drivers do alike between the walk's decisions and a provider's events.

A `Journey` begins and ends attempts, feeds their events through the seam (if the attempt goes on from a broken one) and
the intake, judges what an ended read means, and reports to the walk under the memory's lock. It never waits and opens
nothing by itself: the drivers do that through its `door`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import field, replace
from typing import Protocol, TypeAlias

from shared_core import classify
from shared_core.answer import Answer
from shared_core.continuation import anchor, continue_request, course
from shared_core.decisions import Attempt, Decision
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import End, Restart, StreamEvent, Usage, WireEvent, added
from shared_core.hooks import Hooks
from shared_core.intake import Intake
from shared_core.join import Join
from shared_core.memory import Memory
from shared_core.mending import NOT_ACCEPTED
from shared_core.notices import Notice
from shared_core.policy import FailoverPolicy
from shared_core.records import record
from shared_core.request import LLMRequest
from shared_core.seam import Afresh, Seam
from shared_core.timers import WATCHDOG, Progress, SyncGuard
from shared_core.walk import Walk

__all__ = ["Accept", "CutError", "Door", "Journey", "Note"]

Accept: TypeAlias = Callable[[Answer], bool]
"""A predicate on a whole answer: False asks the next target."""


Note: TypeAlias = Callable[[Sequence[str]], None]
"""Takes what was changed in a request for its target, in words."""


class CutError(Exception):
    """The journey was cut: another one answers the call. It ends the driver's loop and reaches nobody."""


class Door(Protocol):
    """Where attempts are sent: the manager, which knows providers and keys."""

    def open(
        self, attempt: Attempt, request: LLMRequest, note: Note, guard: SyncGuard
    ) -> Generator[Sequence[WireEvent], None, None]:
        """The provider's stream for `attempt`; what was changed in the request for it is told to `note`."""

    def aopen(self, attempt: Attempt, request: LLMRequest, note: Note) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, async."""

    def takes_prefill(self, attempt: Attempt) -> bool:
        """Whether the target goes on from a trailing assistant's turn natively."""


@record(slots=True, eq=False, repr=False)
class Journey:
    """One call under way: the walk, the attempt at hand, and what both drivers do alike.

    Attributes:
        request: What is asked.
        walk: Decides.
        memory: Guarded by its lock.
        door: Opens attempts.
        hold: Show nothing before the whole answer is there.
        policy: Settings of this call.
        hooks: Whom to tell: the manager's, and those of this call.
        listen: Hears every notice before the hooks do; it must not raise.
        rules: The user's classifier rules.
        accept: Judges whole answers, where they are held.
        on_content: Called when an attempt has its first content.
        guard: The timers of the attempt at hand, in sync code.
        other: The other journey of a hedged call, while either may still answer it.
        clock: Monotonic clock, in seconds.
    """

    request: LLMRequest
    walk: Walk
    memory: Memory
    door: Door
    hold: bool
    policy: FailoverPolicy
    hooks: tuple[Hooks, ...] = ()
    rules: Sequence[classify.ClassifierRule] = ()
    accept: Accept | None = None
    clock: Callable[[], float] = time.monotonic
    listen: Callable[[Notice], None] | None = None
    on_content: Callable[[], None] | None = field(default=None, init=False)
    guard: SyncGuard | None = field(default=None, init=False)
    other: Journey | None = field(default=None, init=False)
    _heard: int = field(default=0, init=False)
    _is_cut: bool = field(default=False, init=False)
    _attempt: Attempt | None = field(default=None, init=False)
    _intake: Intake = field(default_factory=lambda: Intake(hold=False), init=False)
    _seam: Seam | Afresh | None = field(default=None, init=False)
    _must_mark: bool = field(default=False, init=False)
    _had_prefill: bool = field(default=False, init=False)
    _reasonings: int = field(default=0, init=False)
    _spent: Usage | None = field(default=None, init=False)

    def decide(self) -> Decision:
        """What to do next."""
        with self.memory.lock:
            self._check()
            return self.walk.next(self.clock())

    def hedge(self) -> Journey | None:
        """The journey of a rival, if the walk decides for one now."""
        with self.memory.lock:
            decision = self.walk.hedge(self.clock())
            if decision is None:
                return None
            rival = replace(self, walk=self.walk.rival(decision))
            self.other, rival.other = rival, self
            return rival

    def cut(self) -> None:
        """Another journey answers the call: what runs here is abandoned, and a blocked read interrupted."""
        with self.memory.lock:
            self.stop()
        self._hear()  # the call may be over before those are told who have to be awaited
        guard = self.guard  # the other thread may end its attempt now
        if guard is not None:
            WATCHDOG.interrupt(guard)

    def stop(self) -> None:
        """Ends it for the walk, under the memory's lock; what runs here finds that out at its next step."""
        self._is_cut, self.other = True, None
        self.walk.abandoned(self.clock())

    def _win(self) -> None:
        """This journey answers the call. From this moment the other one cannot, however far it has come."""
        other, self.other = self.other, None
        if other is not None:
            other.stop()

    def _check(self) -> None:
        if self._is_cut:
            raise CutError

    def notices(self) -> Sequence[Notice]:
        """What there is to tell since the last time; each notice is given once, whichever thread asks."""
        if not self.walk.notices:
            return ()
        self._hear()
        with self.memory.lock:
            notices = self.walk.notices[: self._heard]
            del self.walk.notices[: self._heard]
            self._heard = 0
        return notices

    def _hear(self) -> None:
        with self.memory.lock:
            fresh = self.walk.notices[self._heard :]
            self._heard = len(self.walk.notices)
        if self.listen is not None:
            for notice in fresh:
                self.listen(notice)

    def begin(self, attempt: Attempt) -> tuple[Progress, LLMRequest]:
        """Begins an attempt: its timers, and what to ask."""
        self._attempt, self._intake = attempt, Intake(hold=self.hold)
        self._seam, self._must_mark, self._had_prefill = None, False, False
        request = self.request
        if attempt.shown is not None:
            if self.policy.mid_stream == "restart":
                self._must_mark = True
            elif attempt.shown.strip():
                prefill = self._had_prefill = self._takes_prefill(attempt)
                request = continue_request(request, attempt.shown, prefill=prefill)
                copied = "" if prefill else anchor(attempt.shown)
                self._seam = Seam(Join(attempt.shown, prefill=prefill, anchor=copied))
            else:
                self._seam = Afresh(self._reasonings)
        return Progress(attempt.first_token_timeout, attempt.idle_timeout, attempt.deadline), request

    def _takes_prefill(self, attempt: Attempt) -> bool:
        with self.memory.lock:
            refuses = self.memory.learnt(attempt.target.link.name).refuses_prefill
        return not refuses and self.door.takes_prefill(attempt)

    def note(self, changes: Sequence[str]) -> None:
        """The request was changed for the target of the attempt at hand."""
        if changes:
            with self.memory.lock:
                self._check()
                self.walk.note(changes)

    def take(self, batch: Sequence[WireEvent], progress: Progress, seconds: float) -> Sequence[StreamEvent]:
        """Takes a batch that was `seconds` in coming; what to show."""
        intake = self._intake
        had_content, was_finished = intake.has_content, intake.finish is not None
        shown = intake.feed(batch if self._seam is None else self._seam.through(batch))
        if shown and self._must_mark and self._attempt is not None:
            shown = [Restart(self._attempt.target.link.name), *shown]
            self._must_mark = False
        progress.read(seconds, has_moved=intake.has_moved)
        # What fails in the same batch as its first content has answered nobody.
        if intake.has_content and not had_content and intake.error is None:
            with self.memory.lock:
                self._check()
                self._win()
                self.walk.answered(self.clock())
            if self.on_content is not None:
                self.on_content()
        if intake.finish is not None and not was_finished:
            progress.linger(self.policy.linger)
        return shown

    def is_broken(self) -> bool:
        """Whether the stream itself said that it is broken."""
        return self._intake.error is not None

    def broke(self, raised: Exception | None, progress: Progress, *, has_fired: bool) -> None:
        """The read ended: in an exception, by our timer, or at the end of the stream (None).

        Raises:
            ConfigurationError: It was one; no other target would help.
        """
        intake = self._intake
        self._check()
        if intake.finish is not None:
            return  # the answer is whole; what broke behind it took nothing away
        if has_fired:
            intake.error = progress.error(self.clock())
        elif isinstance(raised, FailoverError) and not isinstance(raised, ProviderError):
            raise raised
        elif raised is not None:
            intake.error = classify.classify_error(raised, rules=self.rules)
        else:
            intake.error = ProviderError("the stream ended early", kind=ErrorKind.TRANSIENT, code="truncated")

    def settle(self) -> Sequence[StreamEvent] | None:
        """Ends the attempt: the last events of an answer, or None if the walk goes on."""
        intake = self._intake
        if intake.error is None:
            intake.error = self._judge(intake)
        with self.memory.lock:
            self._check()
            now = self.clock()
            if intake.error is not None:
                self._fail(intake, intake.error, now)
                return None
            self._win()
            self.walk.succeeded(now, intake.usage)
        self.walk.report.continued = self._seam is not None
        usage = intake.usage if self._spent is None else added(self._spent, intake.usage)
        return [*intake.rest(), End(self.walk.report, intake.finish, usage, intake.details)]

    def _fail(self, intake: Intake, error: ProviderError, now: float) -> None:
        if not intake.is_shown:
            self.walk.failed(error, now, usage=intake.usage, had_prefill=self._had_prefill)
            return
        before = self._attempt.shown if self._attempt is not None and self.policy.mid_stream == "continue" else None
        text = (before or "") + intake.text
        may_go_on = self.policy.mid_stream == "restart"
        if self.policy.mid_stream == "continue":
            way = course(self.request, text=text, has_tool_call=intake.has_tools, has_refusal=intake.has_refusal)
            may_go_on = way.is_open
            self._spent = added(self._spent, intake.usage)
            self._reasonings += intake.reasonings
        self.walk.failed(error, now, shown=text, may_go_on=may_go_on, usage=intake.usage)

    def _judge(self, intake: Intake) -> ProviderError | None:
        """Whether a whole answer may stand; one that shows nothing needs a reason, or that nobody else is left."""
        is_declared = intake.finish is not None and intake.finish.reason not in {"other", "pause"}
        if not intake.has_content and (not is_declared or isinstance(self._seam, Seam)):
            with self.memory.lock:
                has_more = self.walk.has_more(self.clock())
            return _not_accepted("it is empty") if has_more else None
        if self.accept is None or not self.hold:
            return None
        events = [*intake.peek(), End(self.walk.report, intake.finish, intake.usage, intake.details)]
        return None if self.accept(Answer.collect(events)) else _not_accepted("the caller's predicate refused it")

    def leave(self) -> None:
        """The call is over, one way or another; what still runs is abandoned."""
        with self.memory.lock:
            self.walk.abandoned(self.clock())


def _not_accepted(why: str) -> ProviderError:
    return ProviderError(f"the answer was not accepted: {why}", kind=ErrorKind.UNKNOWN, code=NOT_ACCEPTED)
