"""Model families that bring their own rules about a history to whoever serves them.

Gateways and local servers pass a history on as it is, and the model's own chat template or maker checks it.
"""

from __future__ import annotations

import re

__all__ = ["accepted_ids", "is_template_strict"]

_MISTRAL = re.compile(r"[sx]tral", re.IGNORECASE)  # Mistral, Ministral, Magistral, Devstral, Mixtral, Pixtral …
_CLAUDE = re.compile(r"claude", re.IGNORECASE)


def accepted_ids(model: str) -> str | None:
    """Regular expression of the tool-call ids that the model takes, or None if it takes any.

    Mistral's template takes exactly nine letters and digits, Claude takes what a name may hold.
    """
    if _MISTRAL.search(model):
        return r"[a-zA-Z0-9]{9}"
    return r"[a-zA-Z0-9_-]{1,64}" if _CLAUDE.search(model) else None


def is_template_strict(model: str) -> bool:
    """Whether the model's template wants alternating roles: Mistral's fails with "Unexpected role 'user' …"."""
    return bool(_MISTRAL.search(model))
