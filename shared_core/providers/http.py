"""A vendor asked over HTTP: a wire encodes and decodes, httpx transports, sync and async.

It owns how a response is read: an error status is classified, a body is decoded as it comes and read to its end so
that the connection can be reused. It refuses to retry, to time (beyond httpx's own backstops) and to follow redirects.

Invariants: the key is in one header of one request and nowhere else; whatever the provider says of a failure is
scrubbed of it. The response is closed however the generator ends.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from shared_core.classify import ClassifierRule, classify_error, classify_response
from shared_core.errors import ConfigurationError, ErrorKind, FailoverError, ProviderError
from shared_core.events import Failed, WireEvent
from shared_core.history import prepare
from shared_core.providers.base import Attempted, Decoder, Guard, HTTPCall, Vendor, Wire
from shared_core.providers.clients import Clients, closed_in_full
from shared_core.scrub import MASK, cut, scrub

__all__ = ["HTTPProvider"]

_OPENED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
"""Ends of httpcore's trace events that carry a new stream."""

_MAX_ERROR_BYTES = 65_536
"""As much of an error's body as is read; the classifier looks at no more."""


class HTTPProvider:
    """One vendor at one address.

    Args:
        vendor: Its row.
        wire: Its protocol.
        base_url: Its address.
        clients: HTTP clients.
        rules: The user's classifier rules.

    Raises:
        ConfigurationError: The address is not a URL.
    """

    def __init__(
        self, vendor: Vendor, wire: Wire, base_url: str, clients: Clients, rules: Sequence[ClassifierRule] = ()
    ) -> None:
        if not _is_url(base_url):
            # It is not quoted: it may hold a password.
            raise ConfigurationError(f"the address of provider {vendor.name!r} is not a URL")
        self.vendor = vendor
        self._wire = wire
        self._base_url = base_url
        self._clients = clients
        self._rules = rules

    @property
    def name(self) -> str:
        """The vendor's name."""
        return self.vendor.name

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        """The answer as batches of events.

        Raises:
            ProviderError: An error status, or a broken transport.
        """
        client = self._clients.sync()
        try:
            request = self._request(client, attempted)
            timeouts = request.extensions["timeout"]
            # A connection that is used again is not announced: until the head is there httpx alone can end the read.
            timeouts["read"] = timeouts["write"] = attempted.head_timeout or attempted.read_timeout
            _watch_connection(request, guard)
            response = client.send(request, stream=True, follow_redirects=False)
            timeouts["read"] = attempted.read_timeout
            with closing(response):
                _watch_response(response, guard)
                if not response.is_success:
                    raise self._refusal(response, _some(response), attempted)
                decoder = self._decoder(response)
                yield ()
                for chunk in _chunks(response):
                    if not decoder.is_complete:
                        yield self._scrubbed(decoder.feed(chunk), attempted)
                yield self._scrubbed(_end(decoder), attempted)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self._broken(error, attempted) from error

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, async."""
        client = await self._clients.for_loop()
        try:
            request = self._request(client, attempted)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                if not response.is_success:
                    raise self._refusal(response, await _asome(response), attempted)
                decoder = self._decoder(response)
                yield ()
                async with aclosing(_achunks(response)) as chunks:
                    async for chunk in chunks:
                        if not decoder.is_complete:
                            yield self._scrubbed(decoder.feed(chunk), attempted)
                yield self._scrubbed(_end(decoder), attempted)
            finally:
                await closed_in_full(response.aclose())
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self._broken(error, attempted) from error

    def _request(self, client: httpx.Client | httpx.AsyncClient, attempted: Attempted) -> httpx.Request:
        key = attempted.key.get_secret_value() if attempted.key is not None else None
        if key is not None and not (key.isascii() and key.isprintable()):
            # Whatever tried to send it would quote it in its own error.
            text = "the API key holds characters that no header can carry"
            raise ProviderError(text, kind=ErrorKind.AUTH, code="unsendable_key")
        asked = attempted.request
        try:
            messages = prepare(asked.messages, self.vendor, model=asked.model)
            call = self._wire.encode(
                asked if messages is asked.messages else replace(asked, messages=messages),
                vendor=self.vendor,
                base_url=self._base_url,
                key=key,
                omit=attempted.omit,
                renames=attempted.renames,
            )
            _check_headers(call)
            return client.build_request("POST", call.url, **_parts(call, attempted))
        except FailoverError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            text = cut(scrub(f"the request cannot be written for the {self._wire.name} wire: {error}"))
            # The frames of its traceback hold the key.
            raise ProviderError(text, kind=ErrorKind.BAD_REQUEST, code="not_encodable") from error.with_traceback(None)

    def _decoder(self, response: httpx.Response) -> Decoder:
        return self._wire.decoder(vendor=self.vendor, content_type=response.headers.get("content-type", ""))

    def _refusal(self, response: httpx.Response, body: bytes, attempted: Attempted) -> ProviderError:
        error = classify_response(
            response.status_code, body, headers=response.headers, provider=self.name, rules=self._rules
        )
        return _without_key(error, attempted)

    def _broken(self, raised: Exception, attempted: Attempted) -> ProviderError:
        if isinstance(raised, httpx.RequestError):
            raised.request = httpx.Request("POST", self._base_url)  # the one that was sent holds the key
        return _without_key(classify_error(raised, provider=self.name, rules=self._rules), attempted)

    def _scrubbed(self, batch: Sequence[WireEvent], attempted: Attempted) -> Sequence[WireEvent]:
        if batch and type(batch[-1]) is Failed:
            _without_key(batch[-1].error, attempted)
        return batch


def _check_headers(call: HTTPCall) -> None:
    for name, value in call.headers.items():
        # httpx would take it for a broken connection and quote it; it may hold a secret.
        if any(ord(char) < 32 or ord(char) == 127 for char in name + value):
            text = f"the header {name!r} holds characters that no header can carry"
            raise ProviderError(text, kind=ErrorKind.BAD_REQUEST, code="unsendable_header")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text.strip())
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _parts(call: HTTPCall, attempted: Attempted) -> dict[str, Any]:
    timeout = httpx.Timeout(attempted.read_timeout, connect=attempted.connect_timeout, pool=attempted.connect_timeout)
    return {"content": call.body, "headers": dict(call.headers), "timeout": timeout}


def _end(decoder: Decoder) -> Sequence[WireEvent]:
    return () if decoder.is_complete else decoder.end()


# The body is read from the stream itself: httpx's own iterators close the response at its end, in the middle of a read
# that may be cancelled. Decompression is asked for by nobody; it is done where a server does it all the same.


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    is_plain = "content-encoding" not in response.headers
    return iter(cast("httpx.SyncByteStream", response.stream)) if is_plain else response.iter_bytes()


def _achunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    is_plain = "content-encoding" not in response.headers
    chunks = aiter(cast("httpx.AsyncByteStream", response.stream)) if is_plain else response.aiter_bytes()
    return cast("AsyncGenerator[bytes, None]", chunks)  # httpx types its generators as iterators


def _some(response: httpx.Response) -> bytes:
    body = b""
    for chunk in _chunks(response):
        body += chunk
        if len(body) >= _MAX_ERROR_BYTES:
            break
    return body[:_MAX_ERROR_BYTES]


async def _asome(response: httpx.Response) -> bytes:
    body = b""
    async with aclosing(_achunks(response)) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= _MAX_ERROR_BYTES:
                break
    return body[:_MAX_ERROR_BYTES]


def _without_key(error: ProviderError, attempted: Attempted) -> ProviderError:
    if attempted.key is not None:
        key = attempted.key.get_secret_value()
        error.message = _unstarted(scrub(error.message, [key]), key)
        error.args = (error.message,)
        if error.code is not None:
            error.code = scrub(error.code, [key])
    return error


def _unstarted(text: str, key: str) -> str:
    """`text` without the beginning of `key` in front of the ellipsis where it was cut."""
    if text.endswith("…"):
        for length in range(min(len(key), len(text)) - 1, 3, -1):
            if text.endswith(key[:length] + "…"):
                return text[: -length - 1] + MASK + "…"
    return text


def _watch_connection(request: httpx.Request, guard: Guard) -> None:
    """Until the headers are there, a connection that this request opens is known from httpcore's trace alone.

    TLS takes the socket over from the connection below it, so what comes later counts.
    """

    def trace(name: str, info: dict[str, Any]) -> None:
        if name.endswith(_OPENED):
            _register(info.get("return_value"), guard)

    request.extensions["trace"] = trace


def _watch_response(response: httpx.Response, guard: Guard) -> None:
    _register(response.extensions.get("network_stream"), guard)


def _register(stream: Any, guard: Guard) -> None:
    get_extra_info = getattr(stream, "get_extra_info", None)
    connection = get_extra_info("socket") if get_extra_info is not None else None
    if isinstance(connection, socket.socket):
        # The plain method: an SSL socket's own would drop the TLS state under the thread that is reading it.
        guard.on_interrupt(lambda: socket.socket.shutdown(connection, socket.SHUT_RDWR))
