"""A vendor asked over HTTP: a wire encodes and decodes, a channel carries, sync and async.

It owns how a response is read: an error status is classified, a body is decoded as it comes and read to its end so
that the connection can be reused. It refuses to retry, to time (beyond the transport's own backstops) and to follow
redirects.

Invariants: the key is in one header of one request and nowhere else; whatever the provider says of a failure is
scrubbed of it. The response is closed however the generator ends.
"""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from shared_core import classify
from shared_core.errors import ConfigurationError, ErrorKind, FailoverError, ProviderError
from shared_core.events import Failed, WireEvent
from shared_core.history import prepare
from shared_core.providers.base import Attempted, Decoder, Guard, HTTPCall, Vendor, Wire
from shared_core.providers.channels import AsyncAnswer
from shared_core.providers.clients import Clients
from shared_core.scrub import MASK, cut, scrub

__all__ = ["HTTPProvider"]

_OPENED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
"""Ends of httpcore's trace events that carry a new stream."""

_MAX_ERROR_BYTES = 65_536
"""As much of an error's body as is read; the classifier looks at no more."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Names of headers (RFC 9110, 5.6.2)."""

_VISIBLE = re.compile(r"[ -~]*")
"""Values of headers that every transport sends as they are."""


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
        self, vendor: Vendor, wire: Wire, base_url: str, clients: Clients, rules: Sequence[classify.ClassifierRule] = ()
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

    @property
    def base_url(self) -> str:
        """Its address."""
        return self._base_url

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        """The answer as batches of events.

        Raises:
            ProviderError: An error status, or a broken transport.
        """
        channel = self._clients.sync()
        try:
            request = channel.request(self._call(attempted), _timeouts(attempted))
            timeouts = request.extensions["timeout"]
            # A connection that is used again is not announced: until the head is there httpx alone can end the read.
            timeouts["read"] = timeouts["write"] = attempted.head_timeout or attempted.read_timeout
            _watch_connection(request, guard)
            response = channel.send(request)
            timeouts["read"] = attempted.read_timeout
            with closing(response):
                _watch_response(response, guard)
                if not response.is_success:
                    raise self._refusal(response.status_code, response.headers, _some(response), attempted)
                decoder = self._decoder(response.headers)
                yield ()
                for chunk in _chunks(response):
                    if not decoder.is_complete:
                        yield self._scrubbed(decoder.feed(chunk), attempted)
                yield self._scrubbed(_end(decoder), attempted)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self._broken(error, attempted) from error

    async def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, async."""
        channel = await self._clients.for_loop()
        try:
            answer = await channel.send(self._call(attempted), _timeouts(attempted))
            try:
                if not 200 <= answer.status < 300:
                    raise self._refusal(answer.status, answer.headers, await _asome(answer), attempted)
                decoder = self._decoder(answer.headers)
                yield ()
                while piece := await answer.read():
                    if not decoder.is_complete:
                        yield self._scrubbed(decoder.feed(piece), attempted)
                yield self._scrubbed(_end(decoder), attempted)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise self._broken(error, attempted) from error

    def _call(self, attempted: Attempted) -> HTTPCall:
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
        except FailoverError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            text = cut(scrub(f"the request cannot be written for the {self._wire.name} wire: {error}"))
            # The frames of its traceback hold the key.
            raise ProviderError(text, kind=ErrorKind.BAD_REQUEST, code="not_encodable") from error.with_traceback(None)
        return call

    def _decoder(self, headers: Mapping[str, str]) -> Decoder:
        return self._wire.decoder(vendor=self.vendor, content_type=headers.get("content-type", ""))

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes, attempted: Attempted) -> ProviderError:
        error = classify.classify_response(status, body, headers=headers, provider=self.name, rules=self._rules)
        return _without_key(error, attempted)

    def _broken(self, raised: Exception, attempted: Attempted) -> ProviderError:
        if isinstance(raised, httpx.RequestError):
            raised.request = httpx.Request("POST", self._base_url)  # the one that was sent holds the key
        return _without_key(classify.classify_error(raised, provider=self.name, rules=self._rules), attempted)

    def _scrubbed(self, batch: Sequence[WireEvent], attempted: Attempted) -> Sequence[WireEvent]:
        if batch and type(batch[-1]) is Failed:
            _without_key(batch[-1].error, attempted)
        return batch


def _check_headers(call: HTTPCall) -> None:
    """What a transport would take for a broken connection, and quote; it may hold a secret.

    Raises:
        ValueError: A header is not in ASCII.
    """
    for name, value in call.headers.items():
        if not value.isascii():
            raise ValueError(f"the header {name!r} is not in ASCII")
        if _TOKEN.fullmatch(name) is None or _VISIBLE.fullmatch(value) is None:
            text = f"the header {name!r} holds characters that no header can carry"
            raise ProviderError(text, kind=ErrorKind.BAD_REQUEST, code="unsendable_header")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text.strip())
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _timeouts(attempted: Attempted) -> dict[str, float]:
    connect, read = attempted.connect_timeout, attempted.read_timeout
    return {"connect": connect, "read": read, "write": read, "pool": connect}


def _end(decoder: Decoder) -> Sequence[WireEvent]:
    return () if decoder.is_complete else decoder.end()


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body from the stream itself: httpx's own iterators close the response at its end.

    Decompression is asked for by nobody; it is done where a server does it all the same.
    """
    is_plain = "content-encoding" not in response.headers
    return iter(cast("httpx.SyncByteStream", response.stream)) if is_plain else response.iter_bytes()


def _some(response: httpx.Response) -> bytes:
    body = b""
    for chunk in _chunks(response):
        body += chunk
        if len(body) >= _MAX_ERROR_BYTES:
            break
    return body[:_MAX_ERROR_BYTES]


async def _asome(answer: AsyncAnswer) -> bytes:
    body = b""
    while len(body) < _MAX_ERROR_BYTES and (piece := await answer.read()):
        body += piece
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
