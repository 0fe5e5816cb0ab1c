"""How thoroughly properties are tried: `pytest --hypothesis-profile=thorough` takes minutes instead of seconds."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("quick", deadline=None)
settings.register_profile(
    "thorough", deadline=None, max_examples=1000, stateful_step_count=60, suppress_health_check=list(HealthCheck)
)
settings.load_profile("quick")
