"""Hooks and log: each thing that happens is told once, and whoever listens cannot break a call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest

from shared_core.errors import ErrorKind
from shared_core.hooks import Hooks, Notice
from shared_core.simulator import Fault, Reply, Simulator
from tests.http.conftest import Maker, asking


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Notice] = []

    def plain(self) -> Hooks:
        return Hooks(*[self.told.append] * 8)

    def awaited(self) -> Hooks:
        async def listen(notice: Notice) -> None:
            await asyncio.sleep(0)
            self.told.append(notice)

        return Hooks(*[listen] * 8)

    @property
    def events(self) -> list[str]:
        return [notice.event for notice in self.told]


STORY = ["attempt", "failure", "cooldown", "failover", "attempt", "success"]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "awaited"])
async def test_a_call_tells_its_story(is_async: bool, sim: Simulator, make: Maker) -> None:
    """An async call tells plain and async hooks of attempts, cooldowns and failovers, in order."""
    listener = Listener()
    sim.script("first", "503")
    manager = make(hooks=listener.awaited() if is_async else listener.plain())
    await manager.acomplete(asking("a/first", "b/second"))
    assert listener.events == STORY
    failover = listener.told[3]
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
    assert listener.events[6:] == ["attempt", "success", "recovery"]


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
    manager = make(hooks=Hooks(*[hook] * 8))
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
    levels = {record.failover["event"]: record.levelname for record in caplog.records if hasattr(record, "failover")}
    assert {event for event, level in levels.items() if level == "DEBUG"} == {
        "attempt", "failure", "cooldown", "success",
    }  # fmt: skip
    assert (levels["failover"], levels["recovery"]) == ("WARNING", "INFO")
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.failover["next_model"] == "b/second"


REPAIRED = Fault.named("openai.max_tokens", limit=100)
LIMITED = Fault.status(429, headers={"retry-after": "0.05"})


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [("503", ErrorKind.TRANSIENT), (LIMITED, ErrorKind.RATE_LIMIT), (REPAIRED, ErrorKind.OUTPUT_LIMIT)],
    ids=["repeated", "waited for", "repaired"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_what_is_asked_again_in_place_is_told_as_well(
    is_async: bool, trouble: Any, kind: ErrorKind, sim: Simulator, make: Maker
) -> None:
    """Each attempt with its number and its end, and each pause before it is made."""
    listener = Listener()
    sim.script("first", trouble, "ok")
    manager = make(hooks=listener.plain(), transient_backoffs=(0.05,))
    request = asking(max_tokens=500)
    answer = await manager.acomplete(request) if is_async else manager.complete(request)
    assert listener.events == ["attempt", "failure", "retry", "attempt", "success"]
    assert [notice.number for notice in listener.told] == [1, 1, 1, 2, 2]
    failure, retry = listener.told[1:3]
    assert (failure.kind, retry.kind) == (kind, kind)
    assert retry.seconds == (0.0 if trouble is REPAIRED else 0.05)
    assert [notice.record for notice in listener.told if notice.event == "attempt"] == answer.report.attempts
    assert listener.told[-1].as_dict()["attempt"]["output_tokens"] == answer.usage.output_tokens
    await manager.aclose()


@pytest.mark.parametrize("hedge_after", [None, 0.05], ids=["left", "hedged"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_every_attempt_ends_once_for_who_listens(
    is_async: bool, hedge_after: float | None, sim: Simulator, make: Maker
) -> None:
    """Also one that its caller leaves, and one that another target was faster than: abandoned, and no failure."""
    listener = Listener()
    slow = Reply("a long answer", delay_chunk=60.0) if hedge_after is None else Reply(delay_first=60.0)
    sim.script("first", slow)
    manager = make(hooks=listener.awaited() if is_async else listener.plain(), hedge_after=hedge_after, hedge_budget=1)
    if is_async:
        async with contextlib.aclosing(manager.astream(asking("a/first", "b/second"))) as stream:
            await anext(stream)
    else:
        with contextlib.closing(manager.stream(asking("a/first", "b/second"))) as events:
            next(events)
    ends = [(notice.model, notice.event) for notice in listener.told if notice.event != "attempt"]
    assert ends[0] == ("a/first", "abandoned")
    assert [model for model, _ in ends] == [notice.model for notice in listener.told if notice.event == "attempt"]
    assert [notice.number for notice in listener.told if notice.event == "attempt"] == list(range(1, len(ends) + 1))
    await manager.aclose()


def test_a_notice_is_plain_json(sim: Simulator, make: Maker) -> None:
    """Whatever it tells of."""
    listener = Listener()
    sim.script("first", "503", LIMITED)
    make(hooks=listener.plain(), transient_backoffs=(0.0,)).complete(asking("a/first", "b/second"))
    for notice in listener.told:
        told = json.loads(json.dumps(notice.as_dict()))
        assert told["event"] == notice.event
        assert ("attempt" in told) == (notice.event in {"success", "failure", "abandoned"})


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
