"""A trace bound to its call: the call's events pass by, and its attempts run where their span is current.

An attempt's span is current only while its provider or member runs: attached before each read and detached after it, in
the same task or thread, so that nothing of it is left in the caller's context between two chunks. Async streams are
followed by objects rather than by generators, which the end of an event loop would close beside the streams in them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator, Sequence
from contextlib import closing
from typing import Any, Generic, Self, TypeVar

from opentelemetry.context import Context, attach, detach

from shared_core.decisions import Attempt
from shared_core.events import End, StreamEvent, WireEvent
from shared_core.journey import Door, Journey, Note
from shared_core.registry import ProviderRegistry
from shared_core.request import LLMRequest
from shared_core.telemetry.instruments import Instruments
from shared_core.telemetry.trace import Trace
from shared_core.timers import SyncGuard

__all__ = ["Following"]

_Item = TypeVar("_Item")


class Following:
    """A call that is about to begin, and its trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @classmethod
    def of(cls, journey: Journey, instruments: Instruments, registry: ProviderRegistry) -> Self:
        """Follows a journey: its notices are heard, its attempts traced."""
        trace = Trace(journey, instruments, registry)
        journey.listen, journey.door = trace.hear, _TracedDoor(journey.door, trace)
        return cls(trace)

    def events(self, events: Generator[StreamEvent, None, None]) -> Generator[StreamEvent, None, None]:
        """The same events; raises what they raise."""
        trace = self._trace
        trace.begin()
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, End):
                        trace.answered(event)
                    yield event
        except BaseException as error:
            trace.broke(error)
            raise
        finally:
            trace.leave()

    def aevents(self, events: AsyncGenerator[StreamEvent, None]) -> AsyncGenerator[StreamEvent, None]:
        """The same, async."""
        return _Followed(events, self._trace)


class _Around(AsyncGenerator[_Item, None], Generic[_Item]):
    """An async generator around another, which does the work, step by step."""

    def __init__(self, inner: AsyncGenerator[_Item, None]) -> None:
        self._inner = inner

    @abstractmethod
    async def _step(self, step: Awaitable[_Item]) -> _Item:
        """What the inner one gives next."""

    # Not `async def` themselves: that would be a further frame for every chunk.

    def __anext__(self) -> Coroutine[Any, Any, _Item]:
        return self._step(anext(self._inner))

    def asend(self, value: None) -> Coroutine[Any, Any, _Item]:
        return self._step(self._inner.asend(value))

    def athrow(self, *raised: Any, **more: Any) -> Coroutine[Any, Any, _Item]:
        return self._step(self._inner.athrow(*raised, **more))

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Followed(_Around[StreamEvent]):
    """The events of an async call."""

    def __init__(self, events: AsyncGenerator[StreamEvent, None], trace: Trace) -> None:
        super().__init__(events)
        self._trace = trace

    async def _step(self, step: Awaitable[StreamEvent]) -> StreamEvent:
        self._trace.begin()
        try:
            event = await step
        except StopAsyncIteration:
            self._trace.leave()
            raise
        except BaseException as error:
            self._trace.broke(error)
            raise
        if isinstance(event, End):
            self._trace.answered(event)
        return event

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            self._trace.leave()


class _TracedDoor:
    """A door whose streams run in the context of their attempt's span."""

    def __init__(self, door: Door, trace: Trace) -> None:
        self._door = door
        self._trace = trace

    def open(
        self, attempt: Attempt, request: LLMRequest, note: Note, guard: SyncGuard
    ) -> Generator[Sequence[WireEvent], None, None]:
        return _within(self._trace.context(attempt), self._door.open(attempt, request, note, guard))

    def aopen(self, attempt: Attempt, request: LLMRequest, note: Note) -> AsyncGenerator[Sequence[WireEvent], None]:
        return _Within(self._door.aopen(attempt, request, note), self._trace.context(attempt))

    def takes_prefill(self, attempt: Attempt) -> bool:
        return self._door.takes_prefill(attempt)


def _within(
    context: Context, batches: Generator[Sequence[WireEvent], None, None]
) -> Generator[Sequence[WireEvent], None, None]:
    with closing(batches):
        while True:
            token = attach(context)
            try:
                batch = next(batches, None)
            finally:
                detach(token)
            if batch is None:
                return
            yield batch


class _Within(_Around[Sequence[WireEvent]]):
    """The same as `_within`, async."""

    def __init__(self, batches: AsyncGenerator[Sequence[WireEvent], None], context: Context) -> None:
        super().__init__(batches)
        self._context = context

    async def _step(self, step: Awaitable[Sequence[WireEvent]]) -> Sequence[WireEvent]:
        token = attach(self._context)
        try:
            batch = await step
        except GeneratorExit:
            raise  # the task was dropped unfinished: this is no longer the context in which it ran
        except BaseException:
            detach(token)
            raise
        detach(token)
        return batch
