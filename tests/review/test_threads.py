"""One manager under many threads, several event loops and forks: counts add up, one probe goes out, nobody waits."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.errors import ChainExhaustedError, FailoverError
from shared_core.events import WireEvent
from shared_core.manager import FailoverManager
from shared_core.memory import _unlock_in_child
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Attempted, Guard
from shared_core.request import LLMRequest
from shared_core.simulator import Fault, Reply, Simulator
from shared_core.timers import Watchdog
from tests.review.faked import down, words

CHAIN = ("a/first", "b/second", "c/third")
CALLERS = 12
"""Threads at once; half of them have an event loop of their own."""

Asking = Callable[[], Any]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


class Doors:
    """All doors of one manager. Each gives the trail of a call, also where that failed."""

    def __init__(
        self,
        sim: Simulator,
        clock: Callable[[], float] = time.monotonic,
        chain: Sequence[str] = CHAIN,
        **policy: Any,
    ) -> None:
        urls = dict.fromkeys(("a", "b", "c", "held"), sim.base_url)
        self.manager = FailoverManager(base_urls=urls, policy=FailoverPolicy(**policy), clock=clock)
        first, *rest = chain
        self.langchain = ChatFailover(first, fallbacks=rest, manager=self.manager)
        self.llamaindex = FailoverLLM(first, rest, manager=self.manager)
        self.request = LLMRequest(model=first, fallback_models=tuple(rest), messages=(Message.of("user", "Hi"),))

    def _engine(self) -> dict[str, Any]:
        return self.manager.complete(self.request).report.as_dict()

    def sync(self) -> list[Asking]:
        asked = [ChatMessage("Hi")]
        return [
            self._engine,
            lambda: self.langchain.invoke("Hi").response_metadata["failover"],
            lambda: [*self.langchain.stream("Hi")][-1].response_metadata["failover"],
            lambda: self.llamaindex.chat(asked).additional_kwargs["failover"],
            lambda: [*self.llamaindex.stream_chat(asked)][-1].additional_kwargs["failover"],
        ]

    def asynchronous(self) -> list[Asking]:
        asked = [ChatMessage("Hi")]

        async def engine() -> Any:
            return (await self.manager.acomplete(self.request)).report.as_dict()

        async def langchain() -> Any:
            return (await self.langchain.ainvoke("Hi")).response_metadata["failover"]

        async def llamaindex() -> Any:
            return (await self.llamaindex.achat(asked)).additional_kwargs["failover"]

        async def streamed() -> Any:
            return [response async for response in await self.llamaindex.astream_chat(asked)][-1].additional_kwargs[
                "failover"
            ]

        return [engine, langchain, llamaindex, streamed]

    def at_once(self, rounds: int, on_end: Callable[[int], object] = lambda _: None) -> list[dict[str, Any]]:
        """As many callers as there are threads, from one moment on, each `rounds` times; the trails of all calls.

        `on_end` is told how many callers have ended, whenever one has.
        """
        start = threading.Barrier(CALLERS, timeout=20)
        ended = itertools.count(1)

        def caller(number: int) -> list[dict[str, Any]]:
            start.wait()
            if number % 2:
                doors = self.sync()
                found = [_trail(doors[(number + turn) % len(doors)]) for turn in range(rounds)]
            else:
                found = asyncio.run(self._in_loop(number, rounds))
            on_end(next(ended))
            return found

        with ThreadPoolExecutor(CALLERS) as threads:
            return [trail for trails in threads.map(caller, range(CALLERS)) for trail in trails]

    async def _in_loop(self, number: int, rounds: int) -> list[dict[str, Any]]:
        doors = self.asynchronous()
        chosen = [doors[(number // 2 + turn) % len(doors)] for turn in range(rounds)]
        return list(await asyncio.gather(*map(_atrail, chosen)))


def _trail(ask: Asking) -> dict[str, Any]:
    try:
        found: dict[str, Any] = ask()
    except ChainExhaustedError as error:
        return error.report.as_dict()
    return found


async def _atrail(ask: Asking) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await ask()
    except ChainExhaustedError as error:
        return error.report.as_dict()
    return found


def _attempts(trails: list[dict[str, Any]]) -> Counter[str]:
    return Counter(step["model"] for trail in trails for step in trail["trail"] if step["step"] == "attempt")


def test_what_is_counted_anywhere_adds_up(sim: Simulator) -> None:
    """Requests at the provider, attempts in the trails, and attempts in the health, by model, whoever asked."""
    numbers = iter(range(10**6))
    for model in ("first", "second", "third"):
        sim.script(model, lambda _: "503" if next(numbers) % 3 else Reply("Alpha beta"))
    doors = Doors(sim, transient_backoffs=(0.0,), model_cooldowns={"transient": 0.0}, patience=0.0)
    with doors.manager:
        trails = doors.at_once(rounds=6)
        health = {model.model: model for model in doors.manager.health().models}
    assert len(trails) == CALLERS * 6
    attempts = _attempts(trails)
    for model in CHAIN:
        assert attempts[model] == health[model].attempts == len(sim.requests_for(model.partition("/")[2]))
    answered = [trail["model"] for trail in trails if trail["model"]]
    assert Counter(answered) == Counter({name: found.successes for name, found in health.items() if found.successes})
    assert doors.manager._memory.budget._tokens >= 0


class Held:
    """A provider that is down, or answers when it is let go; it counts how often it was asked."""

    name = "held"

    def __init__(self) -> None:
        self.is_down = True
        self.asked = 0
        self.let_go = threading.Event()

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        self._ask()
        guard.on_interrupt(self.let_go.set)
        self.let_go.wait(20)
        yield words("back")

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        self._ask()
        await asyncio.to_thread(self.let_go.wait, 20)
        yield words("back")

    def _ask(self) -> None:
        self.asked += 1
        if self.is_down:
            raise down()


def test_one_caller_probes_across_threads_and_loops(sim: Simulator) -> None:
    """After a cooldown one request goes to the target; until it has an answer all others go on to the next one."""
    late = 0.0
    held = Held()
    policy = {"transient_backoffs": (), "model_cooldowns": {"transient": 60.0}}
    doors = Doors(sim, lambda: time.monotonic() + late, chain=("held/first", "b/second"), **policy)
    doors.manager.registry.add(held)
    with doors.manager:
        doors.manager.complete(doors.request)
        held.is_down, held.asked = False, 0
        late = 100.0  # behind the cooldown, within the memory of the failure
        asyncio.run(_left(doors.manager.astream(doors.request), held))
        held.let_go.clear()
        assert held.asked == 1  # the probe of a caller who left: the next one may probe
        trails = doors.at_once(rounds=1, on_end=lambda ended: held.let_go.set() if ended == CALLERS - 1 else None)
        assert held.asked == 2
        assert Counter(trail["model"] for trail in trails) == {"held/first": 1, "b/second": CALLERS - 1}
        assert sum(step.get("is_probe", False) for trail in trails for step in trail["trail"]) == 1
        assert {trail["model"] for trail in doors.at_once(rounds=1)} == {"held/first"}


async def _left(stream: AsyncGenerator[Any, None], held: Held) -> None:
    task = asyncio.ensure_future(anext(stream))
    await asyncio.wait([task], timeout=0.05)
    task.cancel()
    await asyncio.wait([task])
    held.let_go.set()  # the loop waits for its threads


def test_a_stall_is_noticed_in_time_in_sync_code(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for the next content is shorter than that for the first: the watchdog must not sleep on."""
    monkeypatch.setattr("shared_core.drive.WATCHDOG", Watchdog(interval=60.0, rest=0.0))
    sim.script("first", Fault.stall(1, reply=Reply("Alpha beta gamma")))
    doors = Doors(sim, idle_timeout=0.05, transient_backoffs=())
    with doors.manager:
        began = time.monotonic()
        trail = doors.manager.complete(doors.request).report
    assert [attempt.model for attempt in trail.attempts] == ["a/first", "b/second"]
    assert trail.attempts[0].code == "idle_timeout"
    assert time.monotonic() - began < 20


