"""Providers of the user's own making: whatever they do wrong is that attempt's failure, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import closing
from typing import Any

import pytest

from shared_core.answer import Answer
from shared_core.errors import ChainExhaustedError, ConfigurationError, ErrorKind, ProviderError
from shared_core.events import Failed, Finish, MemberChunk, TextDelta, Usage, WireEvent
from shared_core.manager import FailoverManager
from shared_core.simulator import Simulator
from tests.http.conftest import Maker, asking


class Own:
    """A provider that yields `batches`, then raises `error`, and `at_close` when it is closed."""

    name = "own"

    def __init__(
        self,
        *batches: Sequence[WireEvent],
        error: Exception | None = None,
        at_close: Exception | None = None,
        at_open: Exception | None = None,
    ) -> None:
        self._batches = batches
        self._error = error
        self._at_close = at_close
        self._at_open = at_open

    def stream(self, _attempted: Any, _guard: Any) -> Generator[Sequence[WireEvent], None, None]:
        if self._at_open is not None:
            raise self._at_open
        return self._stream()

    def _stream(self) -> Generator[Sequence[WireEvent], None, None]:
        try:
            yield from self._batches
            if self._error is not None:
                raise self._error
        finally:
            if self._at_close is not None:
                raise self._at_close

    def astream(self, _attempted: Any) -> AsyncGenerator[Sequence[WireEvent], None]:
        if self._at_open is not None:
            raise self._at_open
        return self._astream()

    async def _astream(self) -> AsyncGenerator[Sequence[WireEvent], None]:
        with closing(self._stream()) as batches:
            for batch in batches:
                yield batch


Ask = Callable[[FailoverManager], Answer]


def sync(manager: FailoverManager) -> Answer:
    return manager.complete(asking("own/any", "b/second"))


def awaited(manager: FailoverManager) -> Answer:
    async def ask() -> Answer:
        return await manager.acomplete(asking("own/any", "b/second"))

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [sync, awaited], ids=["sync", "async"])
STOP = Finish("stop", "stop")
BROKEN = Failed(ProviderError("it broke", kind=ErrorKind.TRANSIENT))


def kinds(answer: Answer) -> list[str | None]:
    return [attempt.kind for attempt in answer.report.attempts]


@both
def test_an_answer(ask: Ask, make: Maker) -> None:
    """A registered provider is asked under its name; a member's chunks bring text, usage and finish."""
    manager = make()
    chunks = [MemberChunk(object(), "Al", has_content=True), MemberChunk(object(), usage=Usage(1, 2), finish=STOP)]
    manager.registry.add(Own([chunks[0]], [chunks[1]]))
    answer = ask(manager)
    assert (answer.text, answer.finish, answer.usage) == ("Al", STOP, Usage(1, 2))


@both
def test_a_tool_call_of_a_member_is_content(ask: Ask, make: Maker) -> None:
    """An answer that holds nothing but a tool call is one."""
    manager = make()
    manager.registry.add(Own([MemberChunk(object(), has_content=True, has_tool_call=True, finish=STOP)]))
    assert ask(manager).report.provider == "own"


@both
@pytest.mark.parametrize("error", [ValueError("odd"), OSError("gone"), KeyError("k")], ids=repr)
def test_any_exception_fails_over(error: Exception, ask: Ask, sim: Simulator, make: Maker) -> None:
    """Whatever is raised, while it is opened or while it is read, is classified and the next target asked."""
    for own in (Own(error=error), Own(at_open=error), Own([TextDelta("Al")], error=error)):
        manager = make()
        manager.registry.add(own)
        answer = ask(manager)
        assert answer.report.model == "b/second"
        assert len(kinds(answer)) == 2


@both
def test_an_exception_at_its_closing_changes_nothing(ask: Ask, sim: Simulator, make: Maker) -> None:
    """It neither hides why the attempt failed nor reaches the caller."""
    manager = make()
    manager.registry.add(Own([BROKEN], [TextDelta("never read")], at_close=RuntimeError("while closing")))
    answer = ask(manager)
    assert kinds(answer) == [ErrorKind.TRANSIENT, None]
    assert answer.report.attempts[0].message == "it broke"


@both
def test_an_end_without_a_finish_is_truncated(ask: Ask, sim: Simulator, make: Maker) -> None:
    """A provider that just stops has not answered."""
    manager = make()
    manager.registry.add(Own([TextDelta("Al")]))
    answer = ask(manager)
    assert answer.report.attempts[0].code == "truncated"


@both
def test_what_breaks_behind_a_finish_takes_nothing_away(ask: Ask, make: Maker) -> None:
    """The answer was whole."""
    manager = make()
    manager.registry.add(Own([TextDelta("Al"), STOP], error=OSError("reset")))
    assert ask(manager).text == "Al"


@both
def test_a_wrong_setting_is_raised(ask: Ask, sim: Simulator, make: Maker) -> None:
    """No other target would help."""
    manager = make()
    manager.registry.add(Own(error=ConfigurationError("a setting is wrong")))
    with pytest.raises(ConfigurationError, match="a setting is wrong"):
        ask(manager)
    assert not sim.requests


@both
def test_a_deadline_that_passes_between_two_reads(ask: Ask, make: Maker) -> None:
    """A stream that never pauses and never says anything is ended by the clock all the same."""
    now = iter(range(10_000))
    manager = make(clock=lambda: float(next(now)), first_token_timeout=50, last_first_token_timeout=50)
    manager.registry.add(Own(*[()] * 1000))
    manager.disable("b/second", "not of this story")
    with pytest.raises(ChainExhaustedError) as caught:
        ask(manager)
    assert caught.value.errors[0].code == "first_token_timeout"
