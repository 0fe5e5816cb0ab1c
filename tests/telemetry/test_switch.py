"""Whether there is telemetry: by itself where the program has set it up, and never against the user's will."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider

from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.simulator import Simulator
from shared_core.telemetry import TelemetryConfig
from tests.telemetry.conftest import Telescope, asking

ROOT = Path(__file__).parents[2]


def ask(sim: Simulator, **settings: Any) -> None:
    with FailoverManager(base_urls={"a": sim.base_url}, **settings) as manager:
        assert manager.complete(asking()).text


@pytest.fixture
def globally(scope: Telescope, monkeypatch: pytest.MonkeyPatch) -> Telescope:
    """The program has set global providers; in earnest it can do so only once a process."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", scope.tracers)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", scope.meters)
    return scope


def test_global_providers_are_found(sim: Simulator, globally: Telescope) -> None:
    """Nothing has to be said to the manager."""
    ask(sim)
    assert len(globally.spans) == 2
    assert globally.points("failover.attempts")


def test_a_manager_that_is_older_than_the_providers_finds_them(
    sim: Simulator, scope: Telescope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order in which a program sets itself up does not matter."""
    with FailoverManager(base_urls={"a": sim.base_url}) as manager:
        manager.complete(asking())
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", scope.tracers)
        manager.complete(asking())
    assert len(scope.spans) == 2


def test_metrics_come_without_spans(sim: Simulator, scope: Telescope) -> None:
    """Who wants figures alone gives a meter provider alone."""
    ask(sim, telemetry=TelemetryConfig(meter_provider=scope.meters))
    assert scope.spans == ()
    assert scope.points("failover.attempts")


def test_spans_come_without_metrics(sim: Simulator, scope: Telescope) -> None:
    """And the other way round."""
    ask(sim, telemetry=TelemetryConfig(tracer_provider=scope.tracers, meter_provider=NoOpMeterProvider()))
    assert len(scope.spans) == 2


def test_it_can_be_switched_off(sim: Simulator, globally: Telescope, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the manager's setting, and by OpenTelemetry's own variable unless a config was given."""
    ask(sim, telemetry=False)
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "redis, llm_failover")
    ask(sim)
    assert globally.spans == ()
    ask(sim, telemetry=TelemetryConfig())
    assert len(globally.spans) == 2


def test_a_config_without_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    monkeypatch.delitem(sys.modules, "shared_core.telemetry.instruments", raising=False)
    with pytest.raises(ConfigurationError, match=r"install failoverchain\[otel\]"):
        FailoverManager(telemetry=TelemetryConfig())


def test_nothing_is_imported_where_nobody_wants_it() -> None:
    """A call loads nothing of OpenTelemetry."""
    program = (
        "import sys\n"
        "from shared_core import FailoverManager, LLMRequest, Message\n"
        "from shared_core.simulator import Simulator\n"
        "with Simulator() as sim, FailoverManager(base_urls={'a': sim.base_url}) as manager:\n"
        "    manager.complete(LLMRequest(model='a/x', messages=(Message.of('user', 'Hi'),)))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
