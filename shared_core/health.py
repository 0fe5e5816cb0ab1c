"""Health of models: which are left alone for now, why, and for how long.

A model cools after a failure that is its own, or when its last profile failed; each consecutive failure doubles the
time, at most one hour. No result of a call locks a model out for ever: only a person disables one, and `reset`
clears everything. Not thread-safe by itself: the owner (`memory.Memory`) holds the lock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import field

from shared_core.errors import ErrorKind
from shared_core.figures import Figures
from shared_core.gate import Gate, GateState
from shared_core.policy import DEFAULT_POLICY, FailoverPolicy
from shared_core.records import record

__all__ = ["ModelHealth", "ProviderHealthRegistry"]


@record(frozen=True, slots=True)
class ModelHealth:
    """A snapshot of one model's health. Times are seconds.

    Attributes:
        model: Canonical model string.
        state: "open", "cooling", "ajar" (the next call probes) or "probing".
        disabled: Reason that a person gave, if one disabled it.
        retry_after: Seconds until it may be tried again; 0 if now.
        kind: Why it cools.
        message: Scrubbed text of the last failure.
        failures: Consecutive failures.
        attempts: Attempts that ended, since it is known.
        successes: How many of them succeeded.
        latency: Mean seconds to the first content of its successes, weighted towards recent ones.
    """

    model: str
    state: GateState
    disabled: str | None
    retry_after: float
    kind: ErrorKind | None
    message: str
    failures: int
    attempts: int
    successes: int
    latency: float | None


@record(slots=True)
class _Entry:
    """What is known of one model."""

    gate: Gate
    keys: frozenset[Hashable] = frozenset()
    disabled: str | None = None
    figures: Figures = field(default_factory=Figures)


class ProviderHealthRegistry:
    """Health of every model that was ever part of a chain. Instants are of the caller's monotonic clock, in seconds."""

    def __init__(self, policy: FailoverPolicy | None = None) -> None:
        self._policy = policy or DEFAULT_POLICY
        self._entries: dict[str, _Entry] = {}

    def ensure(self, models: Iterable[str]) -> None:
        """Makes the models known, healthy if they are new."""
        for model in models:
            if model not in self._entries:
                self._entries[model] = _Entry(Gate())

    def gate(self, model: str, now: float, keys: Iterable[Hashable] = ()) -> Gate:
        """The gate before `model`; hits that are long past, or were met under other keys, are forgotten first.

        Args:
            model: Canonical model string.
            now: The present instant.
            keys: What identifies the API keys under which it would be asked.
        """
        entry = self._entries.get(model)
        if entry is None:
            entry = self._entries[model] = _Entry(Gate())
        if not entry.gate.hits:
            return entry.gate
        has_new_key = bool(entry.keys) and any(key not in entry.keys for key in keys)
        if has_new_key or entry.gate.is_forgettable(now, self._policy.failure_memory):
            entry.gate = Gate()
        return entry.gate

    def is_callable(self, model: str, now: float, holder: object = None) -> bool:
        """Whether a call may go to `model` at `now`: not disabled, not cooling, not being probed by another."""
        return self.disabled(model) is None and self.gate(model, now).admits(now, holder)

    def disabled(self, model: str) -> str | None:
        """The reason for which a person disabled `model`, or None."""
        entry = self._entries.get(model)
        return entry.disabled if entry else None

    def record_success(self, model: str, *, started: float | None = None, latency: float | None = None) -> bool:
        """An attempt succeeded: failures before it are forgotten. Whether that ended an outage."""
        self.ensure((model,))
        entry = self._entries[model]
        entry.figures.succeeded(latency)
        if not entry.gate.hits or (started is not None and entry.gate.shut_at > started):
            return False
        entry.gate = Gate()
        return True

    def record_failure(
        self,
        model: str,
        kind: ErrorKind,
        message: str,
        now: float,
        *,
        started: float | None = None,
        cooldown: float | None = None,
        keys: Iterable[Hashable] = (),
    ) -> float:
        """An attempt failed and the model is to blame: it cools; the seconds that it does, 0 for old news.

        Args:
            model: Canonical model string.
            kind: Kind of the failure.
            message: Scrubbed text.
            now: The present instant.
            started: When the attempt began.
            cooldown: Seconds to cool, where the provider stated them; otherwise by kind and consecutive failures.
            keys: What identifies the API keys, where all of them failed: another one lets the model start clean.
        """
        gate = self.gate(model, now)
        if gate.ignores(now, started):
            return 0.0
        if cooldown is None:
            base = self._policy.model_cooldowns.get(kind, self._policy.model_cooldowns[ErrorKind.UNKNOWN])
            cooldown = min(base * 2.0 ** min(gate.earlier_hits(started), 32), self._policy.max_model_cooldown)
        gate.shut(now, cooldown, kind, message, started=started)
        self._entries[model].keys = frozenset(keys)
        return cooldown

    def record_attempt(self, model: str) -> None:
        """An attempt failed, whoever is to blame: it counts in the figures alone."""
        self.ensure((model,))
        self._entries[model].figures.failed()

    def disable(self, model: str, reason: str) -> None:
        """Takes `model` out until `reset` or `enable`."""
        self.ensure((model,))
        self._entries[model].disabled = reason

    def enable(self, model: str) -> None:
        """Lets `model` in again."""
        self.ensure((model,))
        self._entries[model].disabled = None

    def reset(self, model: str | None = None) -> None:
        """Forgets failures and disablement of `model`, or of all."""
        for name, entry in self._entries.items():
            if model in {None, name}:
                entry.gate, entry.disabled = Gate(), None

    def snapshot(self, now: float) -> list[ModelHealth]:
        """Every known model, in the order in which they became known."""
        found = []
        for model, entry in self._entries.items():
            gate = self.gate(model, now)
            found.append(
                ModelHealth(
                    model=model,
                    state=gate.state(now),
                    disabled=entry.disabled,
                    retry_after=0.0 if gate.is_open else max(0.0, gate.until - now),
                    kind=gate.kind if gate.hits else None,
                    message=gate.message,
                    failures=gate.hits,
                    attempts=entry.figures.attempts,
                    successes=entry.figures.successes,
                    latency=entry.figures.latency,
                )
            )
        return found
