"""From options to the engine: the manager and the request of `ask` and `explain`.

A file that `--config` names comes first, and options over it: `--model` in place of its first model, `--fallback` in
place of its fallbacks, addresses and keys in place of those of the same provider.

Keys come from the environment alone. A variable that was named and is not set is a mistake, and said so at once; a
provider whose usual variable is not set is a target that will be skipped with that reason.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from shared_core.cli.advice import in_options
from shared_core.cli.options import KeySource
from shared_core.configuration import Configuration
from shared_core.errors import ConfigurationError
from shared_core.hooks import Hooks
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.registry import ProviderRegistry
from shared_core.request import LLMRequest

__all__ = ["configured", "make_manager", "make_request", "say"]


def configured(options: Namespace) -> Configuration:
    """The chain and its settings, as the file and the options describe them.

    Raises:
        ConfigurationError: One of them is wrong.
    """
    file = Configuration(model="") if options.config is None else Configuration.load(options.config)
    file.require_own_style()
    names = ProviderRegistry(vendors=file.vendors, base_urls=file.base_urls)
    keys = _profiles(options.keys, names.canonical)
    return replace(
        file,
        model=options.model or file.model,
        fallbacks=tuple(options.fallback) or file.fallbacks,
        base_urls={**file.base_urls, **dict(options.base_url)},
        profiles={**file.profiles, **keys},
        order={provider: order for provider, order in file.order.items() if provider not in keys},
    )


def make_manager(configuration: Configuration, hooks: Hooks | None = None) -> FailoverManager:
    """The manager of that chain.

    Raises:
        ConfigurationError: An option is wrong.
    """
    manager = configuration.manager(hooks=hooks)
    manager.require([configuration.model, *configuration.fallbacks])
    return manager


def make_request(configuration: Configuration, question: str, system: str | None = None, **settings: Any) -> LLMRequest:
    """The request for `question`; a setting that is None is the file's.

    Raises:
        ConfigurationError: A value is out of bounds.
    """
    messages = [Message.of("system", system)] if system else []
    given = {name: value for name, value in settings.items() if value is not None}
    return configuration.request([*messages, Message.of("user", question)], **given)


def say(error: object) -> None:
    """Says what went wrong, on standard error."""
    print(f"llm-failover: {in_options(str(error))}", file=sys.stderr, flush=True)


def _profiles(sources: Iterable[KeySource], canonical: Callable[[str], str]) -> dict[str, dict[str, SecretStr]]:
    found: dict[str, dict[str, SecretStr]] = {}
    for provider, profile, variable in sources:
        key = os.environ.get(variable, "").strip()
        if not key:
            # Without the variable's name: a key may have been pasted in its place.
            raise ConfigurationError(
                f"the environment variable named for the key of {provider!r} (profile {profile!r}) is not set"
            )
        found.setdefault(canonical(provider), {})[profile] = SecretStr(key)
    return found
