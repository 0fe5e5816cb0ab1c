"""The error tree, drawn first.

    FailoverError
    ├── ConfigurationError (ValueError)  wrong settings; raised at construction, never retried
    ├── ProviderError                    one failed attempt, classified; what `classify_*` return
    ├── ChainExhaustedError              every target was attempted or skipped; carries the trail
    ├── RequestRejectedError             the provider refused the request itself; no other target is tried
    └── StreamInterruptedError           content had already been shown when the stream broke

Invariants: no message holds a secret or more than 200 characters of a provider's own text; every error can be
pickled and keeps its causes; `retry_after` and all durations are seconds.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from shared_core.report import Report

__all__ = [
    "ChainExhaustedError",
    "ConfigurationError",
    "ErrorKind",
    "FailoverError",
    "ProviderError",
    "RequestRejectedError",
    "Scope",
    "StreamInterruptedError",
]


class ErrorKind(StrEnum):
    """What a failed attempt means for the walk. The value is the label used in trails, logs and metrics."""

    RATE_LIMIT = "rate_limit"
    """Too many requests or tokens for now; the same key works again by itself."""
    BALANCE = "balance"
    """The account is empty, unpaid or over a paid quota; a person has to act."""
    AUTH = "auth"
    """The key is missing, wrong, revoked, or may not use this API from here."""
    MODEL_MISSING = "model_missing"
    """The model does not exist, is retired, or is not open to this account."""
    TRANSIENT = "transient"
    """Overload, outage, broken or stalled connection; likely to pass."""
    OUTPUT_LIMIT = "output_limit"
    """`max_tokens` is above what the model or the account's tier allows."""
    CONTEXT_EXCEEDED = "context_exceeded"
    """The input (or input and `max_tokens` together) does not fit the model's window."""
    CONTENT_FILTER = "content_filter"
    """The provider's policy blocked the prompt or the answer."""
    BAD_REQUEST = "bad_request"
    """The request itself is wrong; it would be wrong anywhere."""
    UNKNOWN = "unknown"
    """Nothing reliable can be said."""


Scope = Literal["model", "account"]
"""What a rate limit covers: this model under this key, or everything under this key."""


def _rebuild(cls: type[FailoverError], args: tuple[Any, ...], state: dict[str, Any]) -> FailoverError:
    error = cls.__new__(cls, *args)
    error.args = args
    cause = state.pop("__cause__", None)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class FailoverError(Exception):
    """Base of every error that this library raises on purpose."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # BaseException pickles `cls(*args)`, which loses keyword arguments and causes.
        state = dict(self.__dict__)
        if _is_picklable(self.__cause__):
            state["__cause__"] = self.__cause__
        return _rebuild, (type(self), self.args, state)


def _is_picklable(error: BaseException | None) -> bool:
    if error is None or isinstance(error, FailoverError):
        return True
    # An SDK's exception often holds a client or a response; only plain ones are worth carrying along.
    values = (*error.args, *vars(error).values())
    is_plain = all(isinstance(value, str | int | float | bool | None) for value in values)
    # A decoder's error holds the whole document that it could not read, and there may be a key in that.
    if is_plain and not hasattr(error, "doc") and "<locals>" not in type(error).__qualname__:
        # One that cannot be made from its arguments would fail only where it is unpickled.
        with contextlib.suppress(Exception):
            copy.copy(error)
            return True
    return False


class ConfigurationError(FailoverError, ValueError):
    """A setting is wrong; the message names it and says what was expected."""


class ProviderError(FailoverError):
    """One failed attempt, classified.

    Attributes:
        kind: What it means for the walk.
        message: The provider's text, scrubbed of keys and cut to 200 characters.
        status: HTTP status, or None where there was none (transport errors, error events inside a stream).
        code: The provider's own machine-readable code, if it sent one.
        retry_after: Seconds after which the provider says to come back, from headers or text.
        ceiling: Token ceiling that the text states: the highest `max_tokens` for `output_limit`, the context window
            for `context_exceeded`.
        room: For `context_exceeded` by input plus `max_tokens`: the highest `max_tokens` that would still fit, if
            the text lets it be computed.
        is_sum: For `context_exceeded`: the text blames the sum of input and `max_tokens`, so lowering helps.
        scope: For `rate_limit`: whether the limit covers this model or the whole account.
        parameter: The request parameter that was refused as unsupported, if the text names one.
        replacement: The parameter that the text says to use instead.
        provider: Provider's name, if known.
        is_timeout: The attempt ran into one of our timers or the provider's.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind = ErrorKind.UNKNOWN,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        ceiling: int | None = None,
        room: int | None = None,
        is_sum: bool = False,
        scope: Scope = "model",
        parameter: str | None = None,
        replacement: str | None = None,
        provider: str | None = None,
        is_timeout: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.ceiling = ceiling
        self.room = room
        self.is_sum = is_sum
        self.scope = scope
        self.parameter = parameter
        self.replacement = replacement
        self.provider = provider
        self.is_timeout = is_timeout

    def __str__(self) -> str:
        head = str(self.kind) if self.status is None else f"{self.kind} (HTTP {self.status})"
        return f"{head}: {self.message}" if self.message else head


class _ReportedError(FailoverError):
    """An end of a whole call: it knows the way there."""

    def __init__(
        self,
        message: str,
        *,
        report: Report,
        errors: tuple[ProviderError, ...] = (),
        kind: ErrorKind = ErrorKind.UNKNOWN,
    ) -> None:
        super().__init__(message)
        self.report = report
        self.errors = errors
        self.kind = kind


class ChainExhaustedError(_ReportedError):
    """No target of the chain gave an answer.

    Attributes:
        report: Every attempt and every skip, in order.
        errors: The classified error of each failed attempt, in order; each keeps its original as `__cause__`.
        kind: Kind of the error that the message names first; it is the `__cause__`.
        retry_after: Seconds until something of the chain is callable again, or None if only a person can help.
    """

    def __init__(
        self,
        message: str,
        *,
        report: Report,
        errors: tuple[ProviderError, ...] = (),
        kind: ErrorKind = ErrorKind.UNKNOWN,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, report=report, errors=errors, kind=kind)
        self.retry_after = retry_after


class RequestRejectedError(_ReportedError):
    """The provider refused the request itself (`bad_request`, `content_filter`, …), so no other target was tried.

    Attributes:
        report: Every attempt and every skip, in order.
        errors: The classified error of each failed attempt, in order; the last one is the refusal.
    """


class StreamInterruptedError(_ReportedError):
    """The stream broke after content had been shown to the caller, and the policy says not to go on.

    Attributes:
        partial: The text that was shown.
        report: Every attempt and every skip, in order.
        errors: The classified error of each failed attempt, in order; the last one broke the stream.
    """

    def __init__(
        self,
        message: str,
        *,
        partial: str,
        report: Report,
        errors: tuple[ProviderError, ...] = (),
        kind: ErrorKind = ErrorKind.UNKNOWN,
    ) -> None:
        super().__init__(message, report=report, errors=errors, kind=kind)
        self.partial = partial
