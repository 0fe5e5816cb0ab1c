"""Exceptions of clients, SDKs and frameworks."""

from __future__ import annotations

import errno
import http.client
import json
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

from shared_core import ClassifierRule, classify_error
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
    assert known.__cause__ is None
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


def test_a_parsers_code_is_no_status() -> None:
    """It is what a server would say to a client that sent such bytes."""
    assert classify_error(TransferEncodingError("cut off")).status is None


def test_a_suppressed_context_is_not_looked_at() -> None:
    """`raise … from None` says that it has nothing to do with it; a context says that it may."""
    error = RuntimeError("odd")
    error.__context__ = httpx.ConnectError("refused")
    assert classify_error(error).kind is ErrorKind.TRANSIENT
    error.__suppress_context__ = True
    assert classify_error(error).kind is ErrorKind.UNKNOWN


def test_a_response_that_was_not_read_is_left_alone() -> None:
    """The classifier must not wait for a socket."""
    reads: list[int] = []

    class Raw:
        def read(self, size: int) -> bytes:
            reads.append(size)
            return b""

    unread = httpx.Response(503, stream=httpx.ByteStream(b"x"), request=REQUEST)
    assert classify_error(httpx.HTTPStatusError("no", request=REQUEST, response=unread)).kind is ErrorKind.TRANSIENT
    answer = requests.Response()
    answer.status_code = 429
    answer.raw = Raw()
    assert classify_error(requests.HTTPError("no", response=answer)).kind is ErrorKind.RATE_LIMIT
    assert reads == []


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


class OddError(Exception):
    """An SDK's error with attributes of its own; its words say nothing."""

    def __init__(self, text: str = "Hm.", **attributes: Any) -> None:
        super().__init__(text)
        vars(self).update(attributes)


class Holder:
    """A response of a client that nobody knows."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


@pytest.mark.parametrize("name", ["status_code", "http_status", "status", "code", "grpc_status_code"])
def test_a_status_is_found_under_every_name_for_one(name: str) -> None:
    """Of the error itself; what is none is passed over, and a pair's first half counts."""
    for value in (429, (429, "too many")):
        found = classify_error(OddError(**{name: value}))
        assert (found.kind, found.status) == (ErrorKind.RATE_LIMIT, 429)
    for value in ("429", 200, None, ()):
        found = classify_error(OddError(**{name: value}))
        assert (found.status, found.message) == (None, "Hm.")


@pytest.mark.parametrize("name", ["status_code", "status"])
def test_a_status_of_the_response_is_found(name: str) -> None:
    """If the error has none of its own."""
    held = Holder(**{name: 429})
    assert classify_error(OddError(response=held)).status == 429
    assert classify_error(OddError(response=held, status_code=401)).status == 401


BODY = {"error": {"code": "insufficient_quota", "message": "You have no more."}}


@pytest.mark.parametrize("name", ["body", "json_body", "http_body", "response_json"])
@pytest.mark.parametrize(
    "value", [BODY, [BODY], json.dumps(BODY), json.dumps(BODY).encode()], ids=["mapping", "list", "text", "bytes"]
)
def test_a_body_is_found_under_every_name_for_one(name: str, value: Any) -> None:
    """Decoded or not; the error's own text is not told then."""
    found = classify_error(OddError(**{name: value}))
    assert (found.kind, found.message) == (ErrorKind.BALANCE, "You have no more.")


@pytest.mark.parametrize("name", ["details", "error", "message"])
def test_structures_under_vaguer_names_are_read_beside_the_text(name: str) -> None:
    """A text there may be anything."""
    assert classify_error(OddError(**{name: BODY})).kind is ErrorKind.BALANCE
    assert classify_error(OddError(**{name: [BODY]})).kind is ErrorKind.BALANCE
    assert classify_error(OddError(**{name: json.dumps(BODY)})).kind is ErrorKind.UNKNOWN
    assert (
        classify_error(OddError("The server is overloaded.", **{name: {"remark": "Hm. Ho."}})).kind
        is ErrorKind.TRANSIENT
    )


def test_an_empty_body_is_none() -> None:
    """The response's content is looked at then, and at last the text."""
    held = Holder(content=json.dumps(BODY).encode())
    assert classify_error(OddError(body={}, response=held)).kind is ErrorKind.BALANCE
    assert classify_error(OddError("The server is overloaded.", body="", response=Holder(content=b""))).kind is (
        ErrorKind.TRANSIENT
    )
    assert classify_error(OddError(body={"code": "invalid_api_key"}, response=held)).kind is ErrorKind.AUTH
    assert classify_error(OddError(body=object())).message == "Hm."


def test_a_body_without_a_word_leaves_the_word_to_the_text() -> None:
    """A number alone says little."""
    found = classify_error(OddError("The server is overloaded.", body={"code": 77}))
    assert (found.kind, found.message, found.code) == (ErrorKind.TRANSIENT, "The server is overloaded.", "77")
    assert classify_error(OddError("The server is overloaded.", body={"message": "Hm."})).kind is ErrorKind.UNKNOWN


def test_a_response_s_text_serves_where_it_has_no_content() -> None:
    """Some clients decode it at once."""
    for held in (Holder(text=json.dumps(BODY)), Holder(content=b"", text=json.dumps(BODY)), Holder(content=7, text="")):
        assert classify_error(OddError(response=held)).kind is (ErrorKind.BALANCE if held.text else ErrorKind.UNKNOWN)
    assert classify_error(OddError(response=Holder(content=json.dumps(BODY)))).kind is ErrorKind.BALANCE


