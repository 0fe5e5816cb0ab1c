"""The settings of `FailoverLLM`: their names, their checks, and which of them may leave the process.

Owns construction (both faces take the same arguments), the policy of a call, and dumps, pickles, copies and reprs.

Invariants: keys, clients and hooks live in the manager alone, so that no dump, pickle or repr can hold them; what is
loaded builds a manager of its own, with keys from the environment; copies made inside the process share the manager,
and with it the memory of what is down.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_serializer,
    field_validator,
)

from llamaindex_failover.links import Enrolled, Link, dumped, label, loaded, stored
from shared_core import configuration
from shared_core.chain import merge_models
from shared_core.classify import ClassifierRule
from shared_core.credentials import Key
from shared_core.errors import ConfigurationError
from shared_core.hooks import Hooks
from shared_core.journey import Accept
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo

__all__ = ["ConfiguredLLM"]

_DIRECT = ("deadline", "mid_stream", "first_token_timeout", "idle_timeout", "hedge_after")
"""Settings of the policy that are also accepted directly."""

_ENGINE = ("profiles", "order", "rules", "accept", "hooks", "http_client", "http_async_client", "manager")
"""Arguments that are no fields: they go to the manager and are known to nothing else."""

_RENAMED: Mapping[str, str] = MappingProxyType(
    {
        # Names that people know from a single provider's LLM.
        "default_headers": "extra_headers",
        "max_new_tokens": "max_tokens",
        "timeout": "deadline",
    }
)

_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "api_base": 'base_urls={"openai": url}',
        "api_key": 'profiles={"openai": {"default": key}}',
        "async_http_client": "http_async_client",
        "base_url": 'base_urls={"openai": url}',
    }
)

_SECRET = re.compile(r"key|token|secret|sig|pass", re.IGNORECASE)
"""Names of query parameters that do not belong into a dump."""

_USUAL_VENDOR = Vendor(name="")


class ConfiguredLLM(FunctionCallingLLM):
    """An LLM with everything that it needs to be asked, but no way to ask it; see `FailoverLLM`."""

    # There is no object of this class itself, so that what would check one need not be built.
    model_config = ConfigDict(hide_input_in_errors=True, defer_build=True)

    model: Link = Field(default="", description="First link of the chain: provider/model, or an LLM.")
    fallbacks: list[Link] = Field(default_factory=list, description="Further links, in order.")
    provider_style: Literal["llamaindex"] | None = Field(
        default=None, description="Whose strings the links are: our own, or those of LlamaIndex's packages."
    )
    temperature: float | None = Field(default=None, ge=0, description="Sampling temperature.")
    max_tokens: int | None = Field(default=None, ge=1, description="Highest number of tokens to generate.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling.")
    stop: list[str] | None = Field(default=None, description="Stop sequences.")
    seed: int | None = Field(default=None, description="Sampling seed.")
    presence_penalty: float | None = Field(default=None, description="Penalty for tokens that occurred.")
    frequency_penalty: float | None = Field(default=None, description="Penalty by how often a token occurred.")
    reasoning_effort: str | None = Field(default=None, description="How hard a reasoning model is to think.")
    user: str | None = Field(default=None, description="Opaque id of the end user.")
    strict: bool = Field(default=False, description="Ask for strict tool schemas.")
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further keyword arguments of each call."
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Further fields of each request's body.")
    extra_headers: dict[str, str] = Field(default_factory=dict, exclude=True, description="Further HTTP headers.")
    context_window: int | None = Field(default=None, ge=1, description="Instead of the chain's smallest known one.")
    num_output: int | None = Field(default=None, ge=1, description="Tokens that prompts leave free for the answer.")
    is_function_calling_model: bool | None = Field(default=None, description="Instead of what is known of the chain.")
    base_urls: dict[str, str] = Field(default_factory=dict, description="Base URL by provider.")
    vendors: list[Vendor] = Field(default_factory=list, description="Further providers, as rows of data.")
    aliases: dict[str, str] = Field(default_factory=dict, description="Model string by alias.")
    models: dict[str, ModelInfo] = Field(default_factory=dict, description="What models can do, by model string.")
    policy: FailoverPolicy | None = Field(default=None, description="All settings of the failover.")
    deadline: float | None = Field(default=None, description="Seconds for a whole call.")
    mid_stream: str | None = Field(default=None, description="What happens when a shown stream breaks.")
    first_token_timeout: float | None = Field(default=None, description="Seconds until the first content.")
    idle_timeout: float | None = Field(default=None, description="Seconds between two pieces of content.")
    hedge_after: float | None = Field(
        default=None, description="Seconds after which, without content, the next target is asked as well."
    )
    max_retries: int | None = Field(default=None, ge=0, description="Repetitions on one target after a blip.")

    _manager: FailoverManager = PrivateAttr()
    _enrolled: Enrolled = PrivateAttr()
    _latest: tuple[FailoverPolicy, dict[str, Any], FailoverPolicy] | None = PrivateAttr(default=None)

    def __init__(
        self,
        model: Link = "",
        fallbacks: Sequence[Link] = (),
        *,
        profiles: Mapping[str, Mapping[str, Key]] | None = None,
        order: Mapping[str, Sequence[str]] | None = None,
        rules: Sequence[ClassifierRule] = (),
        accept: Accept | None = None,
        hooks: Hooks | None = None,
        http_client: httpx.Client | None = None,
        http_async_client: httpx.AsyncClient | None = None,
        manager: FailoverManager | None = None,
        **settings: Any,
    ) -> None:
        try:
            super().__init__(model=model, fallbacks=fallbacks, **_named(settings, type(self).model_fields))
        except ValidationError as error:
            raise ConfigurationError(_explained(error)) from None
        engine: dict[str, Any] = {
            "profiles": profiles,
            "order": order,
            "rules": rules,
            "accept": accept,
            "hooks": hooks,
            "http_client": http_client,
            "http_async_client": http_async_client,
            "base_urls": self.base_urls,
            "vendors": self.vendors,
            "aliases": self.aliases,
            "models": self.models,
        }
        given = {name: value for name, value in engine.items() if value}
        if manager is not None and given:
            raise ConfigurationError(f"a manager has its own settings; give {', '.join(given)} to it, not beside it")
        self._manager = manager or FailoverManager(policy=self.policy, **given)
        self._enrolled = Enrolled(self._manager.registry, self.provider_style)
        # What is wrong is told here and not by the first call.
        self._manager.require(self._chain())
        self._call_policy()

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], **overrides: Any) -> Self:
        """The LLM that a file describes; see `shared_core.configuration`.

        Args:
            path: A TOML file; keys are read from the environment variables that it names.
            **overrides: Arguments of this class, each in place of the file's. A `manager` has keys, addresses, vendors,
                aliases and models of its own, so that those of the file are left out.

        Raises:
            ConfigurationError: Something in the file, or an override, is wrong.
        """
        file = configuration.Configuration.load(path)
        given = _named(overrides, cls.model_fields)
        if "provider_style" not in given:
            file.require_own_style(but="llamaindex")
        return cls(**file.arguments(**{"provider_style": file.provider_style, **given}))

    @field_validator("fallbacks", "stop", mode="before")
    @classmethod
    def _read_list(cls, given: Any) -> Any:
        # A string is a sequence of its letters, which is never what is meant.
        return [given] if isinstance(given, str | LLM) else given

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, given: Any) -> Any:
        return loaded(given)

    @field_validator("fallbacks", mode="before")
    @classmethod
    def _read_fallbacks(cls, given: Any) -> Any:
        return [loaded(link) for link in given] if isinstance(given, Sequence) and not isinstance(given, str) else given

    @property
    def manager(self) -> FailoverManager:
        """The engine behind this LLM: `health()`, `explain(...)`, `reset()`, `disable(...)`, `close()`."""
        found: FailoverManager = self._private("_manager")
        return found

    def rehearsed(self) -> tuple[tuple[str, ...], FailoverPolicy]:
        """The model strings of the chain and the policy of its calls: what `shared_core.drill` plays."""
        return self._chain(), self._call_policy() or self.manager.policy

    @field_serializer("model")
    def _dump_model(self, model: Link) -> str | dict[str, Any]:
        return dumped(model)

    @field_serializer("fallbacks")
    def _dump_fallbacks(self, fallbacks: list[Link]) -> list[str | dict[str, Any]]:
        return [dumped(link) for link in fallbacks]

    @field_serializer("policy")
    def _dump_policy(self, policy: FailoverPolicy | None) -> dict[str, Any] | None:
        return None if policy is None else policy.model_dump(mode="json", exclude_unset=True)

    @field_serializer("base_urls")
    def _dump_base_urls(self, base_urls: dict[str, str]) -> dict[str, str]:
        return {name: _without_credentials(url) for name, url in base_urls.items()}

    @field_serializer("vendors")
    def _dump_vendors(self, vendors: list[Vendor]) -> list[dict[str, Any]]:
        return [_row(vendor) for vendor in vendors]

    @field_serializer("models")
    def _dump_models(self, models: dict[str, ModelInfo]) -> dict[str, dict[str, Any]]:
        return {name: _known(info) for name, info in models.items()}

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[dict[str, Any]]]:
        # The framework's own pickling deletes what it cannot pickle from the live object as well.
        kept = {name: getattr(self, name) for name, field in type(self).model_fields.items() if field.exclude}
        del kept["extra_headers"]
        kept = {name: value for name, value in kept.items() if value is not None and _is_picklable(value)}
        links = {"model": stored(self.model), "fallbacks": [stored(link) for link in self.fallbacks]}
        return type(self).from_dict, ({**self.to_dict(), **kept, **links},)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        # The manager is shared by all copies, and so are members; policies and vendors never change; the others hold
        # locks.
        members = (link for link in (self.model, *self.fallbacks) if not isinstance(link, str))
        shared = (self._manager, self._enrolled, self.policy, *(self._latest or ()), *self.vendors, *members)
        for value in (*shared, self.rate_limiter, self.callback_manager):
            memo[id(value)] = value
        return super().__deepcopy__(memo)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name in ("model", "fallbacks", "temperature", "max_tokens", "system_prompt"):
            if (value := getattr(self, name)) in (None, "", []):
                continue
            if name == "model":
                value = label(value)
            elif name == "fallbacks":
                value = [label(link) for link in value]
            yield name, value

    def __str__(self) -> str:
        return repr(self)

    def _chain(self) -> tuple[str, ...]:
        """All models that a call may ask, in order."""
        chain = merge_models(self._names(self.model, *self.fallbacks), self.manager.fallbacks)
        if not chain:
            raise ConfigurationError("LLM request has no model resolved: give `model` or `fallbacks`")
        return chain

    def _names(self, *links: Link) -> list[str]:
        enrolled: Enrolled = self._private("_enrolled")
        return enrolled.names(*links)

    def _private(self, name: str) -> Any:
        # Several are read in each call, and pydantic's own way to one takes twenty times as long.
        held: Any = self.__pydantic_private__
        return held[name]

    def _call_policy(self) -> FailoverPolicy | None:
        """The policy of a call, with the settings that were given directly; None for the manager's own."""
        direct = {name: value for name in _DIRECT if (value := getattr(self, name)) is not None}
        if not direct and self.max_retries is None:
            return self.policy
        base = self.policy or self.manager.policy
        if self.max_retries is not None:
            pauses = base.transient_backoffs or (0.5,)
            direct["transient_backoffs"] = (pauses + pauses[-1:] * self.max_retries)[: self.max_retries]
        latest: tuple[FailoverPolicy, dict[str, Any], FailoverPolicy] | None = self._private("_latest")
        if latest is None or latest[0] is not base or latest[1] != direct:
            try:
                latest = self._latest = (base, direct, base.replace(**direct))
            except ValidationError as error:
                raise ConfigurationError(_explained(error)) from None
        return latest[2]


