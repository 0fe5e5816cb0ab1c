"""Callers who go away: the attempt is abandoned, at whatever point, and nobody is to blame."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from shared_core.errors import ErrorKind
from shared_core.hooks import Hooks, Notice
from shared_core.manager import FailoverManager
from shared_core.simulator import Fault, Reply, Simulator
from tests.http.conftest import Maker, asking

MANY = 400
"""More suspensions than any call of these tests has."""


class CancelledAt(Coroutine[Any, Any, Any]):
    """A coroutine whose task is cancelled when it is suspended for the `number`th time."""

    def __init__(self, inner: Coroutine[Any, Any, Any], number: int) -> None:
        self._inner = inner
        self._left = number

    def send(self, value: Any) -> Any:
        future = self._inner.send(value)
        self._left -= 1
        if self._left == 0:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)
        return future

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._inner.__await__())


async def cancelled_at(number: int, story: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """Plays `story` in a task that is cancelled at its `number`th suspension; whether it was."""
    task = asyncio.get_running_loop().create_task(CancelledAt(story(), number))
    await asyncio.wait([task])
    if task.cancelled():
        return True
    task.result()
    return False


async def everywhere(
    story: Callable[[], Coroutine[Any, Any, Any]], check: Callable[[], Coroutine[Any, Any, Any]]
) -> int:
    """Cancels `story` at each suspension in turn until it gets through; how often it was cancelled."""
    for number in range(1, MANY):
        if not await cancelled_at(number, story):
            return number - 1
        await check()
    raise AssertionError("it never got through")


def is_quiet(sim: Simulator) -> bool:
    return all(record.state != "open" for record in sim.requests)


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged above DEBUG."""
    caplog.set_level(logging.DEBUG, "llm_failover")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]


class TestCancelled:
    @pytest.mark.parametrize("holds", [False, True], ids=["streamed", "collected"])
    async def test_at_every_suspension(
        self, holds: bool, sim: Simulator, make: Maker, loud: Callable[[], list[str]]
    ) -> None:
        """Wherever a task is cancelled, the server sees it leave, no target is blamed and nothing is logged."""
        sim.script("first", Reply("Alpha beta gamma", delay_headers=0.002, delay_chunk=0.002))

        async def hook(_notice: Notice) -> None:
            await asyncio.sleep(0)

        manager = make(hooks=Hooks(on_attempt=hook))

        async def story() -> None:
            assert [event async for event in manager.astream(asking("a/first", "b/second"), hold=holds)]
            await manager.aclose()

        async def check() -> None:
            await sim.await_for(lambda: is_quiet(sim))
            assert not sim.requests_for("second")
            for model in manager.health().models:
                assert (model.state, model.kind, model.failures) == ("open", None, 0)
            assert not any(profile.hits for profile in manager.health().profiles)

        assert await everywhere(story, check) > 5
        assert loud() == []
        assert any(record.aborted for record in sim.requests)
        await manager.aclose()
        await sim.await_for(lambda: sim.connections.open == 0)

    async def test_a_probe_is_given_back(self, sim: Simulator, make: Maker) -> None:
        """A probe whose caller goes away leaves the next caller free to probe."""
        sim.script("first", "503", Reply("Alpha beta", delay_headers=0.002, delay_chunk=0.002))
        late = 0.0
        manager = make(clock=lambda: time.monotonic() + late, failure_memory=1e6)
        await manager.acomplete(asking("a/first", "b/second"))
        late = 3600.0

        async def story() -> None:
            answer = await manager.acomplete(asking("a/first", "b/second"))
            assert answer.report.model == "a/first"

        async def check() -> None:
            candidates = manager.explain(asking("a/first", "b/second")).candidates
            assert [candidate.skip for candidate in candidates] == [None, None]

        assert await everywhere(story, check) > 3
        await manager.aclose()

    async def test_a_wait_is_left(self, sim: Simulator, make: Maker) -> None:
        """A pause before a repetition ends with its caller."""
        sim.script("first", "503")
        manager = make(transient_backoffs=(30.0,))
        task = asyncio.create_task(manager.acomplete(asking()))
        await sim.await_for(lambda: sim.requests and is_quiet(sim))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(sim.requests) == 1
        await manager.aclose()

    async def test_a_timeout_of_the_callers(self, sim: Simulator, manager: FailoverManager) -> None:
        """`asyncio.timeout` around a call is the caller's going away, not the provider's silence."""
        sim.script("first", "silent")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await manager.acomplete(asking("a/first", "b/second"))
        await sim.await_for(lambda: sim.requests[0].aborted)
        assert not sim.requests_for("second")
        assert manager.health().models[0].kind is None
        await manager.aclose()


