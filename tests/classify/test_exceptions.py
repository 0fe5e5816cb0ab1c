"""Exceptions of clients, SDKs and frameworks."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from typing import Any

import aiohttp
import anthropic
import httpx
import openai
import pytest
import requests
from aiohttp.http_exceptions import TransferEncodingError
from google.genai.errors import UnknownApiResponseError
from langchain_core import exceptions as langchain

from shared_core import classify_error
from shared_core.errors import ErrorKind, ProviderError

REQUEST = httpx.Request("POST", "https://api.example/v1/chat")
OVERFLOW = "This model's maximum context length is 4096 tokens, however you requested 5000 tokens"


def response(status: int, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named, request=REQUEST)


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


class ClientError(Exception):
    """Shaped like botocore's."""

    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__("An error occurred")
        self.response = response


class APIError(Exception):
    """Shaped like google-genai's: an integer `code`, the body under `details`."""

    def __init__(self, code: int, details: Any) -> None:
        super().__init__(f"{code} None. {details}")
        self.code = code
        self.details = details


# Shaped like google.api_core's: `code` is a class attribute, the text is the message.
ResourceExhausted = type(
    "ResourceExhausted", (Exception,), {"code": 429, "__str__": lambda self: f"429 {self.args[0]}"}
)


class RpcError(Exception):
    """Shaped like grpc's: a pair in place of a number."""

    status = (503, "unavailable")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai.AuthenticationError("no", response=response(401, {}), body=None), "auth"),
        (openai.RateLimitError("no", response=response(429, {}), body={"code": "insufficient_quota"}), "balance"),
        (openai.BadRequestError(OVERFLOW, response=response(400, {}), body=None), "context_exceeded"),
        (
            openai.NotFoundError("no", response=response(404, {"error": {"code": "model_not_found"}}), body=None),
            "model_missing",
        ),
        (openai.InternalServerError("no", response=response(500, {}), body=None), "transient"),
        (openai.APIConnectionError(request=REQUEST), "transient"),
        (openai.APIError("Overloaded", REQUEST, body={"type": "overloaded_error"}), "transient"),
        (openai.ContentFilterFinishReasonError(), "content_filter"),
        (
            anthropic.APIStatusError("no", response=response(529, {"error": {"type": "overloaded_error"}}), body=None),
            "transient",
        ),
        (
            anthropic.BadRequestError("max_tokens: 9 > 8, which is the maximum", response=response(400, {}), body=None),
            "output_limit",
        ),
        (ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}), "rate_limit"),
        (
            ClientError({"Error": {"Code": "ExpiredTokenException"}, "ResponseMetadata": {"HTTPStatusCode": 403}}),
            "auth",
        ),
        (ClientError({}), "unknown"),
        (APIError(400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}), "auth"),
        (
            APIError(429, [{"error": {"status": "RESOURCE_EXHAUSTED", "message": "check your plan and billing"}}]),
            "rate_limit",
        ),
        (ResourceExhausted("Quota exceeded for requests per minute"), "rate_limit"),
        (RpcError(), "transient"),
        (httpx.ConnectError("refused"), "transient"),
        (httpx.RemoteProtocolError("peer closed connection without sending complete message body"), "transient"),
        (httpx.HTTPStatusError("no", request=REQUEST, response=response(402, {})), "balance"),
        (requests.exceptions.ConnectionError("no"), "transient"),
        (requests.exceptions.ChunkedEncodingError("no"), "transient"),
        (aiohttp.ServerDisconnectedError(), "transient"),
        (aiohttp.ClientPayloadError("no"), "transient"),
        (caused(aiohttp.ClientPayloadError("no"), TransferEncodingError("cut off")), "transient"),
        (TransferEncodingError("cut off"), "transient"),
        (UnknownApiResponseError("Failed to parse response as JSON. Raw response: <html>"), "transient"),
        (aiohttp.ClientResponseError(None, (), status=429), "rate_limit"),
        (http.client.IncompleteRead(b""), "transient"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "transient"),
        (OSError(errno.EHOSTUNREACH, "no route"), "transient"),
        (ssl.SSLError("handshake"), "transient"),
        (socket.gaierror(-2, "Name or service not known"), "transient"),
        (FileNotFoundError(errno.ENOENT, "missing"), "unknown"),
        (langchain.ModelRateLimitError("no"), "rate_limit"),
        (langchain.ModelAuthenticationError("no"), "auth"),
        (langchain.ModelPermissionDeniedError("no"), "auth"),
        (langchain.ModelNotFoundError("no such model"), "model_missing"),
        (langchain.ModelInvalidRequestError("no"), "bad_request"),
        (langchain.ModelAPIError("no"), "transient"),
        (langchain.ModelConnectionError("no"), "transient"),
        (langchain.ModelTimeoutError("no"), "transient"),
        (langchain.ContextOverflowError("no"), "context_exceeded"),
        (langchain.ModelRefusalError("no"), "content_filter"),
        (ValueError("no"), "unknown"),
        (KeyError("choices"), "unknown"),
        (ExceptionGroup("both", [ValueError("x"), httpx.ReadError("no")]), "transient"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_exception_is_judged_as_what_it_is(error: Exception, kind: str) -> None:
    """By attributes, by class names, by text; the original is the cause."""
    found = classify_error(error, provider="acme")
    assert found.kind == kind
    assert found.__cause__ is error
    assert found.provider == "acme"


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        httpx.ReadTimeout("slow"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("slow"),
        openai.APITimeoutError(REQUEST),
        requests.exceptions.ReadTimeout("slow"),
        aiohttp.ServerTimeoutError(),
        langchain.ModelTimeoutError("slow"),
        OSError(errno.ETIMEDOUT, "Connection timed out"),
        caused(openai.APIConnectionError(request=REQUEST), httpx.ConnectTimeout("slow")),
        RuntimeError("Read timed out. (read timeout=60)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_timer_that_ran_out_is_a_timeout(error: Exception) -> None:
    """Anywhere along the chain."""
    found = classify_error(error)
    assert (found.kind, found.is_timeout) == (ErrorKind.TRANSIENT, True)


def test_a_provider_error_is_returned_as_it_is() -> None:
    """It has been judged already; inside a wrapper it is found again."""
    known = ProviderError("no", kind=ErrorKind.BALANCE)
    assert classify_error(known) is known
    assert classify_error(caused(RuntimeError("wrapped"), known)).kind is ErrorKind.BALANCE


def test_status_headers_and_body_of_the_response_are_read() -> None:
    """Also where the framework's wrapper knows none of them."""
    inner = openai.RateLimitError(
        "slow", response=response(429, {"error": {"code": "x1"}}, retry_after="7"), body={"code": "x1"}
    )
    found = classify_error(caused(langchain.ModelRateLimitError("wrapped"), inner))
    assert (found.kind, found.status, found.retry_after, found.code) == (ErrorKind.RATE_LIMIT, 429, 7.0, "x1")


def test_botos_headers_are_read() -> None:
    """They stand in the response's metadata."""
    error = ClientError({"Error": {"Code": "Throttling"}, "ResponseMetadata": {"HTTPHeaders": {"Retry-After": "4"}}})
    assert classify_error(error).retry_after == 4.0


def test_a_suppressed_context_is_not_looked_at() -> None:
    """`raise … from None` says that it has nothing to do with it; a context says that it may."""
    error = RuntimeError("odd")
    error.__context__ = httpx.ConnectError("refused")
    assert classify_error(error).kind is ErrorKind.TRANSIENT
    error.__suppress_context__ = True
    assert classify_error(error).kind is ErrorKind.UNKNOWN


def test_a_response_that_was_not_read_is_left_alone() -> None:
    """The classifier must not wait for a socket."""

    def never() -> Any:
        pytest.fail("the stream was read")
        yield b""

    unread = httpx.Response(503, stream=httpx.ByteStream(b"x"), request=REQUEST)
    assert classify_error(httpx.HTTPStatusError("no", request=REQUEST, response=unread)).kind is ErrorKind.TRANSIENT
    answer = requests.Response()
    answer.status_code = 429
    answer.raw = never()
    assert classify_error(requests.HTTPError("no", response=answer)).kind is ErrorKind.RATE_LIMIT


def test_the_text_of_a_requests_response_is_read() -> None:
    """When it is there."""
    answer = requests.Response()
    answer.status_code = 400
    answer._content = b'{"error": {"code": "context_length_exceeded"}}'
    answer._content_consumed = True
    assert classify_error(requests.HTTPError("no", response=answer)).kind is ErrorKind.CONTEXT_EXCEEDED


def test_no_key_of_an_exception_s_text_is_kept() -> None:
    """Clients put URLs with keys into their texts."""
    found = classify_error(RuntimeError("GET https://h/v1?key=abc123def failed: connection reset"))
    assert "abc123def" not in str(found)
    assert found.kind is ErrorKind.TRANSIENT
