"""Which behaviour a request gets: scripts by model and by key, rules with memory, behaviours that the request carries.

Looked up in this order: the header `x-simulate`, the notation after a tilde in the model's name, a script for this
model and this key, for this key, for this model, for any model (`"*"`), the default (a healthy reply).

Invariants: all methods may be called from any thread; the steps of one script are taken in order of arrival.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared_core.errors import ConfigurationError
from shared_core.simulator.behaviours import Behaviour, Ceiling, Fault, Flap, RateLimit, Reply
from shared_core.simulator.notation import from_json, parse
from shared_core.simulator.recorder import RequestRecord
from shared_core.simulator.wires import Asked, SimulatedWire

__all__ = ["Chooser", "Script", "Scripted"]

Chooser: TypeAlias = Callable[[RequestRecord], Behaviour | str]
"""Decides for each request; called in the server's thread, so it must not block."""

Scripted: TypeAlias = Behaviour | str | Chooser
"""What a script is made of: behaviours, their notation, or a callable."""


@dataclass(slots=True)
class _Sequence:
    steps: tuple[Behaviour | Chooser, ...]
    is_once: bool = False
    taken: int = 0

    @property
    def is_over(self) -> bool:
        return self.is_once and self.taken >= len(self.steps)

    def take(self) -> Behaviour | Chooser:
        step = self.steps[min(self.taken, len(self.steps) - 1)]
        self.taken += 1
        return step


@dataclass(slots=True)
class _Memory:
    """What a rule remembers: times of requests, per what it meters."""

    times: deque[float] = field(default_factory=deque)
    count: int = 0
    began: float | None = None


class Script:
    """All that the server was told to do."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._sequences: dict[tuple[str | None, str | None], _Sequence] = {}
        self._carried: dict[tuple[str, str], _Sequence] = {}
        self._memory: dict[tuple[Any, ...], _Memory] = {}

    def set(self, model: str | None, steps: Sequence[Scripted], *, key: str | None = None, once: bool = False) -> None:
        """The script of a model, of a key (`model` None or "*"), or of both; replaces an earlier one.

        Raises:
            ConfigurationError: There is no step, or one can't be read.
        """
        found: list[Behaviour | Chooser] = []
        for step in steps:
            found += parse(step) if isinstance(step, str) else (step,)
        if not found:
            raise ConfigurationError(f"a script needs at least one step, got none for {model!r}")
        with self._lock:
            self._sequences[None if model == "*" else model, key] = _Sequence(tuple(found), once)

    def load(self, scenario: Mapping[str, Any]) -> None:
        """The scripts of a scenario file: `{"models": {name: …}, "keys": {key: …}, "default": …}`.

        Raises:
            ConfigurationError: Something in it can't be read.
        """
        unknown = set(scenario) - {"models", "keys", "default"}
        if unknown:
            raise ConfigurationError(f"a scenario has models, keys and default; got {', '.join(sorted(unknown))}")
        for model, steps in scenario.get("models", {}).items():
            self.set(model, from_json(steps))
        for key, steps in scenario.get("keys", {}).items():
            self.set(None, from_json(steps), key=key)
        if "default" in scenario:
            self.set(None, from_json(scenario["default"]))

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have a script."""
        with self._lock:
            return tuple(dict.fromkeys(model for model, _ in self._sequences if model is not None))

    def clear(self) -> None:
        """Forgets every script and what the rules remember."""
        with self._lock:
            self._sequences.clear()
            self._carried.clear()
            self._memory.clear()

    def choose(self, record: RequestRecord, asked: Asked, wire: SimulatedWire) -> Reply | Fault:
        """The behaviour of one request, rules decided.

        Raises:
            ConfigurationError: The request carries a notation that can't be read.
        """
        with self._lock:
            step = self._next(record, asked)
        if callable(step):
            made = step(record)
            step = parse(made)[0] if isinstance(made, str) else made
        with self._lock:
            return self._decided(step, record, asked, wire)

    def _next(self, record: RequestRecord, asked: Asked) -> Behaviour | Chooser:
        _, tilde, notation = asked.model.partition("~")
        carried = record.headers.get("x-simulate") or (notation if tilde else "")
        if carried:
            place = (asked.model, carried)
            if place not in self._carried:
                self._carried[place] = _Sequence(_carried(carried))
            return self._carried[place].take()
        for model, key in ((asked.model, record.key), (None, record.key), (asked.model, None), (None, None)):
            found = self._sequences.get((model, key))
            if found is not None and not found.is_over:
                return found.take()
        return Reply()

    def _decided(self, step: Behaviour, record: RequestRecord, asked: Asked, wire: SimulatedWire) -> Reply | Fault:
        match step:
            case Ceiling():
                return _ceiling(step, asked, wire)
            case RateLimit():
                return self._limited(step, record, asked, wire)
            case Flap():
                return self._flapping(step, asked)
            case _:
                return step

    def _limited(self, rule: RateLimit, record: RequestRecord, asked: Asked, wire: SimulatedWire) -> Reply | Fault:
        metered = (id(rule), record.key) if rule.per == "key" else (id(rule), record.key, asked.model)
        times = self._memory.setdefault(metered, _Memory()).times
        now = self._now()
        while times and times[0] <= now - rule.window:
            times.popleft()
        if len(times) < rule.requests:
            times.append(now)
            return rule.then
        wait = max(0.0, (times[0] if times else now) + rule.window - now)
        message = f"Rate limit reached for {asked.model}: limit {rule.requests}. Please try again in {wait:.3f}s."
        return Fault.status(429, wire.error(429, message), {"retry-after": f"{wait:.3f}"})

    def _flapping(self, rule: Flap, asked: Asked) -> Reply | Fault:
        memory = self._memory.setdefault((id(rule), asked.model), _Memory())
        if memory.began is None:
            memory.began = self._now()
        place = self._now() - memory.began if rule.by == "seconds" else memory.count
        memory.count += 1
        place %= rule.up + rule.down
        is_up = place < rule.up if rule.first == "up" else place >= rule.down
        return rule.then if is_up else rule.fault


def _carried(text: str) -> tuple[Behaviour, ...]:
    if text[:1] not in "{[":
        return parse(text)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"x-simulate is neither the notation nor JSON: {error}") from error
    steps = from_json(value)
    if not steps:
        raise ConfigurationError("x-simulate is an empty list")
    return steps


def _ceiling(rule: Ceiling, asked: Asked, wire: SimulatedWire) -> Reply | Fault:
    given = asked.max_tokens
    if given is None or (given <= rule.limit and not rule.refuse_any):
        return rule.then
    if rule.status == 429:
        return Fault.named("gateway.tier_ceiling", limit=rule.limit)
    return Fault.status(rule.status, wire.ceiling_error(rule.limit, given))
