"""A thousand calls of members that block, stall, break and are left: afterwards the process holds what it held before.

Two members' threads, tasks and sockets are counted: those written by hand, as users write them, and a framework's own
class, which asks a provider through its SDK.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.errors import FailoverError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.simulator import Fault, Reply, Simulator
from tests.soak.members import LangChainFake, LlamaIndexFake

DESCRIPTORS = Path("/proc/self/fd")
OURS = ("llm-failover-member", "llm-failover-lane", "llm-failover-blocking")
CALLS = 1000
AT_ONCE = 50
SHORT, LONG = 0.03, 0.12
"""The timers of the engine, and how long a member is silent that runs into them."""

SCRIPTS: dict[str, list[str | float | Exception]] = {
    "answers": ["Alpha ", "beta ", "gamma"],
    "raises": [ConnectionResetError("gone")],
    "breaks": ["Alpha ", ConnectionResetError("gone")],
    "blocks": [LONG, "Alpha"],
    "stalls": ["Alpha ", LONG, "beta"],
    "blocks and breaks": [LONG, RuntimeError("late")],
}


class Turns:
    """What the hand-made members do, one after the other."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self._lock = threading.Lock()

    def steps(self, _name: str, _asked: str) -> list[str | float | Exception]:
        with self._lock:
            name = list(SCRIPTS)[self.met.total() % len(SCRIPTS)]
            self.met[name] += 1
        return SCRIPTS[name]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


def files() -> int:
    return len(list(DESCRIPTORS.iterdir()))


def settles(has_settled: Callable[[], bool]) -> bool:
    """Whether what must end by itself has ended, in good time."""
    until = time.monotonic() + 20
    while not has_settled():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