class TestClosed:
    @pytest.mark.parametrize("taken", [0, 1, 2])
    def test_a_generator(self, taken: int, sim: Simulator, manager: FailoverManager) -> None:
        """Closing a stream early closes its connection; before the first pull there is none."""
        sim.script("first", Fault.stall(2, reply=Reply("Alpha beta gamma")))
        events = manager.stream(asking())
        for _ in range(taken):
            next(events)
        events.close()
        if taken:
            sim.wait_for(lambda: sim.requests[0].aborted)
        else:
            assert not sim.requests
        self.is_clean(manager)

    @pytest.mark.parametrize("taken", [0, 1, 2])
    async def test_an_async_generator(self, taken: int, sim: Simulator, manager: FailoverManager) -> None:
        """The same, async."""
        sim.script("first", Fault.stall(2, reply=Reply("Alpha beta gamma")))
        events = manager.astream(asking())
        for _ in range(taken):
            await anext(events)
        await events.aclose()
        if taken:
            await sim.await_for(lambda: sim.requests[0].aborted)
        else:
            assert not sim.requests
        self.is_clean(manager)
        await manager.aclose()

    def test_break(self, sim: Simulator, manager: FailoverManager) -> None:
        """A loop that is left drops its generator, and with it the connection."""
        sim.script("first", Fault.stall(1, reply=Reply("Alpha beta gamma")))
        for _ in manager.stream(asking()):
            break
        gc.collect()
        sim.wait_for(lambda: sim.requests[0].aborted)
        self.is_clean(manager)

    async def test_async_break(self, sim: Simulator, manager: FailoverManager) -> None:
        """The same, async: the loop closes the generator when it is collected."""
        sim.script("first", Fault.stall(1, reply=Reply("Alpha beta gamma")))
        async for _ in manager.astream(asking()):
            break
        gc.collect()
        await sim.await_for(lambda: sim.requests[0].aborted)
        self.is_clean(manager)
        await manager.aclose()

    def test_an_error_of_the_callers(self, sim: Simulator, manager: FailoverManager) -> None:
        """What the caller's own code raises while it reads is not the target's failure."""
        sim.script("first", Reply("Alpha beta gamma"))

        def divide() -> None:
            for event in manager.stream(asking("a/first", "b/second")):
                raise ZeroDivisionError(event)

        with pytest.raises(ZeroDivisionError):
            divide()
        gc.collect()
        assert len(sim.requests) == 1
        self.is_clean(manager)

    @staticmethod
    def is_clean(manager: FailoverManager) -> None:
        for model in manager.health().models:
            assert (model.state, model.kind) == ("open", None)
        assert not any(profile.hits for profile in manager.health().profiles)


class TestInterrupted:
    @pytest.mark.parametrize(
        "fault", ["silent", Fault.stall(1), Fault.keepalive(interval=0.01)], ids=["silent", "stall", "keepalive"]
    )
    def test_control_c(self, fault: Any, sim: Simulator, manager: FailoverManager) -> None:
        """A `KeyboardInterrupt` in the middle of a blocked read ends the call at once, and blames nobody."""
        sim.script("first", fault)
        main = threading.main_thread().ident
        assert main is not None

        def press() -> None:
            sim.wait_for(lambda: sim.requests)
            signal.pthread_kill(main, signal.SIGINT)

        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            manager.complete(asking("a/first", "b/second"))
        pressing.join()
        sim.wait_for(lambda: sim.requests[0].aborted)
        assert not sim.requests_for("second")
        TestClosed.is_clean(manager)

    def test_in_a_hook(self, sim: Simulator, make: Maker) -> None:
        """A hook's own `KeyboardInterrupt` is no failure of the hook, but the end of the call."""

        def press(_notice: Notice) -> None:
            raise KeyboardInterrupt

        manager = make(hooks=Hooks(on_attempt=press))
        with pytest.raises(KeyboardInterrupt):
            manager.complete(asking())
        assert not sim.requests
        TestClosed.is_clean(manager)


async def test_a_providers_timeout_is_no_cancel(sim: Simulator, make: Maker) -> None:
    """A timer of the engine fails over inside the caller's task, which is not cancelled by it."""
    sim.script("first", "silent")
    manager = make(first_token_timeout=0.05)
    task = asyncio.current_task()
    assert task is not None
    answer = await manager.acomplete(asking("a/first", "b/second"))
    assert answer.report.model == "b/second"
    assert task.cancelling() == 0
    assert answer.report.attempts[0].kind is ErrorKind.TRANSIENT
    await manager.aclose()
