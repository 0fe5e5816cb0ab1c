"""How a call gets out and its answer comes in, whoever carries the bytes.

A client of httpx merges cookies, follows redirects, runs auth flows and event hooks. A call to a provider needs none of
it, so where the connections are ours the client is left out, which saves a sixth of a call's cost. Where the user
brought a client, or the environment names a proxy, the client does all that it always does.

Invariants: errors are httpx's; a name and a password in the address become a header, either way; the bytes of a body
are decompressed (nobody asks for compression, some servers do it all the same); an answer is closed in full, whatever
happens to the task meanwhile.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import httpx

from shared_core.lazy import deferred
from shared_core.providers.base import HTTPCall

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = deferred("asyncio")

__all__ = [
    "AsyncAnswer",
    "AsyncChannel",
    "AsyncClientChannel",
    "AsyncTransportChannel",
    "Channel",
    "ClientChannel",
    "TransportChannel",
    "closed_in_full",
]


class Channel(Protocol):
    """For sync code. Requests and responses are httpx's, in whose extensions a blocked read can be reached."""

    def request(self, call: HTTPCall, timeouts: Mapping[str, float]) -> httpx.Request:
        """The request of `call`; `timeouts` are httpx's four, in seconds."""

    def send(self, request: httpx.Request) -> httpx.Response:
        """Sends it; the body of the response is still to be read.

        Raises:
            httpx.HTTPError: It could not be sent, or was not answered.
        """

    def close(self) -> None:
        """Closes all connections, where they are ours."""


class AsyncAnswer(Protocol):
    """An answer whose body is still to be read."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, found by names in any case."""

    async def read(self) -> bytes:
        """What has come of the body, at least one byte; none at its end.

        Raises:
            httpx.HTTPError: The connection broke, or what came is not HTTP.
        """

    async def aclose(self) -> None:
        """Ends the exchange; a connection whose answer was read to its end serves the next."""


class AsyncChannel(Protocol):
    """For async code."""

    async def send(self, call: HTTPCall, timeouts: Mapping[str, float]) -> AsyncAnswer:
        """Sends a call; `timeouts` are httpx's four, in seconds.

        Raises:
            httpx.HTTPError: It could not be sent, or was not answered.
        """

    async def aclose(self) -> None:
        """Closes all connections, where they are ours."""


class ClientChannel:
    """Through a client.

    Args:
        client: The client.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def request(self, call: HTTPCall, timeouts: Mapping[str, float]) -> httpx.Request:
        """A request with what the client adds to each."""
        return _client_request(self._client, call, timeouts)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Sends it as the client does, but for redirects."""
        return self._client.send(request, stream=True, follow_redirects=False)

    def close(self) -> None:
        """Closes the client."""
        self._client.close()


class AsyncClientChannel:
    """The same, async.

    Args:
        client: The client.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, call: HTTPCall, timeouts: Mapping[str, float]) -> AsyncAnswer:
        """Sends it as the client does, but for redirects."""
        request = _client_request(self._client, call, timeouts)
        return _Answer(await self._client.send(request, stream=True, follow_redirects=False))

    async def aclose(self) -> None:
        """Closes the client."""
        await self._client.aclose()


class TransportChannel:
    """Straight over a transport of httpx.

    Args:
        transport: The transport.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def request(self, call: HTTPCall, timeouts: Mapping[str, float]) -> httpx.Request:
        """The request, with nothing added but what the protocol needs."""
        return _bare_request(call, timeouts)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Sends it."""
        return self._transport.handle_request(request)

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()


class AsyncTransportChannel:
    """The same, async.

    Args:
        transport: The transport.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, call: HTTPCall, timeouts: Mapping[str, float]) -> AsyncAnswer:
        """Sends it, with nothing added but what the protocol needs."""
        return _Answer(await self._transport.handle_async_request(_bare_request(call, timeouts)))

    async def aclose(self) -> None:
        """Closes the transport."""
        await self._transport.aclose()


class _Answer:
    """An answer of httpx."""

    __slots__ = ("_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        # From the stream itself: httpx's own iterators close the response at its end, in the middle of a read that may
        # be cancelled.
        is_plain = "content-encoding" not in response.headers
        pieces = aiter(cast("httpx.AsyncByteStream", response.stream)) if is_plain else response.aiter_bytes()
        self._pieces = cast("AsyncGenerator[bytes, None]", pieces)  # httpx types its generators as iterators

    async def read(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                return piece
        return b""

    async def aclose(self) -> None:
        await closed_in_full(self._close())

    async def _close(self) -> None:
        await self._pieces.aclose()
        await self._response.aclose()


def _client_request(
    client: httpx.Client | httpx.AsyncClient, call: HTTPCall, timeouts: Mapping[str, float]
) -> httpx.Request:
    timeout = httpx.Timeout(**timeouts)
    return client.build_request("POST", call.url, content=call.body, headers=dict(call.headers), timeout=timeout)


def _bare_request(call: HTTPCall, timeouts: Mapping[str, float]) -> httpx.Request:
    url = _url(call.url)
    extensions = {"timeout": dict(timeouts)}
    request = httpx.Request("POST", url, headers=dict(call.headers), content=call.body, extensions=extensions)
    if url.userinfo:
        next(httpx.BasicAuth(url.username, url.password).auth_flow(request))
    return request


@functools.lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    """Parsing one takes as long as sending its request."""
    return httpx.URL(text)


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
