"""`Configuration`: what a file says about a chain, as one frozen value that both faces and the command line take.

It owns the way from the value to the engine: a manager, a request, the arguments of a face. Reading the text is
`reading`'s.

Invariants: a file holds no key, only the names of environment variables; the value, its repr and whatever is made of it
show none either, and it cannot be pickled, for a header may hold what a variable held.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from shared_core.configuration.reading import read, read_text
from shared_core.credentials import Key
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.records import record
from shared_core.request import LLMRequest

__all__ = ["Configuration"]

_ENGINE = ("profiles", "order", "base_urls", "vendors", "aliases", "models")
"""What a manager is made of, beside its policy."""


@record(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A chain and all its settings, as a file gives them.

    Attributes:
        model: First model of the chain.
        fallbacks: Further models, in order.
        provider_style: "langchain" or "llamaindex" if the model strings are those of that framework's packages.
        policy: All settings of the walk.
        profiles: API keys by provider and profile name, in the order in which they are tried. Each key is a function
            that reads its environment variable anew for every call.
        order: Order of the profiles by provider, where it is not that of `profiles`.
        base_urls: Addresses by provider.
        vendors: Further providers.
        aliases: Names for model strings.
        models: What models can do, by model string.
        settings: Defaults of every request, by their names in `LLMRequest`.
        source: Name of the file.
    """

    model: str
    fallbacks: tuple[str, ...] = ()
    provider_style: Literal["langchain", "llamaindex"] | None = None
    policy: FailoverPolicy = field(default_factory=FailoverPolicy, repr=False)
    profiles: Mapping[str, Mapping[str, Key]] = field(default_factory=dict, repr=False)
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    base_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    vendors: tuple[Vendor, ...] = field(default=(), repr=False)
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)
    models: Mapping[str, ModelInfo] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    source: str = "configuration"

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Self:
        """Reads a file.

        Args:
            path: A TOML file.
            environ: Where variables are read, now and for every call; the process's own environment without it.

        Raises:
            ConfigurationFileError: The file cannot be read, or something in it is wrong; it tells all mistakes.
        """
        return cls.parse(read_text(Path(path)), source=os.fspath(path), environ=environ)

    @classmethod
    def parse(cls, text: str, *, source: str = "configuration", environ: Mapping[str, str] | None = None) -> Self:
        """Reads TOML text.

        Args:
            text: The text.
            source: What errors call it.
            environ: As with `load`.

        Raises:
            ConfigurationFileError: Something in it is wrong; it tells all mistakes.
        """
        return cls(**read(text, source, os.environ if environ is None else environ), source=source)

    def manager(self, **overrides: Any) -> FailoverManager:
        """A manager with the file's settings.

        Args:
            **overrides: Arguments of `FailoverManager`, each in place of the file's.

        Raises:
            ConfigurationError: An override is wrong.
        """
        return FailoverManager(**{**self._engine(), "policy": self.policy, **overrides})

    def request(self, messages: str | Sequence[Message] = (), **overrides: Any) -> LLMRequest:
        """A request to the file's chain, with its defaults.

        Args:
            messages: The conversation; a string is one message of the user's.
            **overrides: Fields of `LLMRequest`, each in place of the file's.

        Raises:
            ConfigurationError: An override is wrong, or only a framework's packages understand the model strings.
        """
        self.require_own_style()
        turns = (Message.of("user", messages),) if isinstance(messages, str) else tuple(messages)
        chain = {"model": self.model, "fallback_models": self.fallbacks}
        return LLMRequest(**{**chain, **self.settings, "messages": turns, **overrides})

    def arguments(self, **overrides: Any) -> dict[str, Any]:
        """What `ChatFailover` and `FailoverLLM` are made with.

        Args:
            **overrides: Arguments of theirs, each in place of the file's. A `manager` has keys, addresses, vendors and
                models of its own, so that those of the file are left out.
        """
        found: dict[str, Any] = {"model": self.model, "fallbacks": self.fallbacks}
        if self.policy.model_fields_set:
            found["policy"] = self.policy
        if overrides.get("manager") is None:
            found.update(self._engine())
        return {**found, **self.settings, **overrides}

    def require_own_style(self, but: str | None = None) -> None:
        """Checks that the model strings are understood.

        Args:
            but: A style that is understood as well.

        Raises:
            ConfigurationError: They are those of a framework's packages.
        """
        if self.provider_style not in {None, but}:
            face = "ChatFailover" if self.provider_style == "langchain" else "FailoverLLM"
            raise ConfigurationError(
                f"{self.source}: chain.provider_style: only {face} understands model strings in the style of "
                f"{self.provider_style!r}"
            )

    def _engine(self) -> dict[str, Any]:
        return {name: value for name in _ENGINE if (value := getattr(self, name))}

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a configuration is not pickled, for its headers may hold keys; load the file where it is needed"
        )
