"""What may stand in a chain: model strings, chat models of LangChain's, and how both are named, checked and stored.

A chat model is stored as LangChain stores it, so that its key stays behind; one that LangChain cannot store cannot be
pickled with its chain.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from langchain_core._api import LangChainBetaWarning
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, load
from langchain_core.runnables import Runnable
from pydantic import InstanceOf

from langchain_failover.members import LangChainMember, not_a_member, underlying
from shared_core.errors import ConfigurationError
from shared_core.registry import ProviderRegistry
from shared_core.scrub import cut, scrub

__all__ = ["Entry", "checked", "entry_from_value", "entry_value", "name_of"]

Entry: TypeAlias = str | InstanceOf[Runnable[Any, Any]]
"""A model string, a chat model, or what a chat model's `bind` or `bind_tools` gave."""

_STORED = "langchain"
"""Key of a stored chat model."""


def checked(entry: Any) -> Any:
    """The entry itself, or the one that a stored value stands for.

    Raises:
        ConfigurationError: It can be no link of a chain.
    """
    entry = entry_from_value(entry)
    if isinstance(entry, str) or underlying(entry) is not None:
        return entry
    raise ConfigurationError(not_a_member(entry))


def name_of(entry: Entry, registry: ProviderRegistry, style: str | None) -> str:
    """The canonical model string of an entry; a chat model is registered under it.

    Args:
        entry: A checked entry.
        registry: The manager's names.
        style: "langchain" if strings mean what `init_chat_model` understands by them.

    Raises:
        ConfigurationError: No chat model can be made of such a string.
    """
    if not isinstance(entry, str):
        return registry.enrol(LangChainMember(entry))
    if style is None or not entry.strip():
        return entry
    return registry.enrol(LangChainMember(_made(entry.strip()), origin=entry.strip()))


def _made(text: str) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # the package is optional
    except ImportError as error:
        raise ConfigurationError("provider_style='langchain' needs the package `langchain`") from error
    try:
        made = init_chat_model(text)
    except Exception as error:
        # A missing package, a missing key, an unknown provider: each integration has errors of its own.
        # Pydantic's errors show the values that they refuse.
        problem = type(error).__name__ if hasattr(error, "errors") else cut(scrub(str(error)))
        raise ConfigurationError(f"no chat model can be made of {text!r}: {problem}") from error
    if not isinstance(made, BaseChatModel):
        raise ConfigurationError(not_a_member(made))
    return made


def entry_value(entry: Entry) -> Any:
    """An entry as plain JSON values, without keys.

    Raises:
        TypeError: LangChain cannot store such a chat model.
    """
    if isinstance(entry, str):
        return entry
    value = dumpd(entry)
    for part in _parts(value):
        if part.get("type") == "not_implemented":
            raise TypeError(f"LangChain cannot store {part.get('id')}, so a chain with it cannot be pickled")
    return {_STORED: value}


def entry_from_value(value: Any) -> Any:
    """The entry that a value of `entry_value` stands for, with keys from the environment; anything else as it is."""
    if not isinstance(value, Mapping) or set(value) != {_STORED}:
        return value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        return load(value[_STORED], secrets_from_env=True, allowed_objects="all", valid_namespaces=_namespaces(value))


def _namespaces(value: Any) -> list[str]:
    """Packages of the stored classes: what was pickled here may be loaded here."""
    return sorted({part["id"][0] for part in _parts(value) if part.get("type") == "constructor" and part.get("id")})


def _parts(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if value.get("lc") == 1:
            yield value
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)
