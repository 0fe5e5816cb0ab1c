"""A soak: many calls through random faults, and a list of what must never happen.

    python -m tests.soak --calls 20000 --at-once 200 --seed 1

Half of the calls are sync, in threads, half are async, in one loop; all share a few managers. In each of eight rounds
everything is asked at once, then everything must come to rest: no thread, task, file or attempt may be left, and memory
must not have grown between the first and the last quarter. `checks` says what must hold of every call.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpcore

from tests.soak.callers import Asked, Seen, aask, ask
from tests.soak.checks import SLACK, ended, violations
from tests.soak.provider import Provider
from tests.soak.stations import Stations
from tests.soak.watching import Held, Watch, drained

__all__ = ["Settings", "Summary", "main", "soak"]

_TIMES = 3
"""A call may be late by as many times what calls take on the average now: hundreds that share a core wait for it."""
_FIRST = 30
"""Calls that warm the process up."""
_REST = 15.0
"""Seconds within which everything that was left must have ended."""
_MOST_OBJECTS = 1.05
_MOST_MEMORY = 1.10
"""Growth between the first and the last quarter that is noise: caches of types, arenas that the allocator keeps."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a soak is told.

    Attributes:
        calls: How many calls.
        at_once: How many of them at the same time.
        seed: Of all chances.
        rounds: After each of them everything comes to rest; at least three.
        seconds: It begins no further call after this time.
        managers: How many managers share the calls.
        health: Share of the provider's answers without a fault.
        is_own_process: The provider runs in a process of its own.
        tells: It tells of each round on the standard error.
    """

    calls: int = 20_000
    at_once: int = 200
    seed: int = 1
    rounds: int = 8
    seconds: float = 1800.0
    managers: int = 6
    health: float = 0.5
    is_own_process: bool = True
    tells: bool = False


@dataclass(slots=True)
class Summary:
    """What a soak found."""

    calls: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    held: list[Held] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    latest: float = 0.0
    records: int = 0

    def __str__(self) -> str:
        lines = [f"{self.calls} calls in {self.seconds:.0f} s, {self.records} log records read"]
        for name in ("ends", "ways", "happened", "met"):
            counts: Counter[str] = getattr(self, name)
            lines.append(f"{name}: " + ", ".join(f"{key} {count}" for key, count in counts.most_common()))
        lines.append(f"latest end after a deadline: {self.latest:.2f} s")
        lines += [
            f"at rest: {held.memory / 1e6:.1f} MB, {held.objects} objects, {held.threads} threads, {held.tasks} tasks, "
            f"{held.files} files"
            for held in self.held
        ]
        lines += [f"VIOLATION {violation}" for violation in self.violations[:_SHOWN]]
        lines.append(f"{len(self.violations)} violations")
        return "\n".join(lines)


class _Soak:
    def __init__(self, settings: Settings, provider: Provider, watch: Watch) -> None:
        self._settings = settings
        self._provider = provider
        self._watch = watch
        self._stations = Stations(settings.seed, provider.url, settings.managers)
        self._lock = threading.Lock()
        self._took: deque[float] = deque(maxlen=200)
        self._until = time.monotonic() + settings.seconds
        self.summary = Summary()

    async def run(self) -> None:
        began = time.monotonic()
        size = self._settings.calls // self._settings.rounds
        told = 0
        # Modules are imported by the first calls, which hundreds of threads would have to wait for.
        await self._round(range(self._settings.calls, self._settings.calls + _FIRST), 4)
        for number in range(self._settings.rounds):
            await self._round(range(number * size, (number + 1) * size), self._settings.at_once)
            await self._come_to_rest()
            if self._settings.tells:
                held = self.summary.held[-1]
                news = self._watch.found[told:]
                told = len(self._watch.found)
                sys.stderr.writelines(f"  {violation[:1000]}\n" for violation in news[:_SHOWN])
                sys.stderr.write(
                    f"round {number + 1}: {self.summary.calls} calls, {len(self._watch.found)} violations, "
                    f"{time.monotonic() - began:.0f} s, {held.memory / 1e6:.0f} MB\n"
                )
        self._compare()
        found = self._provider.seen()
        self.summary.met = found["met"] + self._stations.mishap.met
        if found["keyless"]:
            self._watch.found.append(f"{found['keyless']} requests came without a key")
        self._count(found["requests"])
        await self._stations.clients.close()
        self.summary.seconds = time.monotonic() - began

    async def _round(self, numbers: range, at_once: int) -> None:
        """Asks everything in `numbers`."""
        size = max(1, at_once // 2)
        syncs, asyncs = (iter([number for number in numbers if number % 2 == rest]) for rest in (1, 0))
        threads = [threading.Thread(target=self._work, args=(syncs,), name=f"soak-{index}") for index in range(size)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(self._awork(asyncs) for _ in range(size)))
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _next(self, numbers: Iterator[int]) -> Asked | None:
        with self._lock:
            number = next(numbers, None) if time.monotonic() < self._until else None
        return None if number is None else self._stations.asked(number)

    def _work(self, numbers: Iterator[int]) -> None:
        while (asked := self._next(numbers)) is not None:
            try:
                self._note(asked, ask(asked))
            except BaseException as error:  # noqa: BLE001 - whatever is raised is what a soak looks for
                self._crashed(asked, error)

    async def _awork(self, numbers: Iterator[int]) -> None:
        while (asked := self._next(numbers)) is not None:
            try:
                self._note(asked, await aask(asked))
            except Exception as error:  # noqa: BLE001 - the same
                self._crashed(asked, error)

    def _crashed(self, asked: Asked, error: BaseException) -> None:
        self._watch.found.append(f"{self._place(asked)}: raised {error!r}")

    def _place(self, asked: Asked) -> str:
        caller = asked.caller
        return (
            f"seed {self._settings.seed}, call {asked.case.number} ({caller.face} {caller.name}, "
            f"{asked.policy.mid_stream}, hedge after {asked.policy.hedge_after}, {' '.join(asked.models)})"
        )

    def _note(self, asked: Asked, seen: Seen) -> None:
        self._took.append(seen.seconds)
        slack = SLACK + _TIMES * sum(self._took.copy()) / len(self._took)
        found = list(violations(asked, seen, slack=slack))
        report = seen.report or (seen.error.report.as_dict() if hasattr(seen.error, "report") else {})
        with self._lock:
            summary = self.summary
            summary.calls += 1
            summary.ends[ended(seen)] += 1
            summary.ways[f"{asked.caller.face} {asked.caller.name}"] += 1
            for name in ("hedged", "continued"):
                summary.happened[name] += bool(report.get(name))
            summary.happened["restarted"] += seen.restarts > 0
            summary.happened["probes"] += sum(bool(step.get("is_probe")) for step in report.get("trail", ()))
            summary.happened["tool calls"] += bool(seen.calls)
            if asked.policy.deadline is not None:
                summary.latest = max(summary.latest, seen.seconds - asked.policy.deadline)
            self._watch.found += [f"{self._place(asked)}: {violation}" for violation in found]

    async def _come_to_rest(self) -> None:
        """Waits until nothing runs any more, closes what may stay open, and counts the rest."""
        ledger, found = self._watch.ledger, self._watch.found
        ended_all = ("succeeded", "failed", "abandoned")
        if not await drained(lambda: ledger.total("begun") == sum(map(ledger.total, ended_all)), _REST):
            found.append("attempts that never ended")
        if not await drained(lambda: len(asyncio.all_tasks()) == 1, _REST):
            found.append(f"tasks that never ended: {list(asyncio.all_tasks())}")
        await self._stations.close()
        if not await drained(lambda: not _stray_threads(), _REST):
            found.append(f"threads that never ended: {_stray_threads()}")
        lost = self._lost()
        if not await drained(lambda: len(self._provider.seen()["open"]) <= lost, _REST):
            found.append(f"connections are open, of model and call: {self._provider.seen()['open']}; lost were {lost}")
        self.summary.happened["connections lost by SDKs"] = lost
        for manager in self._stations.managers:
            found += ledger.violations(manager)
        self.summary.held.append(Held.now(lost))

    @staticmethod
    def _lost() -> int:
        """Connections that SDKs hold for ever, while all that is ours is closed.

        A bare SDK loses one whose task is cancelled before its request is sent, or while the body of an error is read:
        from then on it stands in the pool of httpcore as one that is in use.
        """
        pools = [found for found in gc.get_objects() if type(found) is httpcore.AsyncConnectionPool]
        return sum(len(pool.connections) for pool in pools)

    def _count(self, requests: Counter[str]) -> None:
        """Requests at the provider are attempts, no more: nobody repeats anything behind the engine's back."""
        begun = self._watch.ledger.begun()
        self._watch.found += [
            f"{count} requests for {model}, in {begun[model]} attempts"
            for model, count in requests.items()
            if count > begun[model]
        ]

    def _compare(self) -> None:
        first, *_, last = self.summary.held[1:]
        growths = {
            "threads": (first.threads, last.threads, 1.0),
            "tasks": (first.tasks, last.tasks, 1.0),
            "files": (first.files, last.files, 1.0),
            "objects": (first.objects, last.objects, _MOST_OBJECTS),
            "memory": (first.memory, last.memory, _MOST_MEMORY),
        }
        for name, (before, after, most) in growths.items():
            if after > before * most:
                self._watch.found.append(f"{name} grew from {before} to {after}")


