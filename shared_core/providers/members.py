"""A framework's own model object as a link of the chain.

A face supplies a `Member`: the object's name and its answer as an iterator of `MemberChunk`s, sync and async. This
module makes a `Provider` of it. It owns how a blocking iterator is read under timers: in sync code the member runs in
a thread of its own (`_Pump`) and the reader takes whatever is there as one batch; a timer wakes the reader, never the
member. It refuses to look into chunks, to retry, and to judge what a member's end means beyond what the member tells.

Invariants: no thread outlives its member's next chunk or read of an HTTP answer once the reader has gone: it closes the
member's iterator as soon as it gets control, and ends (one whose reader stayed to the end may serve another member,
see `workers`). What an abandoned worker meets after that is nobody's
failure and is not logged. The caller's context variables are visible to the member; what it sets there stays in its
thread.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, aclosing, closing
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from shared_core import classify
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import Failed, Finish, MemberChunk, WireEvent
from shared_core.providers import reaper, workers
from shared_core.providers.base import Attempted, Guard
from shared_core.providers.models import ModelInfo
from shared_core.request import LLMRequest

__all__ = ["Member", "MemberProvider", "answers_whole"]


class Member(Protocol):
    """What a face supplies for one model object.

    Two members are equal if they stand for the same object, so that it keeps its name and its health when it is put
    into several chains of one manager.
    """

    @property
    def kind(self) -> str:
        """What stands before the slash in trails, without one itself: the object's class, `ChatOpenAI`."""

    @property
    def model(self) -> str:
        """What stands behind the slash: the model's own name."""

    @property
    def vendor(self) -> str | None:
        """Name of the vendor behind it, if known, for the classifier's vendor rules."""

    @property
    def info(self) -> ModelInfo | None:
        """Limits and abilities of the model, if known."""

    @property
    def tells_finish(self) -> bool:
        """Whether a whole answer always says how it ended, so that an end without that is a broken stream."""

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        """The answer. May block; raises whatever the object raises."""

    def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        """The same, natively async: it must not block the event loop, and must end when it is cancelled."""


def answers_whole(member: Member, request: LLMRequest) -> bool:
    """Whether a member is silent until its whole answer is there; one that knows has a method of this name."""
    known: Callable[[LLMRequest], bool] | None = getattr(member, "answers_whole", None)
    return known is not None and known(request)


class MemberProvider:
    """A member that can be asked as providers are.

    Args:
        member: The model object, as its face presents it.
        name: Provider's name, unique in the registry.
        rules: The user's classifier rules.
    """

    def __init__(self, member: Member, name: str, rules: Sequence[classify.ClassifierRule] = ()) -> None:
        self.member = member
        self._name = name
        self._rules = rules

    @property
    def name(self) -> str:
        """The member's unique name before the slash."""
        return self._name

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        """The answer as batches: all chunks that were there when the reader looked.

        Raises:
            ProviderError: Whatever the member raised, classified.
            TimeoutError: The guard fired.
        """
        end = _End()
        with closing(_Pump(lambda: self.member.stream(attempted.request))) as pump:
            guard.on_interrupt(pump.wake)
            while True:
                try:
                    batch = pump.read()
                except _WokenError:
                    raise
                except Exception as error:
                    judged = self._judged(error)
                    if judged is error:
                        raise  # an error that is its own cause is a trap for whoever follows causes
                    raise judged from error
                if batch is None:
                    break
                end.see(batch)
                yield batch
        told = end.events(tells_finish=self.member.tells_finish)
        if told:
            yield told

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, in the caller's event loop."""
        end = _End()
        async with aclosing(self.member.astream(attempted.request)) as chunks:
            while True:
                try:
                    chunk = await anext(chunks, None)
                except Exception as error:
                    judged = self._judged(error)
                    if judged is error:
                        raise  # an error that is its own cause is a trap for whoever follows causes
                    raise judged from error
                if chunk is None:
                    break
                batch = (chunk,)
                end.see(batch)
                yield batch
        told = end.events(tells_finish=self.member.tells_finish)
        if told:
            yield told

    def _judged(self, error: Exception) -> ProviderError:
        if isinstance(error, FailoverError) and not isinstance(error, ProviderError):
            return _of_inner_chain(error)
        return classify.classify_error(error, provider=self.member.vendor, rules=self._rules)


