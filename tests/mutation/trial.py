"""Tries faults: each in a forked process, against the tests that run through it, until the first of them fails.

A fault inside a function is tried warm: everything is imported and collected once, the child replaces the function's
code and runs the tests that were seen to run through the statement. So is one of a module's constant that functions
alone use: the child computes it and those behind it anew, and puts them wherever they were imported. What else takes
effect at import (a class body, an argument's default, a constant that these use) is tried cold: the child imports the
project anew, with the faulty module among it. No file is written, and no parent runs a test itself, so that no trial
knows of another.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import importlib.machinery
import importlib.util
import itertools
import json
import math
import mmap
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.mutants import Mutant, mutants

__all__ = ["Room", "Suite", "Trial"]

_LEAST_SECONDS = 5
_TIMES = 3
"""A trial has this many times the CPU time of all the tests, and a little. A fault that loops is killed by it."""
_PATIENCE = 50
"""A trial that waits for something, on a machine that may be busy otherwise, gets this many times as long."""
_BROKEN = 70
"""Status of a process that ended in an exception of its own."""
_PLUGINS = ("pytest_asyncio.plugin", "_hypothesis_pytestplugin")
_ARGUMENTS = (
    f"-c{os.devnull}",
    "--rootdir=.",
    "--import-mode=importlib",
    "--assert=plain",
    "--hypothesis-profile=mutation",
    "-qqsx",
    *("-oasyncio_mode=auto", "-oasyncio_default_fixture_loop_scope=function", "-ofilterwarnings=error"),
    *("-pno:cacheprovider", "-pno:logging", "-pno:faulthandler"),
    *(f"-p{plugin}" for plugin in _PLUGINS),
)
_OURS = ("shared_core", "tests")


@dataclass(frozen=True)
class Room:
    """A module, its tree, and the faults that it can be given."""

    name: str
    path: Path
    tree: ast.Module
    mutants: Sequence[Mutant]

    @classmethod
    def of(cls, name: str, *, every: int = 1, lines: tuple[int, int] | None = None) -> Room:
        """Reads a module of `shared_core`; only every nth fault, only those of some lines."""
        path = Path("shared_core", f"{name}.py").resolve()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        first, last = lines or (0, sys.maxsize)
        return cls(name, path, tree, [each for each in mutants(tree) if first <= each.line <= last][::every])

    @property
    def module(self) -> str:
        """Its name for `import`."""
        return f"shared_core.{self.name.replace('/', '.')}"

    def faulty(self, mutant: Mutant) -> CodeType:
        """The module's code with a fault; only once in a process."""
        mutant.change()
        return compile(ast.fix_missing_locations(self.tree), str(self.path), "exec")


@dataclass(frozen=True)
class Trial:
    """A fault that was tried; it survived if no test failed."""

    room: Room
    mutant: Mutant
    is_killed: bool