def _stray_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("llm-failover-member", "llm-failover-lane", "llm-failover-blocking", "soak-"))
    ]


def soak(settings: Settings) -> Summary:
    """Runs a soak; the summary lists what must not have happened."""
    with (
        Provider(settings.seed, health=settings.health, is_own_process=settings.is_own_process) as provider,
        Watch() as watch,
    ):
        soaking = _Soak(settings, provider, watch)
        asyncio.run(soaking.run())
        summary = soaking.summary
    summary.violations, summary.records = watch.found, watch.records
    return summary


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status is 1 if anything happened that must not."""
    usual = Settings()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Many calls through random faults.")
    parser.add_argument("--calls", type=int, default=usual.calls, help="how many (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=usual.at_once, help="how many at a time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of all chances (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="no call begins later (%(default)s)")
    parser.add_argument("--managers", type=int, default=usual.managers, help="how many share them (%(default)s)")
    parser.add_argument("--health", type=float, default=usual.health, help="share without a fault (%(default)s)")
    options = parser.parse_args(arguments)
    # What hangs for ever is shown and ended.
    faulthandler.dump_traceback_later(options.seconds + 300, exit=True)
    summary = soak(Settings(**vars(options), tells=True))
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{summary}\n")
    return 1 if summary.violations else 0