class _End:
    """What a member's end means."""

    __slots__ = ("_has_content", "_has_finish")

    def __init__(self) -> None:
        self._has_content = False
        self._has_finish = False

    def see(self, batch: Sequence[MemberChunk]) -> None:
        for chunk in batch:
            if chunk.has_content:
                self._has_content = True
            if chunk.finish is not None:
                self._has_finish = True

    def events(self, *, tells_finish: bool) -> Sequence[WireEvent]:
        """Nothing if the member said how it ended, or said nothing at all: then the engine knows what to think."""
        if self._has_finish or not self._has_content:
            return ()
        if not tells_finish:
            return (Finish("other", ""),)
        text = "the stream ended without a finish reason"
        return (Failed(ProviderError(text, kind=ErrorKind.TRANSIENT, code="truncated")),)


def _of_inner_chain(error: FailoverError) -> ProviderError:
    """The failure of a member that is a chain itself: one failed attempt, as far as the outer chain is concerned."""
    kind = getattr(error, "kind", ErrorKind.BAD_REQUEST)  # without one it is a wrong setting
    message = str(error).partition("\n")[0]
    made = ProviderError(message, kind=kind, retry_after=getattr(error, "retry_after", None), code="inner_chain")
    made.__cause__ = error
    return made


class _WokenError(TimeoutError):
    """The engine's own timer ended the wait."""


class _Signal(Enum):
    """What the reader may find in the queue beside chunks and exceptions."""

    ENDED = "the member's iterator is at its end"
    WOKEN = "a timer ran out"


_Item: TypeAlias = MemberChunk | BaseException | _Signal


_PAUSE = 0.001
_BURST = 2 * _PAUSE
"""Seconds that a reader lets chunks gather, and the wait for a chunk that is short enough to expect the next at once.

Two threads that hand over one chunk at a time spend more on waking each other than on the chunks. A thousandth of a
second, and that only where chunks come faster than this, is seen by nobody.
"""


class _Pump:
    """Runs a blocking iterator in a daemon thread and hands over what it gives, in order.

    The iterator starts with the first `read`. The queue has no bound: a member is not held up by a slow consumer, and
    an answer fits into memory, where it is collected anyway.
    """

    __slots__ = (
        "_context",
        "_has_ended",
        "_is_burst",
        "_is_closed",
        "_make",
        "_may_rest",
        "_next",
        "_queue",
        "_thread",
        "_worker",
    )

    def __init__(self, make: Callable[[], Generator[MemberChunk, None, None]]) -> None:
        self._make = make
        self._context = contextvars.copy_context()
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._next: _Item | None = None
        self._thread: threading.Thread | None = None
        self._worker: workers.Worker | None = None
        self._has_ended = False
        self._is_burst = False
        self._is_closed = False
        self._may_rest = False

    def read(self) -> Sequence[MemberChunk] | None:
        """All chunks that are there, at least one; None at the end. Blocks until there is something.

        Raises:
            _WokenError: `wake` was called.
            BaseException: What the iterator raised, after all chunks before it.
        """
        if self._thread is None:
            self._thread = workers.begin(self._work_in_context)
        item, self._next = self._next, None
        if item is None:
            item = self._awaited()
        batch: list[MemberChunk] = []
        while isinstance(item, MemberChunk):
            batch.append(item)
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._next = item
            return batch
        if isinstance(item, BaseException):
            raise item
        if item is _Signal.WOKEN:
            raise _WokenError
        return None

    def _awaited(self) -> _Item:
        began = time.monotonic()
        if self._is_burst and self._queue.empty():
            time.sleep(_PAUSE)
        item = self._queue.get()
        self._is_burst = time.monotonic() - began < _BURST
        return item

    def wake(self) -> None:
        """Ends the reader's wait; safe from any thread."""
        self._queue.put(_Signal.WOKEN)

    def close(self) -> None:
        """The reader has gone: the thread ends as soon as the iterator gives it control, or reads from the network."""
        self._is_closed = True
        if self._thread is not None and not self._has_ended:
            reaper.end(self._thread)

    def _work_in_context(self, worker: workers.Worker) -> bool:
        self._worker = worker
        self._context.run(self._work)
        return self._may_rest

    def _work(self) -> None:
        with ExitStack() as stack:
            stack.push(self._hand_over)
            for chunk in stack.enter_context(closing(self._make())):
                if self._is_closed:
                    break
                self._queue.put(chunk)

    def _hand_over(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Tells a reader that waits how it ended; whatever the iterator raised is the reader's, if there is one."""
        self._has_ended = True
        # The thread of an answer that was left does nothing else: its reads are made to fail. Whoever leaves now sees
        # that it has ended.
        if self._worker is not None and not self._is_closed:
            self._may_rest = True
            self._worker.rest()
        self._worker = None
        self._queue.put(_Signal.ENDED if error is None else error)
        return True