def test_one_loop_after_another(sim: Simulator) -> None:
    """Each `asyncio.run` finds its own connections and leaves none behind, in both faces."""
    doors = Doors(sim)
    with doors.manager:
        for ask in doors.asynchronous() * 2:
            assert asyncio.run(ask())["model"] == CHAIN[0]
            sim.wait_for(lambda: sim.connections.open == 0)


def test_a_loop_inside_a_call_of_another(sim: Simulator) -> None:
    """A tool that runs in a thread, with a loop of its own, asks while the outer call is under way."""
    doors = Doors(sim)

    async def outer() -> int:
        inner = asyncio.to_thread(lambda: asyncio.run(doors.manager.acomplete(doors.request)))
        first, second = await asyncio.gather(doors.manager.acomplete(doors.request), inner)
        await doors.manager.aclose()
        return len({first.text, second.text})

    assert asyncio.run(outer()) == 1
    sim.wait_for(lambda: sim.connections.open == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("is_busy", [False, True], ids=["quiet", "busy"])
def test_a_forked_child_asks_on_connections_of_its_own(sim: Simulator, is_busy: bool) -> None:
    """Sync and async, also when it was forked while another thread held the manager's lock."""
    doors = Doors(sim)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with doors.manager._memory.lock:
            held.set()
            let_go.wait(20)

    with doors.manager:
        doors.manager.complete(doors.request)
        asyncio.run(doors.manager.acomplete(doors.request))
        thread = threading.Thread(target=hold if is_busy else held.set)
        thread.start()
        held.wait(10)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # forking beside threads
            child = os.fork()
        if child == 0:
            os._exit(_asks(doors))
        let_go.set()
        thread.join()
        assert _exit_code(child) == 0
        assert doors.manager.complete(doors.request).report.model == CHAIN[0]


def test_what_a_fork_unlocks(sim: Simulator) -> None:
    """What runs in a forked child before anything else: a lock that another thread held is left to the parent."""
    memory = Doors(sim).manager._memory
    held = memory.lock
    with held:
        _unlock_in_child()
        assert memory.lock is not held
        thread = threading.Thread(target=memory.reset)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def _asks(doors: Doors) -> int:
    """What the child does; its exit code."""
    try:
        answers = [doors.manager.complete(doors.request), asyncio.run(doors.manager.acomplete(doors.request))]
        return 0 if all(answer.report.model == CHAIN[0] for answer in answers) else 3
    except FailoverError:
        return 4


def _exit_code(child: int) -> int:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -9
