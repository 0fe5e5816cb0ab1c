"""Reads when a provider says to come back, in all dialects.

Owns the conversion to seconds from now. Headers come before fields of the body, those before sentences, those before
rate-limit windows, because that is how exact they are. Dates and epochs need a clock: it is read here alone, through
`now`, and only when a date has to be understood.

Invariants: the result is None or a finite number of seconds from 0 to `LONGEST`; nothing here raises.

Sources: RFC 9110 section 10.2.3 (Retry-After), the rate-limit headers of OpenAI, Azure OpenAI, Anthropic, Groq,
OpenRouter and GitHub, google.rpc.RetryInfo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Final

from shared_core.classify.body import Evidence, safe_text
from shared_core.classify.patterns import compiled

__all__ = ["LONGEST", "read_duration", "retry_after"]

LONGEST: Final = 400 * 86_400.0
"""A longer wait (13 months) is a mistake of the sender: no quota has a longer window than a year."""

_BEIJING: Final = timezone(timedelta(hours=8))
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12

_UNITS: Final[Mapping[str, float]] = {
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 7 * 86_400.0,
}

_UNIT: Final = (
    r"(?:ms\b|milliseconds?\b|msecs?\b|s\b|secs?\b|seconds?\b|m\b|mins?\b|minutes?\b|h\b|hrs?\b|hours?\b|"
    r"d\b|days?\b|weeks?\b|毫秒|秒|分钟|小时|天)"
)
_PART: Final = rf"\d{{1,9}}(?:\.\d{{1,9}})? ?(?:{_UNIT}|[hmsd](?=\d))"
_DURATION: Final = rf"(?P<duration>{_PART}(?:,? ?(?:and )?{_PART}){{0,4}})"
_DATE: Final = (
    r"(?P<date>\d{4}-\d\d-\d\d(?:[t ]| at )\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)? ?(?:z\b|utc\b|gmt\b|[+-]\d\d:?\d\d)?)"
)

_SENTENCES: Final = (
    rf"""
        (?:try|retry|retried|retrying it) (?:your request )?(?:again )?(?:in|after|within)
        (?: about| approximately)? {_DURATION}
    """,
    rf"""
        (?:retry|wait|waiting|available|back|reset|resets|resume|resumes)(?: at least| for| again)*
        (?: in| after)? {_DURATION}
    """,
    rf"retry[-_ ]?after['\"]?\s?[:=]?\s?['\"]?{_DURATION}",
    r"(?:try|retry) (?:your request )?(?:again )?(?:in|after) (?P<bare>\d{1,9}(?:\.\d{1,9})?)(?![\d.]*[\d%]| ?\w)",
    r"retry[-_]after['\"]?\s?[:=]\s?['\"]?(?P<bare>\d{1,9}(?:\.\d{1,9})?)\b",
    rf"""
        (?:reset|resets|regain access|available|try again|retry|expires?|renews?|重置|恢复)\w*
        (?:(?: again)?(?: at| on| after| until| in|:|于|\uff1a))* ?{_DATE}
    """,
    rf"{_DATE} ?(?:后|重置|恢复)",
    r"(?:请|需)?(?:等待|在)? ?(?P<duration>\d{1,9}(?:\.\d{1,9})? ?(?:毫秒|秒|分钟|小时|天)) ?(?:后|之后|再)",
)

# Rate-limit windows: what is left, and when it is full again. The names of Azure's older services have an extra dash.
_WINDOWS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
    ("x-rate-limit-remaining-requests", "x-rate-limit-reset-requests"),
    ("x-rate-limit-remaining-tokens", "x-rate-limit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("anthropic-ratelimit-unified-remaining", "anthropic-ratelimit-unified-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
)


_DURATION_PART: Final = r"(\d{1,9}(?:\.\d{1,9})?) ?(毫秒|秒|分钟|小时|天|[a-zµ]{1,12})?"


def _held(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST else None


def _unit(word: str) -> float | None:
    if word.startswith(("ms", "milli", "毫")):
        return _UNITS["ms"]
    return _UNITS.get({"秒": "s", "分": "m", "小": "h", "天": "d"}.get(word[0], word[0]))


def read_duration(text: str, *, default_unit: float = 1.0) -> float | None:
    """Return the seconds that "26s", "1m30.5s", "250ms", "587 hours 33 minutes" or a bare number means, or None."""
    total = 0.0
    position = 0
    text = text.strip().lower()
    for match in compiled(_DURATION_PART).finditer(text[:80]):
        if text[position : match.start()].strip(" ,").removeprefix("and").strip():
            return None
        unit = _unit(match[2]) if match[2] else default_unit
        if unit is None:
            return None
        total += float(match[1]) * unit
        position = match.end()
    return _held(total) if position and not text[position:80].strip(" .,") else None


def _read_date(text: str, now: Callable[[], float], *, zone: tzinfo = UTC) -> float | None:
    """Return the seconds until an ISO 8601 / RFC 3339 or an HTTP date, or None for the past and for nonsense.

    `zone` holds for dates that name none.
    """
    text = text.strip().replace(" at ", " ").upper().replace(" UTC", "Z")
    try:
        moment = datetime.fromisoformat(text.replace(" +", "+"))
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return _held(moment.timestamp() - now())


def _read_moment(value: object, now: Callable[[], float], *, scale: float = 1.0) -> float | None:
    """Return seconds from a number (a duration, or an epoch in seconds or milliseconds), a duration or a date."""
    text = safe_text(value)
    try:
        number = float(text)
    except ValueError:
        duration = read_duration(text)
        return _read_date(text, now) if duration is None else duration
    if number >= _EPOCH_MILLISECONDS:
        return _held(number / 1_000 - now())
    if number >= _EPOCH_SECONDS:
        return _held(number - now())
    return _held(number * scale)


def _from_headers(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    for name, scale in (("retry-after-ms", 1e-3), ("x-ms-retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if name in headers:
            seconds = _read_moment(headers[name], now, scale=scale)
            if seconds is not None:
                return seconds
    return None


def _from_windows(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Return the longest reset among the windows that are used up.

    A window with something left did not cause the refusal. Where no window tells what is left, the resets alone
    count; a zero among them says nothing.
    """
    used_up: list[float] = []
    untold: list[float] = []
    for remaining, reset in _WINDOWS:
        seconds = _read_moment(headers[reset], now) if reset in headers else None
        if not seconds:
            continue
        left = headers.get(remaining)
        if left is None:
            untold.append(seconds)
        elif left.strip() in {"0", "0.0"}:
            used_up.append(seconds)
    return max(used_up or untold, default=None)


