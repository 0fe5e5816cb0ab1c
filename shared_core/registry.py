"""Which provider a model string means, and the provider itself.

It owns the names: vendors (ours and the user's), aliases, inference from a model's name, and providers that were taken
out with a reason. It never replaces an unregistered provider by another one: `get` says why there is none, and the
walk reports that and goes on.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from shared_core import classify
from shared_core.errors import ConfigurationError
from shared_core.providers.base import Provider, Vendor, Wire
from shared_core.providers.clients import Clients
from shared_core.providers.http import HTTPProvider
from shared_core.providers.members import Member, MemberProvider
from shared_core.providers.models import ModelInfo, describe
from shared_core.providers.vendors import find, infer_provider

__all__ = ["WIRES", "ProviderRegistry", "wire"]

WIRES: Mapping[str, tuple[str, str]] = {
    "openai": ("shared_core.providers.openai_chat", "OpenAIChatWire"),
    "responses": ("shared_core.providers.responses", "ResponsesWire"),
    "anthropic": ("shared_core.providers.anthropic_messages", "AnthropicMessagesWire"),
    "gemini": ("shared_core.providers.gemini_generate", "GeminiGenerateWire"),
}
"""Module and class of each wire; imported when first used."""


@functools.cache
def wire(name: str) -> Wire:
    """The wire of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in WIRES:
        raise ConfigurationError(f"unknown wire {name!r}; known are {', '.join(WIRES)}")
    module, cls = WIRES[name]
    made: Wire = getattr(import_module(module), cls)()
    return made


