"""The local provider, and LLMs whose whole chain it serves."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any

import pytest

from llamaindex_failover import FailoverLLM
from llamaindex_failover.links import Link
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.simulator import Simulator

PRIMARY = "openai/gpt-4.1"
FALLBACK = "anthropic/claude-sonnet-4-5"

Maker = Callable[..., FailoverLLM]


@cache
def certificates() -> ssl.SSLContext:
    """Loaded once: it takes longer than any test."""
    return ssl.create_default_context()


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The local provider."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def engine_settings(sim: Simulator) -> dict[str, Any]:
    """What points an engine at the local provider. Repeating in place is left out: it would only cost time."""
    return {
        "profiles": {
            "openai": {"main": "key-main"},
            "anthropic": {"main": "key-claude"},
            "gemini": {"main": "key-gemini"},
        },
        "base_urls": {"openai": sim.base_url, "anthropic": sim.url, "gemini": sim.url},
        "policy": FailoverPolicy(transient_backoffs=()),
    }


@pytest.fixture
async def make_llm(engine_settings: dict[str, Any]) -> AsyncIterator[Maker]:
    """Makes LLMs with a primary and a fallback; their engines are closed afterwards."""
    managers: list[FailoverManager] = []

    def make(model: Link = PRIMARY, fallbacks: tuple[Link, ...] = (FALLBACK,), **settings: Any) -> FailoverLLM:
        given = settings if "manager" in settings else {**engine_settings, **settings}
        llm = FailoverLLM(model, fallbacks, **given)
        managers.append(llm.manager)
        return llm

    yield make
    for manager in managers:
        manager.close()
        await manager.aclose()


@pytest.fixture
def llm(make_llm: Maker) -> FailoverLLM:
    """An LLM with a primary and a fallback."""
    return make_llm()