class Suite:
    """Test files, and which line is run by which of their tests.

    Args:
        files: Paths of test files, in the order in which they are run.
        rooms: The modules to try.
        jobs: How many trials run at once.
    """

    def __init__(self, files: Sequence[str], rooms: Sequence[Room], jobs: int) -> None:
        self._files = files
        self._rooms = rooms
        self._jobs = jobs
        self._lines: dict[tuple[str, int], set[str]] = {}
        self._seconds: dict[str, float] = {}
        self._limit = _LEAST_SECONDS
        self._modules: list[str] = []
        # Only the plugins that are named: each trial would pay for the others.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        _settle_hypothesis()

    def check(self) -> None:
        """Runs the tests once without a fault, and notes what they run.

        Raises:
            RuntimeError: A test fails without a fault.
        """
        told = Path(f"/tmp/mutation-{os.getpid()}.json")  # noqa: S108 - what the child has to say, for a moment
        try:
            if _await(_forked(lambda: self._observe(told), is_silent=False), time.monotonic() + 600) != 0:
                raise RuntimeError("the tests fail without a fault")
            seen = json.loads(told.read_text(encoding="utf-8"))
        finally:
            told.unlink(missing_ok=True)
        self._lines = {
            (file, int(line)): {test for test in tests if test}
            for file, lines in seen["lines"].items()
            for line, tests in lines.items()
        }
        self._seconds = seen["seconds"]
        self._limit = _LEAST_SECONDS + _TIMES * math.ceil(sum(self._seconds.values()))
        self._modules = seen["modules"]

    def trials(self, until: float) -> Iterator[Trial]:
        """Tries every fault, those inside of functions first; stops at the instant `until`."""
        yield from self._warm(until)
        cold = [(room, mutant) for room in self._rooms for mutant in room.mutants if not mutant.is_warm]
        for module in self._modules if cold else ():
            # What a trial would have to import again and is not ours.
            if module.partition(".")[0] not in {*_OURS, "conftest", "__main__"}:
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
        gc.freeze()
        yield from self._pool(cold, lambda room, mutant: functools.partial(self._run_cold, room, mutant), until)

    def _pool(
        self,
        faults: Sequence[tuple[Room, Mutant]],
        task: Callable[[Room, Mutant], Callable[[], int]],
        until: float,
    ) -> Iterator[Trial]:
        # By chance, so that what was tried when the time is up is a fair sample; always by the same.
        pending = random.Random(0).sample(faults, len(faults))
        running: dict[int, tuple[Room, Mutant, float]] = {}
        while pending or running:
            while pending and len(running) < self._jobs:
                if time.monotonic() > until:
                    pending.clear()
                    break
                room, mutant = pending.pop()
                pid = _forked(functools.partial(_limited, task(room, mutant), self._limit))
                running[pid] = room, mutant, time.monotonic() + self._limit * _PATIENCE
            ended = [(pid, status) for pid in running if (status := _ended(pid, running[pid][2])) is not None]
            for pid, status in ended:
                room, mutant, _ = running.pop(pid)
                if status == _BROKEN:
                    raise RuntimeError(f"{room.name}:{mutant.line} could not be tried: {mutant.what}")
                yield Trial(room, mutant, is_killed=status != 0)
            if not ended:
                time.sleep(0.002)

    def _passing(self, room: Room, mutant: Mutant) -> set[str]:
        """The tests that ran a line of the statement that has the fault."""
        return set().union(*(self._lines.get((str(room.path), line), ()) for line in mutant.lines))

    def _seconds_of(self, item: pytest.Item) -> float:
        return self._seconds.get(item.nodeid, 0.0)

    # In the children

    def _observe(self, told: Path) -> int:
        watch = _Watch([str(room.path) for room in self._rooms])
        status = pytest.main([*_ARGUMENTS, *self._files], plugins=[watch])
        found = {"lines": watch.lines(), "modules": sorted(sys.modules), "seconds": watch.seconds}
        told.write_text(json.dumps(found), encoding="utf-8")
        return int(status)

    def _warm(self, until: float) -> Iterator[Trial]:
        """The trials of a process that has collected the tests; they come through a pipe as numbers."""
        faults = [(room, mutant) for room in self._rooms for mutant in room.mutants if mutant.is_warm]
        numbers = {id(mutant): number for number, (_, mutant) in enumerate(faults)}
        reading, writing = os.pipe()
        kills = _Kills()

        def serve() -> int:
            os.close(reading)

            def loop(session: pytest.Session) -> bool:
                items = {item.nodeid: item for item in sorted(session.items, key=self._seconds_of)}
                kills.of(items)
                functions = _functions(room.module for room in self._rooms)
                for cached in _caches():
                    cached.cache_clear()
                gc.freeze()
                for trial in self._pool(
                    faults,
                    lambda room, mutant: functools.partial(self._run_warm, room, mutant, items, kills, functions),
                    until,
                ):
                    os.write(writing, f"{numbers[id(trial.mutant)]} {int(trial.is_killed)}\n".encode())
                return True

            return int(pytest.main([*_ARGUMENTS, *self._files], plugins=[_Loop(loop), _Verdict(kills)]))

        server = _forked(serve, is_silent=False)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as lines:
            for line in lines:
                number, is_killed = map(int, line.split())
                yield Trial(*faults[number], is_killed=bool(is_killed))
        if _await(server, time.monotonic() + 60) != 0:
            raise RuntimeError("the process that tries faults broke off")

    def _run_warm(
        self,
        room: Room,
        mutant: Mutant,
        items: Mapping[str, pytest.Item],
        kills: _Kills,
        functions: Mapping[tuple[str, int, str], list[FunctionType]],
    ) -> int:
        if mutant.function is None:
            _put_constants(room, mutant)
            chosen = list(items.values())
        else:
            code = _find(room.faulty(mutant), mutant.function)
            for function in functions[str(room.path), *mutant.function]:
                function.__code__ = code
            passing = self._passing(room, mutant)
            chosen = [item for test, item in items.items() if test in passing]
        chosen.sort(key=kills.rank)
        gc.disable()
        for item, following in itertools.zip_longest(chosen, chosen[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return 0

    def _run_cold(self, room: Room, mutant: Mutant) -> int:
        sys.meta_path.insert(0, _Finder(room.module, room.path, room.faulty(mutant)))
        return int(pytest.main([*_ARGUMENTS, *self._files], plugins=[_Verdict(_Kills())]))


class _Watch:
    """Notes which lines of some files a test runs, and how long it takes."""

    def __init__(self, files: Sequence[str]) -> None:
        self.seconds: dict[str, float] = {}
        self._files = files
        self._caches: list[functools._lru_cache_wrapper[object]] = []
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=files)

    def lines(self) -> dict[str, dict[int, list[str]]]:
        """By file and line the tests that ran it."""
        return {file: self._coverage.get_data().contexts_by_lineno(file) for file in self._files}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self._coverage.start()

    def pytest_collection_finish(self) -> None:
        self._caches = _caches()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        for cached in self._caches:
            cached.cache_clear()  # or only the first test would be seen to run it
        self._coverage.switch_context(item.nodeid)
        began = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - began
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()


class _Loop:
    """Does something else with the collected tests than to run them one by one."""

    def __init__(self, loop: Callable[[pytest.Session], bool]) -> None:
        self._loop = loop

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        return self._loop(session)


class _Kills:
    """How many faults each test has noticed so far, in memory that all processes share.

    Those that noticed most run first: a fault of a table is often noticed by one of a thousand tests, and the next
    fault of that table by the same one.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._counts = memoryview(bytearray())

    def of(self, tests: Iterable[str]) -> None:
        """Makes room for these tests."""
        self._numbers = {test: number for number, test in enumerate(tests)}
        self._counts = memoryview(mmap.mmap(-1, 4 * len(self._numbers))).cast("I")

    def add(self, item: pytest.Item) -> None:
        """It has noticed one more."""
        if item.nodeid in self._numbers:
            self._counts[self._numbers[item.nodeid]] += 1

    def rank(self, item: pytest.Item) -> int:
        """For sorting."""
        return -self._counts[self._numbers[item.nodeid]]


class _Verdict:
    """Ends the process at the first failure: nobody reads why."""

    def __init__(self, kills: _Kills) -> None:
        self._kills = kills

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            self._kills.add(item)
            os._exit(1)


class _Finder(importlib.machinery.SourceFileLoader):
    """Finds one module, and loads a code of its own for it."""

    def __init__(self, module: str, path: Path, code: CodeType) -> None:
        super().__init__(module, str(path))
        self._code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def _functions(modules: Iterator[str]) -> dict[tuple[str, int, str], list[FunctionType]]:
    """The living functions of some modules, by file, first line and qualified name, whatever wraps them."""
    wanted = set(modules)
    found: dict[tuple[str, int, str], list[FunctionType]] = {}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__module__ in wanted:
            code = thing.__code__
            found.setdefault((code.co_filename, code.co_firstlineno, code.co_qualname), []).append(thing)
    return found


def _find(code: CodeType, where: tuple[int, str]) -> CodeType:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for each in inner:
        if (each.co_firstlineno, each.co_qualname) == where:
            return each
    return next(found for each in inner if (found := _find_or_none(each, where)) is not None)


def _find_or_none(code: CodeType, where: tuple[int, str]) -> CodeType | None:
    with contextlib.suppress(StopIteration):
        return _find(code, where)
    return None


def _put_constants(room: Room, mutant: Mutant) -> None:
    """Computes the constants from the faulty one on, and puts them in the place of the old ones everywhere."""
    mutant.change()
    later = [
        statement
        for statement in ast.fix_missing_locations(room.tree).body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and (statement.end_lineno or 0) >= mutant.line
    ]
    space = sys.modules[room.module].__dict__
    old = dict(space)
    code = compile(ast.Module([*later], []), str(room.path), "exec")
    try:
        exec(code, space)  # noqa: S102 - the project's own source
    except Exception:  # noqa: BLE001 - then importing the module would fail as well
        os._exit(1)
    changed = [(name, old[name], value) for name, value in space.items() if name in old and value is not old[name]]
    for module in [found for name, found in sys.modules.items() if name.partition(".")[0] in _OURS]:
        for name, before, after in changed:
            if module.__dict__.get(name) is before:
                module.__dict__[name] = after


def _caches() -> list[functools._lru_cache_wrapper[object]]:
    """The functions of ours that remember what they returned."""
    return [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, functools._lru_cache_wrapper) and (thing.__module__ or "").startswith("shared_core")
    ]


def _settle_hypothesis() -> None:
    """Few examples, always the same, and no time spent on making a failing one smaller."""
    settings.register_profile(
        "mutation",
        max_examples=10,
        stateful_step_count=20,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# Processes


def _forked(task: Callable[[], int], *, is_silent: bool = True) -> int:
    """Starts a process that does `task`, and ends with its status."""
    pid = os.fork()
    if pid:
        return pid
    status = _BROKEN
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2) if is_silent else (0,):
            os.dup2(silence, number)
        status = task()
    except BaseException:  # noqa: BLE001 - whatever it is, the process ends below
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _ended(pid: int, deadline: float) -> int | None:
    """The status of a process that has ended, or that is ended now since its time is up; None if it still runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if found:
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() < deadline:
        return None
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _await(pid: int, deadline: float) -> int:
    while (status := _ended(pid, deadline)) is None:
        time.sleep(0.01)
    return status


def _limited(task: Callable[[], int], seconds: int) -> int:
    """Does `task` within so many seconds of CPU time."""
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, used + seconds))
    return task()
