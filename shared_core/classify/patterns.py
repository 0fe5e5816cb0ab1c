"""Compiles patterns at their first use, once.

Owns the one convention of this package's patterns: a pattern may run over several lines, and the line breaks with the
indentation behind them are not part of it. Importing the package compiles nothing.
"""

from __future__ import annotations

import functools
import re

__all__ = ["compiled"]


@functools.cache
def compiled(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return `pattern`, compiled."""
    return re.compile(re.sub(r"\n\s*", "", pattern), re.IGNORECASE if ignore_case else 0)