def test_headers_are_those_of_the_response_then_of_the_error() -> None:
    """A method of that name is none."""
    seven, eight = {"Retry-After": "7"}, {"Retry-After": "8"}
    assert classify_error(OddError(response=Holder(headers=seven), headers=eight)).retry_after == 7
    assert classify_error(OddError(response=Holder(headers={}), headers=eight)).retry_after == 8
    assert classify_error(OddError(response=Holder(headers=lambda: seven), headers=eight)).retry_after == 8
    assert classify_error(OddError(headers=eight)).retry_after == 8


@pytest.mark.parametrize(
    "name",
    [
        *("ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"),
        *("EPIPE", "EADDRNOTAVAIL"),
    ],
)
def test_a_broken_network_is_transient_by_its_number(name: str) -> None:
    """Whatever the words, also where the class says nothing."""
    error = OSError("Hm.")
    error.errno = getattr(errno, name)
    assert classify_error(error).kind is ErrorKind.TRANSIENT
    error.errno = errno.ENOENT
    assert classify_error(error).kind is ErrorKind.UNKNOWN


@pytest.mark.parametrize("error", [EOFError("Hm."), ssl.SSLError("Hm."), socket.gaierror("Hm."), socket.herror("Hm.")])
def test_a_broken_connection_is_transient_by_its_class(error: Exception) -> None:
    """But nothing of it is a timer."""
    found = classify_error(error)
    assert (found.kind, found.is_timeout, found.code) == (ErrorKind.TRANSIENT, False, "ConnectionError")


def test_the_exception_with_a_response_speaks_first() -> None:
    """Then the first that says anything; what the others know completes it."""
    answered = OddError(status_code=401)
    assert classify_error(caused(OddError("The server is overloaded."), answered)).kind is ErrorKind.AUTH
    assert classify_error(caused(answered, OddError("The server is overloaded."))).kind is ErrorKind.AUTH
    assert (
        classify_error(caused(OddError(status_code=404), OddError("The server is overloaded."))).kind
        is ErrorKind.TRANSIENT
    )
    assert classify_error(caused(OddError("Hm."), OddError("Ho."))).message == "Hm."
    assert classify_error(caused(OddError("Hm."), OddError(body=BODY))).kind is ErrorKind.BALANCE
    assert classify_error(caused(OddError("The server is overloaded."), OddError(body=BODY))).kind is ErrorKind.BALANCE
    assert classify_error(caused(answered, OddError(headers={"Retry-After": "7"}))).retry_after == 7
    own = OddError(status_code=429, headers={"Retry-After": "3"})
    assert classify_error(caused(own, OddError(headers={"Retry-After": "7"}))).retry_after == 3
    assert classify_error(caused(OddError(headers={"Retry-After": "7"}), own)).retry_after == 3
    assert classify_error(caused(OddError(status_code=500), TimeoutError())).is_timeout
    assert not classify_error(caused(answered, TimeoutError())).is_timeout


def test_a_judged_error_inside_a_wrapper_counts_like_an_answer() -> None:
    """It is one."""
    known = ProviderError("no", kind=ErrorKind.BALANCE)
    assert classify_error(caused(OddError("The server is overloaded."), known)).kind is ErrorKind.BALANCE


def test_the_chain_of_causes_is_followed_as_far_as_anybody_builds_one() -> None:
    """Ten wrappers, members of a group, and a chain that leads back into itself."""
    error: BaseException = OddError(status_code=401)
    for _ in range(10):
        error = caused(OddError(), error)
    assert classify_error(error).kind is ErrorKind.AUTH
    group = ExceptionGroup("three", [OddError(), OddError(), OddError(status_code=401)])
    assert classify_error(group).kind is ErrorKind.AUTH
    first, second = OddError(), OddError()
    first.__cause__, second.__cause__ = second, first
    assert classify_error(first).kind is ErrorKind.UNKNOWN


def test_an_endless_chain_has_an_end() -> None:
    """Each wrapper costs a classification."""
    error: BaseException = OddError(status_code=401)
    for _ in range(50):
        error = caused(OddError(), error)
    assert classify_error(error).kind is ErrorKind.UNKNOWN


def test_the_library_s_names_are_read_and_pythons_are_not() -> None:
    """`RateLimitError` tells; that it is an `Exception` does not."""
    named = type("RateLimitError", (type("APIError", (OddError,), {}),), {})("Hm.")
    found = classify_error(named)
    assert (found.kind, found.code) == (ErrorKind.RATE_LIMIT, "RateLimitError")
    timer = type("ReadTimeout", (OddError,), {})("Hm.")
    assert (classify_error(timer).kind, classify_error(timer).is_timeout) == (ErrorKind.TRANSIENT, True)
    decided = type("InvalidApiKeyException", (OddError,), {})("Hm.")
    assert classify_error(decided).kind is ErrorKind.AUTH
    assert classify_error(OddError("Hm.")).code is None


def test_a_rule_and_a_provider_reach_every_link() -> None:
    """And the original is the cause of the verdict, however deep what it tells of."""
    rules = [ClassifierRule(kind="balance", provider="acme", pattern="moon")]
    error = caused(OddError(), OddError("full moon"))
    found = classify_error(error, provider="acme", rules=rules)
    assert (found.kind, found.provider, found.__cause__) == (ErrorKind.BALANCE, "acme", error)


class UnreadableError(Exception):
    """Its causes cannot be asked for."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError("no cause")


def test_what_cannot_be_read_is_unknown_and_says_so() -> None:
    """With its provider."""
    found = classify_error(UnreadableError("Hm."), provider="acme")
    assert (found.kind, found.message, found.provider) == (ErrorKind.UNKNOWN, "unreadable exception", "acme")
