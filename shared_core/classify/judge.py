"""Judges one error response: what it means, and what it says about coming back.

Owns the order of judging: a user's rule, a code that decides, the vendor's own number, then the status (the
response's, or the one that a code stands for) with the text refining it within what that status admits; text alone
only where nothing else speaks. `_VERDICTS` is that third step as data.

Invariants: total (never raises, whatever it is given) and pure but for the wall clock in `retry_after`; headers never
reach a message.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from shared_core.classify.body import Evidence, dig, is_status, lower_headers, plain
from shared_core.classify.codes import (
    codes_in_prose,
    deciding_kind,
    is_timeout_code,
    numeric_kind,
    status_of_code,
    worded,
)
from shared_core.classify.limits import read_limits, read_refusal
from shared_core.classify.retry_after import retry_after
from shared_core.classify.rules import ClassifierRule
from shared_core.classify.text import (
    covers_account,
    kind_of_text,
    mentions_model,
    mentions_timeout,
    status_in_text,
)
from shared_core.errors import ErrorKind, ProviderError
from shared_core.scrub import cut, scrub

__all__ = ["classify_response", "classify_stray", "judge"]

_K: Final = ErrorKind
_EVERY: Final = frozenset(ErrorKind) - {ErrorKind.UNKNOWN}
_TIMEOUT_STATUSES: Final = frozenset({408, 504, 522, 524})
# Characters of a message that are scrubbed before it is cut: ten times what is kept.
_SCRUBBED: Final = 2_000
# Words under "type" or "code" that every error has.
_EMPTY_CODES: Final = frozenset({"error", "none", "null", "object", "failed", "failure", "fail", "false", "exception"})


_BILLING_WORDERS: Final = frozenset(
    {"gemini", "google", "googleai", "vertex", "vertexai", "googlevertex", "googlegenai", "geminicli"}
    | {"qwen", "dashscope", "alibaba", "aliyun", "bailian", "modelstudio"}
)


class _Verdict(NamedTuple):
    kind: ErrorKind
    """What the status means when the text adds nothing."""
    admits: frozenset[ErrorKind]
    """What the text may say instead."""
    loosely: frozenset[ErrorKind] = frozenset({ErrorKind.RATE_LIMIT})
    """What loose words may say."""


_REQUEST_REFUSED: Final = _Verdict(_K.BAD_REQUEST, _EVERY, frozenset({_K.RATE_LIMIT, _K.AUTH, _K.BAD_REQUEST}))
_FAILED: Final = _Verdict(_K.TRANSIENT, _EVERY - {_K.BAD_REQUEST})
_PASSING: Final = _Verdict(_K.TRANSIENT, frozenset(), frozenset())
_SILENT: Final = _Verdict(_K.UNKNOWN, _EVERY, _EVERY)

# What no row tells of is the request's fault below 500, and the server's from there on.
_VERDICTS: Final[Mapping[int, _Verdict]] = {
    401: _Verdict(_K.AUTH, frozenset({_K.AUTH, _K.BALANCE, _K.MODEL_MISSING}), frozenset()),
    402: _Verdict(_K.BALANCE, frozenset({_K.BALANCE, _K.MODEL_MISSING}), frozenset()),
    403: _Verdict(_K.AUTH, _EVERY - {_K.TRANSIENT}),
    # A bare 404 may be a wrong path as well as a wrong model.
    404: _Verdict(_K.UNKNOWN, _EVERY - {_K.TRANSIENT}),
    405: _Verdict(_K.UNKNOWN, _EVERY - {_K.TRANSIENT}),
    # A server's own timers, locks, early data, a dependency of its own.
    408: _PASSING,
    409: _FAILED,
    410: _Verdict(_K.MODEL_MISSING, frozenset(), frozenset()),
    # Fireworks: the account is suspended for an unpaid invoice or a spending limit.
    412: _Verdict(_K.BALANCE, _EVERY - {_K.BAD_REQUEST}),
    413: _Verdict(_K.CONTEXT_EXCEEDED, frozenset({_K.CONTEXT_EXCEEDED, _K.OUTPUT_LIMIT, _K.RATE_LIMIT})),
    423: _FAILED,
    424: _FAILED,
    425: _PASSING,
    429: _Verdict(_K.RATE_LIMIT, _EVERY - {_K.BAD_REQUEST, _K.CONTENT_FILTER}),
    # Zhipu: no permission for this API.
    434: _Verdict(_K.AUTH, _EVERY),
    # Portkey: a guardrail said no.
    446: _Verdict(_K.CONTENT_FILTER, frozenset(), frozenset()),
    451: _Verdict(_K.AUTH, _EVERY),
    # Groq: no flex capacity; Cohere: blocked input or output.
    498: _Verdict(_K.TRANSIENT, frozenset({_K.CONTENT_FILTER}), frozenset()),
    499: _PASSING,
    504: _PASSING,
    529: _PASSING,
}

# Statuses that say what happened; 400 and 500 are what gateways and frameworks say of anything.
_TELLING: Final = frozenset({401, 402, 403, 404, 410, 413, 429, 503, 504, 529})


def classify_response(
    status: int | None,
    body: Any,
    *,
    headers: Mapping[str, str] | None = None,
    provider: str | None = None,
    rules: Sequence[ClassifierRule] = (),
) -> ProviderError:
    """Return what an error response means.

    Args:
        status: HTTP status; None where there was none (an error event inside a stream, a client's text).
        body: Decoded JSON, text, bytes, None, or anything else.
        headers: Response headers; read for the wait they state, never kept.
        provider: Provider's name. Some numeric codes can only be read with it.
        rules: User's rules, judged before the library's own.

    Returns:
        A `ProviderError`, not raised. Never raises.

    Example:
        >>> from shared_core import classify_response
        >>> error = classify_response(400, {"error": {"message": "max_tokens: 30000 > 8192, the maximum allowed"}})
        >>> error.kind, error.ceiling
        (<ErrorKind.OUTPUT_LIMIT: 'output_limit'>, 8192)
    """
    number = status if isinstance(status, int) and not isinstance(status, bool) else None
    name = provider if isinstance(provider, str) else None
    # Objects whose very type cannot be asked for exist; whatever they do, the caller gets a verdict.
    with contextlib.suppress(Exception):
        return judge(number, dig(body), headers=lower_headers(headers), provider=name, rules=rules)
    return ProviderError("unreadable error response", kind=_verdict(number).kind, status=number, provider=name)


def classify_stray(text: str, *, provider: str | None = None) -> ProviderError:
    """Return what it means that a success holds neither an answer nor an error, but a web page or anything else.

    Something stands between us and the provider (a portal, a proxy's notice), or the provider is not itself: whatever
    the text does not explain is transient, so that the target is left alone for a while.
    """
    error = classify_response(None, text, provider=provider)
    if error.kind is ErrorKind.UNKNOWN:
        error.kind, error.code = ErrorKind.TRANSIENT, error.code or "stray"
    return error


def judge(
    status: int | None,
    evidence: Evidence,
    *,
    headers: Mapping[str, str],
    provider: str | None,
    rules: Sequence[ClassifierRule],
) -> ProviderError:
    """Return the error that `evidence` tells of; `headers` have lower-case names."""
    evidence = evidence.with_codes(codes_in_prose(evidence.prose))
    kind = _kind(status, evidence, provider)
    error = ProviderError(
        cut(scrub((evidence.message or evidence.prose)[:_SCRUBBED])),
        kind=kind,
        status=status,
        code=_code(evidence),
        retry_after=retry_after(evidence, {**evidence.headers, **headers}),
        provider=provider,
        is_timeout=_is_timeout(kind, status, evidence),
    )
    for rule in rules:
        if rule.matches(error, evidence.prose):
            error.kind = ErrorKind(rule.kind)
            if error.retry_after is None:
                error.retry_after = rule.retry_after
            break
    error.ceiling, error.room, error.is_sum = read_limits(error.kind, evidence.text)
    if error.kind is ErrorKind.BAD_REQUEST:
        error.parameter, error.replacement = read_refusal(evidence)
    if error.kind is ErrorKind.RATE_LIMIT and covers_account(evidence.text):
        error.scope = "account"
    return error


def _kind(status: int | None, evidence: Evidence, provider: str | None) -> ErrorKind:
    throttle_wording = _words_throttles_as_billing(evidence, provider)
    for code in evidence.codes:
        decided = deciding_kind(code)
        if decided is not None and not (throttle_wording and plain(code) == "insufficientquota"):
            return decided
    number = numeric_kind(evidence, provider)
    if isinstance(number, ErrorKind):
        return number
    telling = _telling_status(status, number, evidence)
    verdict = _verdict(telling)
    if evidence.is_html and _is_foreign_page(status, telling, evidence.text):
        return ErrorKind.UNKNOWN
    if (
        throttle_wording
        and telling in {None, 429}
        and ("current quota" in evidence.text or "plan and billing" in evidence.text)
    ):
        return ErrorKind.RATE_LIMIT
    said = kind_of_text(f"{evidence.text} | {worded(evidence.codes)}", verdict.admits, verdict.loosely)
    if said is not None:
        return said
    if telling == 404 and mentions_model(evidence.text):
        return ErrorKind.MODEL_MISSING
    if verdict is _REQUEST_REFUSED and not evidence.text and not evidence.codes:
        return ErrorKind.UNKNOWN
    return verdict.kind


def _telling_status(status: int | None, number: int | None, evidence: Evidence) -> int | None:
    """Return the status to judge by: of all that were given, the one that says most."""
    coded = next((found for code in evidence.codes if (found := status_of_code(code)) and found in _TELLING), None)
    candidates = (number, status, coded, evidence.status)
    telling = next((candidate for candidate in candidates if candidate in _TELLING), None)
    if telling is not None:
        return telling
    if is_status(status):
        return status
    generic = next((found for code in evidence.codes if (found := status_of_code(code))), None)
    return number or evidence.status or generic or status_in_text(evidence.text)


def _verdict(status: int | None) -> _Verdict:
    if not is_status(status):
        return _SILENT
    return _VERDICTS.get(status) or (_FAILED if status >= 500 else _REQUEST_REFUSED)


def _words_throttles_as_billing(evidence: Evidence, provider: str | None) -> bool:
    """Whether the provider words a per-minute throttle as others word an empty account.

    Google and Alibaba send "You exceeded your current quota, please check your plan and billing details" for both; the
    account that is really empty has a code of its own there (BILLING_DISABLED, Arrearage).
    """
    return (
        plain(provider or "") in _BILLING_WORDERS
        or "RESOURCE_EXHAUSTED" in evidence.codes
        or any(
            name in evidence.text
            for name in ("resource_exhausted", "generativelanguage", "ai.google.dev", "aliyun", "alibaba")
        )
    )


def _is_foreign_page(status: int | None, telling: int | None, text: str) -> bool:
    """Whether a web page says nothing of the provider: a success, or a challenge that only a person can answer."""
    if status is not None and not is_status(status):
        return True
    signs = ("just a moment", "attention required", "checking your browser", "captcha", "enable javascript")
    return telling in {403, 503} and any(sign in text for sign in signs)


def _is_timeout(kind: ErrorKind, status: int | None, evidence: Evidence) -> bool:
    if kind is not ErrorKind.TRANSIENT:
        return False
    return (
        status in _TIMEOUT_STATUSES
        or evidence.status in _TIMEOUT_STATUSES
        or any(is_timeout_code(code) for code in evidence.codes)
        or mentions_timeout(evidence.text)
    )


def _code(evidence: Evidence) -> str | None:
    """Return the provider's own code: the one that decides, else the most specific word, else a number."""
    words = [code for code in evidence.codes if not code.isdecimal() and plain(code) not in _EMPTY_CODES]
    known = (code for code in words if deciding_kind(code))
    return scrub(next(known, words[0] if words else (evidence.codes[0] if evidence.codes else "")))[:80] or None
