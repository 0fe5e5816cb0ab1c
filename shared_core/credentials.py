"""API keys by provider and profile name. The only room that sees a key before the HTTP header does.

A key is a string, a `SecretStr`, or a function that returns one (rotating tokens); it is read anew for every call, as
are environment variables, so that a changed key takes effect at once. Outside, a profile is its name and a fingerprint
that changes with the key's value and means nothing in another process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from operator import is_
from typing import TypeAlias

from pydantic import SecretStr

from shared_core.chain import Profile
from shared_core.errors import ConfigurationError
from shared_core.providers.base import Vendor
from shared_core.records import record

__all__ = ["Credentials", "EnvironmentKey", "Key"]

Key: TypeAlias = str | SecretStr | Callable[[], str]

_DEFAULT = "default"

_NO_KEY = hash(None)


@record(frozen=True, slots=True)
class EnvironmentKey:
    """A key in an environment variable: a function that reads it anew for every call, so that it holds no key itself.

    Attributes:
        variable: The variable's name.
        environ: Where it is read; a copy in another process reads that process's own environment.
    """

    variable: str
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)

    def __call__(self) -> str:
        """The key.

        Raises:
            ConfigurationError: The variable is not set.
        """
        key = self.environ.get(self.variable, "").strip()
        if not key:
            raise ConfigurationError(f"no API key: the environment variable {self.variable} is not set")
        return key

    def __reduce__(self) -> tuple[type[EnvironmentKey], tuple[str]]:
        return EnvironmentKey, (self.variable,)


class Credentials:
    """The keys of one manager.

    Args:
        profiles: Keys by provider and profile name.
        order: Order of the profiles by provider; without it, the order in which they were given.
        canonical: Gives a provider's own name for a name or alias.

    Raises:
        ConfigurationError: A profile has no key, or `order` names a profile that does not exist.
    """

    def __init__(
        self,
        profiles: Mapping[str, Mapping[str, Key]] | None,
        order: Mapping[str, Sequence[str]] | None,
        canonical: Callable[[str], str],
    ) -> None:
        self._keys: dict[str, dict[str, SecretStr | Callable[[], str]]] = {}
        for provider, keys in (profiles or {}).items():
            if not isinstance(keys, Mapping) or not keys:
                raise ConfigurationError(f"profiles[{provider!r}] must map at least one profile name to a key")
            for profile, key in keys.items():
                _check(provider, profile, key)
            name = canonical(provider)
            if name in self._keys:
                raise ConfigurationError(f"profiles of {name!r} are given under two names, the second is {provider!r}")
            self._keys[name] = {
                profile: SecretStr(key) if isinstance(key, str) else key for profile, key in keys.items()
            }
        self._order: dict[str, tuple[str, ...]] = {}
        for provider, names in (order or {}).items():
            known = set(self._keys.get(canonical(provider), (_DEFAULT,)))
            if isinstance(names, str) or not names or not set(names) <= known:
                # It is not quoted: a key may have been put there.
                raise ConfigurationError(f"order[{provider!r}] must list profiles of {sorted(known)}")
            self._order[canonical(provider)] = tuple(dict.fromkeys(names))
        self._seen: dict[tuple[str, str], tuple[int, Profile]] = {}
        self._listed: dict[str, tuple[Profile, ...]] = {}

    def __repr__(self) -> str:
        return f"Credentials({ {provider: list(keys) for provider, keys in self._keys.items()} })"

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the profiles by provider, in the order in which they are tried; no key is read."""
        given = {provider: tuple(keys) for provider, keys in self._keys.items()}
        return {**given, **self._order}

    def profiles(self, vendor: Vendor) -> tuple[Profile, ...]:
        """The profiles of a vendor in order, each with the reason if it has no key now.

        Returns:
            The same object as the last time, if no key has changed.
        """
        names = self._order.get(vendor.name) or tuple(self._keys.get(vendor.name, (_DEFAULT,)))
        found = tuple([self._profile(vendor, name) for name in names])
        listed = self._listed.get(vendor.name)
        if listed is not None and all(map(is_, listed, found)):
            return listed
        self._listed[vendor.name] = found
        return found

    def _profile(self, vendor: Vendor, name: str) -> Profile:
        fault = None
        try:
            mark = hash(self._text(vendor, name))
        except ConfigurationError as error:
            mark, fault = _NO_KEY, str(error)
        known = self._seen.get((vendor.name, name))
        if known is None or known[0] != mark or known[1].unavailable != fault:
            known = self._seen[vendor.name, name] = mark, Profile(name, "" if mark == _NO_KEY else f"{mark:x}", fault)
        return known[1]

    def key(self, vendor: Vendor, profile: str) -> SecretStr | None:
        """The key to send now; None if the vendor needs none and there is none.

        Raises:
            ConfigurationError: There is no key, with the words for the trail.
        """
        text = self._text(vendor, profile)
        return None if text is None else SecretStr(text)

    def _text(self, vendor: Vendor, profile: str) -> str | None:
        given = self._keys.get(vendor.name)
        if given is not None:
            return _read(vendor.name, profile, given[profile])
        for variable in vendor.key_env:
            value = os.environ.get(variable, "").strip()
            if value:
                return value
        if not vendor.needs_key:
            return None
        where = f"set {' or '.join(vendor.key_env)}, or give " if vendor.key_env else "give "
        raise ConfigurationError(f"no API key: {where}profiles={{{vendor.name!r}: {{'main': …}}}}")


def _check(provider: str, profile: str, key: object) -> None:
    if not isinstance(profile, str) or not profile.strip():
        raise ConfigurationError(f"profiles[{provider!r}] has a profile without a name")
    value = key.get_secret_value() if isinstance(key, SecretStr) else key
    if not (callable(value) or (isinstance(value, str) and value.strip())):
        raise ConfigurationError(f"profile {profile!r} of {provider!r} has no key")


def _read(provider: str, profile: str, key: SecretStr | Callable[[], str]) -> str:
    if isinstance(key, SecretStr):
        return key.get_secret_value().strip()
    if isinstance(key, EnvironmentKey):
        return key()
    try:
        value = key()
    except Exception as error:
        # The function's own words might hold the key, in a printed chain of causes as well.
        raise ConfigurationError(f"the key function of profile {profile!r} raised {type(error).__name__}") from None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"the key function of profile {profile!r} of {provider!r} returned no key")
    return value.strip()
