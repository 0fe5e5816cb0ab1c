"""httpx's transports over several small pools instead of one large one.

A pool of httpcore looks at all of its connections whenever a request comes or goes, and for each idle one at all of
them again: 28 ms a call with 200 connections. So requests go to the first pool that has room, and a pool that was only
needed for a rush is closed when its last answer ends. Nothing else about httpx's transports is changed.

Invariants: no request waits for another one's answer to end; requests one after another use one connection; no more
than `_KEPT` pools of `_WIDTH` connections stay behind.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar, cast

import httpx

from shared_core.providers.channels import closed_in_full

__all__ = ["AsyncLanes", "Lanes"]

_WIDTH = 8
"""Answers under way in one pool. Below ten, what the pool does for each connection is lost in the cost of a call."""

_KEPT = 6
"""Pools that stay when they are idle: about 50 connections, as many as one pool of ours would keep."""

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=_WIDTH, keepalive_expiry=30.0)

_Pool = TypeVar("_Pool", bound=httpx.HTTPTransport | httpx.AsyncHTTPTransport)


class _Lane(Generic[_Pool]):
    """One pool, and how many answers are under way in it."""

    __slots__ = ("busy", "pool")

    def __init__(self, pool: _Pool) -> None:
        self.pool = pool
        self.busy = 0


class _Row(Generic[_Pool]):
    """The lanes in use; it opens and closes none by itself."""

    def __init__(self, make: Callable[[], _Pool]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._lanes: list[_Lane[_Pool]] = []

    def enter(self) -> _Lane[_Pool]:
        """The first lane with room."""
        with self._lock:
            for lane in self._lanes:
                if lane.busy < _WIDTH:
                    break
            else:
                lane = _Lane(self._make())
                self._lanes.append(lane)
            lane.busy += 1
            return lane

    def leave(self, lane: _Lane[_Pool]) -> _Pool | None:
        """An answer of `lane` ended; its pool, if that is to be closed now."""
        with self._lock:
            lane.busy -= 1
            if lane.busy or lane in self._lanes[:_KEPT] or lane not in self._lanes:
                return None
            self._lanes.remove(lane)
            return lane.pool

    def clear(self) -> list[_Pool]:
        """All pools; the row is empty afterwards."""
        with self._lock:
            lanes, self._lanes = self._lanes, []
            return [lane.pool for lane in lanes]


class Lanes(httpx.BaseTransport):
    """For sync code.

    Args:
        verify: The TLS context.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._row = _Row(lambda: httpx.HTTPTransport(verify=verify, limits=_LIMITS))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends `request` over a pool that has room; raises as httpx's own transport does."""
        lane = self._row.enter()
        try:
            response = lane.pool.handle_request(request)
        except BaseException:
            self._leave(lane)
            raise
        response.stream = _Body(cast("httpx.SyncByteStream", response.stream), lambda: self._leave(lane))
        return response

    def _leave(self, lane: _Lane[httpx.HTTPTransport]) -> None:
        pool = self._row.leave(lane)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """Closes all pools."""
        for pool in self._row.clear():
            pool.close()


class AsyncLanes(httpx.AsyncBaseTransport):
    """For async code.

    Args:
        verify: The TLS context.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._row = _Row(lambda: httpx.AsyncHTTPTransport(verify=verify, limits=_LIMITS))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends `request` over a pool that has room; raises as httpx's own transport does."""
        lane = self._row.enter()
        try:
            response = await lane.pool.handle_async_request(request)
        except BaseException:
            await closed_in_full(self._leave(lane))
            raise
        response.stream = _AsyncBody(cast("httpx.AsyncByteStream", response.stream), lambda: self._leave(lane))
        return response

    async def _leave(self, lane: _Lane[httpx.AsyncHTTPTransport]) -> None:
        pool = self._row.leave(lane)
        if pool is not None:
            await pool.aclose()

    async def aclose(self) -> None:
        """Closes all pools."""
        for pool in self._row.clear():
            await pool.aclose()


class _Body(httpx.SyncByteStream):
    """A body that tells of its end once; its pieces come straight from the pool."""

    def __init__(self, inner: httpx.SyncByteStream, leave: Callable[[], None]) -> None:
        self._inner = inner
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        leave, self._leave = self._leave, None
        try:
            self._inner.close()
        finally:
            if leave is not None:
                leave()


class _AsyncBody(httpx.AsyncByteStream):
    """The same, async."""

    def __init__(self, inner: httpx.AsyncByteStream, leave: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._inner = inner
        self._leave: Callable[[], Coroutine[Any, Any, None]] | None = leave

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        leave, self._leave = self._leave, None
        try:
            await self._inner.aclose()
        finally:
            if leave is not None:
                await leave()
