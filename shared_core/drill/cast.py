"""Whose outage is rehearsed: the user's own chain, with the same models, profile names and policy, and nothing secret.

A cast is made of a manager, a configuration, a face's model, or model strings, and makes twins of the manager that ask
the local provider. A model object of a framework, or a provider of the user's own making, is played by a stand-in of
the same name: it gets requests over HTTP in the wire of the vendor behind it, and its own code does not run.

Invariants: no key is read, whether from an environment variable, a string or a function: profiles are names here, and
keys are made up. A vendor's path, headers and query, which may hold a secret, stay behind, and so do the user's hooks
and predicate. A twin knows no address but this machine's.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, runtime_checkable

import httpx

from shared_core.chain import merge_models
from shared_core.classify import ClassifierRule
from shared_core.configuration import Configuration
from shared_core.errors import ConfigurationError
from shared_core.hooks import Hooks
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Auth, Vendor
from shared_core.providers.models import ModelInfo
from shared_core.providers.vendors import find

__all__ = ["Cast", "Rehearsable", "Role", "Source"]


@runtime_checkable
class Rehearsable(Protocol):
    """A model of one of the faces."""

    @property
    def manager(self) -> FailoverManager | None:
        """The engine behind it."""

    def rehearsed(self) -> tuple[Sequence[str], FailoverPolicy]:
        """The model strings of its chain, and the policy of its calls."""


Source: TypeAlias = FailoverManager | Configuration | Rehearsable | str | Sequence[str]
"""What a chain can be taken from."""


@dataclass(frozen=True, slots=True)
class Role:
    """One target of the chain.

    Attributes:
        letter: What it is called where there is little room.
        model: Canonical model string.
        provider: Provider's name.
        profile: Name of the profile.
    """

    letter: str
    model: str
    provider: str
    profile: str

    @property
    def name(self) -> str:
        """As people read it: `openai/gpt-4.1 [main]`."""
        return f"{self.model} [{self.profile}]"

    @property
    def key(self) -> str:
        """The made-up key under which its twin is asked; as plain as a header wants it."""
        return f"rehearsal-{self.profile.encode().hex()}"


@dataclass(frozen=True, slots=True)
class Cast:
    """A chain without its keys.

    Attributes:
        roles: Its targets, in the order in which they are tried.
        vendors: The vendor of each provider, without address, key and headers.
        models: What is known of its models, by model string.
        policy: Settings of the walk.
        rules: The user's classifier rules.
        notes: What the drill does otherwise than the chain would.
    """

    roles: tuple[Role, ...]
    vendors: Mapping[str, Vendor]
    models: Mapping[str, ModelInfo] = field(default_factory=dict)
    policy: FailoverPolicy = field(default_factory=FailoverPolicy)
    rules: Sequence[ClassifierRule] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: Source, models: Sequence[str] = (), policy: FailoverPolicy | None = None) -> Cast:
        """The cast of a chain.

        Args:
            source: What the chain is taken from; of a manager, its fallbacks are the chain.
            models: Model strings behind those of `source`, before a manager's fallbacks.
            policy: Settings instead of those of `source`.

        Raises:
            ConfigurationError: There is no chain in it, or a model string is wrong.
        """
        names, manager, own = _opened(source)
        chain = merge_models(names, models, manager.fallbacks)
        if not chain:
            raise ConfigurationError("there is no chain to rehearse: give model strings, or a manager with fallbacks")
        links = dict.fromkeys(manager.registry.resolve_model(name) for name in chain)
        players = {provider: _player(provider, links, manager) for provider, _ in links}
        places = [
            (f"{players[provider].vendor.name}/{model}", players[provider].vendor.name, profile)
            for provider, model in links
            for profile in players[provider].profiles
        ]
        infos = {
            f"{players[provider].vendor.name}/{model}": manager.registry.info(provider, model)
            for provider, model in links
        }
        return cls(
            roles=tuple(Role(_letter(number), *place) for number, place in enumerate(places)),
            vendors={player.vendor.name: player.vendor for player in players.values()},
            models={name: info for name, info in infos.items() if info is not None},
            policy=policy or own,
            rules=manager.rules,
            notes=tuple(player.note for player in players.values() if player.note),
        )

    @property
    def first(self) -> Role:
        """The primary under its first key."""
        return self.roles[0]

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers in order, each once."""
        return tuple(self.vendors)

    def where(self, place: str) -> tuple[Role, ...]:
        """The targets that a trouble's `where` means.

        Raises:
            ConfigurationError: It means none.
        """
        found = tuple(role for role in self.roles if place in self._names(role))
        if not found:
            names = ", ".join(dict.fromkeys(name for role in self.roles for name in (role.provider, role.name)))
            raise ConfigurationError(
                f"no target of this chain is {place!r}; say primary, primary provider, first key or everything, or "
                f"one of {names}"
            )
        return found

    def _names(self, role: Role) -> set[str]:
        """All that `role` is called."""
        first = self.first
        names = {"everything", role.provider, role.model, role.name, f"{role.provider} [{role.profile}]"}
        if role.model == first.model:
            names.add("primary")
        if role.provider == first.provider:
            names.add("primary provider")
            if role.profile == first.profile:
                names.add("first key")
        return names

    def twin(
        self, urls: Mapping[str, str], *, hooks: Hooks, client: httpx.AsyncClient, clock: Callable[[], float]
    ) -> FailoverManager:
        """A manager of this chain that asks `urls`, by provider."""
        return FailoverManager(
            fallbacks=list(dict.fromkeys(role.model for role in self.roles)),
            profiles={
                provider: {role.profile: role.key for role in self.roles if role.provider == provider}
                for provider in self.vendors
            },
            vendors=[replace(vendor, base_url=urls[name]) for name, vendor in self.vendors.items()],
            models=self.models,
            policy=self.policy,
            rules=self.rules,
            hooks=hooks,
            http_async_client=client,
            clock=clock,
            telemetry=False,  # no span and no figure of an outage that is none
        )


