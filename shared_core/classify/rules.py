"""Rules of the user, judged before the library's own.

Owns `ClassifierRule`: what it can ask for and what it may decide. A rule sees what the library would have said, and
overrules it; the first rule that matches wins.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection

from shared_core.errors import ConfigurationError, ErrorKind, ProviderError
from shared_core.records import record

__all__ = ["ClassifierRule"]


@record(frozen=True, slots=True, kw_only=True)
class ClassifierRule:
    """One rule in front of the library's own: all conditions that are given must hold.

    Attributes:
        kind: What a matching error means; an `ErrorKind` or its label.
        provider: Provider's name, compared without regard to case.
        status: HTTP status, or several.
        code: Provider's own code, compared without regard to case.
        pattern: Regular expression searched, without regard to case, in the provider's text (its first 8 KB).
        when: Anything else: gets the error as the library judged it. One that raises does not match.
        retry_after: Seconds to set as the error's `retry_after` where the provider states none.

    Raises:
        ConfigurationError: No condition is given, the kind is unknown, or the pattern does not compile.

    Example:
        >>> from shared_core import ClassifierRule, classify_response
        >>> weekend = ClassifierRule(provider="intranet", pattern="closed until monday", kind="transient")
        >>> error = classify_response(403, "Closed until Monday.", provider="intranet", rules=[weekend])
        >>> error.kind
        <ErrorKind.TRANSIENT: 'transient'>
    """

    kind: ErrorKind | str
    provider: str | None = None
    status: int | Collection[int] | None = None
    code: str | None = None
    pattern: str | None = None
    when: Callable[[ProviderError], bool] | None = None
    retry_after: float | None = None

    def __post_init__(self) -> None:
        try:
            ErrorKind(self.kind)
        except ValueError:
            labels = ", ".join(kind.value for kind in ErrorKind)
            raise ConfigurationError(f"ClassifierRule.kind is {self.kind!r}; expected one of {labels}") from None
        if all(c is None for c in (self.provider, self.status, self.code, self.pattern, self.when)):
            raise ConfigurationError(
                "ClassifierRule needs at least one condition: provider, status, code, pattern or when"
            )
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ConfigurationError(f"ClassifierRule.pattern does not compile: {error}") from error

    def matches(self, error: ProviderError, text: str) -> bool:
        """Whether the rule applies to `error`, whose provider said `text`."""
        if self.provider is not None and self.provider.lower() != (error.provider or "").lower():
            return False
        if self.status is not None:
            statuses = (self.status,) if isinstance(self.status, int) else self.status
            if error.status not in statuses:
                return False
        if self.code is not None and self.code.lower() != (error.code or "").lower():
            return False
        # The module's own cache of compiled patterns serves the repeated searches.
        if self.pattern is not None and not re.search(self.pattern, text, re.IGNORECASE):
            return False
        if self.when is None:
            return True
        with contextlib.suppress(Exception):
            return bool(self.when(error))
        return False