class Callers:
    """Both faces before one manager, with members in their chains."""

    def __init__(self, url: str, turns: Turns) -> None:
        timers = {"first_token_timeout": SHORT, "last_first_token_timeout": 4 * SHORT, "idle_timeout": SHORT}
        policy = FailoverPolicy(
            **timers, transient_backoffs=(), linger=SHORT, model_cooldowns={"transient": 0, "unknown": 0}, patience=0
        )
        self.manager = FailoverManager(policy=policy, base_urls={"http": f"{url}/v1"})
        # No connection stays idle, so that those that are left behind can be counted.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.clients = httpx.Client(limits=limits), httpx.AsyncClient(limits=limits)
        sdk: dict[str, Any] = {"base_url": f"{url}/v1", "api_key": "key-main", "max_retries": 0, "timeout": 4 * LONG}
        sdk |= {"http_client": self.clients[0], "http_async_client": self.clients[1]}
        fakes = LangChainFake(model="fake", mishap=turns), LlamaIndexFake(model="fake", mishap=turns)
        given: list[dict[str, Any]] = [
            {},
            {"deadline": 2 * SHORT},
            {"hedge_after": SHORT / 2},
            {"mid_stream": "continue"},
        ]
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # a member of one's own may retry
            self.langchain = [
                ChatFailover(first, fallbacks=[second, "http/whole"], manager=self.manager, **settings)
                for settings in given
                for first, second in [(fakes[0], "http/broken"), (ChatOpenAI(model="stalled", **sdk), fakes[0])]
            ]
            self.llamaindex = [
                FailoverLLM(fakes[1], ["http/broken", "http/whole"], manager=self.manager, **settings)
                for settings in given
            ]

    def pieces(self, number: int) -> Iterator[Any]:
        """One sync call: every other one shows its answer as it comes."""
        if number % 4 < 2:
            llm = self.langchain[number // 4 % len(self.langchain)]
            return llm.stream("Go") if number % 4 else iter([llm.invoke("Go")])
        llm = self.llamaindex[number // 4 % len(self.llamaindex)]
        asked = [ChatMessage("Go")]
        return llm.stream_chat(asked) if number % 4 == 2 else iter([llm.chat(asked)])

    async def apieces(self, number: int) -> AsyncIterator[Any]:
        """One async call."""
        if number % 4 < 2:
            llm = self.langchain[number // 4 % len(self.langchain)]
            if number % 4:
                async for piece in llm.astream("Go"):
                    yield piece
            else:
                yield await llm.ainvoke("Go")
            return
        llm = self.llamaindex[number // 4 % len(self.llamaindex)]
        asked = [ChatMessage("Go")]
        if number % 4 == 2:
            async for piece in await llm.astream_chat(asked):
                yield piece
        else:
            yield await llm.achat(asked)

    def call(self, number: int) -> None:
        """Asks, and leaves every fifth stream after its first piece."""
        with contextlib.suppress(FailoverError):
            pieces = self.pieces(number)
            for _ in pieces:
                if number % 5 == 0:
                    del pieces
                    return

    async def acall(self, number: int) -> None:
        """The same, async; every seventh call is cancelled as well."""
        task = asyncio.ensure_future(self._acall(number))
        if number % 7 == 0:
            await asyncio.wait([task], timeout=SHORT / 2)
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _acall(self, number: int) -> None:
        with contextlib.suppress(FailoverError):
            async for _ in self.apieces(number):
                if number % 5 == 0:
                    return

    def all(self, numbers: range) -> None:
        """All sync calls of `numbers`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.call, numbers))

    async def aall(self, numbers: range) -> None:
        """All async calls of `numbers`; no task is left behind."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with turn:
                await self.acall(number)

        await asyncio.gather(*map(one, numbers))
        for _ in range(1000):
            gc.collect()
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.02)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await self.manager.aclose()

    def close(self) -> None:
        self.manager.close()


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="open files are counted in /proc")
def test_a_thousand_calls_of_members_leave_nothing_behind() -> None:
    """In both faces, sync and async, whatever the members do and however their callers leave."""
    turns = Turns()
    with Simulator() as sim, asyncio.Runner() as runner:
        sim.script("whole", Reply("Alpha beta gamma"))
        refusing = itertools.cycle((Fault.cut(1), Fault.status(503)))
        sim.script("broken", lambda _: next(refusing))
        turn = itertools.cycle((Fault.stall(1), Reply("Alpha"), Fault.silent(), Fault.status(503)))
        sim.script("stalled", lambda _: next(turn))

        def make(calls: int) -> Callers:
            callers = Callers(sim.url, turns)
            callers.all(range(calls))
            runner.run(callers.aall(range(calls)))
            callers.close()
            # The SDK's clients are their owner's to close. httpcore, whoever cancels it in the moment in which it opens
            # or closes a connection, loses that one until then.
            callers.clients[0].close()
            runner.run(callers.clients[1].aclose())
            return callers

        def held() -> tuple[int, int, int]:
            gc.collect()
            return files(), len(threads()), sim.connections.open

        make(16)
        assert settles(lambda: not threads() and not sim.connections.open), held()
        before = held()
        callers = make(CALLS // 2)
        assert settles(lambda: held() == before), (held(), before, threads())
    assert set(turns.met) == set(SCRIPTS)
    assert all(gate.probe is None for _, gate in callers.manager._memory.cooldowns)


async def test_a_member_that_blocks_for_ever_does_not_keep_the_process_alive() -> None:
    """In async code too, sync members run in threads that Python does not wait for at its end."""
    let_go = threading.Event()

    class Stuck:
        def steps(self, *_: str) -> Iterator[str]:
            let_go.wait(20)
            yield "late"

    with Simulator() as sim:
        llm = FailoverLLM(
            LlamaIndexFake(model="stuck", mishap=Stuck()),
            ["http/whole"],
            base_urls={"http": sim.base_url},
            first_token_timeout=SHORT,
            max_retries=0,
        )
        *_, response = [one async for one in await llm.astream_chat([ChatMessage("Go")])]
        assert response.additional_kwargs["failover"]["model"] == "http/whole"
        blocked = [thread for thread in threading.enumerate() if thread.name.startswith(OURS)]
        assert blocked
        assert all(thread.daemon for thread in blocked)
        let_go.set()
        for thread in blocked:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
        await llm.manager.aclose()
