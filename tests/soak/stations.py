"""Whom a soak asks: managers with memories of their own, and models of both faces in front of each of them.

Policies, chains and members are drawn by chance from a seed. Cooldowns last for moments only, so that targets fail,
cool, are probed and come back all the time; timers are short, but long enough for a machine that is busy.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.answer import Answer
from shared_core.errors import ErrorKind
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from tests.soak.callers import CALLERS, Asked, leaving
from tests.soak.cases import Case
from tests.soak.members import Clients, CoreMember, Mishap, langchain_members, llamaindex_members

__all__ = ["SECRET", "Stations"]

SECRET = "soak-secret"
"""What every key begins with, so that one can be recognised wherever it turns up."""

_WIRES = ("openai", "openai-responses", "anthropic", "gemini", "willing")
_MODELS = 4
_VARIANTS = 24
"""Models of each face before one manager: each has a chain and a policy of its own."""


@dataclass(frozen=True, slots=True)
class _Model:
    llm: Any
    models: tuple[str, ...]
    policy: FailoverPolicy


class _Station:
    """One manager, and who stands before it."""

    def __init__(self, rng: random.Random, url: str, members: dict[str, Sequence[Any]], mishap: Mishap) -> None:
        self.manager = FailoverManager(
            policy=_memory(rng),
            profiles={
                "openai": {name: f"{SECRET}-openai-{name}" for name in ("main", "backup", "spare")},
                "openai-responses": {name: f"{SECRET}-responses-{name}" for name in ("main", "backup")},
                "anthropic": {name: f"{SECRET}-anthropic-{name}" for name in ("main", "backup")},
                "gemini": {"main": f"{SECRET}-gemini-main"},
                "willing": {"main": lambda: f"{SECRET}-willing-main"},
            },
            base_urls={
                "openai": f"{url}/v1",
                "openai-responses": f"{url}/v1",
                "anthropic": url,
                "gemini": url,
                "nowhere": "http://127.0.0.1:9",
            },
            vendors=[
                Vendor(name="willing", base_url=f"{url}/v1", takes_prefill=True, alternates=True),
                Vendor(name="keyless", base_url=f"{url}/v1", key_env=("SOAK_KEY_THAT_NOBODY_HAS",)),
            ],
            accept=_is_odd if rng.random() < 0.3 else None,
        )
        names = [f"{wire}/{wire}-{number}" for wire in _WIRES for number in range(_MODELS)]
        self._names = [*names, "nowhere/nobody", "keyless/nobody"]
        self._cores = [self.manager.registry.enrol(CoreMember(f"core-{number}", mishap)) for number in range(2)]
        self._llms = {
            "langchain": [self._langchain(rng, members["langchain"]) for _ in range(_VARIANTS)],
            "llamaindex": [self._llamaindex(rng, members["llamaindex"]) for _ in range(_VARIANTS)],
        }

    def _links(self, rng: random.Random, members: Sequence[Any]) -> list[Any]:
        links: list[Any] = rng.sample(self._names, rng.choice((2, 3, 3, 4)))
        if rng.random() < 0.35:
            links[rng.randrange(len(links))] = rng.choice(members)
        return links

    def _langchain(self, rng: random.Random, members: Sequence[Any]) -> _Model:
        policy = _policy(rng, self.manager.policy)
        if rng.random() < 0.5:
            policy = _unwatched(policy)
        first, *rest = self._links(rng, members)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # a model of one's own may retry
            llm = ChatFailover(
                first,
                fallbacks=rest,
                manager=self.manager,
                policy=policy,
                max_tokens=rng.choice((None, 4000)),
                output_version=rng.choice((None, "v1")),
            )
        return _Model(llm, tuple(link.name for link in llm.chain), policy)

    def _llamaindex(self, rng: random.Random, members: Sequence[Any]) -> _Model:
        policy = _policy(rng, self.manager.policy)
        first, *rest = self._links(rng, members)
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            llm = FailoverLLM(first, rest, manager=self.manager, policy=policy, max_tokens=rng.choice((None, 4000)))
        return _Model(llm, llm._chain(), policy)

    def asked(self, rng: random.Random, number: int, *, is_async: bool) -> Asked:
        """One call."""
        caller = rng.choice([caller for caller in CALLERS if caller.is_async is is_async])
        if caller.face == "engine":
            policy = _policy(rng, self.manager.policy)
            found = _Model(self.manager, tuple(self._links(rng, self._cores)), policy)
        else:
            found = rng.choice(self._llms[caller.face])
        form: Any = "plain" if found.policy.mid_stream == "continue" else "signed"
        if caller.face != "llamaindex" and rng.random() < 0.1:
            # Hand-made members call no tools.
            has_members = any("fake" in name or "core" in name for name in found.models)
            form = form if has_members else "tool"
        case = Case(number, rng.choice((1, 3, 8, 14, 30, 60, 400 if rng.random() < 0.1 else 20)), form)
        return Asked(case, caller, found.llm, found.models, found.policy, leaving(rng, caller))


def _is_odd(answer: Answer) -> bool:
    return len(answer.text) % 6 != 0


def _memory(rng: random.Random) -> FailoverPolicy:
    """Settings that all calls of one manager share: how long things are left alone, and budgets."""
    return FailoverPolicy(
        model_cooldowns=dict.fromkeys(ErrorKind, rng.choice((0.0, 0.02, 0.1))),
        max_model_cooldown=0.3,
        min_cooldown=rng.choice((0.0, 0.02)),
        max_cooldown=0.3,
        balance_cooldown=0.1,
        failure_memory=rng.choice((0.0, 0.5, 300.0)),
        cooldown_scope=rng.choice(("model", "profile")),
        retry_budget=rng.choice((0.2, 1.0)),
        retry_reserve=rng.choice((10.0, 100.0)),
        hedge_budget=rng.choice((0.05, 1.0)),
    )


def _policy(rng: random.Random, memory: FailoverPolicy) -> FailoverPolicy:
    """Settings of one call."""
    return memory.replace(
        mid_stream=rng.choice(("raise", "continue", "restart")),
        hedge_after=rng.choice((None, None, 0.05, 0.3)),
        deadline=rng.choice((None, 0.5, 1.5, 4.0)),
        first_token_timeout=rng.choice((0.4, 1.0)),
        last_first_token_timeout=rng.choice((0.5, 1.5)),
        silent_first_token_timeout=1.5,
        whole_timeout=1.5,
        idle_timeout=rng.choice((0.4, 0.8)),
        connect_timeout=1.0,
        linger=0.2,
        patience=rng.choice((0.0, 0.05, 0.3)),
        transient_backoffs=rng.choice(((), (0.0,), (0.01, 0.05))),
        fail_fast=rng.random() < 0.2,
    )


def _unwatched(policy: FailoverPolicy) -> FailoverPolicy:
    """The same timers as if nobody had set them: LangChain's members are asked whole then, where nothing is shown."""
    made = policy.replace(hedge_after=None, deadline=None)
    made.model_fields_set.difference_update(("first_token_timeout", "idle_timeout", "hedge_after", "deadline"))
    return made


class Stations:
    """All managers of a soak.

    Args:
        seed: Of everything that is drawn.
        url: The provider's.
        count: How many managers.
    """

    def __init__(self, seed: int, url: str, count: int) -> None:
        self._seed = seed
        self.clients = Clients()
        self.mishap = Mishap(seed)
        members: dict[str, Sequence[Any]] = {
            "langchain": langchain_members(url, f"{SECRET}-langchain", self.mishap, self.clients),
            "llamaindex": llamaindex_members(url, f"{SECRET}-llamaindex", self.mishap, self.clients),
        }
        self._stations = [
            _Station(random.Random(f"{seed} station {number}"), url, members, self.mishap) for number in range(count)
        ]

    @property
    def managers(self) -> list[FailoverManager]:
        """The managers."""
        return [station.manager for station in self._stations]

    def asked(self, number: int) -> Asked:
        """The call of that number: even ones are async."""
        rng = random.Random(f"{self._seed} call {number}")
        return rng.choice(self._stations).asked(rng, number, is_async=number % 2 == 0)

    async def close(self) -> None:
        """Closes all connections that the managers hold; they are opened anew when needed."""
        for manager in self.managers:
            await manager.aclose()