class ProviderRegistry:
    """Names, vendors and providers of one manager.

    Args:
        vendors: The user's own vendor rows; they come before ours of the same name.
        aliases: Names for model strings: `{"fast": "groq/llama-3.3-70b-versatile"}`.
        base_urls: Addresses by provider, in place of the vendor's own. A name that no vendor has becomes a vendor of
            the OpenAI wire that needs no key.
        models: What models can do, by model string; it comes before the built-in table.
        clients: HTTP clients of the providers.
        rules: The user's classifier rules.

    Attributes:
        edition: Grows when a model string may mean something else from then on.

    Raises:
        ConfigurationError: A row or an address is not usable.
    """

    def __init__(
        self,
        *,
        vendors: Iterable[Vendor] | None = None,
        aliases: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
        models: Mapping[str, ModelInfo] | None = None,
        clients: Clients | None = None,
        rules: Sequence[classify.ClassifierRule] = (),
    ) -> None:
        self._own: dict[str, Vendor] = {}
        for vendor in vendors or ():
            wire(vendor.wire)
            for name in (vendor.name, *vendor.aliases):
                self._own[name.strip().lower()] = vendor
        self._aliases = dict(aliases or {})
        self._clients = clients or Clients()
        self._rules = rules
        self._base_urls: dict[str, str] = {}
        self._providers: dict[str, Provider] = {}
        self.edition = 0
        self._disabled: dict[str, str] = {}
        for name, url in (base_urls or {}).items():
            self._set_base_url(name, url)
        self._models = {"/".join(self.resolve_model(name)): info for name, info in (models or {}).items()}

    def _set_base_url(self, name: str, url: str) -> None:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            # It is not quoted: a key may have been put there.
            raise ConfigurationError(f"base_urls[{name!r}] must begin with http:// or https://")
        vendor = self.vendor(name)
        if vendor is None:
            variable = f"{''.join(c if c.isalnum() else '_' for c in name).upper()}_API_KEY"
            vendor = Vendor(name=name.strip().lower(), base_url=url, key_env=(variable,), needs_key=False)
            self._own[vendor.name] = vendor
        self._base_urls[vendor.name] = url.rstrip("/")

    def vendor(self, provider: str) -> Vendor | None:
        """The row of a provider, by name or alias; None if there is none, as for members."""
        if self.member(provider) is not None:
            return None
        return self._own.get(provider.strip().lower()) or find(provider)

    def canonical(self, provider: str) -> str:
        """The provider's own name for a name or alias."""
        vendor = self.vendor(provider)
        return provider.strip() if vendor is None else vendor.name

    def resolve_model(self, model: str) -> tuple[str, str]:
        """Provider and model id of a model string.

        The alias table comes first. Then `provider/model` is split at the first slash, `provider:model` where what
        stands before the colon is a known provider, and without either the provider is inferred from the name.

        >>> ProviderRegistry().resolve_model("openrouter/meta-llama/llama-3.3-70b")
        ('openrouter', 'meta-llama/llama-3.3-70b')
        >>> ProviderRegistry().resolve_model("claude-sonnet-4-5")
        ('anthropic', 'claude-sonnet-4-5')

        Raises:
            ConfigurationError: There is no model name in it.
        """
        text = model.strip()
        text = self._aliases.get(text, text).strip()
        before_colon, colon, after_colon = text.partition(":")
        if colon and "/" not in before_colon and self._is_known(before_colon):
            provider, name = before_colon, after_colon
        elif "/" in text:
            provider, _, name = text.partition("/")
        else:
            provider, name = infer_provider(text), text
        if not provider.strip() or not name.strip():
            raise ConfigurationError(f"{model!r} is not a model string: expected 'provider/model' or a model's name")
        provider, name = provider.strip(), name.strip()
        member = self.member(provider)
        if member is not None and member.model != name:
            # Not that object, but a vendor of the same name: "OpenAI/gpt-4.1" is one, "OpenAI/gpt-4o" may be the other.
            vendor = self._own.get(provider.lower()) or find(provider)
            return provider if vendor is None else vendor.name, name
        return self.canonical(provider), name

    def _is_free(self, name: str) -> bool:
        """Whether a member can be called so: a class's name (`OpenAI`) differs from a vendor's (`openai`) by case."""
        return name not in self._providers and (name != name.lower() or self.vendor(name) is None)

    def _is_known(self, provider: str) -> bool:
        return provider in self._providers or self.vendor(provider) is not None

    def add(self, provider: Provider) -> None:
        """Registers a provider of the caller's own making under its name."""
        self._providers[provider.name] = provider
        self.edition += 1

    def enrol(self, member: Member) -> str:
        """Registers a framework's own model object, once.

        Returns:
            Its canonical model string: `ChatOpenAI/gpt-4.1`. A further object of that class is a provider of its own,
            `ChatOpenAI#2/gpt-4.1-mini`, since it has a key of its own.
        """
        for known in self._providers.values():
            if isinstance(known, MemberProvider) and known.member == member:
                return f"{known.name}/{known.member.model}"
        numbered = (f"{member.kind}#{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([member.kind], numbered) if self._is_free(name))
        self.add(MemberProvider(member, name, self._rules))
        return f"{name}/{member.model}"

    def member(self, provider: str) -> Member | None:
        """The model object that is registered under that provider's name, if one is."""
        found = self._providers.get(provider)
        return found.member if isinstance(found, MemberProvider) else None

    def info(self, provider: str, model: str) -> ModelInfo | None:
        """What is known of a model: what a member says of itself, what the user said, or our table."""
        member = self.member(provider)
        return describe(provider, model, extra=self._models) if member is None else member.info

    def address(self, provider: str) -> str | None:
        """Where a provider is asked; None if it is a member, one of the caller's own making, or was never asked for."""
        found = self._providers.get(self.canonical(provider))
        return found.base_url if isinstance(found, HTTPProvider) else None

    def disable(self, provider: str, reason: str) -> None:
        """Takes a provider out; `get` gives the reason."""
        self._disabled[self.canonical(provider)] = reason

    def enable(self, provider: str) -> None:
        """Lets a provider in again."""
        self._disabled.pop(self.canonical(provider), None)

    def get(self, provider: str) -> Provider:
        """The provider of that name, made when first asked for.

        Raises:
            ConfigurationError: It is disabled, unknown, or has no address; the message says which.
        """
        name = self.canonical(provider)
        if name in self._disabled:
            raise ConfigurationError(f"provider {name!r} is disabled: {self._disabled[name]}")
        found = self._providers.get(name)
        if found is None:
            found = self._providers[name] = self._make(name)
        return found

    def fault(self, provider: str) -> str | None:
        """Why the provider of that canonical name cannot be asked; None if it can."""
        if provider in self._providers and provider not in self._disabled:
            return None
        try:
            self.get(provider)
        except ConfigurationError as error:
            return str(error)
        return None

    def _make(self, name: str) -> HTTPProvider:
        vendor = self.vendor(name)
        if vendor is None:
            raise ConfigurationError(
                f"provider {name!r} is not known: give base_urls={{{name!r}: 'https://…'}} or a Vendor row"
            )
        from_environment = os.environ.get(vendor.base_url_env) if vendor.base_url_env else None
        base_url = self._base_urls.get(vendor.name) or from_environment or vendor.base_url
        if not base_url:
            raise ConfigurationError(f"provider {name!r} has no address: give base_urls={{{name!r}: 'https://…'}}")
        return HTTPProvider(vendor, wire(vendor.wire), base_url, self._clients, self._rules)
