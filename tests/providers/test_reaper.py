"""Threads that are left in the middle of a read end, and their connections with them."""

from __future__ import annotations

import gc
import http.client
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from shared_core.events import MemberChunk
from shared_core.providers import reaper
from shared_core.providers.members import _Pump
from shared_core.simulator import Fault, Simulator

BODY = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
HEADERS = {"content-type": "application/json"}


@pytest.fixture(params=[Fault.keepalive(interval=0.02), Fault.silent(), Fault.stall(1)], ids=lambda fault: fault.kind)
def sim(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A provider that never comes to an end, in one way or another."""
    with Simulator() as provider:
        provider.script("*", request.param)
        yield provider


def by_httpx(url: str) -> Iterator[bytes]:
    with (
        httpx.Client(timeout=60) as client,
        client.stream("POST", f"{url}/chat/completions", content=BODY, headers=HEADERS) as response,
    ):
        yield from response.iter_bytes()


def by_the_standard_library(url: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc)) as connection:
        connection.request("POST", f"{parts.path}/chat/completions", BODY, HEADERS)
        with connection.getresponse() as response:
            while data := response.read1():
                yield data


Reader = Callable[[str], Iterator[bytes]]


def ends(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


@pytest.mark.parametrize("reader", [by_httpx, by_the_standard_library])
def test_an_abandoned_read_ends(sim: Simulator, reader: Reader) -> None:
    """Whatever the server does, and whichever client reads: nothing else could end it."""
    raised: list[Exception] = []

    def read() -> None:
        try:
            for _ in reader(sim.base_url):
                pass
        except (httpx.TransportError, OSError, http.client.HTTPException) as error:
            raised.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    while not sim.requests:
        time.sleep(0.001)
    reaper.end(thread)
    assert ends(thread)


def test_the_thread_of_an_abandoned_member_ends(sim: Simulator) -> None:
    """The engine goes away while the member's client waits; its connection is gone at the server as well."""

    def member() -> Iterator[MemberChunk]:
        for _ in by_httpx(sim.base_url):
            pass
        yield MemberChunk(None)

    before = set(threading.enumerate())
    pump = _Pump(member)  # type: ignore[arg-type]  # an iterator will do
    waiting = threading.Timer(0.05, pump.wake)
    waiting.start()
    with pytest.raises(TimeoutError):
        pump.read()
    pump.close()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "llm-failover-member":
            assert ends(thread)


def test_what_a_thread_holds_beside_is_left_alone() -> None:
    """A socket that no HTTP client reads from belongs to somebody else."""
    here, there = socket.socketpair()
    with here, there:
        thread = threading.Thread(target=here.recv, args=(1,), daemon=True)
        thread.start()
        reaper._shut(thread)
        there.sendall(b"x")
        assert ends(thread)
        here.sendall(b"y")
        assert there.recv(1) == b"y"


@pytest.mark.parametrize("collects", [True, False])
def test_nobodys_code_runs_while_frames_are_looked_at(collects: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The garbage collector rests meanwhile, and is as it was afterwards."""
    seen: list[bool] = []

    def frames() -> dict[int, object]:
        seen.append(gc.isenabled())
        return {}

    monkeypatch.setattr(sys, "_current_frames", frames)
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        reaper._shut(threading.current_thread())
        assert (seen, gc.isenabled()) == ([False], collects)
    finally:
        (gc.enable if was else gc.disable)()


def test_a_thread_that_has_ended_is_nothing_to_do() -> None:
    """Nor is one that is at something else: it is waited for."""
    over = threading.Thread(target=lambda: None)
    over.start()
    over.join()
    reaper.end(over)
    reaper._shut(over)
    go_on = threading.Event()
    busy = [threading.Thread(target=go_on.wait, daemon=True) for _ in range(2)]
    for thread in busy:
        thread.start()
        reaper.end(thread)
    time.sleep(reaper._SOON * 2.5)  # it is looked at twice
    assert all(thread.is_alive() for thread in busy)
    go_on.set()
    assert all(ends(thread) for thread in busy)
    until = time.monotonic() + 10
    while any(thread.name == "llm-failover-reaper" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_forked_child_has_a_reaper_of_its_own() -> None:
    """Its parent's threads have ended there."""
    go_on = threading.Event()
    busy = threading.Thread(target=go_on.wait, daemon=True)
    busy.start()
    reaper.end(busy)
    with warnings.catch_warnings():  # newer Pythons warn of a fork beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        own = threading.Event()
        mine = threading.Thread(target=own.wait, daemon=True)
        mine.start()
        reaper.end(mine)
        is_there = any(thread.name == "llm-failover-reaper" for thread in threading.enumerate())
        os._exit(0 if is_there else 1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    assert status == 0
