"""Metrics: how many attempts, failovers and cooldowns there were, and how long things took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared_core.errors import ChainExhaustedError
from shared_core.manager import FailoverManager
from shared_core.simulator import Fault, Reply, Simulator
from tests.telemetry.conftest import Telescope, asking

Maker = Callable[..., FailoverManager]
SECONDS = (
    "failover.call.duration",
    "failover.call.time_to_first_token",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
)


def counted(scope: Telescope, metric: str, *names: str) -> dict[tuple[Any, ...], int]:
    """The counts of a metric by some of its attributes."""
    return {tuple(map(point.attributes.get, names)): point.value for point in scope.points(metric)}


def test_attempts_failovers_and_cooldowns_are_counted(sim: Simulator, make: Maker, scope: Telescope) -> None:
    """By provider, model, profile and kind of error."""
    sim.script("first", Fault.status(429, headers={"retry-after": "30"}))
    manager = make()
    for _ in range(2):
        manager.complete(asking("a/first", "b/second"))
    assert counted(scope, "failover.attempts", "gen_ai.request.model", "failover.outcome", "error.type") == {
        ("first", "failed", "rate_limit"): 1,
        ("second", "succeeded", None): 2,
    }
    names = ("gen_ai.provider.name", "gen_ai.request.model", "error.type")
    assert counted(scope, "failover.failovers", *names, "failover.next_model") == {
        ("a", "first", "rate_limit", "b/second"): 1
    }
    assert counted(scope, "failover.cooldowns", *names, "failover.profile") == {
        ("a", "first", "rate_limit", "main"): 1,
        ("a", "first", "rate_limit", None): 1,
    }


def test_times_and_tokens_are_measured(sim: Simulator, make: Maker, scope: Telescope) -> None:
    """In seconds and tokens, of calls and of attempts, with the buckets that the conventions recommend."""
    sim.script("first", "503")
    sim.script("second", Reply("Hi", delay_first=0.05))
    answer = make().complete(asking("a/first", "b/second"))
    points = {name: scope.points(name) for name in SECONDS}
    assert {name: sum(point.count for point in found) for name, found in points.items()} == {
        "failover.call.duration": 1,
        "failover.call.time_to_first_token": 1,
        "gen_ai.client.operation.duration": 2,
        "gen_ai.client.operation.time_to_first_chunk": 1,
    }
    assert all(
        point.sum >= 0.05 for name in SECONDS for point in points[name] if point.attributes.get("error.type") is None
    )
    assert all(point.explicit_bounds[0] == 0.01 for found in points.values() for point in found)
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in scope.points("gen_ai.client.token.usage")}
    assert tokens == {"input": answer.usage.input_tokens, "output": answer.usage.output_tokens}


def test_a_call_without_an_answer_is_measured_as_one(sim: Simulator, make: Maker, scope: Telescope) -> None:
    """With the error's class, and without a first token."""
    sim.script("first", "503")
    with pytest.raises(ChainExhaustedError):
        make().complete(asking())
    (point,) = scope.points("failover.call.duration")
    assert point.attributes.items() >= {"error.type": "ChainExhaustedError", "failover.outcome": "failed"}.items()
    assert not scope.points("failover.call.time_to_first_token")
