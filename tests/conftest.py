"""How thoroughly properties are tried: `pytest --hypothesis-profile=thorough` takes minutes instead of seconds.

Where `CI` is set the same examples are tried every time, so that a change is judged by what it changes.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, settings

from shared_core.providers.clients import Clients

settings.register_profile("quick", deadline=None, derandomize=bool(os.environ.get("CI")), database=None)
settings.register_profile(
    "thorough", deadline=None, max_examples=1000, stateful_step_count=60, suppress_health_check=list(HealthCheck)
)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    """What is loaded by the first async call of a process would count against the short timers of a test."""

    async def first() -> None:
        clients = Clients()
        await clients.for_loop()
        await clients.aclose()

    asyncio.run(first())
