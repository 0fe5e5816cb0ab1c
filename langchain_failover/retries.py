"""A member's own retries, switched off for the attempts of a chain: there is one owner of retries, the engine.

Integrations hand `max_retries` to an SDK client when they are made, so that a copy with another `max_retries` would go
on retrying. The SDKs of OpenAI, Anthropic, Groq and others are generated alike: `with_options` gives a client that
shares the connections of the first. Clients that are made when first used read the copy's setting by themselves, and
Google's is told with each request how often to try.
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel

__all__ = ["without_retries"]

_SETTING = "max_retries"

_TOLD_EACH_TIME = ("google.genai",)
"""Packages whose clients get the number of tries with each request, from the model's setting (0 and 1 mean one)."""


def without_retries(llm: BaseChatModel) -> tuple[BaseChatModel, bool]:
    """The model without retries of its own, on a copy; the model itself where it has none.

    Returns:
        The model, and whether it is certain that it does not retry.
    """
    if _SETTING not in type(llm).model_fields:
        return llm, True
    if getattr(llm, _SETTING) == 0:
        return llm, True
    copy = llm.model_copy(update={_SETTING: 0})
    clients = {name: value for name, value in vars(copy).items() if _is_client(name, value) and not _is_told(value)}
    changed = {name: _once(client) for name, client in clients.items()}
    for name, client in changed.items():
        if client is not None:
            # Not `setattr`: a model may be frozen, and may validate what is assigned.
            copy.__dict__[name] = client
    copy.__dict__.pop("_client_params", None)  # `ChatAnthropic` keeps what its clients are made of
    return copy, all(client is not None for client in changed.values())


def _is_client(name: str, value: Any) -> bool:
    """Whether an attribute talks to a provider; `http_client` is what a client sends with, and does not retry."""
    return "client" in name and "http" not in name and value is not None and not isinstance(value, str | int | dict)


def _is_told(client: Any) -> bool:
    return type(client).__module__.startswith(_TOLD_EACH_TIME)


def _once(client: Any) -> Any:
    """A client, or one of its resources (`client.chat.completions`), that asks once; None if it cannot be had."""
    if _has_options(client):
        return client.with_options(max_retries=0)
    owner = getattr(client, "_client", None)
    return type(client)(owner.with_options(max_retries=0)) if owner is not None and _has_options(owner) else None


def _has_options(client: Any) -> bool:
    return callable(getattr(client, "with_options", None)) and hasattr(client, _SETTING)
