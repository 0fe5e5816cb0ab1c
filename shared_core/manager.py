"""`FailoverManager`: the engine's front door.

It holds what lives long (settings, keys, providers, the shared memory) and starts a walk for each call. Given to
several models, of either framework, it is one shared memory of what is down. It is thread-safe, and usable from any
number of event loops.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import httpx

from shared_core import classify
from shared_core.adaptation import Needs, adapt, needs, unfit
from shared_core.answer import Answer
from shared_core.chain import Link, Profile, merge_models
from shared_core.credentials import Credentials, Key
from shared_core.decisions import Attempt
from shared_core.drive import adrive, drive
from shared_core.errors import ConfigurationError, ErrorKind, ProviderError
from shared_core.events import StreamEvent, WireEvent
from shared_core.hooks import Hooks
from shared_core.journey import Accept, Journey, Note
from shared_core.lazy import deferred
from shared_core.memory import Memory
from shared_core.policy import DEFAULT_POLICY, FailoverPolicy
from shared_core.providers.base import Attempted, Provider, Vendor
from shared_core.providers.clients import Clients
from shared_core.providers.members import answers_whole
from shared_core.providers.models import ModelInfo
from shared_core.records import record
from shared_core.registry import ProviderRegistry
from shared_core.request import LLMRequest
from shared_core.telemetry import Telemetry, TelemetrySetting
from shared_core.timers import SyncGuard
from shared_core.walk import Walk

if TYPE_CHECKING:
    from shared_core import race, views
else:
    race = deferred("shared_core.race")
    views = deferred("shared_core.views")

__all__ = ["FailoverManager"]


class FailoverManager:
    """Walks chains of models and API-key profiles.

    Args:
        fallbacks: Model strings that end every chain.
        profiles: API keys by provider and profile name; strings, `SecretStr`, or functions that return a key. Without
            them the usual environment variables count.
        order: Order of the profiles by provider.
        base_urls: Addresses by provider.
        vendors: Vendor rows beside the built-in ones.
        aliases: Names for model strings.
        models: What models can do, by model string, in place of the built-in table: windows, ceilings, abilities. A
            target that is known not to do what a request needs is skipped with the reason.
        policy: Settings of the walk.
        hooks: Functions to call when something happens.
        http_client: Client for sync calls; the caller closes it.
        http_async_client: Client for async calls, all of one event loop; the caller closes it.
        rules: Classifier rules that come before the built-in ones.
        accept: Predicate on whole answers, for calls that show nothing before the end (`complete`, `acomplete`, and
            what the faces build on them): False asks the next target.
        telemetry: Where OpenTelemetry's spans and metrics go, or False for none. Without it they go to the program's
            global providers, as soon as it has set some.
        clock: Monotonic clock in seconds.

    Attributes:
        policy: Settings of the walk.
        registry: What model strings mean.
        fallbacks: Model strings that end every chain.

    Raises:
        ConfigurationError: A setting is wrong.

    Example:
        >>> from shared_core.messages import Message
        >>> from shared_core.simulator import Simulator
        >>> with Simulator() as sim, FailoverManager(base_urls={"local": sim.base_url}) as manager:
        ...     answer = manager.complete(LLMRequest(model="local/any", messages=(Message.of("user", "Hello"),)))
        >>> answer.report.model
        'local/any'
    """

    def __init__(
        self,
        *,
        fallbacks: Sequence[str] = (),
        profiles: Mapping[str, Mapping[str, Key]] | None = None,
        order: Mapping[str, Sequence[str]] | None = None,
        base_urls: Mapping[str, str] | None = None,
        vendors: Iterable[Vendor] | None = None,
        aliases: Mapping[str, str] | None = None,
        models: Mapping[str, ModelInfo] | None = None,
        policy: FailoverPolicy | None = None,
        hooks: Hooks | None = None,
        http_client: httpx.Client | None = None,
        http_async_client: httpx.AsyncClient | None = None,
        rules: Sequence[classify.ClassifierRule] = (),
        accept: Accept | None = None,
        telemetry: TelemetrySetting = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy or DEFAULT_POLICY
        self._clients = Clients(http_client, http_async_client)
        self.registry = ProviderRegistry(
            vendors=vendors, aliases=aliases, base_urls=base_urls, models=models, clients=self._clients, rules=rules
        )
        self._credentials = Credentials(profiles, order, self.registry.canonical)
        self.fallbacks = merge_models(fallbacks)
        self.require(self.fallbacks)
        self._memory = Memory(self.policy)
        self._hooks = hooks
        self._rules = rules
        self._accept = accept
        self._clock = clock
        self._telemetry = Telemetry(telemetry, self.registry)
        self._known: dict[str, _Known] = {}
        self._edition = 0

    def require(self, models: Iterable[str]) -> None:
        """Checks model strings, so that a mistake shows where it is made.

        Raises:
            ConfigurationError: One is not a model string, or its provider is not known and has no address.
        """
        for model in merge_models(models):
            provider, _ = self.registry.resolve_model(model)
            self.registry.get(provider)

    # Calls

    def stream(
        self,
        request: LLMRequest,
        *,
        hold: bool = False,
        policy: FailoverPolicy | None = None,
        hooks: Hooks | None = None,
    ) -> Generator[StreamEvent, None, None]:
        """Answers as a stream of events, `End` last. Closing the generator abandons the call.

        Args:
            request: What is asked.
            hold: Show nothing before the whole answer is there, so that a broken stream is asked for again elsewhere.
            policy: Settings for this call alone; what the shared memory was built with stays.
            hooks: Functions to call for this call alone, after those of the manager.

        Raises:
            ChainExhaustedError: No target answered.
            RequestRejectedError: The request itself was refused.
            StreamInterruptedError: The stream broke after something had been shown.
            ConfigurationError: The chain is empty or a model string is wrong.
        """
        journey = self._journey(request, hold, policy, hooks)
        hedge_after = journey.policy.hedge_after
        trace = self._telemetry.follow(journey)
        events = drive(journey) if hedge_after is None else race.race(journey, hedge_after)
        return events if trace is None else trace.events(events)

    def astream(
        self,
        request: LLMRequest,
        *,
        hold: bool = False,
        policy: FailoverPolicy | None = None,
        hooks: Hooks | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        """The same as `stream`, natively async."""
        journey = self._journey(request, hold, policy, hooks)
        hedge_after = journey.policy.hedge_after
        trace = self._telemetry.follow(journey)
        events = adrive(journey) if hedge_after is None else race.arace(journey, hedge_after)
        return events if trace is None else trace.aevents(events)

    def complete(self, request: LLMRequest, *, policy: FailoverPolicy | None = None) -> Answer:
        """Answers whole; raises as `stream` does, but a broken stream fails over."""
        return Answer.collect(self.stream(request, hold=True, policy=policy))

    async def acomplete(self, request: LLMRequest, *, policy: FailoverPolicy | None = None) -> Answer:
        """The same as `complete`, natively async."""
        return Answer.collect([event async for event in self.astream(request, hold=True, policy=policy)])

    def _journey(self, request: LLMRequest, hold: bool, policy: FailoverPolicy | None, hooks: Hooks | None) -> Journey:
        policy = policy or self.policy
        chain = self.chain(request)
        with self._memory.lock:
            walk = Walk(
                chain,
                memory=self._memory,
                policy=policy,
                now=self._clock(),
                max_tokens=request.max_tokens,
                deadline=request.deadline,
            )
        door = _Door(self.registry, self._credentials)
        told = tuple(each for each in (self._hooks, hooks) if each is not None)
        return Journey(request, walk, self._memory, door, hold, policy, told, self._rules, self._accept, self._clock)

    # The chain

    def chain(self, request: LLMRequest) -> tuple[Link, ...]:
        """The links that a call would walk: the request's model, its fallbacks, then the manager's.

        Raises:
            ConfigurationError: There is none, or one is not a model string.
        """
        names = merge_models([request.model], request.fallback_models, self.fallbacks)
        if not names:
            raise ConfigurationError("LLM request has no model resolved")
        wanted = needs(request)
        if self._edition != self.registry.edition:
            self._edition, self._known = self.registry.edition, {}
        links: dict[str, Link] = {}
        shared: dict[str, tuple[Profile, ...] | str] = {}
        for name in names:
            link = self._link(name, wanted, shared, request)
            links.setdefault(link.name, link)
        return tuple(links.values())

    def _link(
        self, name: str, wanted: Needs, shared: dict[str, tuple[Profile, ...] | str], request: LLMRequest
    ) -> Link:
        """The link of one model string; `shared` is what links of the same provider have in common in this chain."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._know(name)
        found = shared.get(known.provider)
        if found is None:
            found = shared[known.provider] = self._profiles(known)
        if isinstance(found, str):
            return Link(known.provider, known.model, unavailable=found)
        reason = unfit(wanted, known.vendor, known.info, known.window)
        if reason is not None:
            return Link(known.provider, known.model, unavailable=reason)
        link = known.link
        if link is None or link.profiles is not found:
            silent, window = known.thinks_silently, known.window
            link = Link(known.provider, known.model, found, thinks_silently=silent, window=window)
            known.link = link
        if known.vendor is None and self._answers_whole(known.provider, request):
            return replace(link, answers_whole=True)
        return link

    def _answers_whole(self, provider: str, request: LLMRequest) -> bool:
        """Whether it is a member that says nothing before it has said all."""
        member = self.registry.member(provider)
        if member is None:
            return False
        return bool(getattr(request.native, "is_whole", False)) or answers_whole(member, request)

    def _profiles(self, known: _Known) -> tuple[Profile, ...] | str:
        """The profiles of a model's provider, or why there is no such provider."""
        fault = self.registry.fault(known.provider)
        if fault is not None:
            return fault
        return _KEYLESS if known.vendor is None else self._credentials.profiles(known.vendor)

    def _know(self, name: str) -> _Known:
        provider, model = self.registry.resolve_model(name)
        vendor = self.registry.vendor(provider)
        info = self.registry.info(provider, model)
        silent = vendor.thinks_silently if vendor is not None else None
        return _Known(
            provider,
            model,
            vendor,
            thinks_silently=silent is not None and re.search(silent, model) is not None,
            info=info,
            window=info.context_window if info is not None else None,
        )

    # What it knows

    @property
    def profile_names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the profiles by provider, in the order in which they are tried; no key is read.

        A provider without an entry has one profile, "default", whose key comes from the environment.
        """
        return self._credentials.names

    @property
    def rules(self) -> Sequence[classify.ClassifierRule]:
        """Classifier rules that come before the built-in ones."""
        return self._rules

    def explain(self, request: LLMRequest) -> views.Explanation:
        """What a call would try now, in what order, and what it would skip and why. Asks nobody, changes nothing."""
        chain, explained = self.chain(request), views.Explanation.of  # imported before the lock is taken
        with self._memory.lock:
            return explained(chain, self._memory, self._clock())

    def health(self) -> views.HealthSnapshot:
        """What is known of every model and profile now."""
        profiles = views.ProfileHealth.all  # imported before the lock is taken
        with self._memory.lock:
            now = self._clock()
            return views.HealthSnapshot(
                models=tuple(self._memory.health.snapshot(now)),
                profiles=profiles(self._memory, now),
            )

    def reset(self, model: str | None = None) -> None:
        """Forgets what is held against `model` and the profiles that it uses, or against everything."""
        self._memory.reset(None if model is None else self._name(model))

    def disable(self, model: str, reason: str) -> None:
        """Takes `model` out until `enable` or `reset`."""
        with self._memory.lock:
            self._memory.health.disable(self._name(model), reason)

    def enable(self, model: str) -> None:
        """Lets `model` in again."""
        with self._memory.lock:
            self._memory.health.enable(self._name(model))

    def _name(self, model: str) -> str:
        return "/".join(self.registry.resolve_model(model))

    # Life

    def close(self) -> None:
        """Closes the connections of sync calls; they are opened anew if needed."""
        self._clients.close()

    async def aclose(self) -> None:
        """Closes the connections of the running loop's calls and of sync calls."""
        await self._clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


