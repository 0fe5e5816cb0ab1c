"""What a `ChatFailover` is made of: its settings, their checks, its engine, and how it is copied and stored.

One manager belongs to a model, the user's or its own, made when the model is made, so that wrong settings fail there.
Copies of a model (`model_copy`, `copy`, `deepcopy`, configurable fields) share it: one memory of what is down, one set
of connections.

No key leaves the process. A dump, a pickle, a repr and a trace hold no profile, no header and no client; a model that
is loaded from them takes its keys from the environment and remembers nothing of what was down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Self, TypeAlias

import httpx
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator

from langchain_failover.entries import Entry, checked, entry_value, name_of
from langchain_failover.members import LangChainMember
from langchain_failover.profile import chain_profile
from langchain_failover.stored import model_values, policy_values, to_vendors, vendor_values
from shared_core.chain import Link, merge_models
from shared_core.classify import ClassifierRule
from shared_core.errors import ConfigurationError
from shared_core.history.blocks import is_same
from shared_core.hooks import Hooks
from shared_core.journey import Accept
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.records import record
from shared_core.registry import ProviderRegistry
from shared_core.request import LLMRequest

__all__ = ["ALIASES", "POLICY_SETTINGS", "FailoverSettings", "under_own_names"]

Key: TypeAlias = SecretStr | Callable[[], str]

ALIASES: Mapping[str, str] = {
    "model_name": "model",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
    "timeout": "deadline",
    "request_timeout": "deadline",
    "default_headers": "extra_headers",
    "model_kwargs": "extra_body",
}
"""Names that LangChain's users know from other chat models, and ours. They hold at construction and for each call."""

POLICY_SETTINGS = ("deadline", "mid_stream", "first_token_timeout", "idle_timeout", "hedge_after")
"""Settings of the policy that may be given directly."""

_ENGINE_SETTINGS = (
    "profiles",
    "order",
    "base_urls",
    "vendors",
    "aliases",
    "models",
    "rules",
    "accept",
    "hooks",
    "http_client",
    "http_async_client",
)
"""Settings that a manager is made of; a manager that is given has its own."""

_NOT_STORED = frozenset(
    {
        "profiles",
        "order",
        "extra_headers",
        "rules",
        "accept",
        "hooks",
        "http_client",
        "http_async_client",
        "manager",
        "own_engine",
        "callbacks",
        "rate_limiter",
        "_serialized",
    }
)
"""What a pickle leaves out: keys, and what lives in one process only."""


@record(frozen=True, slots=True, repr=False)
class OwnEngine:
    """A manager that a model made for itself, and the settings that it was made of."""

    manager: FailoverManager
    settings: Mapping[str, Any]


def under_own_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with every alias replaced by our own name.

    Raises:
        ConfigurationError: The same setting is given under two names with two values.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        own = ALIASES.get(name, name)
        if own in found and value is not None and found[own] is not None and found[own] != value:
            raise ConfigurationError(f"{own} is given under two names, with two values")
        if found.get(own) is None:
            found[own] = value
    return found


