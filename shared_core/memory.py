"""What is known of all targets: health, cooldowns, the retry budget, and what refusals taught. Shared and long-lived.

One lock guards all of it. Walks decide under the lock and the drivers act outside it: nothing here waits, calls out
or reads a clock, so it is held for microseconds. A forked child gets a lock of its own: in its copy, whoever held the
parent's would hold it for ever.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import defaultdict

from shared_core.budget import RetryBudget
from shared_core.cooldown import Cooldowns, Scoped
from shared_core.figures import Figures
from shared_core.health import ProviderHealthRegistry
from shared_core.learnt import Learnt
from shared_core.policy import FailoverPolicy

__all__ = ["Memory"]

_MEMORIES: weakref.WeakSet[Memory] = weakref.WeakSet()


class Memory:
    """The shared memory of one manager.

    Attributes:
        lock: Held around every use of the rest.
        health: Health of models.
        cooldowns: Cooldowns of profiles.
        profiles: Figures of profiles.
        budget: Tokens for repetitions in place.
        hedges: Tokens for asking a second target while the first is late.
    """

    def __init__(self, policy: FailoverPolicy) -> None:
        self.lock = threading.RLock()
        _MEMORIES.add(self)
        self.health = ProviderHealthRegistry(policy)
        self.cooldowns = Cooldowns(policy.failure_memory)
        self.profiles: defaultdict[Scoped, Figures] = defaultdict(Figures)
        self.budget = RetryBudget(policy.retry_budget, policy.retry_reserve)
        # Two in reserve: a program that has just begun may hedge, and not much more often than its share allows.
        self.hedges = RetryBudget(policy.hedge_budget, 2.0 if policy.hedge_budget else 0.0, per_second=0.0)
        self._learnt: dict[str, Learnt] = {}

    def learnt(self, model: str) -> Learnt:
        """What is known of `model`, a canonical model string."""
        return self._learnt.setdefault(model, Learnt())

    def reset(self, model: str | None = None) -> None:
        """Forgets what is held against `model` and the profiles that it uses, or against everything."""
        with self.lock:
            self.health.reset(model)
            if model is None:
                self.budget.reset()
                self.hedges.reset()
                self.cooldowns.reset()
                self._learnt.clear()
                return
            provider, _, name = model.partition("/")
            self.cooldowns.reset(provider, name)
            self._learnt.pop(model, None)


def _unlock_in_child() -> None:
    for memory in _MEMORIES:
        memory.lock = threading.RLock()


with contextlib.suppress(AttributeError):  # a system on which no process forks
    os.register_at_fork(after_in_child=_unlock_in_child)
