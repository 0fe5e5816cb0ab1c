"""The links of a chain as settings hold them: model strings, and LLM objects as members.

Owns their names in trails, and how an object leaves the process and comes back: a dump names its class and holds its
settings, without anything that looks like a key, and is read again where that class is imported; keys come from the
environment then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from llama_index.core.llms.llm import LLM

from llamaindex_failover import packages
from llamaindex_failover.members import LLMMember
from shared_core.errors import ConfigurationError
from shared_core.records import record
from shared_core.registry import ProviderRegistry

logger = logging.getLogger("llm_failover")

__all__ = ["CHAIN", "Enrolled", "Link", "dumped", "label", "loaded", "stored"]

Link: TypeAlias = str | LLM
"""One link of a chain."""

CHAIN = ("model", "fallbacks", "fallback_models")
"""Keywords of a call that name links of its chain."""

_SECRET = re.compile(r"key(_id)?$|token$|secret|password|credential|headers$", re.IGNORECASE)
"""Names of an LLM's settings that do not belong into a dump; `max_tokens` does."""


class Enrolled:
    """Members by their names in one registry. An object keeps its name for as long as it is known here.

    Args:
        registry: Where they are enrolled.
        style: "llamaindex" if strings are made into LLMs by the framework's own packages.
    """

    def __init__(self, registry: ProviderRegistry, style: Literal["llamaindex"] | None = None) -> None:
        self._registry = registry
        self._style = style
        self._names: dict[int, tuple[LLM, str]] = {}
        self._made: dict[str, LLM] = {}

    def names(self, *links: Link) -> list[str]:
        """The model strings of links; see `name`."""
        if self._style is None:
            return [link if type(link) is str else self.name(link) for link in links]
        return [self.name(link) for link in links]

    def name(self, link: Link) -> str:
        """The model string of a link.

        Raises:
            ConfigurationError: The framework's packages make no LLM of a string.
        """
        if isinstance(link, str):
            text = link.strip()
            if self._style is None or not text:
                return link
            if text not in self._made:
                self._made[text] = packages.made(text)
            link = self._made[text]
        known = self._names.get(id(link))
        if known is None:
            member = LLMMember(link)
            known = self._names[id(link)] = (link, self._registry.enrol(member))
            if member.may_retry:
                logger.warning("%s may retry by itself; make it with max_retries=0", known[1])
        return known[1]


def label(link: Link) -> str:
    """A link in a line of text; of an object its class and model, and nothing else that it holds."""
    if isinstance(link, str):
        return link
    member = LLMMember(link)
    return f"{member.kind}/{member.model}"


def dumped(link: Link) -> str | dict[str, Any]:
    """A link as plain JSON values, without keys."""
    return link if isinstance(link, str) else _without_secrets(link.to_dict())


def loaded(given: Any) -> Link:
    """A link out of a dump, or the link that it is already.

    Raises:
        ConfigurationError: It is none, or the class of an LLM is not imported.
    """
    if isinstance(given, str | LLM):
        return given
    if isinstance(given, _Stored):
        return given.cls.from_dict(dict(given.values))
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"expected a model string or an LLM, got {type(given).__name__}")
    wanted = given.get("class_name")
    found = next((made for made in _below(LLM) if made.class_name() == wanted), None)
    if found is None:
        raise ConfigurationError(f"no LLM class named {wanted!r} is imported; import its package first")
    made: LLM = found.from_dict(dict(given))
    return made


@record(frozen=True, slots=True)
class _Stored:
    """An LLM in a pickle: its class by reference, so that loading imports it."""

    cls: type[LLM]
    values: dict[str, Any]


def stored(link: Link) -> Any:
    """A link for a pickle, without keys."""
    return link if isinstance(link, str) else _Stored(type(link), _without_secrets(link.to_dict()))


def _below(cls: type[Any]) -> Iterator[type[Any]]:
    for made in cls.__subclasses__():
        yield made
        yield from _below(made)


def _without_secrets(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_secrets(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if not _SECRET.search(name)
    }
