"""From TOML text to the values of a `Configuration`, or to all mistakes of the file at once.

It goes through the tables one by one, and goes on after a mistake, so that a person mends a file once. What needs other
tables (does a model's provider exist? is a profile in `order` one of `profiles`?) is asked of what was sound in them.

Invariants: keys are not read, only the names of their variables; a value that is wrong is repeated nowhere.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared_core.configuration.forms import (
    CHAIN,
    MODEL,
    POLICY,
    REQUEST,
    VENDOR,
    Chain,
    check,
    check_names,
    given,
    strings,
)
from shared_core.configuration.mistakes import ConfigurationFileError, Mistake, Mistakes, suggestion
from shared_core.configuration.places import Place
from shared_core.configuration.variables import Variables, is_name, variable_of
from shared_core.credentials import EnvironmentKey
from shared_core.errors import ConfigurationError
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.providers.vendors import VENDORS
from shared_core.registry import WIRES, ProviderRegistry
from shared_core.scrub import scrub

__all__ = ["read", "read_text"]

_TABLES = ("chain", "request", "policy", "profiles", "order", "base_urls", "aliases", "vendors", "models")

_HEADS = {"profiles": "profiles.PROVIDER", "vendors": "vendors.PROVIDER", "models": 'models."PROVIDER/MODEL"'}
"""How the tables inside of a table begin."""

_KEY_EXPECTED = 'expected "${NAME}", an environment variable, and nothing else; a key has no place in a file'


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationFileError: It cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ConfigurationFileError(os.fspath(path), [Mistake("", reason)])


def read(text: str, source: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The values of a configuration, by the names of its attributes.

    Raises:
        ConfigurationFileError: Something is wrong; it tells all mistakes.
    """
    mistakes = Mistakes(source, text)
    tables = _parse(text, source)
    check_names(tables, _TABLES, (), mistakes)
    reader = _Reader(tables, environ, mistakes)
    values = reader.values()
    mistakes.check()
    return values


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Mistake("", "nested too deeply")
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        said, line = (str(error), None) if found is None else found.groups()
        end = text.rstrip().count("\n") + 1
        problem = Mistake("", f"not valid TOML: {scrub(said)}", int(line or end))
    # Not as a cause: newer Pythons keep the whole text in the parser's error.
    raise ConfigurationFileError(source, [problem])


