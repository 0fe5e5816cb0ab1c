"""Judges exceptions: of HTTP clients, of the providers' SDKs, of the frameworks.

Owns the reading of exceptions. SDKs are read by attributes and class names, so none of them is imported. Wrappers are
looked through: of the whole chain of causes, the exception that carries a response or a status speaks first, then the
first that says anything at all.

Invariants: total (never raises, also for an exception whose `__str__` or properties raise); the original stays
reachable as `__cause__`. Cancellations are not errors and never come here.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shared_core.classify.body import dig, is_status, lower_headers, safe_text
from shared_core.classify.codes import deciding_kind, status_of_code
from shared_core.classify.judge import judge
from shared_core.classify.rules import ClassifierRule
from shared_core.errors import ErrorKind, ProviderError

__all__ = ["classify_error"]

_CHAIN_LIMIT: Final = 12

_NETWORK_ERRNOS: Final = frozenset(
    {
        errno.ECONNRESET,
        errno.ECONNREFUSED,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EPIPE,
        errno.EADDRNOTAVAIL,
    }
)

# `openai` and `anthropic`: status_code; `google-genai`: code; `aiohttp`: status; `google.api_core`: code; older SDKs.
_STATUS_NAMES: Final = ("status_code", "http_status", "status", "code", "grpc_status_code")
_BODY_NAMES: Final = ("body", "json_body", "http_body", "response_json", "details", "error", "message")


def classify_error(
    error: BaseException, *, provider: str | None = None, rules: Sequence[ClassifierRule] = ()
) -> ProviderError:
    """Return what an exception means; the original is its `__cause__`.

    Args:
        error: What an attempt raised. A `ProviderError` is returned as it is.
        provider: Provider's name, if known.
        rules: User's rules, judged before the library's own.

    Returns:
        A `ProviderError`, not raised. Never raises.

    Example:
        >>> classify_error(TimeoutError("no answer in 30 s")).is_timeout
        True
    """
    if isinstance(error, ProviderError):
        return error
    best = ProviderError("unreadable exception", provider=provider)
    # Exceptions whose attributes raise or lie exist; whatever they do, the caller gets a verdict.
    with contextlib.suppress(Exception):
        best = _most_telling([_judge_one(link, provider, rules) for link in _chain(error)])
    best.__cause__ = error
    return best


def _most_telling(judged: list[tuple[ProviderError, bool]]) -> ProviderError:
    """Return the verdict that counts, completed by what the others know."""
    best = (
        next((found for found, has_response in judged if has_response and found.kind is not ErrorKind.UNKNOWN), None)
        or next((found for found, _ in judged if found.kind is not ErrorKind.UNKNOWN), None)
        or judged[0][0]
    )
    if best.kind is ErrorKind.TRANSIENT:
        best.is_timeout = any(found.is_timeout for found, _ in judged)
    if best.retry_after is None:
        best.retry_after = next((found.retry_after for found, _ in judged if found.retry_after is not None), None)
    return best


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what lies behind it: members of groups, causes, contexts that were not suppressed."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending and len(seen) < _CHAIN_LIMIT:
        link = pending.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            pending.extend(link.exceptions[:3])
        behind = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if behind is not None:
            pending.append(behind)


def _judge_one(
    error: BaseException, provider: str | None, rules: Sequence[ClassifierRule]
) -> tuple[ProviderError, bool]:
    """Return the verdict over one exception alone, and whether it carried a response or a status."""
    if isinstance(error, ProviderError):
        return error, True
    response = _get(error, "response")
    status = _status(error, response)
    body = _body(error, response)
    evidence = dig(body if body is not None else safe_text(error))
    if not evidence.text:
        evidence = dig([body, safe_text(error)])
    evidence = evidence.with_codes(_names(error))
    found = judge(status, evidence, headers=_headers(error, response), provider=provider, rules=rules)
    return found, status is not None or body is not None


def _get(holder: object, name: str) -> Any:
    """Return an attribute, or None if it is absent or cannot be read."""
    with contextlib.suppress(Exception):
        return getattr(holder, name, None)
    return None


def _status(error: BaseException, response: Any) -> int | None:
    if type(error).__module__ == "aiohttp.http_exceptions":
        return None  # a parser, whose `code` is what a server would say to a client that sent such bytes
    for holder, names in ((error, _STATUS_NAMES), (response, ("status_code", "status"))):
        for name in names:
            value = _get(holder, name)
            # grpc and google.api_core wrap numbers in enumerations of pairs.
            value = value[0] if isinstance(value, tuple) and value else value
            if is_status(value):
                return int(value)
    return None


def _body(error: BaseException, response: Any) -> Any:
    if isinstance(response, Mapping):
        # botocore's ClientError: {"Error": {...}, "ResponseMetadata": {...}}.
        return response
    for name in _BODY_NAMES[:4]:
        value = _get(error, name)
        if isinstance(value, str | bytes | Mapping | list) and value:
            return value
    content = _response_content(response)
    if content is not None:
        return content
    for name in _BODY_NAMES[4:]:
        value = _get(error, name)
        if isinstance(value, Mapping | list) and value:
            return [value, safe_text(error)]
    return None


def _response_content(response: Any) -> Any:
    """Return a response's content if it is already there: a classifier must not read from a socket."""
    if _get(response, "_content_consumed") is False:
        return None
    for name in ("content", "text"):
        value = _get(response, name)
        if isinstance(value, str | bytes) and value:
            return value
    return None


def _headers(error: BaseException, response: Any) -> dict[str, str]:
    # Those of botocore stand in its body, and are read there.
    return lower_headers(_get(response, "headers")) or lower_headers(_get(error, "headers"))


def _names(error: BaseException) -> tuple[str, ...]:
    """Return the names by which the exception's class says what it is, as codes."""
    if isinstance(error, ConnectionError | ssl.SSLError | socket.gaierror | socket.herror | EOFError):
        return ("ConnectionError",)
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNOS:
        return ("ConnectionError",)
    names = [cls.__name__ for cls in type(error).__mro__[:-3]]
    telling = [name for name in names if deciding_kind(name) or status_of_code(name)]
    return tuple(telling[:2])
