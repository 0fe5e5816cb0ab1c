"""From options to the engine: the manager and the request of `ask` and `explain`.

Keys come from the environment alone. A variable that was named and is not set is a mistake, and said so at once; a
provider whose usual variable is not set is a target that will be skipped with that reason.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable

from pydantic import SecretStr

from shared_core.cli.advice import in_options
from shared_core.cli.options import KeySource
from shared_core.errors import ConfigurationError
from shared_core.hooks import Hooks
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.providers.vendors import find
from shared_core.request import LLMRequest

__all__ = ["make_manager", "make_request", "say"]


def make_manager(options: Namespace, hooks: Hooks | None = None) -> FailoverManager:
    """The manager that the chain options describe.

    Raises:
        ConfigurationError: One of them is wrong.
    """
    manager = FailoverManager(profiles=_profiles(options.keys), base_urls=dict(options.base_url), hooks=hooks)
    manager.require([options.model, *options.fallback])
    return manager


def make_request(options: Namespace, question: str, system: str | None = None) -> LLMRequest:
    """The request for `question`, without the settings that only `ask` has.

    Raises:
        ConfigurationError: A value is out of bounds.
    """
    messages = [Message.of("system", system)] if system else []
    return LLMRequest(
        messages=(*messages, Message.of("user", question)),
        model=options.model,
        fallback_models=tuple(options.fallback),
    )


def say(error: object) -> None:
    """Says what went wrong, on standard error."""
    print(f"llm-failover: {in_options(str(error))}", file=sys.stderr, flush=True)


def _profiles(sources: Iterable[KeySource]) -> dict[str, dict[str, SecretStr]]:
    found: dict[str, dict[str, SecretStr]] = {}
    for provider, profile, variable in sources:
        key = os.environ.get(variable, "").strip()
        if not key:
            # Without the variable's name: a key may have been pasted in its place.
            raise ConfigurationError(
                f"the environment variable named for the key of {provider!r} (profile {profile!r}) is not set"
            )
        vendor = find(provider)
        found.setdefault(vendor.name if vendor is not None else provider, {})[profile] = SecretStr(key)
    return found