def _named(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The settings under our own names."""
    names = [*known, *_ENGINE]
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _ELSEWHERE:
            raise ConfigurationError(f"{name} is not a setting of FailoverLLM; use {_ELSEWHERE[name]}")
        own = _RENAMED.get(name, name)
        if own not in names:
            close = get_close_matches(name, names, n=1)
            raise ConfigurationError(f"unknown setting {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        if own in found:
            raise ConfigurationError(f"{own} is given twice, also as {name}")
        found[own] = value
    return found


def _explained(error: ValidationError) -> str:
    """What is wrong, without the value: it may be a key in the wrong place."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )


def _row(vendor: Vendor) -> dict[str, Any]:
    """What is unusual about a vendor, as JSON knows it; without its headers and whatever else may hold a key."""
    values = {field.name: getattr(vendor, field.name) for field in fields(vendor) if field.name != "headers"}
    values["query"] = {name: value for name, value in vendor.query.items() if not _SECRET.search(name)}
    values["renames"] = dict(vendor.renames)
    if vendor.base_url:
        values["base_url"] = _without_credentials(vendor.base_url)
    unusual = {name: value for name, value in values.items() if value != getattr(_USUAL_VENDOR, name)}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in unusual.items()}


def _known(info: ModelInfo) -> dict[str, Any]:
    """What is known about a model, as JSON knows it."""
    values = {field.name: getattr(info, field.name) for field in fields(info)}
    known = {name: value for name, value in values.items() if value not in {None, frozenset()}}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in known.items()}


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if not _SECRET.search(name)]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(kept)))


def _is_picklable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever a callback's or a function's own pickling raises
        return False
    return True
