"""Whatever it is given: a verdict, soon, and never an exception."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_core import classify_error, classify_response
from shared_core.errors import ErrorKind, ProviderError
from shared_core.scrub import scrub

keys = st.sampled_from(
    ["error", "code", "type", "message", "status", "details", "param", "retry_after", "headers", "loc", "raw"]
)
words = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["rate_limit_error", "max_tokens", '{"error": {', "try again in 1s", "429", "context length", "\\", "<html>"]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words, st.binary(max_size=40))
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(keys, st.text(max_size=5), st.integers()), inner, max_size=4),
        st.tuples(inner, inner),
    ),
    max_leaves=20,
)
fuzzing = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def check(error: ProviderError) -> None:
    assert isinstance(error, ProviderError)
    assert isinstance(error.kind, ErrorKind)
    assert len(error.message) <= 200
    assert error.retry_after is None or (math.isfinite(error.retry_after) and error.retry_after >= 0)
    assert error.ceiling is None or error.ceiling > 0
    assert error.room is None or error.room > 0
    assert error.code is None or len(error.code) <= 80
    json.dumps([error.message, error.code, error.parameter]).encode()


@fuzzing
@given(
    status=st.one_of(st.none(), st.integers(), st.sampled_from([200, 400, 429, 500])),
    body=junk,
    headers=junk,
    provider=st.one_of(st.none(), words),
)
def test_any_body_and_any_headers(status: int | None, body: Any, headers: Any, provider: str | None) -> None:
    """Nested junk of every type."""
    check(classify_response(status, body, headers=headers, provider=provider))


@fuzzing
@given(body=junk, around=words)
def test_any_body_as_text(body: Any, around: str) -> None:
    """Encoded, as repr, and cut in the middle."""
    text = repr(body)
    for shape in (text, around + text, text[: len(text) // 2], json.dumps(text), json.dumps(json.dumps(text))):
        check(classify_response(None, shape))
        check(classify_response(400, shape.encode("utf-8", "replace")))


@fuzzing
@given(text=st.text(), secrets=st.lists(st.text(max_size=8), max_size=3))
def test_scrubbing_any_text(text: str, secrets: list[str]) -> None:
    """No text breaks it."""
    assert isinstance(scrub(text, secrets), str)


class HostileError(Exception):
    """Raises from everything that is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class HostileMapping(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")


class Nameless:
    """An object that raises when it is asked for its class."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("class")


def recursive() -> dict[str, Any]:
    body: dict[str, Any] = {"message": "round"}
    body["error"] = [body, {"error": body}]
    return body


@pytest.mark.parametrize(
    "body",
    [
        recursive(),
        "[" * 100_000,
        '{"error":' * 50_000,
        "{" * 70_000,
        HostileMapping(),
        HostileError(),
        float("nan"),
        10**400,
        "\ud800 lone",
        b"\xff\xfe\x00",
        bytearray(b"overloaded"),
        memoryview(b"overloaded"),
        {"error": {"code": "9" * 5_000, "retry_after": 10**400, "resets_at": -1e308}},
        {"error": {"code": 10**400, "status": 10**30}},
        {1: 2, None: 3},
        {"loc": []},
        '{"a": ' + "9" * 5_000 + "}",
        {"message": {"message": {"message": "deep"}}},
    ],
    ids=lambda body: type(body).__name__,
)
def test_hostile_bodies(body: Any) -> None:
    """Recursive, endless, unreadable."""
    check(classify_response(500, body))
    check(classify_response(None, body, headers=body))


def test_a_body_that_cannot_be_read_is_judged_by_its_status() -> None:
    """Which is all there is."""
    error = classify_response(429, Nameless(), provider="x")
    assert (error.kind, error.status, error.provider) == (ErrorKind.RATE_LIMIT, 429, "x")


def test_hostile_exceptions() -> None:
    """No text, no attributes, a chain that bites its tail."""
    error = HostileError()
    check(classify_error(error))
    assert classify_error(error).__cause__ is error
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    check(classify_error(first))


@pytest.mark.parametrize(
    "unit",
    [
        "a ",
        "1",
        "model ",
        "max_tokens ",
        "exceeds input tokens ",
        "api key ",
        "sk-",
        "eyJ",
        "https://",
        "<script>",
        "模型",
        "access to ",
        "'message': '",
        "credits a a ",
        "AbCd",
        "a_b_",
        "<html><!--",
        "1,111,",
        "1h1m ",
        "[",
        '{"a":',
        '\\"',
        "key=",
        "bearer ",
    ],
)
def test_large_bodies_take_bounded_time(unit: str) -> None:
    """A megabyte of what a pattern begins with costs no more than a few pages would."""
    body = "<html>" * (unit == "<script>") + unit * (1_000_000 // len(unit))
    classify_response(400, "warm")
    start = time.process_time()
    classify_response(400, body)
    # Ten times what it takes; a pattern that backtracks without bound takes minutes.
    assert time.process_time() - start < 3