_KEYLESS = (Profile("default"),)
"""The profiles of what has no key that we know of."""


@record(slots=True)
class _Known:
    """What does not change about a model string, and the link that was last made of it."""

    provider: str
    model: str
    vendor: Vendor | None
    thinks_silently: bool
    info: ModelInfo | None
    window: int | None
    link: Link | None = None


class _Door(NamedTuple):
    """Sends the attempts of one call."""

    registry: ProviderRegistry
    credentials: Credentials

    def open(
        self, attempt: Attempt, request: LLMRequest, note: Note, guard: SyncGuard
    ) -> Generator[Sequence[WireEvent], None, None]:
        return self._provider(attempt).stream(self._attempted(attempt, request, note), guard)

    def aopen(self, attempt: Attempt, request: LLMRequest, note: Note) -> AsyncGenerator[Sequence[WireEvent], None]:
        return self._provider(attempt).astream(self._attempted(attempt, request, note))

    def takes_prefill(self, attempt: Attempt) -> bool:
        vendor = self.registry.vendor(attempt.target.link.provider)
        return vendor is not None and vendor.takes_prefill

    def _provider(self, attempt: Attempt) -> Provider:
        return self.registry.get(attempt.target.link.provider)

    def _attempted(self, attempt: Attempt, request: LLMRequest, note: Note) -> Attempted:
        link, profile = attempt.target.link, attempt.target.profile
        vendor = self.registry.vendor(link.provider)
        try:
            key = None if vendor is None else self.credentials.key(vendor, profile.name)
        except ConfigurationError as error:
            raise ProviderError(str(error), kind=ErrorKind.AUTH, code="no_key") from error
        asked = replace(request, model=link.model, max_tokens=_least(request.max_tokens, attempt.max_tokens))
        if vendor is not None:
            info = self.registry.info(link.provider, link.model)
            asked, changes = adapt(asked, vendor, info, omit=attempt.omit)
            note(changes)
        return Attempted(
            request=asked,
            profile=profile.name,
            key=key,
            connect_timeout=attempt.connect_timeout,
            read_timeout=max(attempt.first_token_timeout, attempt.idle_timeout),
            omit=attempt.omit,
            renames=attempt.renames,
            head_timeout=attempt.first_token_timeout,
        )


def _least(asked: int | None, allowed: int | None) -> int | None:
    """`max_tokens` of one attempt: `allowed` is the target's, None leaves it out; a continuation asks for fewer."""
    return allowed if asked is None or allowed is None else min(asked, allowed)
