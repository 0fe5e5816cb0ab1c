"""Our settings for a chain, the same for the engine and both faces, and the transports that they go over.

Async calls go over aiohttp where it is installed, which is the fast transport; an environment variable keeps them to
httpx, which is plain. Sync calls always go over httpx.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks.peers.base import KEY, MODEL, Chain, Client, Openers
from shared_core import FailoverPolicy

__all__ = ["models", "settings", "transports"]


def _providers(chain: Chain) -> tuple[str, ...]:
    """Names of providers, one for each URL."""
    return ("openai",) if len(chain.urls) == 1 else tuple(f"link-{place}" for place in range(len(chain.urls)))


def models(chain: Chain) -> tuple[str, ...]:
    """Model strings, one for each URL."""
    return tuple(f"{name}/{MODEL}" for name in _providers(chain))


def settings(chain: Chain) -> dict[str, Any]:
    """Where the providers are, and their keys; the policy is the default one, but for what a chain says."""
    names = _providers(chain)
    found: dict[str, Any] = {
        "base_urls": dict(zip(names, chain.urls, strict=True)),
        "profiles": {name: {"main": KEY} for name in names},
    }
    changes: dict[str, Any] = {}
    if chain.cooldown is not None:
        changes = {"model_cooldowns": {"transient": chain.cooldown}, "max_model_cooldown": chain.cooldown}
    if not chain.in_place:
        changes["transient_backoffs"] = ()
    return found | ({"policy": FailoverPolicy(**changes)} if changes else {})


def transports(
    name: str, ready: Callable[[Chain], Client], ready_sync: Callable[[Chain], Client]
) -> dict[str, Openers]:
    """Openers over plain httpx and over the fast transport.

    Args:
        name: What it is called.
        ready: Makes it, async.
        ready_sync: Makes it, sync.
    """

    @asynccontextmanager
    async def plain(chain: Chain) -> AsyncIterator[Client]:
        os.environ["LLM_FAILOVER_TRANSPORT"] = "httpx"
        yield ready(chain)

    @asynccontextmanager
    async def fast(chain: Chain) -> AsyncIterator[Client]:
        os.environ.pop("LLM_FAILOVER_TRANSPORT", None)
        yield ready(chain)

    @contextmanager
    def sync(chain: Chain) -> Iterator[Client]:
        yield ready_sync(chain)

    return {name: {"async": plain, "sync": sync}, f"{name}, fast transport": {"async": fast}}
