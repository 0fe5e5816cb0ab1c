"""Whoever leaves in the middle of a call, and however: nobody is blamed, streams are closed, permits come back."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from shared_core import ChainExhaustedError, FailoverManager
from shared_core.errors import ErrorKind
from shared_core.events import TextDelta
from shared_core.hooks import Hooks, Notice
from tests.review.faked import STOP, Scripted, down, engine, request, words

FOREVER = 60.0


class OursError(Exception):
    """A bug of the consumer's own."""


def call(manager: FailoverManager, flavour: str, *models: str) -> str:
    if flavour == "sync":
        return manager.complete(request(*models)).text
    return asyncio.run(manager.acomplete(request(*models))).text


def ajar(*, moment: list[float]) -> tuple[FailoverManager, Scripted]:
    """A manager whose only model failed, and may be probed now."""
    manager, provider = engine({"a": [down()]}, policy={"patience": 0}, clock=lambda: moment[0])
    with pytest.raises(ChainExhaustedError):
        manager.complete(request("a"))
    moment[0] += 10.0
    assert manager.health().models[0].state == "ajar"
    return manager, provider


@pytest.mark.parametrize("raised", [OursError(), down("not yours", ErrorKind.AUTH), KeyboardInterrupt()])
def test_what_a_sync_consumer_throws_in_is_its_own(raised: BaseException) -> None:
    """An exception thrown into the generator comes out again, and is no failure of the target, whatever its type."""
    manager, provider = engine({"a": words("one", "two"), "b": words("three")})
    stream = manager.stream(request("a", "b"))
    next(stream)
    with pytest.raises(type(raised)) as caught:
        stream.throw(raised)
    assert caught.value is raised
    assert provider.opened == provider.closed == ["a"]
    assert manager.health().models[0].failures == 0


@pytest.mark.parametrize("raised", [OursError(), down("not yours", ErrorKind.AUTH), asyncio.CancelledError()])
async def test_what_an_async_consumer_throws_in_is_its_own(raised: BaseException) -> None:
    """The same in async code, a cancellation that somebody throws in by hand included."""
    manager, provider = engine({"a": words("one", "two"), "b": words("three")})
    stream = manager.astream(request("a", "b"))
    await anext(stream)
    with pytest.raises(type(raised)):
        await stream.athrow(raised)
    assert provider.opened == provider.closed == ["a"]
    assert manager.health().models[0].failures == 0


@pytest.mark.parametrize("hedge_after", [None, FOREVER, 0.001])
async def test_a_second_task_cannot_close_what_is_being_read(hedge_after: float | None) -> None:
    """`aclose` while another task waits for the next event is refused by Python, and that task's end closes all."""
    manager, provider = engine({"a": [TextDelta("x"), FOREVER, STOP]}, policy={"hedge_after": hedge_after})
    stream = manager.astream(request("a"))
    await anext(stream)
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already running"):
        await stream.aclose()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert provider.closed == ["a"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize("hedge_after", [None, FOREVER])
def test_a_half_read_sync_stream_is_closed_when_it_is_dropped(hedge_after: float | None) -> None:
    """Dropping the generator closes the provider's stream at once, without a collection of garbage."""
    manager, provider = engine({"a": [TextDelta("x"), FOREVER, STOP]}, policy={"hedge_after": hedge_after})
    gc.disable()
    try:
        stream = manager.stream(request("a"))
        next(stream)
        del stream
        assert provider.closed == ["a"]
    finally:
        gc.enable()


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_probe_gives_its_permit_back(flavour: str, raised: type[BaseException]) -> None:
    """Ctrl-C or an exit inside a probe's read is raised as it is; the next call probes at once."""
    manager, provider = ajar(moment=[0.0])
    provider.scripts["a"] = lambda _: [raised()]
    with pytest.raises(raised):
        call(manager, flavour, "a")
    assert manager.health().models[0].state == "ajar"
    provider.scripts["a"] = lambda _: words("back")
    assert call(manager, flavour, "a") == "back"


@pytest.mark.parametrize("flavour", ["sync", "async"])
@pytest.mark.parametrize("event", ["on_attempt", "on_recovery"])
def test_an_interrupt_in_a_hook_gives_the_permit_back(flavour: str, event: str) -> None:
    """A hook's Ctrl-C ends the call, and no probe is left open behind it."""
    manager, provider = ajar(moment=[0.0])
    provider.scripts["a"] = lambda _: words("back")

    def interrupt(_: Notice) -> None:
        raise KeyboardInterrupt

    manager._hooks = Hooks(**{event: interrupt})
    with pytest.raises(KeyboardInterrupt):
        call(manager, flavour, "a")
    assert manager.health().models[0].state in {"ajar", "open"}
    manager._hooks = None
    assert call(manager, flavour, "a") == "back"


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_a_predicate_that_raises_ends_the_call_and_blames_nobody(flavour: str) -> None:
    """An exception of `accept` is raised as it is, and no other target is asked for it."""

    def accept(_: Any) -> bool:
        raise OursError

    manager, provider = engine({"a": words("one"), "b": words("two")}, accept=accept)
    with pytest.raises(OursError):
        call(manager, flavour, "a", "b")
    assert provider.opened == provider.closed == ["a"]
    assert [model.failures for model in manager.health().models] == [0, 0]


def test_a_hook_may_call_the_same_manager() -> None:
    """A call from inside another call's hook neither deadlocks nor disturbs it."""
    manager, _ = engine({"a": [down()], "b": words("whole")})
    nested: list[str] = []
    manager._hooks = Hooks(on_failover=lambda _: nested.append(manager.complete(request("b")).text))
    assert manager.complete(request("a", "b")).text == "whole"
    assert nested == ["whole"]
