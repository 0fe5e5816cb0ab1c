"""What is told to hooks and to the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from shared_core.errors import ErrorKind
from shared_core.hooks import Hooks, Notice, tell, tell_async
from shared_core.notices import ending, retrying
from shared_core.report import AttemptRecord, Outcome

ATTEMPT = Notice("attempt", "a/x", "a", "main")
FAILOVER = Notice(
    "failover", "a/x", "a", "main", kind=ErrorKind.AUTH, message="bad", next_model="b/y", next_profile="default"
)
COOLDOWN = Notice("cooldown", "a/x", "a", None, kind=ErrorKind.AUTH, seconds=5.0)
RECOVERY = Notice("recovery", "a/x", "a", "main")
ALL = [ATTEMPT, FAILOVER, COOLDOWN, RECOVERY]


def record(outcome: Outcome) -> AttemptRecord:
    failure = {"kind": ErrorKind.AUTH, "message": "bad"} if outcome == "failed" else {}
    return AttemptRecord("a/x", "a", "main", started=1.0, ended=1.25, outcome=outcome, number=2, **failure)


ENDS = [ending(record("succeeded")), ending(record("failed")), ending(record("abandoned"))]
RETRY = retrying(record("failed"), 0.5)


def test_each_notice_goes_to_its_hook() -> None:
    """In order, and the frozen notice itself."""
    heard: list[tuple[str, Notice]] = []
    hooks = Hooks(
        on_attempt=lambda notice: heard.append(("attempt", notice)),
        on_failover=lambda notice: heard.append(("failover", notice)),
        on_cooldown=lambda notice: heard.append(("cooldown", notice)),
        on_recovery=lambda notice: heard.append(("recovery", notice)),
    )
    tell(ALL, hooks)
    assert heard == [(notice.event, notice) for notice in ALL]


async def test_async_hooks_are_awaited_in_async_calls() -> None:
    """Plain ones are called."""
    heard: list[Notice] = []

    async def hook(notice: Notice) -> None:
        await asyncio.sleep(0)
        heard.append(notice)

    await tell_async(ALL, Hooks(on_attempt=hook, on_recovery=heard.append))
    assert heard == [ATTEMPT, RECOVERY]


def test_async_hooks_are_not_run_in_sync_calls(caplog: pytest.LogCaptureFixture) -> None:
    """They are closed unrun, with a warning."""
    heard: list[Notice] = []

    async def hook(notice: Notice) -> None:
        heard.append(notice)

    tell([ATTEMPT], Hooks(on_attempt=hook))
    assert heard == []
    assert "on_attempt is async and was not run" in caplog.text


def test_an_awaitable_that_is_no_coroutine_is_not_run_either(caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing to close."""

    class Later:
        def __await__(self) -> object:
            raise AssertionError

    def hook(_: Notice) -> Awaitable[None]:
        return Later()  # type: ignore[return-value]

    tell([RECOVERY], Hooks(on_recovery=hook))
    assert "on_recovery is async and was not run" in caplog.text


async def test_a_hook_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Plain or async, sync call or async: it is logged, and the next one is told."""
    heard: list[Notice] = []

    def plain(_: Notice) -> None:
        raise ZeroDivisionError

    async def native(_: Notice) -> None:
        raise ZeroDivisionError

    tell(ALL, Hooks(on_attempt=plain, on_recovery=heard.append))
    await tell_async(ALL, Hooks(on_attempt=native, on_failover=plain, on_recovery=heard.append))
    assert heard == [RECOVERY, RECOVERY]
    assert [record.message for record in caplog.records if record.exc_info] == [
        "on_attempt raised",
        "on_attempt raised",
        "on_failover raised",
    ]


def test_the_log_has_levels_words_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    """A failover is a warning, a recovery information, the rest for debugging; texts of providers are no field."""
    caplog.set_level(logging.DEBUG, logger="llm_failover")
    tell([*ALL, *ENDS, RETRY], None)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "asking a/x [main]"),
        ("WARNING", "a/x [main] failed (auth: bad); next is b/y [default]"),
        ("DEBUG", "a/x is left alone for 5.0 s after auth"),
        ("INFO", "a/x [main] answers again"),
        ("DEBUG", "a/x [main] answered after 0.25 s"),
        ("DEBUG", "a/x [main] failed after 0.25 s (auth: bad)"),
        ("DEBUG", "a/x [main] was abandoned after 0.25 s"),
        ("DEBUG", "a/x [main] is asked again in 0.50 s after auth"),
    ]
    assert caplog.records[5].failover == {  # type: ignore[attr-defined]
        "event": "failure",
        "model": "a/x",
        "provider": "a",
        "profile": "main",
        "number": 2,
        "kind": "auth",
        "seconds": 0.25,
    }
    assert caplog.records[1].failover == {  # type: ignore[attr-defined]
        "event": "failover",
        "model": "a/x",
        "provider": "a",
        "profile": "main",
        "kind": "auth",
        "next_model": "b/y",
        "next_profile": "default",
    }


async def test_nothing_is_logged_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """A quiet program stays quiet."""
    caplog.set_level(logging.ERROR, logger="llm_failover")
    await tell_async(ALL, None)
    assert caplog.records == []
