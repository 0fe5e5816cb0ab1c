"""Many at once: one manager under threads and tasks, and nothing left behind afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared_core.errors import FailoverError
from shared_core.events import End
from shared_core.manager import FailoverManager
from shared_core.request import LLMRequest
from shared_core.simulator import Fault, Reply, Simulator
from tests.http.conftest import Maker, asking

DESCRIPTORS = Path("/proc/self/fd")


def counted(manager: FailoverManager, model: str) -> tuple[int, int]:
    """Attempts and successes of a model."""
    (found,) = [one for one in manager.health().models if one.model == model]
    return found.attempts, found.successes


async def test_two_hundred_streams(sim: Simulator, make: Maker) -> None:
    """Two hundred async streams at once on one manager: each gets its whole answer, and the counts add up."""
    sim.script("second", Reply("Alpha beta gamma", delay_chunk=0.005))
    sim.script("first", "503")
    manager = make()

    async def ask() -> str:
        events = [event async for event in manager.astream(asking("a/first", "b/second"))]
        assert isinstance(events[-1], End)
        return events[-1].report.model or ""

    answers = Counter(await asyncio.gather(*(ask() for _ in range(200))))
    assert answers == {"b/second": 200}
    assert counted(manager, "b/second") == (200, 200)
    assert counted(manager, "a/first") == (len(sim.requests_for("first")), 0)
    assert len(sim.requests_for("second")) == 200
    await manager.aclose()
    await sim.await_for(lambda: sim.connections.open == 0)


def test_fifty_threads(sim: Simulator, make: Maker) -> None:
    """Fifty threads at once on one manager, half of them with loops of their own."""
    sim.script("second", Reply("Alpha beta gamma", delay_chunk=0.005))
    sim.script("first", "503")
    manager = make()
    start = threading.Barrier(50)

    def ask(number: int) -> str | None:
        start.wait()
        request = asking("a/first", "b/second")
        if number % 2:
            return asyncio.run(_acomplete(manager, request))
        return manager.complete(request).report.model

    with ThreadPoolExecutor(50) as threads:
        answers = Counter(threads.map(ask, range(50)))
    assert answers == {"b/second": 50}
    assert counted(manager, "b/second") == (50, 50)
    assert counted(manager, "a/first") == (len(sim.requests_for("first")), 0)


async def _acomplete(manager: FailoverManager, request: LLMRequest) -> str | None:
    answer = await manager.acomplete(request)
    return answer.report.model


SCRIPTS = (
    Reply("Alpha beta gamma"),
    Fault.status(503),
    Fault.reset(),
    Fault.cut(1),
    Fault.stall(1),
    Fault.stall(0),
)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="open files are counted in /proc")
def test_nothing_is_left_behind(sim: Simulator, make: Maker) -> None:
    """Three hundred calls, answered, failed, timed out and left, sync and async, leave no thread, task or socket."""
    for number, behaviour in enumerate(SCRIPTS):
        sim.script(f"m{number}", behaviour)
    timers = {"first_token_timeout": 0.02, "last_first_token_timeout": 0.02, "idle_timeout": 0.02}
    manager = make(**timers, model_cooldowns={"transient": 0})
    models = [f"b/m{number}" for number in range(len(SCRIPTS))]

    def call(number: int) -> None:
        events = manager.stream(asking(models[number % len(models)]), hold=number % 4 == 0)
        with contextlib.suppress(FailoverError):
            for taken, _ in enumerate(events):
                if number % 3 == 0 and taken:
                    events.close()
                    return

    async def acall(number: int) -> None:
        events = manager.astream(asking(models[number % len(models)]), hold=number % 4 == 0)
        with contextlib.suppress(FailoverError):
            taken = 0
            async for _ in events:
                taken += 1
                if number % 3 == 0 and taken == 2:
                    await events.aclose()
                    return

    async def acalls(count: int) -> None:
        await asyncio.gather(*(acall(number) for number in range(count)))
        # The loop closes what the garbage collector found half-read, in tasks that end by themselves.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=10)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def measured() -> tuple[int, int]:
        manager.close()
        sim.wait_for(lambda: sim.connections.open == 0)
        gc.collect()
        return threading.active_count(), len(list(DESCRIPTORS.iterdir()))

    call(0)
    asyncio.run(acalls(1))
    before = measured()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(150)))
    asyncio.run(acalls(150))
    assert measured() == before
