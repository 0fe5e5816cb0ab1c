"""A local provider, and managers whose spans and metrics are kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.request import LLMRequest
from shared_core.simulator import Simulator
from shared_core.telemetry import TelemetryConfig

KEY = "key-main"
QUESTION = "Wherefore the swan?"


class Telescope:
    """What has been recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider(metric_readers=[self._reader])
        self.tracer = self.tracers.get_tracer("caller")

    @property
    def config(self) -> TelemetryConfig:
        return TelemetryConfig(tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Spans that ended, in that order."""
        return self._exporter.get_finished_spans()

    @property
    def call(self) -> ReadableSpan:
        """The one span of a call."""
        (found,) = [span for span in self.spans if span.name.startswith("failover ")]
        return found

    @property
    def attempts(self) -> list[ReadableSpan]:
        """Spans of attempts, in the order in which they began."""
        return sorted((span for span in self.spans if span.name.startswith("chat ")), key=lambda span: span.start_time)

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]

    def everything(self) -> str:
        """All that would leave the process."""
        data = self._reader.get_metrics_data()
        return "\n".join(span.to_json() for span in self.spans) + ("" if data is None else data.to_json())

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


def asking(model: str = "a/first", *fallbacks: str, **fields: Any) -> LLMRequest:
    """A request with one question."""
    return LLMRequest(model=model, fallback_models=fallbacks, messages=(Message.of("user", QUESTION),), **fields)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The local provider."""
    with Simulator() as running:
        yield running


@pytest.fixture
def scope() -> Iterator[Telescope]:
    """What the manager's telemetry goes to."""
    made = Telescope()
    yield made
    made.close()


@pytest.fixture
def make(sim: Simulator, scope: Telescope) -> Iterator[Callable[..., FailoverManager]]:
    """Makes managers that know the providers `a`, with a key, and `b`, without; settings are those of the policy."""
    made: list[FailoverManager] = []

    def make(clock: Callable[[], float] = time.monotonic, **policy: Any) -> FailoverManager:
        manager = FailoverManager(
            clock=clock,
            base_urls={"a": sim.base_url, "b": sim.base_url},
            profiles={"a": {"main": KEY}},
            policy=FailoverPolicy(**{"transient_backoffs": (), **policy}),
            telemetry=scope.config,
        )
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()
