"""What may be tried on the same target after a failure: wait, repair the request, ask again.

One `Mending` belongs to one target of one call, so what it changes cannot leak to the next: the next target gets what
the caller asked for. It decides, it does not act: `mend` returns how long to pause before the same target is asked
again, or None to move on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from shared_core.chain import Target
from shared_core.errors import ErrorKind, ProviderError
from shared_core.learnt import Learnt
from shared_core.memory import Memory
from shared_core.policy import FailoverPolicy

__all__ = ["NOT_ACCEPTED", "OPTIONAL_PARAMETERS", "Mending"]

OPTIONAL_PARAMETERS = frozenset(
    {
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "seed",
        "service_tier",
        "store",
        "stream_options",
        "strict",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
    }
)
"""Body fields that tune an answer but do not change what was asked for: a target that refuses one is asked without it.
`stop`, `tools`, `tool_choice` and `response_format` are not among them: without them the answer would be another."""

NOT_ACCEPTED = "not_accepted"
"""Code of the error that stands for a whole answer which was not accepted."""

_MAX_REPAIRED_PARAMETERS = 4
"""Refusals name one parameter at a time; more than a handful means that the request does not fit the target at all."""


class Mending:
    """Attempts to get through at one target."""

    def __init__(self, policy: FailoverPolicy, memory: Memory, asked: int | None) -> None:
        self._policy = policy
        self._memory = memory
        self._asked = asked
        self._repeats = 0
        self._has_waited = False
        self._is_repaired = False
        self._parameters = 0
        self._override: tuple[int | None] | None = None

    def max_tokens(self, learnt: Learnt) -> int | None:
        """What to send for `max_tokens`; None leaves it out."""
        return learnt.fit(self._asked) if self._override is None else self._override[0]

    def mend(
        self,
        target: Target,
        error: ProviderError,
        *,
        sent: int | None,
        seconds: float,
        now: float,
        deadline: float | None,
        others: Callable[[], int],
        siblings: Callable[[], bool],
    ) -> tuple[float, str] | None:
        """Whether, and after what pause, to ask the same target again.

        Args:
            target: What failed.
            error: How.
            sent: `max_tokens` as it was sent.
            seconds: How long the attempt took.
            now: The present instant.
            deadline: Instant at which the call ends.
            others: How many other targets are left.
            siblings: Whether another profile of the same model is free.

        Returns:
            Seconds to pause and the reason, or None to move on.
        """
        pause: tuple[float, str] | None = None
        match self._policy.rule(error.kind).in_place:
            case "none":
                return None
            case "repair":
                pause = (0.0, "repaired") if self._repair(target, error, sent) else None
            case "wait":
                pause = self._wait(error, others, siblings)
            case "retry":
                pause = self._repeat(error, seconds, others)
            case other:
                assert_never(other)
        if pause is None or (deadline is not None and now + pause[0] >= deadline):
            return None
        if self._policy.rule(error.kind).in_place == "retry" and not self._memory.budget.withdraw(now):
            return None
        return pause

    def _wait(
        self, error: ProviderError, others: Callable[[], int], siblings: Callable[[], bool]
    ) -> tuple[float, str] | None:
        stated = error.retry_after
        if stated is None or stated > self._policy.patience or self._has_waited or siblings():
            return None
        if self._policy.fail_fast and others():
            return None
        self._has_waited = True
        return stated, f"{error.kind}: it says to come back in {stated:g} s"

    def _repeat(self, error: ProviderError, seconds: float, others: Callable[[], int]) -> tuple[float, str] | None:
        backoffs = self._policy.transient_backoffs
        if error.code == NOT_ACCEPTED:
            return None  # the same question would get such an answer again
        if self._repeats >= len(backoffs):
            return None
        is_slow = error.is_timeout or seconds > self._policy.quick_failure
        if (is_slow or self._policy.fail_fast) and others():
            return None
        if error.is_timeout and self._repeats:
            return None  # it had the longest time that there is, twice
        pause = backoffs[self._repeats]
        if error.retry_after is not None:
            if error.retry_after > self._policy.patience:
                return None
            pause = max(pause, error.retry_after)
        self._repeats += 1
        return pause, f"{error.kind}: repetition {self._repeats} of {len(backoffs)}"

    def _repair(self, target: Target, error: ProviderError, sent: int | None) -> bool:
        learnt = self._memory.learnt(target.link.name)
        match error.kind:
            case ErrorKind.OUTPUT_LIMIT:
                return self._lower_output(learnt, error, sent)
            case ErrorKind.CONTEXT_EXCEEDED:
                return self._fit_sum(error, sent)
            case _:
                return self._drop_parameter(learnt, error)

    def _lower_output(self, learnt: Learnt, error: ProviderError, sent: int | None) -> bool:
        if sent is None or self._is_repaired:
            return False
        self._is_repaired = True
        learnt.refused_output(sent, error.ceiling)
        self._override = (learnt.fit(sent),)
        return True

    def _fit_sum(self, error: ProviderError, sent: int | None) -> bool:
        """Lowers `max_tokens` so that it fits beside this input; true of this input only, so not remembered."""
        if self._is_repaired or not error.is_sum:
            return False
        room = error.room if error.room is not None and error.room > 0 else None
        if sent is None and room is None:
            return False
        if sent is not None and room is not None and room >= sent:
            room = None
        self._is_repaired = True
        self._override = (room,)
        return True

    def _drop_parameter(self, learnt: Learnt, error: ProviderError) -> bool:
        if error.parameter is None or self._parameters >= _MAX_REPAIRED_PARAMETERS:
            return False
        name = error.parameter.rpartition(".")[2]
        if name not in OPTIONAL_PARAMETERS or (error.replacement or name) not in OPTIONAL_PARAMETERS:
            return False
        self._parameters += 1
        return learnt.refused_parameter(name, error.replacement)