def _from_fields(waits: Mapping[str, Any], now: Callable[[], float]) -> float | None:
    for key, value in sorted(waits.items(), key=lambda item: item[0] in {"resetsat", "resetat", "nextresettime"}):
        seconds = _read_moment(value, now, scale=1e-3 if key == "retryafterms" else 1.0)
        if seconds is not None:
            return seconds
    return None


def _from_text(text: str, now: Callable[[], float]) -> float | None:
    # Chinese providers state local times without a zone.
    zone = _BEIJING if any("\u4e00" <= char <= "\u9fff" for char in text) else UTC
    for pattern in _SENTENCES:
        for match in compiled(pattern).finditer(text):
            groups = match.groupdict()
            found = groups.get("duration") or groups.get("bare")
            seconds = read_duration(found) if found else _read_date(groups["date"], now, zone=zone)
            if seconds is not None:
                return seconds
    return None


def retry_after(
    evidence: Evidence, headers: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> float | None:
    """Return the seconds after which the provider says to come back, or None if it does not say.

    Args:
        evidence: What the body says.
        headers: Response headers with lower-case names.
        now: Wall clock in seconds since the epoch; read only if a date or an epoch must be understood.
    """
    for seconds in (_from_headers(headers, now), _from_fields(evidence.waits, now), _from_text(evidence.text, now)):
        if seconds is not None:
            return seconds
    return _from_windows(headers, now)
