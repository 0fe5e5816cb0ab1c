"""The settings of the walk, and how delays grow."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_core.errors import ErrorKind
from shared_core.policy import RULES, Action, FailoverPolicy, RetryConfig, Rule, backoff_delay

K = ErrorKind


def test_the_delay_doubles_and_is_held_to_its_maximum() -> None:
    """Without jitter: 0.4 s, 0.8 s, 1.6 s … 30 s."""
    plain = RetryConfig(jitter=0)
    assert [backoff_delay(hits, plain) for hits in range(8)] == [0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]


def test_the_jitter_is_a_share_of_the_delay_that_hangs_on_the_attempt() -> None:
    """It is clamped · jitter · (attempt · 0.31 mod 1), so that it can be tested."""
    assert backoff_delay(0) == 0.4
    assert backoff_delay(1) == pytest.approx(0.8 * (1 + 0.1 * 0.31))
    assert backoff_delay(4) == pytest.approx(6.4 * (1 + 0.1 * 0.24))


@given(st.integers(-5, 10_000), st.integers(0, 10_000), st.integers(0, 100_000), st.floats(0, 1))
def test_the_delay_is_bounded(attempt: int, low: int, high: int, jitter: float) -> None:
    """Never negative, never above the maximum and its jitter, whatever the count."""
    delay = backoff_delay(attempt, RetryConfig(min_delay_ms=low, max_delay_ms=high, jitter=jitter))
    assert 0 <= delay <= high * (1 + jitter) / 1000


def test_defaults() -> None:
    """The numbers that the documentation gives."""
    policy = FailoverPolicy()
    assert policy.transient_backoffs == (0.5, 2.0)
    assert (policy.patience, policy.quick_failure) == (2.5, 10)
    assert (policy.connect_timeout, policy.first_token_timeout, policy.idle_timeout) == (10, 30, 30)
    assert (policy.silent_first_token_timeout, policy.last_first_token_timeout) == (120, 120)
    assert policy.whole_timeout == 600
    assert (policy.min_cooldown, policy.max_cooldown, policy.balance_cooldown) == (5, 300, 900)
    assert (policy.failure_memory, policy.max_model_cooldown, policy.deadline) == (300, 3600, None)
    assert (policy.retry_budget, policy.retry_reserve, policy.fail_fast) == (0.2, 10, False)
    assert (policy.mid_stream, policy.cooldown_scope, policy.linger) == ("raise", "model", 1)
    assert (policy.hedge_after, policy.hedge_budget) == (None, 0.05)
    assert dict(policy.model_cooldowns) == {
        K.RATE_LIMIT: 30,
        K.TRANSIENT: 10,
        K.UNKNOWN: 10,
        K.AUTH: 60,
        K.BALANCE: 60,
        K.MODEL_MISSING: 60,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": -1},
        {"patience": float("inf")},
        {"hedge_after": 0},
        {"first_token_timeout": 0},
        {"idle_timeout": float("inf")},
        {"connect_timeout": float("nan")},
        {"deadline": 0},
        {"transient_backoffs": (0.5, -1)},
        {"min_cooldown": 301},
        {"actions": {"auth": "wait"}},
        {"actions": {"nothing": "raise"}},
        {"model_cooldowns": {"auth": -1}},
        {"retry_budget": -0.1},
        {"retry_budget": 1.1},
        {"hedge_budget": -0.1},
        {"hedge_budget": 1.1},
        {"retry_reserve": -1},
        {"cooldown_scope": "provider"},
        {"mid_stream": "ignore"},
        {"unknown_setting": 1},
        {"retry": {"attempts": 0}},
        {"retry": {"jitter": -0.1}},
        {"retry": {"jitter": 1.1}},
        {"retry": {"min_delay_ms": -1}},
        {"retry": {"max_delay_ms": -1}},
        {"retry": {"unknown_setting": 1}},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    """At once, where it is made."""
    with pytest.raises(ValidationError):
        FailoverPolicy(**settings)


def test_the_bounds_are_named_when_they_cross() -> None:
    """The message says which two settings do not go together."""
    with pytest.raises(ValidationError, match=r"min_cooldown \(10.0\) is above max_cooldown \(5.0\)"):
        FailoverPolicy(min_cooldown=10, max_cooldown=5)
    assert FailoverPolicy(min_cooldown=5, max_cooldown=5).max_cooldown == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 0},
        {"first_token_timeout": 0.1},
        {"retry_budget": 0, "retry_reserve": 0, "hedge_budget": 0},
        {"retry_budget": 1, "hedge_budget": 1},
        {"retry": {"attempts": 1, "min_delay_ms": 0, "max_delay_ms": 0, "jitter": 0}},
        {"retry": {"attempts": 1, "min_delay_ms": 1, "max_delay_ms": 1, "jitter": 1}},
    ],
    ids=str,
)
def test_the_least_and_the_most_are_allowed(settings: dict[str, Any]) -> None:
    """Nothing is refused that can be meant."""
    assert FailoverPolicy(**settings).model_dump(include=set(settings)) == settings


def test_defaults_of_the_growth() -> None:
    """The numbers that the documentation gives; before the first hit there is no less to wait than after it."""
    assert RetryConfig().model_dump() == {"attempts": 3, "min_delay_ms": 400, "max_delay_ms": 30_000, "jitter": 0.1}
    assert FailoverPolicy().retry == RetryConfig()
    assert backoff_delay(-3, RetryConfig(jitter=0)) == 0.4


def test_it_is_frozen() -> None:
    """Nobody changes it under a running walk."""
    with pytest.raises(ValidationError):
        FailoverPolicy().patience = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        RetryConfig().attempts = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "action", "rule"),
    [
        (K.TRANSIENT, "next_profile", Rule("retry", "none", "last_profile", "next_profile")),
        (K.TRANSIENT, "raise", Rule("retry", "none", "now", "raise")),
        (K.UNKNOWN, "next_profile", Rule("retry", "none", "none", "next_profile")),
        (K.AUTH, "next_model", Rule("none", "account", "last_profile", "next_model")),
        (K.AUTH, "next_profile", Rule("none", "account", "last_profile", "next_profile")),
    ],
)
def test_an_override_changes_where_the_walk_goes(kind: ErrorKind, action: Action, rule: Rule) -> None:
    """And no more; but a model that would cool at once waits for its last profile, if the next one is to be asked."""
    assert FailoverPolicy(actions={kind: action}).rule(kind) == rule


def test_a_copy_keeps_what_was_set() -> None:
    """`replace` changes what is named and validates the whole."""
    policy = FailoverPolicy(patience=1, actions={"auth": "raise"}).replace(deadline=30)
    assert (policy.patience, policy.deadline, policy.rule(K.AUTH).then) == (1, 30, "raise")
    with pytest.raises(ValidationError):
        policy.replace(deadline=-1)
    with pytest.raises(ValidationError):
        policy.replace(max_cooldown=1)


def test_the_callers_mappings_are_not_shared() -> None:
    """What is changed after construction does not reach the policy."""
    actions: dict[str, str] = {"auth": "raise"}
    policy = FailoverPolicy(actions=actions)  # type: ignore[arg-type]
    actions["auth"] = "next_model"
    assert policy.rule(K.AUTH).then == "raise"


def test_names_of_kinds_may_be_strings() -> None:
    """As a settings file has them."""
    policy = FailoverPolicy(model_cooldowns={"auth": 5}, actions={"context_exceeded": "raise"})  # type: ignore[dict-item]
    assert policy.model_cooldowns[K.AUTH] == 5
    assert policy.rule(K.CONTEXT_EXCEEDED).then == "raise"
    assert policy.rule(K.AUTH) == RULES[K.AUTH]


def test_it_can_be_compared_and_pickled() -> None:
    """Also after it was used."""
    policy = FailoverPolicy(patience=1)
    policy.rule(K.AUTH)
    assert policy == FailoverPolicy(patience=1)
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301
