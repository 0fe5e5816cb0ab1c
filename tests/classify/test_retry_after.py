"""When a provider says to come back, in all dialects."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core.classify.body import dig
from shared_core.classify.retry_after import read_duration, retry_after

NOW = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""


def wait(body: Any = None, **headers: str) -> float | None:
    return retry_after(dig(body), {name.replace("_", "-"): value for name, value in headers.items()}, now=lambda: NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("26s", 26.0),
        ("1.2s", 1.2),
        ("250ms", 0.25),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3_723.5),
        ("587 hours 33 minutes", 2_115_180.0),
        ("2 days, 3 hours and 4 minutes", 183_840.0),
        ("1 week", 604_800.0),
        ("60", 60.0),
        ("3 分钟", 180.0),
        ("2小时", 7_200.0),
        ("500毫秒", 0.5),
        ("1天", 86_400.0),
        ("", None),
        ("soon", None),
        ("5 lightyears", None),
        ("10s or so", None),
        ("5s / 3s", None),
        ("999999999 days", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    """Units in all spellings; nonsense is nothing."""
    assert read_duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "20s"}, 20.0),
        ({"retry_after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry_after": "Tue, 14 Nov 2023 22:12:20 GMT"}, None),
        ({"retry_after": "1700000030"}, 30.0),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "99999999"}, None),
        ({"retry_after": "rubbish"}, None),
        ({"retry_after": "Tue, 99 Nov 20233 22:14:20 GMT"}, None),
        ({"retry_after_ms": "1500", "retry_after": "2"}, 1.5),
        ({"retry_after_ms": "x", "retry_after": "2"}, 2.0),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6m0s"}, 360.0),
        (
            {
                "x_ratelimit_remaining_requests": "4",
                "x_ratelimit_reset_requests": "6m0s",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_tokens": "250ms",
            },
            0.25,
        ),
        ({"x_ratelimit_remaining_tokens": "5000", "x_ratelimit_reset_tokens": "12s"}, None),
        ({"x_ratelimit_remaining_tokens": "-1", "x_ratelimit_reset_tokens": "0"}, None),
        ({"x_rate_limit_reset_tokens": "55"}, 55.0),
        (
            {
                "x_ratelimit_remaining_requests": "0",
                "x_ratelimit_reset_requests": "6s",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_tokens": "12s",
            },
            12.0,
        ),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1700000090"}, 90.0),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1700000090000"}, 90.0),
        (
            {
                "anthropic_ratelimit_input_tokens_remaining": "0",
                "anthropic_ratelimit_input_tokens_reset": "2023-11-14T22:13:32Z",
                "anthropic_ratelimit_requests_remaining": "49",
                "anthropic_ratelimit_requests_reset": "2023-11-14T22:14:20Z",
            },
            12.0,
        ),
        ({}, None),
    ],
)
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    """The stated wait, else the reset of the window that is used up."""
    assert wait(**headers) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "26s"}]}}, 26.0),
        ({"error": {"details": [{"retryDelay": "26.837906462s"}]}}, 26.837906462),
        ({"error": {"resets_in_seconds": 602_705, "resets_at": 1_700_602_705}}, 602_705.0),
        ({"error": {"resets_at": 1_700_000_010}}, 10.0),
        ({"retry_after": 3}, 3.0),
        ({"retry_after_ms": 3_500}, 3.5),
        ({"retry_after": "never", "resets_in_seconds": 4}, 4.0),
        ({"error": "loading", "estimated_time": 20.5}, 20.5),
        ('cut {"details": [{"retryDelay": "9s"', 9.0),
    ],
)
def test_fields_of_a_body(body: Any, seconds: float) -> None:
    """Structured waits, wherever they are nested."""
    assert wait(body) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 6m0s. Visit the docs", 360.0),
        ("Please try again in 644ms.", 0.644),
        ("try again in 1h2m3.5s", 3_723.5),
        ("Please retry after 3 seconds.", 3.0),
        ("Please retry after 86400 seconds", 86_400.0),
        ("try again after 1 seconds", 1.0),
        ("Please wait 587 hours 33 minutes before trying again.", 2_115_180.0),
        ("Please wait 41 seconds before retrying.", 41.0),
        ("Try again in 60 seconds. Passed model=x", 60.0),
        ("Please retry in 26.837906462s.", 26.837906462),
        ("Your limit will reset at 2023-11-14 22:15:20", 120.0),
        ("You will regain access on 2023-11-15 at 22:13 UTC.", 86_380.0),
        ("resets at 2023-11-14T22:14:20Z (2056)", 60.0),
        ("您的限额将在 2023-11-15 06:14:20 重置", 60.0),
        ("请在 30 秒后重试", 30.0),
        ("retry_after: 12", 12.0),
        ("It said retry-after: 12", 12.0),
        ("It said retry-after: 1m12s", 72.0),
        ("Please try again in 12.", 12.0),
        ("try again in 50%", None),
        ("It reset at 2023-11-13 00:00:00 and resets at 2023-11-14 22:15:20", 120.0),
        ("Retrying in 0.2 seconds...", None),
        ("try again later", None),
        ("try again in a few minutes", None),
        ("reset at 2020-01-01 00:00:00", None),
        ("reset at 2023-99-99 00:00:00", None),
        ("limit is 100000 tokens per minute", None),
    ],
)
def test_sentences(text: str, seconds: float | None) -> None:
    """What a sentence says of the wait; a client's own retry and the past say nothing."""
    assert wait(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_a_header_is_believed_before_a_sentence() -> None:
    """It is the more exact of the two, and a sentence before a window's reset."""
    assert wait("try again in 20s", retry_after="3") == 3.0
    assert wait("try again in 20s", x_rate_limit_reset_tokens="55") == 20.0


def test_the_clock_is_read_for_dates_only() -> None:
    """A duration needs none."""

    def no_clock() -> float:
        raise AssertionError

    assert retry_after(dig("try again in 20s"), {}, now=no_clock) == 20.0