def _opened(source: Source) -> tuple[Sequence[str], FailoverManager, FailoverPolicy]:
    """The model strings of `source`, the manager that knows what they mean, and the policy of its calls."""
    match source:
        case FailoverManager():
            return (), source, source.policy
        case Configuration():
            source.require_own_style()
            return (source.model, *source.fallbacks), source.manager(), source.policy
        case str():
            return (source,), FailoverManager(), FailoverPolicy()
        case Rehearsable(manager=FailoverManager() as manager):
            names, policy = source.rehearsed()
            return names, manager, policy
        case Sequence():
            return source, FailoverManager(), FailoverPolicy()
        case _:
            raise ConfigurationError(
                "a drill takes a manager, a configuration, a model with failover, or model strings; "
                f"got {type(source).__name__}"
            )


@dataclass(frozen=True, slots=True)
class _Player:
    """Who plays a provider."""

    vendor: Vendor
    profiles: tuple[str, ...]
    note: str = ""


def _player(provider: str, links: Iterable[tuple[str, str]], manager: FailoverManager) -> _Player:
    registry = manager.registry
    vendor = registry.vendor(provider)
    if vendor is not None:
        return _Player(_without_secrets(vendor, provider), manager.profile_names.get(provider, ("default",)))
    registry.get(provider)  # says why, if there is none
    member = registry.member(provider)
    kind = find(member.vendor) if member is not None and member.vendor is not None else None
    # Names of vendors differ by more than case, those of objects need not: "OpenAI" beside "openai".
    is_taken = any(other != provider and other.lower() == provider.lower() for other, _ in links)
    name = f"{provider} (object)" if is_taken else provider
    stand_in = replace(_without_secrets(kind or Vendor(name=name), name), needs_key=False)
    words = "OpenAI" if kind is None else kind.name
    note = f"{provider} is an object of its own: a stand-in plays it, in the words of {words}"
    return _Player(stand_in, ("default",), note)


def _without_secrets(vendor: Vendor, name: str) -> Vendor:
    auth: Auth = "bearer" if vendor.auth == "none" else vendor.auth
    return replace(
        vendor, name=name, base_url_env=None, key_env=(), auth=auth, path=None, headers={}, query={}, aliases=()
    )


def _letter(number: int) -> str:
    return string.ascii_uppercase[number] if number < len(string.ascii_uppercase) else f"T{number + 1}"
