"""Core errors as LangChain's own kinds as well, so that other people's middleware understands them.

Every error that leaves the chat model is of two families at once: `except ChainExhaustedError` catches it, and so does
`except ModelRateLimitError` (or whichever of LangChain's kinds fits what happened). The classes are the products of
the two families, made here once; a translated error keeps message, report, errors, causes and picklability.

`is_retryable`, which LangChain's retry middleware asks, tells of the whole chain: whether asking again may succeed.
"""

from __future__ import annotations

from typing import Any, TypeVar

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

from shared_core.errors import (
    ChainExhaustedError,
    ErrorKind,
    FailoverError,
    ProviderError,
    RequestRejectedError,
    StreamInterruptedError,
)

__all__ = ["translate"]

_KINDS: dict[ErrorKind, type[ModelError]] = {
    ErrorKind.RATE_LIMIT: ModelRateLimitError,
    # An empty account does not fill by itself: LangChain's rate limit is retryable, this is not.
    ErrorKind.BALANCE: ModelPermissionDeniedError,
    ErrorKind.AUTH: ModelAuthenticationError,
    ErrorKind.MODEL_MISSING: ModelNotFoundError,
    ErrorKind.TRANSIENT: ModelAPIError,
    ErrorKind.OUTPUT_LIMIT: ModelInvalidRequestError,
    ErrorKind.CONTEXT_EXCEEDED: ContextOverflowError,
    ErrorKind.CONTENT_FILTER: ModelInvalidRequestError,
    ErrorKind.BAD_REQUEST: ModelInvalidRequestError,
    ErrorKind.UNKNOWN: ModelAPIError,
}

_PASSING = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.TRANSIENT, ErrorKind.UNKNOWN})


def _exhausted_is_retryable(error: ChainExhaustedError) -> bool:
    if error.errors:
        return any(failure.kind in _PASSING for failure in error.errors)
    return error.retry_after is not None  # all were skipped: cooling targets come back, missing keys do not


def _interrupted_is_retryable(error: StreamInterruptedError) -> bool:
    return error.kind in _PASSING


def _rejected_is_retryable(_error: RequestRejectedError) -> bool:
    return False


_ENDS: dict[type[FailoverError], Any] = {
    ChainExhaustedError: _exhausted_is_retryable,
    RequestRejectedError: _rejected_is_retryable,
    StreamInterruptedError: _interrupted_is_retryable,
}

_LANGCHAIN_KINDS = (*dict.fromkeys(_KINDS.values()), ModelConnectionError, ModelTimeoutError, ModelError)


def _product(end: type[FailoverError], kind: type[ModelError]) -> type[FailoverError]:
    label = kind.__name__.removeprefix("Model").removesuffix("Error")
    made = type(
        f"{label}{end.__name__}",
        (end, kind),
        {
            "__module__": __name__,
            "__doc__": f"`{end.__name__}` that is also LangChain's `{kind.__name__}`.",
            "is_retryable": property(_ENDS[end]),
        },
    )
    globals()[made.__name__] = made  # where pickle looks for it
    return made


_PRODUCTS = {(end, kind): _product(end, kind) for end in _ENDS for kind in _LANGCHAIN_KINDS}


def _langchain_kind(error: FailoverError) -> type[ModelError]:
    errors: tuple[ProviderError, ...] = getattr(error, "errors", ())
    kind: ErrorKind = getattr(error, "kind", ErrorKind.UNKNOWN)
    if not errors:  # all were skipped: for what they cool for, or because they could not be asked at all
        return ModelError if kind is ErrorKind.UNKNOWN else _KINDS[kind]
    cause = error.__cause__ if isinstance(error.__cause__, ProviderError) else errors[-1]
    if kind is ErrorKind.AUTH and cause.status == 403:
        return ModelPermissionDeniedError
    if kind in {ErrorKind.TRANSIENT, ErrorKind.UNKNOWN}:
        if cause.is_timeout:
            return ModelTimeoutError
        if cause.status is None:
            return ModelConnectionError
    return _KINDS[kind]


_E = TypeVar("_E", bound=FailoverError)


def translate(error: _E) -> _E:
    """The same error as one of LangChain's kinds too.

    Args:
        error: Any error of the engine.

    Returns:
        An instance of the same class and of LangChain's class for its kind, with the same message, attributes, cause
        and traceback; `error` itself if it is not the end of a call (a `ConfigurationError`).

    >>> from langchain_core.exceptions import ModelError
    >>> from shared_core.report import Report
    >>> isinstance(translate(ChainExhaustedError("all cooling", report=Report())), ModelError)
    True
    """
    product = _PRODUCTS.get((type(error), _langchain_kind(error)))
    if product is None:
        return error
    translated: Any = product.__new__(product, *error.args)
    translated.args = error.args
    translated.__dict__.update(error.__dict__)
    translated.__cause__ = error.__cause__
    found: _E = translated.with_traceback(error.__traceback__)
    return found
