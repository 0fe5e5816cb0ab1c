"""The tracer and the meters: what there is to measure, under which name, unit and buckets.

Names that begin with `gen_ai.` are those of the GenAI semantic conventions in opentelemetry-semantic-conventions 0.66;
they are spelled out here because that package calls them incubating and is about to move them. The buckets are the ones
that the conventions recommend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from opentelemetry.metrics import Counter, Histogram, MeterProvider, NoOpMeterProvider, get_meter_provider
from opentelemetry.trace import (
    NoOpTracerProvider,
    ProxyTracerProvider,
    Tracer,
    get_tracer_provider,
)

if TYPE_CHECKING:
    from shared_core.telemetry import TelemetryConfig

from shared_core.records import record

__all__ = ["Instruments"]

_SCOPE = "llm_failover"
"""Instrumentation scope, and the name of the logger."""

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))


@record(frozen=True, slots=True)
class Instruments:
    """What traces write to.

    Attributes:
        tracer: Makes spans.
        attempts: Attempts that ended.
        failovers: Failed attempts after which another target was asked.
        cooldowns: Times that a profile or a model was left alone.
        call_duration: Seconds of whole calls.
        call_first_token: Seconds from the beginning of a call to its first content.
        duration: Seconds of attempts.
        first_token: Seconds from the beginning of an attempt to its first content.
        tokens: Tokens of attempts.
    """

    tracer: Tracer
    attempts: Counter
    failovers: Counter
    cooldowns: Counter
    call_duration: Histogram
    call_first_token: Histogram
    duration: Histogram
    first_token: Histogram
    tokens: Histogram

    @classmethod
    def find(cls, config: TelemetryConfig) -> Self | None:
        """The instruments of the config's or the program's providers; None while nobody has set one.

        If only one of the two is set, the other's instruments do nothing until it is.
        """
        tracers = config.tracer_provider or get_tracer_provider()
        meters = config.meter_provider or get_meter_provider()
        if isinstance(tracers, ProxyTracerProvider | NoOpTracerProvider) and not _is_set(meters):
            return None
        meter = meters.get_meter(_SCOPE)

        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)

        return cls(
            tracer=tracers.get_tracer(_SCOPE),
            attempts=meter.create_counter("failover.attempts", "{attempt}", "Attempts that ended."),
            failovers=meter.create_counter("failover.failovers", "{failover}", "Failures followed by another target."),
            cooldowns=meter.create_counter("failover.cooldowns", "{cooldown}", "Times a target was left alone."),
            call_duration=seconds("failover.call.duration", "Duration of calls."),
            call_first_token=seconds("failover.call.time_to_first_token", "Time to a call's first content."),
            duration=seconds("gen_ai.client.operation.duration", "GenAI operation duration."),
            first_token=seconds("gen_ai.client.operation.time_to_first_chunk", "Time to receive the first chunk."),
            tokens=meter.create_histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Number of input and output tokens used.",
                explicit_bucket_boundaries_advisory=_TOKENS,
            ),
        )


def _is_set(meters: MeterProvider) -> bool:
    """Whether somebody has set a meter provider; the placeholder's class has no public name."""
    return not isinstance(meters, NoOpMeterProvider) and type(meters).__name__ != "_ProxyMeterProvider"