class _Reader:
    """One file under way."""

    def __init__(self, tables: Mapping[str, Any], environ: Mapping[str, str], mistakes: Mistakes) -> None:
        self._raw = tables
        self._environ = environ
        self._mistakes = mistakes
        self._variables = Variables(environ, mistakes)

    def values(self) -> dict[str, Any]:
        """What is sound of every table."""
        vendors, base_urls = self._vendors(), self._base_urls()
        aliases = strings(self._table("aliases"), ("aliases",), self._mistakes)
        # Without keys and clients: it only knows names.
        registry = ProviderRegistry(vendors=vendors, aliases=aliases, base_urls=base_urls)
        chain = self._chain(registry)
        for name, model in aliases.items():
            self._check_model(("aliases", name), model, registry)
        profiles = self._profiles(registry)
        policy = check(POLICY, self._table("policy"), ("policy",), self._mistakes)
        return {
            **({} if chain is None else given(chain)),
            "vendors": vendors,
            "base_urls": base_urls,
            "aliases": aliases,
            "profiles": profiles,
            "order": self._order(registry, profiles),
            "models": self._models(registry),
            "policy": policy or FailoverPolicy(),
            "settings": self._settings(),
        }

    # Tables

    def _table(self, name: str) -> dict[str, Any]:
        """A table of the file with its variables read; empty if it is not there."""
        table = self._raw.get(name, {})
        if not isinstance(table, Mapping):
            self._mistakes.add((name,), f"expected a table: [{_HEADS.get(name, name)}]")
            return {}
        return {key: self._variables.read(value, (name, key)) for key, value in table.items()}

    def _tables(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The tables inside of a table."""
        for key, table in self._table(name).items():
            if isinstance(table, dict):
                yield key, table
            else:
                self._mistakes.add((name, key), f'expected a table: [{name}."{key}"]')

    # Sections

    def _chain(self, registry: ProviderRegistry) -> Chain | None:
        table = self._table("chain")
        chain = check(CHAIN, table, ("chain",), self._mistakes)
        if "provider_style" not in table:
            fallbacks = table.get("fallbacks")
            links: dict[Place, Any] = {("chain", "model"): table.get("model")}
            if isinstance(fallbacks, list):
                links.update((("chain", "fallbacks", number), model) for number, model in enumerate(fallbacks))
            for place, model in links.items():
                if isinstance(model, str):  # if not, the form has said so
                    self._check_model(place, model, registry)
        return chain

    def _check_model(self, place: Place, model: str, registry: ProviderRegistry) -> tuple[str, str] | None:
        """Provider and model id that a model string means; None if it means none."""
        try:
            provider, name = registry.resolve_model(model)
        except ConfigurationError:
            self._mistakes.add(place, "expected 'provider/model' or a model's name")
            return None
        self._check_provider(place, provider, registry)
        return provider, name

    def _check_provider(self, place: Place, provider: str, registry: ProviderRegistry) -> None:
        tables = (self._raw.get(name) for name in ("base_urls", "vendors"))
        own = [name.strip().lower() for table in tables if isinstance(table, dict) for name in table]
        if registry.vendor(provider) is None and provider.strip().lower() not in own:  # else its table is at fault
            near = suggestion(provider, [*VENDORS, *own])
            how = near or "; one of your own needs a line in [base_urls] or a table in [vendors]"
            # The provider is not quoted: a key may have been put there.
            self._mistakes.add(place, f"no such provider{how}")

    def _settings(self) -> dict[str, Any]:
        table = self._table("request")
        if isinstance(table.get("stop"), str):
            table["stop"] = [table["stop"]]
        body = table.get("extra_body")
        for name, value in body.items() if isinstance(body, dict) else ():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                self._mistakes.add(("request", "extra_body", name), "JSON has no dates, times, infinities and nan")
        made = check(REQUEST, table, ("request",), self._mistakes)
        return {} if made is None else given(made)

    def _profiles(self, registry: ProviderRegistry) -> dict[str, dict[str, EnvironmentKey]]:
        table = self._raw.get("profiles", {})
        if not isinstance(table, dict):
            self._mistakes.add(("profiles",), f"expected a table: [{_HEADS['profiles']}]")
            return {}
        found: dict[str, dict[str, EnvironmentKey]] = {}
        for provider, keys in table.items():
            place = ("profiles", provider)
            if not isinstance(keys, dict) or not keys:
                self._mistakes.add(place, 'expected a table of profiles, each with its key: main = "${NAME}"')
                continue
            self._check_provider(place, provider, registry)
            name = registry.canonical(provider)
            if name in found:
                self._mistakes.add(place, f"the profiles of {name!r} are given under another of its names as well")
            found.setdefault(name, {}).update(self._keys(place, keys))
        return found

    def _keys(self, place: Place, keys: Mapping[str, Any]) -> dict[str, EnvironmentKey]:
        found = {}
        for profile, key in keys.items():
            variable = variable_of(key) if isinstance(key, str) else None
            if not profile.strip():
                self._mistakes.add((*place, profile), "expected a name for the profile")
            elif variable is None:
                self._mistakes.add((*place, profile), _KEY_EXPECTED)
            found[profile] = EnvironmentKey(variable or "", self._environ)
        return found

    def _order(
        self, registry: ProviderRegistry, profiles: Mapping[str, Mapping[str, EnvironmentKey]]
    ) -> dict[str, tuple[str, ...]]:
        found = {}
        for provider, names in self._table("order").items():
            known = list(profiles.get(registry.canonical(provider), ("default",)))
            if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
                self._mistakes.add(("order", provider), "expected an array of profile names")
                continue
            for number, name in enumerate(names):
                if name not in known:
                    near = suggestion(name, known) or f"; known are {', '.join(known)}"
                    self._mistakes.add(("order", provider, number), f"no such profile{near}")
            found[registry.canonical(provider)] = tuple(names)
        return found

    def _base_urls(self) -> dict[str, str]:
        found = strings(self._table("base_urls"), ("base_urls",), self._mistakes)
        return {name: url for name, url in found.items() if self._check_url(("base_urls", name), url)}

    def _check_url(self, place: Place, url: str) -> bool:
        try:
            parts = urlsplit(url.strip())
            is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets that do not match, a port that is no number
            is_usable = False
        if not is_usable:
            self._mistakes.add(place, "expected an address that begins with http:// or https://")
        return is_usable

    def _vendors(self) -> tuple[Vendor, ...]:
        return tuple(
            vendor for name, table in self._tables("vendors") if (vendor := self._vendor(name, table)) is not None
        )

    def _vendor(self, name: str, table: dict[str, Any]) -> Vendor | None:
        """A new vendor, or a known one with changes."""
        place = ("vendors", name)
        made = check(VENDOR, table, place, self._mistakes)
        if made is None:
            return None
        row = replace(VENDORS.get(name.strip().lower()) or Vendor(name=name.strip()), **given(made))
        if row.wire not in WIRES:
            known = ", ".join(map(repr, WIRES))
            self._mistakes.add((*place, "wire"), f"expected one of {known}{suggestion(row.wire, WIRES)}")
            return None
        for setting in ("tool_id", "thinks_silently"):
            try:
                re.compile(table.get(setting, ""))
            except re.error:
                self._mistakes.add((*place, setting), "expected a regular expression")
        names = {"key_env": row.key_env, "base_url_env": (row.base_url_env or "X",)}
        for setting, variables in names.items():
            if not all(map(is_name, variables)):
                self._mistakes.add((*place, setting), 'expected the name of an environment variable, without "${…}"')
        if "base_url" in table:
            self._check_url((*place, "base_url"), table["base_url"])
        return row

    def _models(self, registry: ProviderRegistry) -> dict[str, ModelInfo]:
        found = {}
        for name, table in self._tables("models"):
            resolved = self._check_model(("models", name), name, registry)
            made = check(MODEL, table, ("models", name), self._mistakes)
            if made is not None and resolved is not None:
                found["/".join(resolved)] = replace(registry.info(*resolved) or ModelInfo(), **given(made))
        return found
