"""Threads for blocking work: used again by the next task, but never by another one than that which they are at."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from shared_core.events import MemberChunk
from shared_core.providers import workers
from shared_core.providers.members import _Pump
from shared_core.providers.workers import Worker, begin


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """No thread of another test is at hand, and none is left to the next."""
    _end_all()
    yield
    _end_all()


def _end_all() -> None:
    while workers._RESTING:
        workers._RESTING.pop().give(lambda _worker: False)


def run(rests: bool = True) -> Worker:
    """The thread of a task that is over."""
    done = threading.Event()

    def task(worker: Worker) -> bool:
        if rests:
            worker.rest()
        done.set()
        return rests

    worker = begin(task)
    assert done.wait(5)
    return worker


def read(pump: _Pump) -> list[Any]:
    found: list[Any] = []
    while (batch := pump.read()) is not None:
        found += batch
    pump.close()
    return found


def chunks(*texts: str) -> Iterator[MemberChunk]:
    for text in texts:
        yield MemberChunk(text, text, has_content=True)


def test_the_next_task_finds_the_thread_of_the_last() -> None:
    """Which is a daemon, so that the program's end does not wait for it."""
    first = run()
    assert run() is run() is first
    assert first.daemon
    assert [first] == workers._RESTING


def test_tasks_at_once_have_a_thread_each() -> None:
    """Nobody waits for another's end."""
    release = threading.Event()
    started = threading.Barrier(4, timeout=5)

    def task(_worker: Worker) -> bool:
        started.wait()
        release.wait(5)
        return False

    threads = {begin(task) for _ in range(3)}
    started.wait()
    assert len(threads) == 3
    assert run(rests=False) not in threads
    release.set()


def test_a_thread_that_does_not_rest_ends() -> None:
    """And is given nothing any more."""
    thread = run(rests=False)
    thread.join(5)
    assert not thread.is_alive()
    assert workers._RESTING == []


def test_a_thread_that_nobody_needs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its rest."""
    monkeypatch.setattr(workers, "_REST", 0.01)
    thread = run()
    thread.join(5)
    assert not thread.is_alive()
    assert workers._RESTING == []


def test_a_thread_that_is_taken_as_its_rest_ends_does_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever took it is about to give it one."""
    monkeypatch.setattr(workers, "_REST", 0.01)
    thread = run()
    taken = workers._RESTING.pop()
    assert taken is thread
    thread.join(0.1)
    assert thread.is_alive()
    done = threading.Event()

    def last(_worker: Worker) -> bool:
        done.set()
        return False

    thread.give(last)
    assert done.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def test_a_resting_thread_holds_nothing() -> None:
    """Neither the task nor what it was about."""

    class Thing:
        pass

    thing, done = Thing(), threading.Event()

    def about(held: Thing) -> Any:
        def task(worker: Worker) -> bool:
            assert held is not None
            worker.rest()
            done.set()
            return True

        return task

    begin(about(thing))
    assert done.wait(5)
    gone = weakref.ref(thing)
    del thing
    run()  # the first is over when the second has begun in its thread
    gc.collect()
    assert gone() is None


def test_a_forked_child_starts_threads_of_its_own() -> None:
    """Those of its parent are not there."""
    run()
    with warnings.catch_warnings():  # newer Pythons warn of a fork beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        found = [chunk.text for chunk in read(_Pump(lambda: chunks("a")))]  # type: ignore[arg-type, return-value]
        os._exit(0 if found == ["a"] else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_members_asked_one_after_the_other_share_a_thread() -> None:
    """Each with its own context, and its chunks in order."""
    seen: list[threading.Thread] = []

    def member(*texts: str) -> Iterator[MemberChunk]:
        seen.append(threading.current_thread())
        yield from chunks(*texts)

    for _ in range(3):
        assert [chunk.text for chunk in read(_Pump(lambda: member("a", "b")))] == ["a", "b"]  # type: ignore[arg-type, return-value]
    assert len(set(seen)) == 1


def test_a_member_that_fails_leaves_its_thread_to_the_next() -> None:
    """What it raised is the reader's."""
    pump = _Pump(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        pump.read()
    pump.close()
    thread = pump._thread
    following = _Pump(lambda: chunks("a"))  # type: ignore[arg-type, return-value]
    assert [chunk.text for chunk in read(following)] == ["a"]
    assert following._thread is thread


def test_the_thread_of_a_member_that_was_left_is_nobody_elses() -> None:
    """Its reads are made to fail, which must be no other member's."""
    release = threading.Event()

    def member() -> Iterator[MemberChunk]:
        yield from chunks("a")
        release.wait(5)
        yield from chunks("b")

    left = _Pump(member)  # type: ignore[arg-type]
    left.read()
    left.close()
    other = _Pump(lambda: chunks("c"))  # type: ignore[arg-type, return-value]
    assert [chunk.text for chunk in read(other)] == ["c"]
    assert other._thread is not left._thread
    release.set()
    assert left._thread is not None
    left._thread.join(5)
    assert not left._thread.is_alive()
    assert left._thread not in workers._RESTING


def test_chunks_that_come_fast_are_gathered() -> None:
    """A reader that has just been woken lets some come before it looks again; none is lost, and the order stays."""
    texts = [str(number) for number in range(2000)]

    def member() -> Iterator[MemberChunk]:
        for chunk in chunks(*texts):
            os.urandom(1)  # lets go of the interpreter, as reading from the network does
            yield chunk

    pump = _Pump(member)  # type: ignore[arg-type]
    batches: list[Any] = []
    while (batch := pump.read()) is not None:
        batches.append(batch)
    pump.close()
    assert [chunk.text for batch in batches for chunk in batch] == texts
