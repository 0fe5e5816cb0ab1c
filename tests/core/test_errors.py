"""The error tree: what each error is, says and survives."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from shared_core.errors import (
    ChainExhaustedError,
    ConfigurationError,
    ErrorKind,
    FailoverError,
    ProviderError,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.report import AttemptRecord, Report, SkipRecord, WaitRecord
from tests.core.player import World, fails

K = ErrorKind


class DemandingError(Exception):
    """An SDK's error that cannot be made from its arguments alone."""

    def __init__(self, *, code: int) -> None:
        super().__init__("demanding")
        self.code = code


class HeavyError(Exception):
    """An SDK's error that holds a client."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.client = object()


def report() -> Report:
    return Report(
        [
            AttemptRecord("a/x", "a", "main", 0.0, outcome="failed", kind=K.AUTH, message="no"),
            WaitRecord(0.5, "soon"),
            SkipRecord("b/y", "b", None, "why"),
        ]
    )


def provider_error(cause: BaseException | None = None) -> ProviderError:
    error = ProviderError(
        "no",
        kind=K.RATE_LIMIT,
        status=429,
        code="slow_down",
        retry_after=1.5,
        ceiling=10,
        room=5,
        is_sum=True,
        scope="account",
        parameter="p",
        replacement="q",
        provider="a",
        is_timeout=True,
    )
    error.__cause__ = cause
    return error


ALL = [
    ConfigurationError("wrong"),
    provider_error(),
    ChainExhaustedError(
        "out", report=report(), errors=(provider_error(ValueError("deep")),), kind=K.AUTH, retry_after=3.0
    ),
    RequestRejectedError("refused", report=report(), errors=(provider_error(),), kind=K.BAD_REQUEST),
    StreamInterruptedError("cut", partial="Hel", report=report(), errors=(provider_error(),), kind=K.TRANSIENT),
]


def twin(error: FailoverError) -> FailoverError:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(again, FailoverError)
    return again


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [twin, copy.copy, copy.deepcopy])
def test_every_error_survives_pickling_and_copying(error: FailoverError, way: type) -> None:
    """With its type, its words and all that it knows."""
    again = way(error)
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert set(vars(again)) == set(vars(error))
    for name, value in vars(error).items():
        if name == "errors":
            assert [vars(each) for each in again.errors] == [vars(each) for each in value]
        else:
            assert getattr(again, name) == value


def test_causes_survive() -> None:
    """Down the chain of our own errors to a plain one at its end."""
    outer = ChainExhaustedError("out", report=report())
    outer.__cause__ = provider_error(ValueError("deep", 3))
    again = twin(outer)
    assert isinstance(again.__cause__, ProviderError)
    assert again.__cause__.status == 429
    assert isinstance(again.__cause__.__cause__, ValueError)
    assert again.__cause__.__cause__.args == ("deep", 3)


@pytest.mark.parametrize("cause", [HeavyError("heavy"), DemandingError(code=1)], ids=lambda cause: type(cause).__name__)
def test_a_cause_that_cannot_travel_stays_behind(cause: Exception) -> None:
    """An error that holds a client, or cannot be made anew, does not keep ours from being pickled."""
    again = twin(provider_error(cause))
    assert again.__cause__ is None
    assert again.status == 429  # type: ignore[attr-defined]


def test_an_error_of_a_walk_survives() -> None:
    """The real thing, with its whole trail."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.AUTH, "bad"), "b/y": fails(K.RATE_LIMIT, retry_after=60)})
    assert call.error is not None
    again = twin(call.error)
    assert isinstance(again, ChainExhaustedError)
    assert again.report == call.walk.report
    assert [str(each) for each in again.errors] == ["auth: bad", "rate_limit: rate_limit happened"]
    assert str(again.__cause__) == "auth: bad"


def test_every_error_is_a_failover_error() -> None:
    """And wrong settings are a `ValueError` as well."""
    assert all(isinstance(error, FailoverError) for error in ALL)
    assert isinstance(ConfigurationError("wrong"), ValueError)


def test_a_provider_error_says_kind_status_and_text() -> None:
    """As far as they are known."""
    assert str(ProviderError("no", kind=K.AUTH, status=401)) == "auth (HTTP 401): no"
    assert str(ProviderError("no")) == "unknown: no"
    assert str(ProviderError("", kind=K.TRANSIENT, status=503)) == "transient (HTTP 503)"


def test_a_kind_is_its_label_everywhere() -> None:
    """In text, format strings and JSON."""
    assert f"{K.AUTH}" == str(K.AUTH) == "auth"
    assert json.dumps({"kind": K.AUTH}) == '{"kind": "auth"}'
