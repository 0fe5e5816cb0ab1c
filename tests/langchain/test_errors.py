"""Every error of a call is the engine's and LangChain's at once."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

from langchain_failover.errors import translate
from shared_core.errors import (
    ChainExhaustedError,
    ConfigurationError,
    ErrorKind,
    ProviderError,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.report import Report

KINDS = [
    (ErrorKind.RATE_LIMIT, {"status": 429}, ModelRateLimitError),
    (ErrorKind.BALANCE, {"status": 402}, ModelPermissionDeniedError),
    (ErrorKind.AUTH, {"status": 401}, ModelAuthenticationError),
    (ErrorKind.AUTH, {"status": 403}, ModelPermissionDeniedError),
    (ErrorKind.MODEL_MISSING, {"status": 404}, ModelNotFoundError),
    (ErrorKind.TRANSIENT, {"status": 503}, ModelAPIError),
    (ErrorKind.TRANSIENT, {}, ModelConnectionError),
    (ErrorKind.TRANSIENT, {"is_timeout": True}, ModelTimeoutError),
    (ErrorKind.OUTPUT_LIMIT, {"status": 400}, ModelInvalidRequestError),
    (ErrorKind.CONTEXT_EXCEEDED, {"status": 400}, ContextOverflowError),
    (ErrorKind.CONTENT_FILTER, {"status": 400}, ModelInvalidRequestError),
    (ErrorKind.BAD_REQUEST, {"status": 400}, ModelInvalidRequestError),
    (ErrorKind.UNKNOWN, {"status": 418}, ModelAPIError),
    (ErrorKind.UNKNOWN, {}, ModelConnectionError),
]

ENDS: list[tuple[type[Any], dict[str, Any]]] = [
    (ChainExhaustedError, {"retry_after": 4.0}),
    (RequestRejectedError, {}),
    (StreamInterruptedError, {"partial": "Hel"}),
]


def made(end: type[Any], cause: ProviderError | None, **more: Any) -> Any:
    told = {} if cause is None else {"errors": (cause,), "kind": cause.kind}
    error = end("what happened", report=Report(model=None), **told, **more)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("end", "more"), ENDS)
@pytest.mark.parametrize(("kind", "facts", "expected"), KINDS)
def test_an_error_is_of_both_families(
    kind: ErrorKind, facts: dict[str, Any], expected: type[Exception], end: type[Any], more: dict[str, Any]
) -> None:
    """Message, attributes, kind and cause are those of the engine's error; so are those of its pickle."""
    original = made(end, ProviderError("text", kind=kind, **facts), **more)
    translated = translate(original)
    for error in (translated, pickle.loads(pickle.dumps(translated))):  # noqa: S301
        assert isinstance(error, end)
        assert isinstance(error, expected)
        assert type(error) is type(translated)
        assert str(error) == "what happened"
        assert error.kind is kind
        assert str(error.__cause__) == str(original.__cause__)
        assert [str(one) for one in error.errors] == [str(one) for one in original.errors]
        assert vars(error).keys() == vars(original).keys()
    assert all(getattr(translated, name) == value for name, value in more.items())


def test_nothing_attempted_names_no_providers_condition() -> None:
    """When all was skipped, LangChain's general kind is the honest one, unless the targets cool for something."""
    error = translate(made(ChainExhaustedError, None))
    assert isinstance(error, ModelError)
    assert type(error).__bases__ == (ChainExhaustedError, ModelError)
    cooling = ChainExhaustedError("m", report=Report(), kind=ErrorKind.RATE_LIMIT, retry_after=3)
    assert isinstance(translate(cooling), ModelRateLimitError)


def test_a_wrong_setting_stays_what_it_is() -> None:
    """It is no end of a call."""
    error = ConfigurationError("max_tokens must be at least 1")
    assert translate(error) is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (made(ChainExhaustedError, ProviderError("x", kind=ErrorKind.RATE_LIMIT)), True),
        (made(ChainExhaustedError, ProviderError("x", kind=ErrorKind.AUTH), retry_after=3), False),
        (made(ChainExhaustedError, None, retry_after=3), True),
        (made(ChainExhaustedError, None), False),
        (made(RequestRejectedError, ProviderError("x", kind=ErrorKind.BAD_REQUEST)), False),
        (made(StreamInterruptedError, ProviderError("x", kind=ErrorKind.TRANSIENT), partial=""), True),
        (made(StreamInterruptedError, ProviderError("x", kind=ErrorKind.CONTENT_FILTER), partial=""), False),
    ],
)
def test_whether_to_ask_again_is_told_of_the_whole_chain(error: Any, *, expected: bool) -> None:
    """LangChain's retry middleware asks `is_retryable`."""
    assert translate(error).is_retryable is expected


def test_one_passing_failure_is_enough_to_ask_again() -> None:
    """A dead key named first does not hide that another model is only overloaded."""
    auth, busy = ProviderError("x", kind=ErrorKind.AUTH), ProviderError("x", kind=ErrorKind.TRANSIENT, status=503)
    error = ChainExhaustedError("m", report=Report(), errors=(auth, busy), kind=ErrorKind.AUTH)
    error.__cause__ = auth
    translated: Any = translate(error)
    assert isinstance(translated, ModelAuthenticationError)
    assert translated.is_retryable
