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

import httpx

from shared_core.classify import ClassifierRule, classify_error, classify_response
from shared_core.errors import ErrorKind, FailoverError, ProviderError
from shared_core.events import Failed, WireEvent
from shared_core.history import prepare
from shared_core.providers.base import Attempted, Decoder, Guard, HTTPCall, Vendor, Wire
from shared_core.providers.clients import Clients
from shared_core.scrub import cut, scrub

__all__ = ["HTTPProvider"]

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
    """

    def __init__(
        self, vendor: Vendor, wire: Wire, base_url: str, clients: Clients, rules: Sequence[ClassifierRule] = ()
    ) -> None:
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
        call = self._encode(attempted)
        client = self._clients.sync()
        request = client.build_request("POST", call.url, **_parts(call, attempted))
        _watch_connection(request, guard)
        try:
            response = client.send(request, stream=True, follow_redirects=False)
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
        call = self._encode(attempted)
        client = await self._clients.for_loop()
        request = client.build_request("POST", call.url, **_parts(call, attempted))
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
            async with aclosing(response):
                if not response.is_success:
                    raise self._refusal(response, await _asome(response), attempted)
                decoder = self._decoder(response)
                yield ()
                async with aclosing(_achunks(response)) as chunks:
                    async for chunk in chunks:
                        if not decoder.is_complete:
                            yield self._scrubbed(decoder.feed(chunk), attempted)
                yield self._scrubbed(_end(decoder), attempted)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self._broken(error, attempted) from error

    def _encode(self, attempted: Attempted) -> HTTPCall:
        request = attempted.request
        try:
            messages = prepare(request.messages, self.vendor, model=request.model)
            return self._wire.encode(
                request if messages is request.messages else replace(request, messages=messages),
                vendor=self.vendor,
                base_url=self._base_url,
                key=attempted.key.get_secret_value() if attempted.key is not None else None,
                omit=attempted.omit,
                renames=attempted.renames,
            )
        except FailoverError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            text = cut(scrub(f"the request cannot be written for the {self._wire.name} wire: {error}"))
            raise ProviderError(text, kind=ErrorKind.BAD_REQUEST, code="not_encodable") from error

    def _decoder(self, response: httpx.Response) -> Decoder:
        return self._wire.decoder(vendor=self.vendor, content_type=response.headers.get("content-type", ""))

    def _refusal(self, response: httpx.Response, body: bytes, attempted: Attempted) -> ProviderError:
        error = classify_response(
            response.status_code, body, headers=response.headers, provider=self.name, rules=self._rules
        )
        return _without_key(error, attempted)

    def _broken(self, raised: Exception, attempted: Attempted) -> ProviderError:
        return _without_key(classify_error(raised, provider=self.name, rules=self._rules), attempted)

    def _scrubbed(self, batch: Sequence[WireEvent], attempted: Attempted) -> Sequence[WireEvent]:
        if batch and type(batch[-1]) is Failed:
            _without_key(batch[-1].error, attempted)
        return batch


def _parts(call: HTTPCall, attempted: Attempted) -> dict[str, Any]:
    timeout = httpx.Timeout(attempted.read_timeout, connect=attempted.connect_timeout, pool=attempted.connect_timeout)
    return {"content": call.body, "headers": dict(call.headers), "timeout": timeout}


def _end(decoder: Decoder) -> Sequence[WireEvent]:
    return () if decoder.is_complete else decoder.end()


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    # Decompression is asked for by nobody; it is done where a server does it all the same.
    return response.iter_bytes() if "content-encoding" in response.headers else response.iter_raw()


def _achunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    chunks = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
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
        error.message = scrub(error.message, [attempted.key.get_secret_value()])
        error.args = (error.message,)
    return error


def _watch_connection(request: httpx.Request, guard: Guard) -> None:
    """Until the headers are there, a connection that this request opens is known from httpcore's trace alone."""

    def trace(name: str, info: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
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
