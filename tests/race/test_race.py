"""Hedging: the next target is asked as well when the first content is late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import pytest

from shared_core import (
    ChainExhaustedError,
    FailoverManager,
    FailoverPolicy,
    LLMRequest,
    Message,
    RequestRejectedError,
)
from shared_core.events import StreamEvent, TextDelta, WireEvent
from shared_core.providers.base import Attempted
from shared_core.simulator import Fault, Reply, Simulator
from tests.review.faked import Scripted, engine, words
from tests.review.faked import request as faked_request

NEVER = 60.0  # longer than any test may take


@pytest.fixture
def provider() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.script("late", Reply("late", delay_first=NEVER))
        simulator.script("soon", Reply("soon"))
        simulator.script("down", "503")
        yield simulator


def manager(provider: Simulator, **settings: Any) -> FailoverManager:
    given = {"transient_backoffs": (), "hedge_after": 0.05, "hedge_budget": 1.0, **settings}
    return FailoverManager(base_urls=dict.fromkeys("abc", provider.base_url), policy=FailoverPolicy(**given))


def request(*models: str) -> LLMRequest:
    return LLMRequest(model=models[0], fallback_models=models[1:], messages=(Message.of("user", "Hi"),))


async def events(engine: FailoverManager, asked: LLMRequest, flavour: str, *, hold: bool = False) -> list[StreamEvent]:
    if flavour == "sync":
        return list(engine.stream(asked, hold=hold))
    return [event async for event in engine.astream(asked, hold=hold)]


def text(found: list[StreamEvent]) -> str:
    return "".join(event.text for event in found if isinstance(event, TextDelta))


def outcomes(found: list[StreamEvent]) -> list[tuple[str, str]]:
    return [(step.model, step.outcome) for step in found[-1].report.attempts]


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_the_first_content_wins_and_the_loser_is_abandoned(provider: Simulator, flavour: str, hold: bool) -> None:
    """The late target is cut, its server sees that, and nobody holds it against it."""
    with manager(provider) as engine:
        found = await events(engine, request("a/late", "b/soon"), flavour, hold=hold)
        assert text(found) == "soon"
        assert outcomes(found) == [("a/late", "abandoned"), ("b/soon", "succeeded")]
        assert found[-1].report.hedged
        await provider.await_for(lambda: all(record.aborted for record in provider.requests_for("late")))
        health = {model.model: model for model in engine.health().models}
        assert health["a/late"].state == "open"
        assert health["a/late"].failures == 0
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_prompt_target_is_never_hedged(provider: Simulator, flavour: str) -> None:
    """Nobody else is asked when the first content is in time."""
    with manager(provider, hedge_after=30) as engine:
        found = await events(engine, request("a/soon", "b/late"), flavour)
        assert outcomes(found) == [("a/soon", "succeeded")]
        assert not found[-1].report.hedged
        assert provider.requests_for("late") == []
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_the_rival_walks_on_past_what_is_down(provider: Simulator, flavour: str) -> None:
    """A hedge that fails goes on to the next target, as any walk does."""
    with manager(provider) as engine:
        found = await events(engine, request("a/late", "b/down", "c/soon"), flavour)
        assert outcomes(found) == [("a/late", "abandoned"), ("b/down", "failed"), ("c/soon", "succeeded")]
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_the_first_target_may_still_answer_when_the_rival_gives_up(provider: Simulator, flavour: str) -> None:
    """A late answer beats none: the walk whose rival failed goes on alone."""
    provider.script("slow", Reply("at last", delay_first=0.2))
    with manager(provider) as engine:
        found = await events(engine, request("a/slow", "b/down"), flavour)
        assert text(found) == "at last"
        assert outcomes(found) == [("a/slow", "succeeded"), ("b/down", "failed")]
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_when_both_fail_one_error_tells_of_both(provider: Simulator, flavour: str) -> None:
    """The error of a hedged call names every attempt of both walks."""
    provider.script("slowly-down", Fault.status(503, delay=0.2))
    with manager(provider) as engine:
        with pytest.raises(ChainExhaustedError) as caught:
            await events(engine, request("a/slowly-down", "b/down"), flavour)
        assert {step.model for step in caught.value.report.attempts} == {"a/slowly-down", "b/down"}
        assert len(caught.value.errors) == 2
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_an_error_before_the_hedge_is_raised_as_ever(provider: Simulator, flavour: str) -> None:
    """A refused request is not asked elsewhere because hedging is on."""
    provider.script("refuses", "openai.bad_request")
    with manager(provider, hedge_after=30) as engine:
        with pytest.raises(RequestRejectedError):
            await events(engine, request("a/refuses", "b/soon"), flavour)
        assert provider.requests_for("soon") == []
        await engine.aclose()


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_budget_bounds_the_cost(provider: Simulator, flavour: str) -> None:
    """Without tokens nobody is hedged; the late target runs into its timer instead."""
    with manager(provider, hedge_budget=0.0, first_token_timeout=0.1) as engine:
        found = await events(engine, request("a/late", "b/soon"), flavour)
        assert outcomes(found) == [("a/late", "failed"), ("b/soon", "succeeded")]
        assert not found[-1].report.hedged
        await engine.aclose()


async def test_leaving_early_abandons_both(provider: Simulator) -> None:
    """A cancelled call closes the streams of both walks and blames nobody."""
    provider.script("late-too", Reply("late", delay_first=NEVER))
    async with manager(provider) as engine:
        call = asyncio.create_task(engine.acomplete(request("a/late", "b/late-too")))
        await provider.await_for(lambda: bool(provider.requests_for("late-too")))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await provider.await_for(lambda: all(record.aborted for record in provider.requests))
        assert [model.failures for model in engine.health().models] == [0, 0]


def test_threads_of_a_race_end(provider: Simulator) -> None:
    """The loser's thread is interrupted and ends by itself."""
    before = threading.active_count()
    with manager(provider) as engine:
        for _ in range(5):
            list(engine.stream(request("a/late", "b/soon")))
        provider.wait_for(lambda: all(record.aborted for record in provider.requests_for("late")))
        for thread in threading.enumerate():
            if thread.name == "llm-failover-lane":
                thread.join(5)
        assert threading.active_count() <= before + 1  # the watchdog