class FailoverSettings(BaseChatModel):
    """The settings of `ChatFailover`, which see."""

    # There is no object of this class itself, so that what would check one need not be built.
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    model: Entry = ""
    fallbacks: tuple[Entry, ...] = ()
    provider_style: Literal["langchain"] | None = None
    profiles: dict[str, dict[str, Key]] = Field(default_factory=dict, exclude=True, repr=False)
    order: dict[str, tuple[str, ...]] = Field(default_factory=dict, exclude=True)
    base_urls: dict[str, str] = Field(default_factory=dict)
    vendors: tuple[Vendor, ...] = Field(default=(), exclude=True, repr=False)
    aliases: dict[str, str] = Field(default_factory=dict)
    models: dict[str, ModelInfo] = Field(default_factory=dict, exclude=True, repr=False)
    policy: FailoverPolicy | None = Field(default=None, exclude=True)
    manager: FailoverManager | None = Field(default=None, exclude=True, repr=False)
    own_engine: OwnEngine | None = Field(default=None, exclude=True, repr=False)
    rules: tuple[ClassifierRule, ...] = Field(default=(), exclude=True, repr=False)
    accept: Accept | None = Field(default=None, exclude=True, repr=False)
    hooks: Hooks | None = Field(default=None, exclude=True, repr=False)
    http_client: httpx.Client | None = Field(default=None, exclude=True, repr=False)
    http_async_client: httpx.AsyncClient | None = Field(default=None, exclude=True, repr=False)

    # Their bounds are the policy's to check.
    deadline: float | None = None
    mid_stream: str | None = None
    first_token_timeout: float | None = None
    idle_timeout: float | None = None
    hedge_after: float | None = None
    max_retries: int | None = Field(default=None, ge=0)

    temperature: float | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    extra_headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    context_window: int | None = Field(default=None, ge=1)
    # None and not False: LangChain reads a False that was set as "never stream".
    streaming: bool | None = None

    _named: tuple[tuple[Any, ...], tuple[str, ...]] | None = PrivateAttr(default=None)

    def __init__(self, model: Entry | None = None, /, **settings: Any) -> None:
        given = under_own_names(settings)
        if model is not None and given.setdefault("model", model) is not model:
            raise ConfigurationError("model is given twice, with two values")
        try:
            super().__init__(**_with_first_provider(given))
        except ValidationError as error:
            # Pydantic's error keeps the values that it refuses, and one of them may be a key.
            raise _configuration_error(error) from None

    @field_validator("profiles", mode="before")
    @classmethod
    def _hide_keys(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            raise ConfigurationError("profiles must map a provider's name to its profiles: {'openai': {'main': key}}")
        return {provider: _hidden(provider, profiles) for provider, profiles in given.items()}

    @field_validator("stop", mode="before")
    @classmethod
    def _read_list(cls, given: Any) -> Any:
        # A string is a sequence of its letters, which is never what is meant.
        return () if given is None else (given,) if isinstance(given, str | Runnable) else given

    @field_validator("model", mode="before")
    @classmethod
    def _read_entry(cls, given: Any) -> Any:
        return checked(given)

    @field_validator("fallbacks", mode="before")
    @classmethod
    def _read_entries(cls, given: Any) -> Any:
        return tuple(checked(entry) for entry in cls._read_list(given))

    @field_validator("vendors", mode="before")
    @classmethod
    def _read_vendors(cls, given: Iterable[Vendor | Mapping[str, Any]] | None) -> tuple[Vendor, ...]:
        return to_vendors(given)

    @field_validator(
        "profiles", "order", "base_urls", "aliases", "models", "extra_body", "extra_headers", mode="before"
    )
    @classmethod
    def _read_mapping(cls, given: Any) -> Any:
        return {} if given is None else given

    @model_validator(mode="after")
    def _provide_manager(self) -> Self:
        wanted = {name: getattr(self, name) for name in _ENGINE_SETTINGS}
        own = self.own_engine
        if own is not None and own.manager is self.manager:  # a copy of a model, with other settings perhaps
            is_kept = own.settings == wanted
        else:
            is_kept = self.manager is not None
            given = [name for name, value in wanted.items() if value]
            if is_kept and given:
                raise ConfigurationError(f"give {', '.join(given)} to the manager, which has settings of its own")
        policy = self.laid_over(self.policy)
        if not is_kept:
            self.manager = FailoverManager(policy=policy, **wanted)
            self.own_engine = OwnEngine(self.manager, wanted)
        self._engine.require(link.name for link in self.chain)
        if self.profile is None:
            self.profile = self._resolve_model_profile()
        return self

    @property
    def chain(self) -> tuple[Link, ...]:
        """The models that are tried, in order, with the manager's own fallbacks at the end."""
        first, *others = self.names
        return self._engine.chain(LLMRequest(model=first, fallback_models=tuple(others)))

    @property
    def names(self) -> tuple[str, ...]:
        """The model string of every entry of the chain: `model`, then `fallbacks`."""
        known = (self._engine, self.provider_style, self.model, *self.fallbacks)
        # Every call asks several times, and pydantic's way to a private attribute takes longer than all the rest.
        named = (self.__pydantic_private__ or {}).get("_named")
        if named is None or not is_same(named[0], known):
            registry = self._engine.registry
            entries = (self.model, *self.fallbacks)
            named = known, tuple([name_of(entry, registry, self.provider_style) for entry in entries])
            self._named = named
        names: tuple[str, ...] = named[1]
        return names

    @property
    def first_name(self) -> str:
        """The model string that is tried first: the model's, or else the first of its fallbacks or the manager's."""
        return next((name for name in (*self.names, *self._engine.fallbacks) if name), "")

    def rehearsed(self) -> tuple[tuple[str, ...], FailoverPolicy]:
        """The model strings of the chain and the policy of its calls: what `shared_core.drill` plays."""
        return self.names, self.laid_over(None) or self._engine.policy

    @property
    def has_members(self) -> bool:
        """Whether there is a chat model of LangChain's in the chain."""
        entries = (self.model, *self.fallbacks)
        return self.provider_style is not None or not all(isinstance(entry, str) for entry in entries)

    @property
    def members(self) -> dict[str, LangChainMember]:
        """Every member of the chain by its model string."""
        found = {link.name: self.member(link.name) for link in self.chain}
        return {name: member for name, member in found.items() if member is not None}

    def member(self, name: str) -> LangChainMember | None:
        """The chat model of LangChain's that a model string stands for, if it is one."""
        provider, _ = self._engine.registry.resolve_model(name)
        member = self._engine.registry.member(provider)
        return member if isinstance(member, LangChainMember) else None

    def _resolve_model_profile(self) -> ModelProfile | None:
        if self.manager is None:
            return None  # LangChain asks before the manager is there; `_provide_manager` asks again
        infos = [self._engine.registry.info(link.provider, link.model) for link in self.chain]
        return chain_profile(infos, self.context_window)

    @property
    def _engine(self) -> FailoverManager:
        if self.manager is None:  # only between `__new__` and the end of `__init__`
            raise ConfigurationError("the model has no manager")
        return self.manager

    def laid_over(
        self, policy: FailoverPolicy | None, changes: Mapping[str, Any] | None = None, max_retries: int | None = None
    ) -> FailoverPolicy | None:
        """`policy` with the settings that were given to the model directly, and over them those of a call.

        Args:
            policy: What they are laid over; None for the manager's.
            changes: Settings of a call, by name; None for those that it does not set.
            max_retries: Repetitions on the same target, of a call.

        Returns:
            The policy of a call, or None if the manager's own holds.

        Raises:
            ConfigurationError: The policy refuses one of them.
        """
        over = {name: getattr(self, name) for name in POLICY_SETTINGS} | {
            name: value for name, value in (changes or {}).items() if value is not None
        }
        over = {name: value for name, value in over.items() if value is not None}
        retries = self.max_retries if max_retries is None else max_retries
        if not over and retries is None:
            return policy
        base = policy or (FailoverPolicy() if self.manager is None else self.manager.policy)
        if retries is not None:
            over["transient_backoffs"] = _backoffs(base, retries)
        if all(getattr(base, name, None) == value for name, value in over.items()):
            return policy
        try:
            return base.replace(**over)
        except ValidationError as error:
            raise _configuration_error(error) from None

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It can be dumped and loaded; see the module for what a dump leaves out."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """The package, so that a dump does not depend on its inner order."""
        return ["langchain_failover"]

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Settings that are objects, as plain values that the constructor takes back."""
        found: dict[str, Any] = {}
        if self.policy is not None:
            found["policy"] = policy_values(self.policy)
        if self.vendors:
            found["vendors"] = [vendor_values(vendor) for vendor in self.vendors]
        if self.models:
            found["models"] = {name: model_values(info) for name, info in self.models.items()}
        return found

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        kept = {name: value for name, value in state["__dict__"].items() if name in self.model_fields_set - _NOT_STORED}
        entries = {"model": entry_value(self.model), "fallbacks": [entry_value(entry) for entry in self.fallbacks]}
        state["__dict__"] = {**kept, **self.lc_attributes, **{name: entries[name] for name in entries if name in kept}}
        state["__pydantic_private__"] = None
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        self.__init__(**state["__dict__"])  # type: ignore[misc]  # checked anew, with a manager of its own

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        # What belongs to the process, or cannot change, is shared.
        for name in ("manager", "own_engine", *_ENGINE_SETTINGS, "policy", "callbacks", "rate_limiter", "cache"):
            value = getattr(self, name)
            memo[id(value)] = value
        for entry in (self.model, *self.fallbacks):
            memo[id(entry)] = entry
        return super().__deepcopy__(memo)


def _with_first_provider(given: dict[str, Any]) -> dict[str, Any]:
    """`given` with `api_key` and `base_url` as a profile and a URL of the first model's provider."""
    key, url = given.pop("api_key", None), given.pop("base_url", None)
    short = {"profiles": None if key is None else {"default": key}, "base_urls": url}
    if key is None and url is None:
        return given
    fallbacks = given.get("fallbacks") or ()
    entries = [given.get("model") or "", *([fallbacks] if isinstance(fallbacks, str | Runnable) else fallbacks)]
    if given.get("provider_style") or not isinstance(next((entry for entry in entries if entry), ""), str):
        raise ConfigurationError("api_key and base_url are about the first model, which has settings of its own")
    chain = merge_models([entry for entry in entries if isinstance(entry, str)])
    if not chain:
        raise ConfigurationError("api_key and base_url are about the first model, and there is none")
    registry = ProviderRegistry(vendors=to_vendors(given.get("vendors")), aliases=given.get("aliases"))
    provider, _ = registry.resolve_model(chain[0])
    for name, value in short.items():
        if value is not None:
            others = given.get(name) or {}
            if provider in others:
                raise ConfigurationError(f"{name} has {provider!r} already; leave out the short form")
            given[name] = {**others, provider: value}
    return given


def _hidden(provider: str, profiles: Any) -> dict[str, Key]:
    if not isinstance(profiles, Mapping) or not profiles:
        raise ConfigurationError(f"profiles of {provider!r} must map each profile's name to its key")
    found: dict[str, Key] = {}
    for name, key in profiles.items():
        if callable(key):
            found[name] = key
            continue
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"profile {name!r} of {provider!r} has no key")
        found[name] = key if isinstance(key, SecretStr) else SecretStr(text)
    return found


def _backoffs(policy: FailoverPolicy, retries: int) -> tuple[float, ...]:
    """As many pauses as retries are wanted: the policy's own, the last of them repeated."""
    pauses = policy.transient_backoffs or (0.5,)
    return (pauses + pauses[-1:] * retries)[:retries]


def _configuration_error(error: ValidationError) -> ConfigurationError:
    """One sentence for each wrong setting, without the values."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"])
        is_told = isinstance(problem.get("ctx", {}).get("error"), ConfigurationError)  # it names its setting itself
        text = problem["msg"].removeprefix("Value error, ")
        found.append(f"{place}: {text}" if place and not is_told else text)
    return ConfigurationError("; ".join(found))
