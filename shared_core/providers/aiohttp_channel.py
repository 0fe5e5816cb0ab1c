"""Async calls over aiohttp, where it is installed: the fast way out.

Against httpx, a call costs a quarter and a chunk that comes in a packet of its own a sixth; the pool does not slow down
with the connections that it holds. It owns the translation: errors are httpx's, each of the class that httpx itself
would end in, so that nobody above knows who carried the bytes. It refuses redirects, cookies, proxies and retries.

Invariants: an error has at most an `OSError` behind it, since aiohttp's own bear a status (400) for what no server
said, and the headers of the request. Closing an answer never waits, so that no cancellation can come between: what was
read to its end went back to the pool then, anything else is cut off.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx
from yarl import URL

from shared_core.providers.base import HTTPCall

__all__ = ["AiohttpChannel"]

_OLDEST = (3, 12)
"""Version of aiohttp that tells of the end of a connection as it is needed here."""

if tuple(int(part) for part in aiohttp.__version__.split(".")[:2]) < _OLDEST:
    raise ImportError(f"aiohttp {aiohttp.__version__} is too old")

_LARGEST_HEADER = 65_536
"""Bytes of one header line. aiohttp's own limit of 8 KiB refuses the policies that some proxies add."""

_NEVER_ADDED = ("accept", "accept-encoding", "content-type", "user-agent")
"""What aiohttp would add of its own, beside the length of the body and the host."""

_RAISED = (aiohttp.ClientError, OSError)
"""What aiohttp raises; `TimeoutError` is an `OSError`."""


class AiohttpChannel:
    """The calls of one event loop; made inside of it.

    Args:
        verify: The TLS context.
        keepalive_expiry: Seconds for which an idle connection is kept.
    """

    def __init__(self, verify: ssl.SSLContext, *, keepalive_expiry: float = 30.0) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # an answer must not wait for another one's stream to end
                ssl=verify,
                keepalive_timeout=keepalive_expiry,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NEVER_ADDED,
            max_line_size=_LARGEST_HEADER,
            max_field_size=_LARGEST_HEADER,
        )

    async def send(self, call: HTTPCall, timeouts: Mapping[str, float]) -> _Answer:
        """Sends `call`; see `channels.AsyncChannel`."""
        address, credentials = _address(call.url)
        headers = call.headers if credentials is None else {**call.headers, "authorization": credentials}
        connect, read = timeouts["connect"], timeouts["read"]
        try:
            async with asyncio.timeout(connect + read):
                response = await self._session.post(
                    address,
                    data=call.body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=_timeout(connect),
                )
        except _RAISED as error:
            broken = _translated(error)
        else:
            return _Answer(response, read)
        raise broken  # from out here, so that it does not hold on to aiohttp's error

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._session.close()


class _Answer:
    """See `channels.AsyncAnswer`. One timer an answer looks now and then whether a read has lasted too long.

    Args:
        response: What came.
        patience: Seconds that a read may take.
    """

    __slots__ = ("_closed", "_loop", "_patience", "_read", "_reading_since", "_response", "_timer", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, patience: float) -> None:
        self._response = response
        self._read = response.content.readany
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._reading_since: float | None = None
        self._timer = self._loop.call_later(patience, self._look)
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        connection = response.connection  # None if the whole answer is there
        protocol = None if connection is None else connection.protocol
        self._closed = None if protocol is None else protocol.closed
        if self._closed is not None:
            self._closed.remove_done_callback(_retrieve)
            self._closed.add_done_callback(_retrieve)
            self._closed.add_done_callback(self._wake)

    def _wake(self, _closed: asyncio.Future[None]) -> None:
        """The connection is gone. aiohttp tells the reader of a body, but not if what came is no chunk of it."""
        self._break(aiohttp.ClientPayloadError())

    def _look(self) -> None:
        since = self._reading_since
        left = self._patience - (0.0 if since is None else self._loop.time() - since)
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._break(aiohttp.SocketTimeoutError())

    def _break(self, error: Exception) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(error)

    async def read(self) -> bytes:
        self._reading_since = self._loop.time()
        try:
            return await self._read()
        except _RAISED as error:
            broken = _translated(error)
        finally:
            self._reading_since = None
        raise broken

    async def aclose(self) -> None:
        self._timer.cancel()
        if self._closed is not None:
            self._closed.remove_done_callback(self._wake)
        self._response.close()


def _retrieve(closed: asyncio.Future[None]) -> None:
    """Takes the error of a connection that nobody was reading from, which asyncio would complain of otherwise."""
    if not closed.cancelled():
        closed.exception()


@functools.lru_cache(maxsize=256)
def _address(text: str) -> tuple[URL, str | None]:
    """The address as it is written, and the header that a name and a password in it make."""
    try:
        url = URL(text, encoded=True)
        user, password = url.user, url.password  # only now the part in front of the path is read
    except ValueError:
        raise httpx.InvalidURL("the address is not a URL") from None  # it may hold a password
    if user is None:
        return url, None
    pair = f"{user}:{password or ''}".encode()
    return url.with_user(None), f"Basic {base64.b64encode(pair).decode('ascii')}"


@functools.lru_cache(maxsize=256)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """For the connection alone: aiohttp times reads by a timer that it sets anew for every packet."""
    return aiohttp.ClientTimeout(total=None, connect=connect)


def _translated(error: Exception) -> httpx.TransportError:
    """The error that httpx has for it. Its words are those of the system, without addresses and objects."""
    cause = _system_error(error)
    made = _kind(error)(_WORDS.get(type(error)) or str(cause or error) or type(error).__name__)
    made.__cause__ = cause
    return made


_WORDS: Mapping[type[Exception], str] = {
    aiohttp.ConnectionTimeoutError: "the connection took too long",
    aiohttp.SocketTimeoutError: "the server was silent for too long",
    TimeoutError: "the server was silent for too long",
    aiohttp.ServerDisconnectedError: "Server disconnected without sending a response.",
    aiohttp.ClientPayloadError: "peer closed connection without sending complete message body",
    aiohttp.ClientResponseError: "the server's answer is not HTTP",
    aiohttp.NonHttpUrlClientError: "the address is not one of HTTP",
    aiohttp.InvalidUrlClientError: "the address is not a URL",
}
"""In place of what aiohttp says, which is addresses and bytes."""


def _kind(error: Exception) -> type[httpx.TransportError]:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout
        case TimeoutError():
            return httpx.ReadTimeout
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError
        case aiohttp.ServerDisconnectedError():
            return httpx.RemoteProtocolError
        case aiohttp.ClientConnectionResetError():
            return httpx.WriteError
        case OSError():
            return httpx.ReadError
        case aiohttp.NonHttpUrlClientError() | aiohttp.InvalidURL():
            return httpx.UnsupportedProtocol
        case _:
            return httpx.RemoteProtocolError


def _system_error(error: BaseException) -> OSError | None:
    """The system's own error behind one of aiohttp's."""
    behind: Any = error
    while behind is not None:
        if isinstance(behind, OSError) and not isinstance(behind, aiohttp.ClientError):
            return behind
        behind = behind.__cause__
    return None