class Clinging(Scripted):
    """A provider whose streams take for ever to close, or are closed in the middle of that."""

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        try:
            async for batch in super().astream(attempted):
                yield batch
        finally:
            if attempted.request.model == "late":
                await asyncio.sleep(NEVER)


@pytest.mark.parametrize("hold", [False, True])
async def test_the_winner_does_not_wait_for_the_losers_goodbye(hold: bool) -> None:
    """What the loser's provider still does when it is closed holds up neither the first word nor the last."""
    engaged, _ = engine({}, policy={"hedge_after": 0.01, "hedge_budget": 1.0})
    engaged.registry._providers["fake"] = Clinging({"late": lambda _: [NEVER], "soon": lambda _: words("soon")})
    async with asyncio.timeout(5):
        found = [event async for event in engaged.astream(faked_request("late", "soon"), hold=hold)]
    assert text(found) == "soon"
    assert [(step.model, step.outcome) for step in found[-1].report.attempts] == [
        ("fake/late", "abandoned"),
        ("fake/soon", "succeeded"),
    ]


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_of_two_that_answer_at_the_same_moment_one_has_answered(flavour: str) -> None:
    """Whoever has content first has won, also if the other is as good as done: one attempt succeeded, not two."""
    for _ in range(20):
        gate = threading.Barrier(2, timeout=5)

        def together(_attempted: Attempted, gate: threading.Barrier = gate) -> Iterator[Any]:
            if flavour == "sync":
                gate.wait()
            else:
                yield 0.05 if _attempted.request.model == "a" else 0.04
            yield from words("the ", "answer")

        engaged, _ = engine(
            {"a": together, "b": together},
            policy={"hedge_after": 0.01 if flavour == "async" else 0.001, "hedge_budget": 1.0},
        )
        found = await events(engaged, faked_request("a", "b"), flavour, hold=True)
        assert text(found) == "the answer"
        assert sorted(step.outcome for step in found[-1].report.attempts) == ["abandoned", "succeeded"]
        assert found[-1].report.model in {
            step.model for step in found[-1].report.attempts if step.outcome == "succeeded"
        }
        health = engaged.health().models
        assert [sum(model.attempts for model in health), sum(model.successes for model in health)] == [1, 1]
