"""What an error means: every provider's way of failing, read as one `ProviderError`.

Owns the taxonomy in practice: `classify_response` for what came over HTTP or inside a stream, `classify_stray` for what
came in place of both an answer and an error, `classify_error` for what was raised, `ClassifierRule` for what users know
better. It decides nothing about what to do next; that is the policy's.

    body         any body              -> flat evidence
    codes        machine-readable code -> kind, or the HTTP status that it stands for
    text         prose                 -> kind; its wording stands in `sentences` and `loose_words`
    judge        the order of these, and what a status admits
    exceptions   exceptions            -> evidence
    retry_after  headers, fields, sentences -> seconds
    limits       sentences             -> ceilings, room, refused parameter
    rules        the user's own rules

Invariants: both functions are total, take bounded time for bodies of any size, and keep no secret, no header and no
more than 200 characters of a provider's text.
"""

from typing import TYPE_CHECKING

from shared_core.lazy import lazily

__all__ = ["ClassifierRule", "classify_error", "classify_response", "classify_stray"]

# What checkers and editors read; Python reads the table below.
if TYPE_CHECKING:
    from shared_core.classify.exceptions import classify_error
    from shared_core.classify.judge import classify_response, classify_stray
    from shared_core.classify.rules import ClassifierRule
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "ClassifierRule": "shared_core.classify.rules",
            "classify_error": "shared_core.classify.exceptions",
            "classify_response": "shared_core.classify.judge",
            "classify_stray": "shared_core.classify.judge",
        },
    )
