"""OpenTelemetry, where the program has set it up: a span for each call, one for each of its attempts, and metrics.

This file decides whether a call is traced; `instruments` makes the instruments, `trace` is one call's spans and
figures, `following` binds them to the call's events, `attributes` knows the names. Nothing of OpenTelemetry is imported
here: a program that has set up a provider has imported it, and for all others a call costs one look into `sys.modules`.

Invariants: no message content and no key in any attribute; what goes wrong in here is logged and never breaks a call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from shared_core.errors import ConfigurationError
from shared_core.journey import Journey
from shared_core.records import record
from shared_core.registry import ProviderRegistry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from shared_core.telemetry.following import Following

__all__ = ["Telemetry", "TelemetryConfig", "TelemetrySetting"]

_SWITCH = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""OpenTelemetry's own variable: names of instrumentations that are off, with commas between them."""

_NAME = "llm_failover"


@record(frozen=True, slots=True)
class TelemetryConfig:
    """Where spans and metrics go.

    Attributes:
        tracer_provider: Makes the spans; None for the program's global one.
        meter_provider: Makes the metrics; None for the program's global one.
    """

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None


TelemetrySetting: TypeAlias = TelemetryConfig | Literal[False] | None


class Telemetry:
    """Whether the calls of a manager are traced, and with what.

    Args:
        setting: A config, or False for no telemetry at all. With None calls are traced once the program has set a
            global provider of its own, unless `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names `llm_failover`.
        registry: Knows the providers that are asked.

    Raises:
        ConfigurationError: A config is given, but OpenTelemetry is not installed.
    """

    def __init__(self, setting: TelemetrySetting, registry: ProviderRegistry) -> None:
        disabled = {name.strip() for name in os.environ.get(_SWITCH, "").split(",")}
        self._is_off = setting is False or (setting is None and _NAME in disabled)
        self._config = setting or TelemetryConfig()
        self._registry = registry
        self._follow: Callable[[Journey], Following] | None = None
        self._find: Callable[[TelemetryConfig], Any] | None = None
        if isinstance(setting, TelemetryConfig):
            try:
                self._follow = self._look()
            except ImportError:
                raise ConfigurationError("telemetry needs opentelemetry-api: install failoverchain[otel]") from None

    def follow(self, journey: Journey) -> Following | None:
        """Follows a call that is about to begin; None if it is not traced."""
        follow = self._follow
        if follow is None:
            # Who has set a global provider has imported one of these.
            if self._is_off or (
                "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules
            ):
                return None
            follow = self._follow = self._look()
        return None if follow is None else follow(journey)

    def _look(self) -> Callable[[Journey], Following] | None:
        if self._find is None:
            self._find = import_module("shared_core.telemetry.instruments").Instruments.find
        found = self._find(self._config)
        if found is None:
            return None
        follow: Callable[[Journey, Any, ProviderRegistry], Following]
        follow = import_module("shared_core.telemetry.following").Following.of
        return lambda journey: follow(journey, found, self._registry)
