"""A local provider, and managers whose whole chain it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.request import LLMRequest
from shared_core.simulator import Simulator

KEY = "key-main"

Maker = Callable[..., FailoverManager]


def asking(model: str = "a/first", *fallbacks: str, **fields: Any) -> LLMRequest:
    """A request with one question."""
    return LLMRequest(
        model=model, fallback_models=fallbacks, messages=(Message.of("user", "What stands first?"),), **fields
    )


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The local provider."""
    with Simulator() as running:
        yield running


@pytest.fixture
def make(sim: Simulator) -> Iterator[Maker]:
    """Makes managers that know the providers `a`, with a key, and `b`, without; they are closed afterwards.

    Settings of the policy may stand among those of the manager.
    """
    made: list[FailoverManager] = []

    def make(**settings: Any) -> FailoverManager:
        names = FailoverPolicy.model_fields.keys() & settings.keys()
        # A failure is not repeated in place, so that a script of one fault is one attempt.
        policy = {"transient_backoffs": (), **{name: settings.pop(name) for name in names}}
        manager = FailoverManager(
            **{
                "base_urls": {"a": sim.base_url, "b": sim.base_url},
                "profiles": {"a": {"main": KEY}},
                "policy": FailoverPolicy(**policy),
                **settings,
            }
        )
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def manager(make: Maker) -> FailoverManager:
    """A manager with usual settings."""
    return make()
