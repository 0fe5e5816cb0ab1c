"""Connections: one set for sync code, one for each event loop, made when first needed and closed properly.

Connections of async code belong to the loop that opened them, so each loop gets its own; a loop that ends (one
`asyncio.run` after another, Jupyter, worker threads) closes them through the same mechanism by which it closes async
generators. Those of sync code close with their owner, or with the process. A forked child never uses its parent's
connections. A client that the user brought is used as it is and never closed. The SSL context is built once a process:
it costs 20 ms, and aiohttp 200 ms to import, for which no event loop stands still.

Async calls go over aiohttp where it is installed (see `aiohttp_channel`), all else over httpx's own transport;
`LLM_FAILOVER_TRANSPORT=httpx` in the environment, or a client of the user's, keeps to httpx. Where the environment or
the system names a proxy, a whole client is made, which knows all about those.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import ssl
import threading
import urllib.request
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from shared_core.lazy import deferred
from shared_core.providers.channels import (
    AsyncChannel,
    AsyncClientChannel,
    AsyncTransportChannel,
    Channel,
    ClientChannel,
    TransportChannel,
    closed_in_full,
)
from shared_core.providers.lanes import AsyncLanes, Lanes

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = deferred("asyncio")

__all__ = ["TRANSPORT_VARIABLE", "Clients"]

TRANSPORT_VARIABLE = "LLM_FAILOVER_TRANSPORT"
"""Environment variable: "httpx" keeps async calls from aiohttp; it is read when a loop makes its first call."""

_FAST = "shared_core.providers.aiohttp_channel"

# No cap on connections: an answer must not wait for another one's stream to end. Idle ones are kept for half a minute,
# and few, since httpx walks through all of them at every request.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=30.0)

_Life: TypeAlias = AsyncGenerator[None, None]
"""Suspended for as long as a loop runs."""

_Table: TypeAlias = "dict[asyncio.AbstractEventLoop, tuple[AsyncChannel, _Life]]"

_PROXIED = ("http", "https", "all")
"""Schemes whose proxies concern us, as `urllib` names them."""


class Clients:
    """The connections of one manager.

    Args:
        client: The user's own client for sync code.
        async_client: The user's own client for async code.
    """

    def __init__(self, client: httpx.Client | None = None, async_client: httpx.AsyncClient | None = None) -> None:
        self._given = None if client is None else ClientChannel(client)
        self._given_async = None if async_client is None else AsyncClientChannel(async_client)
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._pid = os.getpid()
        self._by_loop = self._new_table()

    def _new_table(self) -> _Table:
        table: _Table = {}
        weakref.finalize(self, _drop_closed, table, self._pid)
        return table

    def sync(self) -> Channel:
        """The channel for sync code; usable from any thread."""
        if self._given is not None:
            return self._given
        if self._channel is not None and self._pid == os.getpid():
            return self._channel
        with self._lock:
            self._leave_parent()
            if self._channel is None:
                self._channel = _made()
                weakref.finalize(self, _close_in_own_process, self._channel, self._pid)
            return self._channel

    async def for_loop(self) -> AsyncChannel:
        """The channel of the running loop."""
        if self._given_async is not None:
            return self._given_async
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is not None and self._pid == os.getpid():
            return found[0]
        make = await _maker()
        with self._lock:
            self._leave_parent()
            for other in [other for other in self._by_loop if other.is_closed()]:
                _drop(self._by_loop.pop(other)[0])
            found = self._by_loop.get(loop)
            if found is not None:  # another task of this loop was as early
                return found[0]
            channel = make()
            life = _until_loop_ends(channel)
            self._by_loop[loop] = (channel, life)
        await anext(life)
        return channel

    def close(self) -> None:
        """Closes the connections of sync code; they are made anew if they are needed again."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None and self._pid == os.getpid():
            channel.close()

    async def aclose(self) -> None:
        """Closes the running loop's connections and those of sync code."""
        found = self._by_loop.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[1].aclose()
        self.close()

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._channel = None
            _INHERITED.append(self._by_loop)
            self._by_loop = self._new_table()


_INHERITED: list[object] = []
"""What a forked child found open. It is held on to: dropped, it would say goodbye over its parent's connections."""


def _made() -> Channel:
    if _has_proxies():
        return ClientChannel(httpx.Client(verify=_ssl_context(), limits=_LIMITS, follow_redirects=False))
    return TransportChannel(Lanes(_ssl_context()))


async def _maker() -> Callable[[], AsyncChannel]:
    """What makes the channel of a loop. What takes long, once a process, is done while the loop goes on."""
    if not _ssl_context.cache_info().currsize:
        await asyncio.to_thread(_ssl_context)
    if _has_proxies():
        return _proxied
    if os.environ.get(TRANSPORT_VARIABLE, "").strip().lower() != "httpx":
        # Not looked up in `sys.modules`, where a module stands while another thread still imports it.
        fast = _IMPORTED[0] if _IMPORTED else await asyncio.to_thread(_imported)
        if fast is not None:
            return functools.partial(fast.AiohttpChannel, _ssl_context())
    return _over_httpx


_IMPORTED: list[Any] = []
"""The module of the fast channel, or None where aiohttp is not installed; empty until that is known."""


def _imported() -> Any:
    module = None
    with contextlib.suppress(ImportError):
        module = importlib.import_module(_FAST)
    _IMPORTED.append(module)
    return module


def _over_httpx() -> AsyncChannel:
    return AsyncTransportChannel(AsyncLanes(_ssl_context()))


def _proxied() -> AsyncChannel:
    return AsyncClientChannel(httpx.AsyncClient(verify=_ssl_context(), limits=_LIMITS, follow_redirects=False))


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _has_proxies() -> bool:
    proxies = urllib.request.getproxies()
    return any(proxies.get(scheme) for scheme in _PROXIED)


def _close_in_own_process(channel: Channel, pid: int) -> None:
    if pid == os.getpid():
        channel.close()


def _drop_closed(by_loop: _Table, pid: int) -> None:
    """The owner is gone: so are the loops that were closed without a word. Those that live close what is theirs."""
    if pid != os.getpid():
        _INHERITED.append(by_loop)
        return
    for loop, (channel, _) in by_loop.items():
        if loop.is_closed():
            _drop(channel)


def _drop(channel: AsyncChannel) -> None:
    """Closes as much as can be closed behind a loop that is gone: there is nothing left to wait for."""
    closing = channel.aclose()
    with contextlib.suppress(Exception):  # StopIteration says that it got to its end
        closing.send(None)
    closing.close()


async def _until_loop_ends(channel: AsyncChannel) -> _Life:
    """Suspended for as long as its loop runs: `loop.shutdown_asyncgens` closes it, and it closes the connections."""
    try:
        yield
    finally:
        # The loop is about to end: a connection that cannot be closed in order is dropped with it.
        with contextlib.suppress(Exception):
            await closed_in_full(channel.aclose())
