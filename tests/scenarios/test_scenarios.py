"""One list of scenarios, played through every driver over OpenAI's wire, and over every wire through the engine's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.simulator import RequestRecord, Simulator
from tests.scenarios.drivers import DRIVERS, ENGINE, Driver, Played
from tests.scenarios.scenarios import SCENARIOS, WIRES, Scenario, Seen

CASES = [
    pytest.param(scenario, driver, wire, id=f"{scenario.name}-{wire}-{driver.name}")
    for wire in WIRES
    for scenario in SCENARIOS
    if wire in scenario.wires
    # A face does not know which wire is spoken.
    for driver in (DRIVERS if wire == scenario.wires[0] else ENGINE)
]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    running.clear()
    yield running
    running.clear()


def _manager(sim: Simulator, scenario: Scenario, wire: str) -> FailoverManager:
    base = sim.base_url if wire in {"openai", "responses"} else sim.url
    vendors = [Vendor(name=name, wire=wire, base_url=base) for name in ("a", "b")]
    usual = {"transient_backoffs": (), "last_first_token_timeout": 10.0}
    return FailoverManager(
        vendors=vendors,
        profiles={"a": {name: f"key-{name}" for name in scenario.profiles}, "b": {"main": "key-other"}},
        policy=FailoverPolicy(**{**usual, **scenario.policy}),
    )


def _asked(record: RequestRecord) -> str:
    profile = (record.key or "").removeprefix("key-")
    return f"{record.model}" if profile in {"main", "other"} else f"{record.model}[{profile}]"


@pytest.mark.parametrize(("scenario", "driver", "wire"), CASES)
def test_scenario(scenario: Scenario, driver: Driver, wire: str, sim: Simulator) -> None:
    """The caller sees, and the server gets, what the scenario says."""
    sim.script("first", *scenario.first)
    sim.script("second", *scenario.second)
    for profile, steps in scenario.keys.items():
        sim.script("*", *steps, key=f"key-{profile}")
    with _manager(sim, scenario, wire) as manager:
        played = driver(manager, scenario)
    expected = scenario.expected(streams=driver.streams)
    assert _seen(played, sim, expected) == expected
    assert scenario.check is None or scenario.check(sim.requests)


def _seen(played: Played, sim: Simulator, expected: Seen) -> Seen:
    """What was seen, in the scenario's words; where those give bounds, the bounds if it is within them."""
    error, report = played.error, played.report or {}
    attempts = [step for step in report.get("trail", ()) if step["step"] == "attempt"]
    partial = getattr(error, "partial", None)
    assert partial in {None, played.shown}, "the partial is not what was shown"
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
        kinds=tuple(step.get("kind", step["outcome"]) for step in attempts),
        retry_after=retry_after,
    )


def _by(report: dict[str, str]) -> str | None:
    if report.get("model") is None:
        return None
    model = report["model"].partition("/")[2]
    return model if report["profile"] == "main" else f"{model}[{report['profile']}]"
