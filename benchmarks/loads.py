"""The shapes of load, each run by one client process for one peer, and what is measured of it.

The figure is CPU time of this process (`time.process_time`: all its threads, user and system), in microseconds. What
comes before the measured stretch (imports, construction, connections, warm caches) is left out. How often something is
repeated follows from a budget of CPU time, not from a count, so that the cheap are measured as long as the dear.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.peers import Chain, Client, Heard, Peer
from benchmarks.peers.base import Mode
from benchmarks.profiler import Sampler
from benchmarks.server import shape, size

__all__ = ["LOADS", "Run", "run"]

Result = dict[str, Any]

SHORT, LONG = 50, 550
"""Chunks of the two sizes of a sequential call; what a chunk costs is their difference."""


@dataclass(frozen=True, slots=True)
class Run:
    """One cell.

    Attributes:
        mode: Sync or async.
        port: The server's.
        budget: CPU seconds for each stretch that is measured.
        chunks: Chunks of each stream of those that are open at once.
        profile: Samples the measured stretches, if given.
    """

    mode: Mode
    port: int
    budget: float
    chunks: int
    profile: Sampler | None = None

    def url(self, name: str = "main") -> str:
        """Base URL of a provider; one whose name begins with `dead` is out of order."""
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def counts(self) -> dict[str, Any]:
        """What the server has seen."""
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{self.port}/control/counts") as response:
            return json.loads(response.read())

    @contextmanager
    def measured(self) -> Iterator[Stretch]:
        """Measures what is done inside."""
        stretch = Stretch(self.counts(), self)
        gc.collect()
        if self.profile is not None:
            self.profile.start()
        stretch.wall, stretch.cpu = -time.perf_counter(), -time.process_time()
        yield stretch
        stretch.ended = time.process_time()
        stretch.cpu += stretch.ended
        stretch.wall += time.perf_counter()
        if self.profile is not None:
            self.profile.stop()
        stretch.end()


class Stretch:
    """A measured stretch: CPU and wall seconds, the CPU time at its end, and what the server saw meanwhile."""

    def __init__(self, before: Mapping[str, Any], run: Run) -> None:
        self.cpu = 0.0
        self.ended = 0.0
        self.wall = 0.0
        self.connections = 0
        self.requests: dict[str, int] = {}
        self.peak = 0
        self.server_cpu = 0.0
        self._before = before
        self._run = run

    def end(self) -> None:
        """Asks the server."""
        before, after = self._before, self._run.counts()
        self.connections = after["connections"] - before["connections"]
        self.requests = {path: n - before["requests"].get(path, 0) for path, n in after["requests"].items()}
        self.peak = after["peak"]
        self.server_cpu = after["cpu"] - before["cpu"]

    def asked(self, name: str) -> int:
        """How many requests the provider of that name got."""
        return sum(n for path, n in self.requests.items() if path.startswith(f"/{name}/"))


class Caller:
    """A peer that is open, and checked: an answer that is not whole is no measurement."""

    def __init__(self, client: Client, run: Run) -> None:
        self._client = client
        self._is_async = run.mode == "async"

    async def repeat(
        self, chunks: int, budget: float, times: int = 10**9, wall: float = 30.0, lead: int = 0
    ) -> tuple[int, list[float]]:
        """Asks one call after the other until a bound is reached: CPU seconds, times, or seconds; three at least.

        Args:
            chunks: Chunks of each answer.
            budget: CPU seconds.
            times: Calls.
            wall: Seconds.
            lead: Whether the first chunk comes in a packet of its own.

        Returns:
            How many calls it were, and the seconds until the first text of each.
        """
        ask, prompt, wanted = self._client.stream, shape(chunks, lead=lead), size(chunks)
        firsts: list[float] = []
        until, late = time.process_time() + budget, time.perf_counter() + wall
        for done in count(1):
            begun = time.perf_counter()
            heard: Heard = await ask(prompt) if self._is_async else ask(prompt)
            _check(heard.size, wanted)
            firsts.append(heard.first - begun)
            if done >= times or (done >= 3 and (time.process_time() > until or time.perf_counter() > late)):
                break
        return len(firsts), firsts

    async def wave(self, chunks: int, streams: int, gap: int = 20) -> float:
        """Holds `streams` streams open at once; nothing is sent before all are open.

        Returns:
            `time.process_time` when the first text was there.
        """
        prompt, wanted = shape(chunks, gap, streams), size(chunks)
        heard: list[Heard] = await asyncio.gather(*(self._client.stream(prompt) for _ in range(streams)))
        for stream in heard:
            _check(stream.size, wanted)
        return min(stream.first_cpu for stream in heard)

    async def repeat_whole(self, chunks: int, budget: float) -> int:
        """The same as `repeat` with answers in one piece."""
        ask, prompt, wanted = self._client.whole, shape(chunks), size(chunks)
        if ask is None:
            raise ValueError("this peer has no answers in one piece")
        until = time.process_time() + budget
        for done in count(1):
            _check(await ask(prompt) if self._is_async else ask(prompt), wanted)
            if done >= 3 and time.process_time() > until:
                return done
        raise AssertionError


def _check(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"an answer has {found} characters and not {wanted}")


class Lines:
    """Opens a peer as often as a load needs it, and closes all at the end."""

    def __init__(self, peer: Peer, run: Run) -> None:
        self._peer = peer
        self._run = run
        self._stack = AsyncExitStack()

    async def open(self, chain: Chain) -> Caller:
        """The peer with that chain, ready."""
        manager = self._peer.open(self._run.mode, chain)
        if self._run.mode == "async":
            return Caller(await self._stack.enter_async_context(manager), self._run)
        return Caller(self._stack.enter_context(manager), self._run)

    async def close(self) -> None:
        """Closes all."""
        await self._stack.aclose()


async def sequential(lines: Lines, run: Run) -> Result:
    """One call after the other, the whole answer in one write; and then answers in one piece."""
    caller = await lines.open(Chain((run.url(),)))
    await caller.repeat(SHORT, run.budget / 4)
    await caller.repeat(LONG, run.budget / 4)
    await caller.repeat_whole(SHORT, run.budget / 4)
    with run.measured() as short:
        calls, burst = await caller.repeat(SHORT, run.budget)
    with run.measured() as long:
        long_calls, _ = await caller.repeat(LONG, run.budget)
    with run.measured() as whole:
        whole_calls = await caller.repeat_whole(SHORT, run.budget)
    _, firsts = await caller.repeat(SHORT, run.budget, lead=1)
    call, long_call = short.cpu / calls, long.cpu / long_calls
    return {
        "call": call * 1e6,
        "chunk": (long_call - call) / (LONG - SHORT) * 1e6,
        "whole": whole.cpu / whole_calls * 1e6,
        "first": statistics.median(firsts) * 1e3,
        "first of a burst": statistics.median(burst) * 1e3,
        "firsts": [round(first * 1e3, 4) for first in firsts],
        "connections": (short.connections + long.connections) / (calls + long_calls) * 100,
        "server": (short.server_cpu + long.server_cpu) / (short.cpu + long.cpu),
    }


_WARM = 200
"""Up to so many streams open their connections beforehand; more would take too long."""


def paced(streams: int) -> Callable[[Lines, Run], Awaitable[Result]]:
    """So many streams held open at once, each chunk in its own packet 20 ms after the one before."""

    async def load(lines: Lines, run: Run) -> Result:
        caller = await lines.open(Chain((run.url(),)))
        await caller.repeat(SHORT, run.budget / 4)
        if streams <= _WARM:
            await caller.wave(1, streams)
        with run.measured() as stretch:
            opened = await caller.wave(run.chunks, streams)
        chunks = streams * run.chunks
        return {
            "chunk": (stretch.ended - opened) / chunks * 1e6,
            "overall": stretch.cpu / chunks * 1e6,
            "peak": stretch.peak,
            "wall": stretch.wall,
            "server": stretch.server_cpu / stretch.cpu,
        }

    return load


async def _by_turns(callers: Sequence[Caller], run: Run, chunks: int, wall: float) -> list[list[float]]:
    """CPU seconds per call of each caller, turn by turn, a few calls a turn: neighbours in time, to be compared."""
    turns: list[list[float]] = []
    until, late = time.process_time() + 2 * run.budget, time.perf_counter() + wall
    while len(turns) < 3 or (time.process_time() < until and time.perf_counter() < late):
        turn = []
        for caller in callers:
            begun = time.process_time()
            await caller.repeat(chunks, 0, times=_A_FEW)
            turn.append((time.process_time() - begun) / _A_FEW)
        turns.append(turn)
    return turns


_A_FEW = 3
"""Calls of one turn."""


async def failover(lines: Lines, run: Run) -> Result:
    """A chain of two whose first provider is out of order, beside one in which it is well, by turns."""
    sound = await lines.open(Chain((run.url("well"), run.url("spare"))))
    broken = await lines.open(Chain((run.url("dead"), run.url("spare"))))
    with run.measured() as first:
        await broken.repeat(SHORT, 0, times=1)
    await sound.repeat(SHORT, run.budget / 4)
    await broken.repeat(SHORT, run.budget / 4, wall=1.0)
    with run.measured() as stretch:
        turns = await _by_turns((sound, broken), run, SHORT, wall=4.0)
    return {
        "sound": statistics.median(well for well, _ in turns) * 1e6,
        "broken": statistics.median(dead for _, dead in turns) * 1e6,
        "ratio": statistics.median(dead / well for well, dead in turns),
        "first": first.asked("dead"),
        "each": stretch.asked("dead") / len(turns) / _A_FEW,
    }


async def probes(lines: Lines, run: Run, cooldown: float = 0.5, lasting: float = 2.6) -> Result:
    """How often a provider that is out of order is asked while its cooldowns come and go."""
    caller = await lines.open(Chain((run.url("dead"), run.url("spare")), cooldown=cooldown, in_place=False))
    await caller.repeat(SHORT, 0, times=1)
    with run.measured() as stretch:
        calls, _ = await caller.repeat(SHORT, 1e9, wall=lasting)
    asked, ended = stretch.asked("dead"), stretch.wall / cooldown
    return {"calls": calls, "asked": asked, "cooldowns": ended, "per cooldown": asked / ended}


LENGTHS = (1, 2, 5, 10, 20)
"""Lengths of chains; all but the last link are cooling."""


async def chains(lines: Lines, run: Run) -> Result:
    """Chains of one to twenty of which only the last link answers, with one chunk, by turns."""
    callers = []
    for length in LENGTHS:
        urls = (*(run.url(f"dead-{place}") for place in range(length - 1)), run.url("spare"))
        callers.append(await lines.open(Chain(urls, cooldown=3600.0, in_place=False)))
        await callers[-1].repeat(1, run.budget / 8)
    with run.measured() as stretch:
        turns = await _by_turns(callers, run, 1, wall=10.0)
    if any(path.startswith("/dead") and n for path, n in stretch.requests.items()):
        raise ValueError("a link that should be cooling was asked")
    call = [statistics.median(turn) * 1e6 for turn in zip(*turns, strict=True)]
    figures = {f"of {length}": value for length, value in zip(LENGTHS, call, strict=True)}
    longer = statistics.median(turn[-1] - turn[0] for turn in turns)
    return figures | {"skipped": longer / (LENGTHS[-1] - LENGTHS[0]) * 1e6}


LOADS: dict[str, Callable[[Lines, Run], Awaitable[Result]]] = {
    "sequential": sequential,
    "paced-100": paced(100),
    "paced-200": paced(200),
    "paced-1000": paced(1000),
    "failover": failover,
    "probes": probes,
    "chains": chains,
}


def run(load: str, peer: Peer, setting: Run) -> Result:
    """Runs one cell in this process.

    Raises:
        Unavailable: The peer cannot be measured here.
        ValueError: It did not do what was asked.
    """

    async def main() -> Result:
        lines = Lines(peer, setting)
        try:
            return await LOADS[load](lines, setting)
        finally:
            await lines.close()

    if setting.mode == "async":
        return asyncio.run(main())
    # Nothing in sync mode waits, so this needs no loop; and there must be none, since some peers look for one.
    step = main()
    try:
        step.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a sync load waited")
