"""HTTP clients: one for sync code, one for each event loop, made when first needed and closed properly.

An `httpx.AsyncClient` belongs to the loop that opened its connections, so each loop gets its own; a loop that ends
(one `asyncio.run` after another, Jupyter, worker threads) closes its client through the same mechanism by which it
closes async generators. The sync client closes with its owner, or with the process. A forked child never uses its
parent's connections. A client that the user brought is used as it is and never closed. The SSL context is built once
a process: it costs 20 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import httpx

__all__ = ["Clients", "closed_in_full"]

# No cap on connections: an answer must not wait for another one's stream to end. Idle ones are kept for half a minute,
# and few, since httpx walks through all of them at every request.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=30.0)


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class Clients:
    """The clients of one manager.

    Args:
        client: The user's own client for sync code.
        async_client: The user's own client for async code.
    """

    def __init__(self, client: httpx.Client | None = None, async_client: httpx.AsyncClient | None = None) -> None:
        self._given = client
        self._given_async = async_client
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._pid = os.getpid()
        self._by_loop: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None, None]]] = {}

    def sync(self) -> httpx.Client:
        """The client for sync code; usable from any thread."""
        if self._given is not None:
            return self._given
        if self._client is not None and self._pid == os.getpid():
            return self._client
        with self._lock:
            self._leave_parent()
            if self._client is None:
                self._client = httpx.Client(verify=_ssl_context(), limits=_LIMITS, follow_redirects=False)
                weakref.finalize(self, _close_in_own_process, self._client, self._pid)
            return self._client

    async def for_loop(self) -> httpx.AsyncClient:
        """The client of the running loop."""
        if self._given_async is not None:
            return self._given_async
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is not None and self._pid == os.getpid():
            return found[0]
        with self._lock:
            self._leave_parent()
            for other in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[other]
            client = httpx.AsyncClient(verify=_ssl_context(), limits=_LIMITS, follow_redirects=False)
            life = _until_loop_ends(client)
            self._by_loop[loop] = (client, life)
        await anext(life)
        return client

    def close(self) -> None:
        """Closes the sync client; it is made anew if it is needed again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    async def aclose(self) -> None:
        """Closes the running loop's client and the sync one."""
        found = self._by_loop.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[1].aclose()
        self.close()

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._client = None
            self._by_loop = {}


def _close_in_own_process(client: httpx.Client, pid: int) -> None:
    if pid == os.getpid():
        client.close()


async def _until_loop_ends(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Suspended for as long as its loop runs: `loop.shutdown_asyncgens` closes it, and it closes the client."""
    try:
        yield
    finally:
        # The loop is about to end: a connection that cannot be closed in order is dropped with it.
        with contextlib.suppress(Exception):
            await closed_in_full(client.aclose())


async def closed_in_full(closing: Coroutine[Any, Any, None]) -> None:
    """Awaits `closing` to its end, also if the task is cancelled meanwhile; the cancellation is raised after it.

    httpcore shields its own closing from anyio's cancellations, not from asyncio's: hit by one there, it would keep
    the connection for ever, open and busy.
    """
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
