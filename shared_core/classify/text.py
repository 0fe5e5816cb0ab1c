"""What a text says, where no code and no status says it.

Owns the search in prose: the rules of `sentences` and `loose_words`, the HTTP status that a client wrote into its
text, and a few plain questions. Which kinds a rule may return is the caller's knowledge: an HTTP status restricts them.

Invariants: pure; patterns are compiled at their first use, so that importing costs nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Final

from shared_core.classify.loose_words import LOOSE_RULES
from shared_core.classify.patterns import compiled
from shared_core.classify.sentences import RULES, SentenceRule
from shared_core.errors import ErrorKind

__all__ = ["covers_account", "kind_of_text", "mentions_model", "mentions_timeout", "status_in_text"]

# A status stands at the very front ("429 Too Many Requests"), behind a word that announces it, or before its reason.
_STATUS: Final = (
    r"^\W{0,3}([45]\d\d)\b(?![.,]?\d)|"
    r"\b(?:error code|status code|status_code|statuscode|status|http(?:/\d(?:\.\d)?)?|http error|api error|"
    r"error)[ :=#('\"]{1,4}([45]\d\d)\b(?![.,]?\d)|"
    r"(?<![\d.,])([45]\d\d) (?:too many requests|unauthorized|forbidden|payment required|bad request|"
    r"not found|internal server error|"
    r"bad gateway|service unavailable|gateway time-?out|unprocessable entity|client error|server error)"
)

# Plans and free tiers count every model together; Moonshot meters organisations.
_ACCOUNT: Final = (
    r"free-models-per-|\b(?:all|any) models\b|across models|usage limit|(?:weekly|monthly|5[- ]hour|"
    r"session) (?:\w+ )?limit|"
    r"\b(?:account|user|workspace|team|project|api key|"
    r"key)(?:'s)?(?: \S{1,80})? (?:\w+ ){0,4}?(?:rate limit|rate-limit|request limit|daily limit|quota|"
    r"max rpm|max tpm|"
    r"max concurrency)|organization (?:rate limit|max \w+|max concurrency)|your (?:account|"
    r"request)(?: \S{1,80}){0,3} reached (?:organization|user|account)|"
    r"(?:copilot|premium request|token plan|coding plan)|(?:账[号户]|用户|账户).{0,16}(?:限流|速率|并发|上限)"
)

_TIMEOUT: Final = r"time[sd]?[- ]?out|deadline[ _]exceeded|超时"
_MODEL_WORD: Final = r"\b(?:models?|deployments?|engines?)\b|模型"


@functools.cache
def _any_of(rule: SentenceRule) -> re.Pattern[str]:
    return compiled("|".join(f"(?:{pattern})" for pattern in rule.patterns))


def kind_of_text(text: str, admitted: Collection[ErrorKind], loosely: Collection[ErrorKind]) -> ErrorKind | None:
    """Return the kind of the first rule that matches `text`, or None.

    Args:
        text: `Evidence.text`.
        admitted: The kinds that a telling sentence may mean.
        loosely: The kinds that loose words may mean.
    """
    for rules, kinds in ((RULES, admitted), (LOOSE_RULES, loosely)):
        for rule in rules:
            if rule.kind in kinds and _any_of(rule).search(text):
                return rule.kind
    return None


def mentions_model(text: str) -> bool:
    """Whether `text` speaks of a model at all: enough where a status already says that something was not found."""
    return compiled(_MODEL_WORD).search(text) is not None


def mentions_timeout(text: str) -> bool:
    """Whether `text` says that a timer ran out."""
    return compiled(_TIMEOUT).search(text) is not None


def status_in_text(text: str) -> int | None:
    """Return the HTTP status that a client wrote into its text ("Error code: 429 - …"), or None."""
    found = compiled(_STATUS).search(text)
    return int(found[1] or found[2] or found[3]) if found else None


def covers_account(text: str) -> bool:
    """Whether a throttle covers everything under the key, not only one model."""
    return compiled(_ACCOUNT).search(text) is not None
