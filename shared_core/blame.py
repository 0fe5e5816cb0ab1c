"""What a failure costs those it may be blamed on: a profile, a model, or nobody.

The rules say who is to blame for which kind; this room turns that into cooldowns in the shared memory and says what to
tell. A timer that the deadline cut short blames nobody, unless what was left of it was a fair try all the same: else a
dead target would cost each call of a chain with a deadline its share of the time, and never be remembered.
"""

from __future__ import annotations

from shared_core.chain import Link, Target
from shared_core.cooldown import Scoped
from shared_core.decisions import Attempt
from shared_core.errors import ProviderError
from shared_core.memory import Memory
from shared_core.notices import Notice
from shared_core.policy import FailoverPolicy
from shared_core.verdict import soonest

__all__ = ["FAIR_TRY", "cool_model", "cool_profile", "is_cut_short"]

FAIR_TRY = 1 / 3
"""Share of the granted time that is a fair try: 10 s of the usual 30 s, when most answers have long begun."""

_TICK = 0.01
"""A timer may run out a little before the clock says so."""


def is_cut_short(attempt: Attempt, error: ProviderError, *, spent: float, has_content: bool, is_late: bool) -> bool:
    """Whether it ran out of time that the deadline took from it, so that the target is not to blame.

    Args:
        attempt: What failed.
        error: How.
        spent: Seconds that it took.
        has_content: It had content; then only the idle timeout bounds it, and that one is never cut.
        is_late: The deadline has passed.
    """
    if not error.is_timeout:
        return False
    return is_late or (attempt.is_cut and not has_content and spent + _TICK >= attempt.first_token_timeout)


def cool_profile(
    target: Target, error: ProviderError, memory: Memory, policy: FailoverPolicy, *, now: float, started: float
) -> Notice | None:
    """Leaves the profile alone, for this model or for all, if the rule says so; what to tell of it."""
    link, profile = target.link, target.profile
    rule = policy.rule(error.kind)
    if rule.profile == "none":
        return None
    by_model = rule.profile == "model" and error.scope == "model" and policy.cooldown_scope == "model"
    scope = Scoped(link.provider, profile.name, link.model if by_model else None)
    fingerprint = profile.fingerprint
    seconds = memory.cooldowns.shut(scope, error, policy, now=now, fingerprint=fingerprint, started=started)
    return _told(link, profile.name, error, seconds)


def cool_model(
    link: Link,
    error: ProviderError,
    memory: Memory,
    policy: FailoverPolicy,
    *,
    now: float,
    started: float,
    holder: object,
) -> Notice | None:
    """Leaves the model alone; what to tell of it. `holder` is who may hold its probe permit."""
    stated = None
    is_keys_fault = policy.rule(error.kind).profile != "none"
    if error.retry_after is not None:
        stated = min(max(error.retry_after, policy.min_cooldown), policy.max_cooldown)
        if is_keys_fault:
            # The first of its profiles to be free again is when the model is.
            free = soonest((link,), memory, now, holder)
            stated = stated if free is None or free <= now else min(stated, free - now)
    seconds = memory.health.record_failure(
        link.name,
        error.kind,
        error.message,
        now,
        started=started,
        cooldown=stated,
        keys=link.keys if is_keys_fault else (),
    )
    return _told(link, None, error, seconds)


def _told(link: Link, profile: str | None, error: ProviderError, seconds: float) -> Notice | None:
    return Notice("cooldown", link.name, link.provider, profile, kind=error.kind, seconds=seconds) if seconds else None
