"""LangChain's model profile for a chain: what every model in it can do.

Middleware and agents decide by it: how long a conversation may grow, whether a schema can be asked for natively. It
must hold whoever answers, so a limit is the smallest that is known in the chain, and an ability is one that all models
have; an ability that is not known of one of them is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import ModelProfile

from shared_core.providers.models import ModelInfo

__all__ = ["chain_profile"]

_LIMITS = {"max_input_tokens": "context_window", "max_output_tokens": "max_output_tokens"}
_ABILITIES = {
    "image_inputs": "image_inputs",
    "audio_inputs": "audio_inputs",
    "pdf_inputs": "pdf_inputs",
    "tool_calling": "tool_calling",
    "structured_output": "structured_output",
    "reasoning_output": "reasoning",
}


def chain_profile(infos: Sequence[ModelInfo | None], context_window: int | None = None) -> ModelProfile | None:
    """The profile of a chain.

    Args:
        infos: What is known of the model of each link.
        context_window: Smallest window of the chain in tokens, where the caller knows it.

    Returns:
        The profile, or None if nothing is known that holds for all links.
    """
    found: dict[str, Any] = {}
    for name, field in _LIMITS.items():
        limits = [value for value in _values(infos, field) if value is not None]
        if limits:
            found[name] = min(limits)
    for name, field in _ABILITIES.items():
        abilities = _values(infos, field)
        if abilities and None not in abilities:
            found[name] = all(abilities)
    if context_window is not None:
        found["max_input_tokens"] = context_window
    if not found:
        return None
    profile = ModelProfile(text_inputs=True, text_outputs=True)
    profile.update(found)  # type: ignore[typeddict-item]  # the keys are the profile's, by the tables above
    return profile


def _values(infos: Sequence[ModelInfo | None], field: str) -> list[Any]:
    return [None if info is None else getattr(info, field) for info in infos]
