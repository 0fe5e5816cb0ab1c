"""Cooldowns of API-key profiles, scoped: a whole profile, or a profile for one model.

A bad or empty key is an entry for (provider, profile); a rate limit one for (provider, profile, model), since
providers meter by model. A provider never blocks another one that happens to use the same profile name. An entry
remembers a fingerprint of the key, so a key whose value changed starts clean. Not thread-safe by itself: the owner
(`memory.Memory`) holds the lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shared_core.errors import ErrorKind, ProviderError
from shared_core.gate import Gate
from shared_core.policy import FailoverPolicy, backoff_delay

__all__ = ["Cooldowns", "Scoped"]


class Scoped(NamedTuple):
    """What an entry is about; `model` is None for the whole profile."""

    provider: str
    profile: str
    model: str | None = None


class Cooldowns:
    """All entries. Instants are of the caller's monotonic clock, in seconds.

    Args:
        memory: Seconds after its cooldown for which an entry is remembered.
    """

    def __init__(self, memory: float = 300.0) -> None:
        self._memory = memory
        self._gates: dict[Scoped, tuple[Gate, str]] = {}

    def gates(self, provider: str, profile: str, model: str, fingerprint: str, now: float) -> list[tuple[Scoped, Gate]]:
        """The entries that stand before this profile for this model: none, one or two."""
        if not self._gates:
            return []
        found = []
        for scope in (Scoped(provider, profile), Scoped(provider, profile, model)):
            entry = self._gates.get(scope)
            if entry is None:
                continue
            gate, marked = entry
            if marked != fingerprint or gate.is_forgettable(now, self._memory):
                del self._gates[scope]
            else:
                found.append((scope, gate))
        return found

    def is_cooling(self, provider: str, profile: str, model: str = "", *, now: float) -> bool:
        """Whether the profile is cooling, as a whole or for `model`."""
        scopes = (Scoped(provider, profile), Scoped(provider, profile, model))
        return any(scope in self._gates and self._gates[scope][0].state(now) == "cooling" for scope in scopes)

    def hit_count(self, provider: str, profile: str, model: str | None = None) -> int:
        """Consecutive hits that this entry remembers."""
        entry = self._gates.get(Scoped(provider, profile, model))
        return entry[0].hits if entry else 0

    def shut(
        self,
        scope: Scoped,
        error: ProviderError,
        policy: FailoverPolicy,
        *,
        now: float,
        fingerprint: str = "",
        started: float | None = None,
    ) -> float:
        """Cools `scope` after `error`; the seconds that it cools, 0 for old news."""
        self.sweep(now)
        gate, marked = self._gates.get(scope, (Gate(), fingerprint))
        if marked != fingerprint:
            gate = Gate()
        if gate.ignores(now, started):
            return 0.0
        seconds = profile_cooldown(error, gate.earlier_hits(started), policy)
        gate.shut(now, seconds, error.kind, error.message, started=started)
        self._gates[scope] = (gate, fingerprint)
        return seconds

    def succeeded(self, provider: str, profile: str, model: str, *, started: float) -> list[Scoped]:
        """Forgets what stood before this profile for this model, unless it was shut after `started`; what it forgot."""
        if not self._gates:
            return []
        gone = []
        for scope in (Scoped(provider, profile), Scoped(provider, profile, model)):
            entry = self._gates.get(scope)
            if entry is not None and entry[0].shut_at <= started:
                del self._gates[scope]
                gone.append(scope)
        return gone

    def reset(self, provider: str | None = None, model: str | None = None) -> None:
        """Forgets everything, or what concerns one provider, or one model of it and the profiles that it uses."""
        for scope in list(self._gates):
            if provider in {None, scope.provider} and (model is None or scope.model in {None, model}):
                del self._gates[scope]

    def sweep(self, now: float) -> None:
        """Drops entries whose cooldown ended long ago."""
        for scope, (gate, _) in list(self._gates.items()):
            if gate.is_forgettable(now, self._memory):
                del self._gates[scope]

    def __iter__(self) -> Iterator[tuple[Scoped, Gate]]:
        return ((scope, gate) for scope, (gate, _) in list(self._gates.items()))

    def __contains__(self, scope: object) -> bool:
        return scope in self._gates


def profile_cooldown(error: ProviderError, hits: int, policy: FailoverPolicy) -> float:
    """Seconds that a profile is left alone after `error`, with `hits` earlier ones."""
    if error.kind is ErrorKind.BALANCE:
        longest = max(policy.balance_cooldown, policy.max_model_cooldown)
        return min(policy.balance_cooldown * 2.0 ** min(hits, 32), longest)
    stated = backoff_delay(hits, policy.retry) if error.retry_after is None else error.retry_after
    return min(max(stated, policy.min_cooldown), policy.max_cooldown)
