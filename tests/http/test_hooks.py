"""Hooks and log: each thing that happens is told once, and whoever listens cannot break a call."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from shared_core.errors import ErrorKind
from shared_core.hooks import Hooks, Notice
from shared_core.simulator import Fault, Simulator
from tests.http.conftest import Maker, asking


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Notice] = []

    def plain(self) -> Hooks:
        return Hooks(*[self.told.append] * 4)

    def awaited(self) -> Hooks:
        async def listen(notice: Notice) -> None:
            await asyncio.sleep(0)
            self.told.append(notice)

        return Hooks(*[listen] * 4)

    @property
    def events(self) -> list[str]:
        return [notice.event for notice in self.told]


STORY = ["attempt", "cooldown", "failover", "attempt"]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "awaited"])
async def test_a_call_tells_its_story(is_async: bool, sim: Simulator, make: Maker) -> None:
    """An async call tells plain and async hooks of attempts, cooldowns and failovers, in order."""
    listener = Listener()
    sim.script("first", "503")
    manager = make(hooks=listener.awaited() if is_async else listener.plain())
    await manager.acomplete(asking("a/first", "b/second"))
    assert listener.events == STORY
    failover = listener.told[2]
    assert (failover.model, failover.next_model, failover.kind) == ("a/first", "b/second", ErrorKind.TRANSIENT)
    await manager.aclose()


def test_a_sync_call_tells_its_story(sim: Simulator, make: Maker) -> None:
    """The same, sync; an answer after a cooldown is a recovery."""
    listener = Listener()
    now = 0.0
    sim.script("first", "503", "ok")
    manager = make(hooks=listener.plain(), clock=lambda: now)
    manager.complete(asking("a/first", "b/second"))
    assert listener.events == STORY
    now = 60.0
    manager.complete(asking("a/first", "b/second"))
    assert listener.events[4:] == ["attempt", "recovery"]


def test_an_async_hook_in_sync_code_is_said_to_be_left_out(
    sim: Simulator, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be awaited there; the call goes on, and the log says so."""
    listener = Listener()
    assert make(hooks=listener.awaited()).complete(asking()).text
    assert not listener.told
    assert "on_attempt is async and was not run: this call is sync" in caplog.text


def raising(_notice: Notice) -> None:
    raise ValueError("of the hook's own")


async def raising_later(notice: Notice) -> None:
    raising(notice)


class Awaitable:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Any:
        yield from ()


@pytest.mark.parametrize("hook", [raising, raising_later, lambda _: Awaitable()], ids=["plain", "async", "awaitable"])
def test_a_hook_that_raises_breaks_nothing(
    hook: Any, sim: Simulator, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged, and the answer comes all the same, sync and async."""
    manager = make(hooks=Hooks(*[hook] * 4))
    assert manager.complete(asking()).text

    async def ask() -> str:
        return (await manager.acomplete(asking())).text

    assert asyncio.run(ask())
    assert ("on_attempt raised" in caplog.text) == (hook in {raising, raising_later})


def test_the_log_says_what_matters_at_its_level(sim: Simulator, make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """A failover is a WARNING, a recovery INFO, the rest DEBUG, each with its fields as structured extras."""
    caplog.set_level(logging.DEBUG, "llm_failover")
    now = 0.0
    sim.script("first", Fault.status(429, headers={"retry-after": "30"}), "ok")
    manager = make(clock=lambda: now)
    manager.complete(asking("a/first", "b/second"))
    now = 60.0
    manager.complete(asking("a/first", "b/second"))
    levels = {(record.failover["event"], record.levelname) for record in caplog.records if hasattr(record, "failover")}
    assert levels == {("attempt", "DEBUG"), ("cooldown", "DEBUG"), ("failover", "WARNING"), ("recovery", "INFO")}
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.failover["next_model"] == "b/second"


def test_a_stated_wait_is_honoured(sim: Simulator, make: Maker) -> None:
    """Retry-After cools the target for as long as it says: not asked before, asked after."""
    now = 0.0
    sim.script("first", Fault.status(429, headers={"retry-after": "30"}), "ok")
    manager = make(clock=lambda: now)
    request = asking("a/first", "b/second")
    answered = []
    for instant in (0.0, 29.0, 31.0):
        now = instant
        answered.append(manager.complete(request).report.model)
    assert answered == ["b/second", "b/second", "a/first"]
    assert len(sim.requests_for("first")) == 2
