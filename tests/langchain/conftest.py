"""A local provider, and models that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from langchain_failover import ChatFailover
from shared_core.simulator import Simulator

KEY = "key-main"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def make(sim: Simulator) -> Iterator[Callable[..., ChatFailover]]:
    """Models whose providers all live in the simulator; `first` answers for itself, `second` stands behind it."""
    made: list[ChatFailover] = []

    def make(model: str = "openai/first", *fallbacks: str, **settings: Any) -> ChatFailover:
        providers = ("openai", "deepseek", "groq")
        llm = ChatFailover(
            model,
            **{
                "fallbacks": fallbacks or ("openai/second",),
                "profiles": {provider: {"default": KEY} for provider in providers},
                "base_urls": dict.fromkeys(providers, sim.base_url),
                # Quick failures are not repeated in place, so that a script of one fault is one attempt.
                "max_retries": 0,
                **settings,
            },
        )
        made.append(llm)
        return llm

    yield make
    for llm in made:
        if llm.manager is not None:
            llm.manager.close()


@pytest.fixture
def llm(make: Callable[..., ChatFailover]) -> ChatFailover:
    return make()
