"""One list of scenarios, played through every driver over OpenAI's wire, and through the engine's over every wire.

The drivers of one family play a scenario at the same time, each against a provider of its own, since most of what a
scenario takes is waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.simulator import RequestRecord, Simulator
from tests.scenarios.drivers import FAMILIES, Driver, Played
from tests.scenarios.scenarios import SCENARIOS, WIRES, Scenario, Seen

CASES = [
    pytest.param(scenario, wire, family, id=f"{scenario.name} / {wire} / {family}")
    for scenario in SCENARIOS
    for wire in WIRES
    if wire in scenario.wires
    for family in FAMILIES
    if family == "engine" or wire == scenario.wires[0]  # a face does not know which wire is spoken
]
_SEATS = max(len(drivers) for drivers in FAMILIES.values())


@pytest.fixture(scope="module")
def seats() -> Iterator[tuple[ThreadPoolExecutor, Sequence[Simulator]]]:
    """Threads, and as many providers."""
    providers = [Simulator() for _ in range(_SEATS)]
    try:
        with ThreadPoolExecutor(_SEATS) as threads:
            for sim in providers:
                sim.start()
            yield threads, providers
    finally:
        for sim in providers:
            sim.close()


@pytest.mark.parametrize(("scenario", "wire", "family"), CASES)
def test_scenario(
    scenario: Scenario, wire: str, family: str, seats: tuple[ThreadPoolExecutor, Sequence[Simulator]]
) -> None:
    """Every caller sees, and the server gets, what the scenario says."""
    threads, providers = seats
    drivers = FAMILIES[family]
    running = [
        threads.submit(_play, driver, scenario, wire, sim) for driver, sim in zip(drivers, providers, strict=False)
    ]
    seen = {driver.name: play.result() for driver, play in zip(drivers, running, strict=True)}
    assert seen == {driver.name: scenario.expected(streams=driver.streams) for driver in drivers}


def _play(driver: Driver, scenario: Scenario, wire: str, sim: Simulator) -> Seen:
    sim.clear()
    sim.script("first", *scenario.first)
    sim.script("second", *scenario.second)
    for profile, steps in scenario.keys.items():
        sim.script("*", *steps, key=f"key-{profile}")
    with _manager(sim, scenario, wire) as manager:
        played = driver(manager, scenario)
    assert scenario.check is None or scenario.check(sim.requests)
    return _seen(played, sim, scenario.expected(streams=driver.streams))


def _manager(sim: Simulator, scenario: Scenario, wire: str) -> FailoverManager:
    base = sim.base_url if wire in {"openai", "responses"} else sim.url
    usual = {"transient_backoffs": (), "last_first_token_timeout": 10.0}
    return FailoverManager(
        vendors=[Vendor(name=name, wire=wire, base_url=base) for name in ("a", "b")],
        profiles={"a": {name: f"key-{name}" for name in scenario.profiles}, "b": {"main": "key-other"}},
        policy=FailoverPolicy(**{**usual, **scenario.policy}),
    )


def _seen(played: Played, sim: Simulator, expected: Seen) -> Seen:
    """What was seen, in the scenario's words; a `retry_after` within its bounds is told as the bounds."""
    error, report = played.error, played.report or {}
    assert getattr(error, "partial", played.shown) == played.shown, "the partial is what was shown"
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None and expected.retry_after is not None:
        low, high = expected.retry_after
        retry_after = expected.retry_after if low <= retry_after <= high else (retry_after, retry_after)
    return Seen(
        shown=played.shown,
        error=next((kind for kind in type(error).__mro__ if kind is expected.error), type(error)) if error else None,
        kind=error.kind if error else None,
        by=_by(report),
        asked=tuple(_asked(record) for record in sim.requests),
        kinds=tuple(step.get("kind", step["outcome"]) for step in report.get("trail", ()) if step["step"] == "attempt"),
        retry_after=retry_after,
    )


def _by(report: dict[str, Any]) -> str | None:
    if report.get("model") is None:
        return None
    model = report["model"].partition("/")[2]
    return model if report["profile"] == "main" else f"{model}[{report['profile']}]"


def _asked(record: RequestRecord) -> str:
    profile = (record.key or "").removeprefix("key-")
    return f"{record.model}" if profile in {"main", "other"} else f"{record.model}[{profile}]"
