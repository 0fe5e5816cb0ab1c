"""The small pure rooms by themselves: gate, cooldowns, health, budget, what refusals taught, chain, report, views."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.budget import RetryBudget
from shared_core.chain import Link, Profile, merge_models
from shared_core.cooldown import Cooldowns, Scoped, profile_cooldown
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Usage
from shared_core.gate import Gate
from shared_core.health import ProviderHealthRegistry
from shared_core.learnt import Learnt
from shared_core.memory import Memory
from shared_core.policy import FailoverPolicy
from shared_core.report import AttemptRecord, Report, SkipRecord, WaitRecord
from shared_core.views import Explanation, HealthSnapshot, ProfileHealth
from tests.core.player import World, answers, fails, link

K = ErrorKind


# Gate


def test_a_gate_opens_by_time_for_one() -> None:
    """Open, cooling, ajar at the very end of its cooldown, probing, open."""
    gate = Gate()
    assert gate.state(0) == "open"
    assert gate.shut(0, 10, K.AUTH, "no")
    assert gate.state(9.99) == "cooling"
    assert gate.state(10) == "ajar"
    assert gate.take(10, "me", 5)
    assert gate.state(14.99) == "probing"
    assert gate.admits(12, "me")
    assert not gate.admits(12, "you")
    assert not gate.take(12, "you", 5)
    assert gate.state(15) == "ajar"
    assert gate.take(14, "me", 5)
    assert gate.state(18.99) == "probing"
    assert gate.answered("me")
    assert gate.state(18.99) == "open"
    assert gate.hits == 1


def test_an_open_gate_has_no_permit() -> None:
    """There is nothing to probe."""
    gate = Gate()
    assert not gate.take(0, "me", 5)
    assert not gate.answered("me")


def test_a_gate_is_forgettable_after_its_memory() -> None:
    """Not before, and not while somebody probes."""
    gate = Gate()
    gate.shut(0, 10, K.AUTH, "no")
    assert not gate.is_forgettable(9, 0)
    assert gate.is_forgettable(10, 0)
    assert not gate.is_forgettable(109.9, 100)
    assert gate.is_forgettable(110, 100)
    gate.take(110, "me", 5)
    assert not gate.is_forgettable(110, 100)
    assert gate.is_forgettable(115, 100)


def test_old_news_does_not_shut_an_open_gate_or_disturb_a_probe() -> None:
    """Nothing of it changes."""
    gate = Gate()
    gate.shut(5, 10, K.AUTH, "no")
    gate.take(15, "me", 5)
    for _ in range(2):
        assert gate.ignores(16, 4)
        assert not gate.shut(16, 10, K.BALANCE, "old", started=4)
        assert (gate.kind, gate.until, gate.hits) == (K.AUTH, 15, 1)
        gate.answered("me")
    assert gate.state(16) == "open"
    assert not gate.ignores(16, 5)
    assert not gate.ignores(16, None)


def test_a_gate_remembers_why() -> None:
    """Kind and message of the newest failure."""
    gate = Gate()
    gate.shut(5, 10, K.AUTH, "no")
    assert not gate.shut(6, 1, K.BALANCE, "empty", started=4)
    assert (gate.kind, gate.message, gate.until, gate.hits) == (K.BALANCE, "empty", 15, 1)
    assert gate.shut(6, 1, K.AUTH, "no", started=5)
    assert (gate.until, gate.hits) == (7, 2)


# Cooldowns


@pytest.mark.parametrize(
    ("kind", "stated", "hits", "seconds"),
    [
        (K.RATE_LIMIT, None, 0, 5.0),
        (K.RATE_LIMIT, None, 4, 6.4 * 1.024),
        (K.AUTH, 1.0, 3, 5.0),
        (K.AUTH, 20.0, 0, 20.0),
        (K.AUTH, 1000.0, 0, 300.0),
        (K.BALANCE, 1.0, 0, 900.0),
        (K.BALANCE, None, 1, 1800.0),
        (K.BALANCE, None, 5000, 3600.0),
    ],
)
def test_how_long_a_profile_cools(kind: ErrorKind, stated: float | None, hits: int, seconds: float) -> None:
    """Backoff or the stated wait within the bounds; for an empty account a time of its own."""
    error = ProviderError("no", kind=kind, retry_after=stated)
    assert profile_cooldown(error, hits, FailoverPolicy()) == pytest.approx(seconds)


def test_a_long_balance_cooldown_is_not_cut() -> None:
    """Whoever sets a day gets a day."""
    error = ProviderError("empty", kind=K.BALANCE)
    assert profile_cooldown(error, 3, FailoverPolicy(balance_cooldown=86_400)) == 86_400


def test_cooldowns_can_be_reset_in_part() -> None:
    """All, one provider, or one model of it with the profiles that it uses."""
    scopes = [Scoped("a", "p"), Scoped("a", "p", "x"), Scoped("a", "p", "y"), Scoped("b", "p", "x")]
    for given_, left in [((), []), (("a",), scopes[3:]), (("a", "x"), scopes[2:])]:
        cooldowns = Cooldowns()
        for scope in scopes:
            cooldowns.shut(scope, ProviderError("no", kind=K.AUTH), FailoverPolicy(), now=0)
        cooldowns.reset(*given_)
        assert [scope for scope, _ in cooldowns] == left


def test_a_success_forgets_the_profile_and_its_model() -> None:
    """And not another model's entry."""
    cooldowns = Cooldowns()
    assert cooldowns.succeeded("a", "p", "x", started=0) == []
    scopes = [Scoped("a", "p"), Scoped("a", "p", "x"), Scoped("a", "p", "y")]
    for scope in scopes:
        cooldowns.shut(scope, ProviderError("no", kind=K.AUTH), FailoverPolicy(), now=5)
    assert cooldowns.succeeded("a", "p", "x", started=4) == []
    assert cooldowns.succeeded("a", "p", "x", started=5) == scopes[:2]
    assert [scope for scope, _ in cooldowns] == scopes[2:]


def test_a_failure_under_another_key_begins_at_one() -> None:
    """The hits of the old value are not the new one's."""
    cooldowns = Cooldowns()
    for fingerprint in ("old", "old", "new"):
        cooldowns.shut(
            Scoped("a", "p"), ProviderError("no", kind=K.AUTH), FailoverPolicy(), now=0, fingerprint=fingerprint
        )
    assert cooldowns.hit_count("a", "p") == 1


# Health


def test_health_knows_what_it_was_told() -> None:
    """Models appear in the order in which they became known; a new one is healthy."""
    health = ProviderHealthRegistry()
    health.ensure(["a/x", "b/y", "a/x"])
    assert [each.model for each in health.snapshot(0)] == ["a/x", "b/y"]
    assert health.is_callable("c/z", 0)
    assert health.disabled("d/w") is None
    health.record_failure("a/x", K.TRANSIENT, "down", 0)
    assert not health.is_callable("a/x", 0)
    assert not health.is_callable("a/x", 9.9)
    assert health.is_callable("a/x", 10)
    (one, *_) = health.snapshot(4)
    assert (one.state, one.retry_after, one.kind, one.message, one.failures) == ("cooling", 6, K.TRANSIENT, "down", 1)


def test_kinds_without_a_cooldown_of_their_own_cool_as_unknown() -> None:
    """Ten seconds."""
    assert ProviderHealthRegistry().record_failure("a/x", K.BAD_REQUEST, "no", 0) == 10


def test_health_can_be_reset_for_one_model() -> None:
    """Failures and disablement go, figures stay."""
    health = ProviderHealthRegistry()
    for model in ("a/x", "b/y"):
        health.record_attempt(model)
        health.record_failure(model, K.TRANSIENT, "down", 0)
        health.disable(model, "out")
    health.reset("a/x")
    assert health.is_callable("a/x", 0)
    assert not health.is_callable("b/y", 100)
    assert [each.attempts for each in health.snapshot(0)] == [1, 1]
    assert [each.disabled for each in health.snapshot(0)] == [None, "out"]


def test_a_success_of_a_healthy_model_is_no_recovery() -> None:
    """Only one that ends an outage is."""
    health = ProviderHealthRegistry()
    assert not health.record_success("a/x")
    health.record_failure("a/x", K.TRANSIENT, "down", 5)
    assert not health.record_success("a/x", started=4)
    assert health.record_success("a/x")


def test_only_new_keys_mend_a_model_that_failed_under_old_ones() -> None:
    """The same keys, or fewer of them, do not; an outage is not mended by keys."""
    health = ProviderHealthRegistry()
    health.record_failure("a/x", K.AUTH, "no", 0, keys=["k1", "k2"])
    assert health.gate("a/x", 1, ["k1"]).state(1) == "cooling"
    assert health.gate("a/x", 1).state(1) == "cooling"
    assert health.gate("a/x", 1, ["k1", "k3"]).state(1) == "open"
    health.record_failure("a/x", K.TRANSIENT, "down", 0)
    assert health.gate("a/x", 1, ["k4"]).state(1) == "cooling"


# Budget


def test_the_budget_is_a_bucket() -> None:
    """Calls fill it by shares, repetitions take whole tokens, and it holds no more than its reserve."""
    budget = RetryBudget(share=0.2, reserve=2)
    assert [budget.withdraw(0) for _ in range(3)] == [True, True, False]
    for _ in range(5):
        budget.deposit(0)
    assert budget.withdraw(0)
    for _ in range(100):
        budget.deposit(0)
    assert budget.tokens == 2


def test_ten_tenths_are_a_token() -> None:
    """Rounding does not cost a repetition."""
    budget = RetryBudget(share=0.1, reserve=1)
    budget.withdraw(0)
    for _ in range(10):
        budget.deposit(0)
    assert budget.withdraw(0)
    assert budget.tokens == 0


def test_time_fills_the_budget() -> None:
    """One token in twenty seconds; a clock that goes back gives nothing and takes nothing."""
    budget = RetryBudget(share=0.2, reserve=10)
    for _ in range(10):
        assert budget.withdraw(100)
    assert not budget.withdraw(119)
    assert budget.withdraw(120.001)
    assert not budget.withdraw(50)
    assert not budget.withdraw(139)
    assert budget.withdraw(141)


def test_a_budget_without_a_share_is_not_filled_by_time() -> None:
    """Zero means zero."""
    budget = RetryBudget(share=0, reserve=1)
    assert budget.withdraw(0)
    assert not budget.withdraw(1e9)
    budget.reset()
    assert budget.withdraw(1e9)


# What refusals taught


@given(st.integers(1, 100_000), st.integers(-5, 100_000) | st.none(), st.integers(1, 100_000))
def test_what_was_refused_is_not_sent_again(sent: int, ceiling: int | None, wished: int) -> None:
    """And nothing above a wish is ever sent."""
    learnt = Learnt()
    learnt.refused_output(sent, ceiling)
    fit = learnt.fit(wished)
    assert fit is None or fit <= wished
    if wished >= sent:
        assert fit is None or fit < sent
    assert learnt.fit(None) is None


def test_a_lower_refusal_counts_more() -> None:
    """The lowest value that was refused without a ceiling; a ceiling that proved wrong is dropped."""
    learnt = Learnt()
    learnt.refused_output(1000, None)
    learnt.refused_output(2000, None)
    assert (learnt.fit(1000), learnt.fit(999)) == (None, 999)
    learnt.refused_output(500, 100)
    assert learnt.fit(1000) == 100
    learnt.refused_output(100, None)
    assert (learnt.fit(100), learnt.fit(99)) == (None, 99)


def test_a_window_is_learnt_if_it_is_one() -> None:
    """No number, or none above zero, teaches nothing."""
    learnt = Learnt()
    for window, known in ((None, None), (0, None), (8192, 8192), (-1, 8192)):
        learnt.refused_input(window)
        assert learnt.window == known


def test_a_second_refusal_of_the_same_parameter_is_no_news() -> None:
    """Another replacement is."""
    learnt = Learnt()
    assert learnt.refused_parameter("seed", None)
    assert not learnt.refused_parameter("seed", None)
    assert learnt.refused_parameter("max_tokens", "a")
    assert not learnt.refused_parameter("max_tokens", "a")
    assert learnt.refused_parameter("max_tokens", "b")
    assert (learnt.omit, learnt.renames) == ({"seed"}, {"max_tokens": "b"})


# Chain


def test_model_strings_are_merged_in_order() -> None:
    """The request's model, its fallbacks, then the manager's: trimmed, empty ones dropped, each once."""
    assert merge_models(["  a/x "], ["", "b/y", " "], ["a/x", "c/z\n"]) == ("a/x", "b/y", "c/z")
    assert merge_models([""], [], [" "]) == ()


def test_a_link_knows_its_name_and_keys() -> None:
    """Profiles that cannot be used have no key."""
    made = Link("a", "x/y", (Profile("one", "f1"), Profile("two", unavailable="no key")))
    assert made.name == "a/x/y"
    assert made.keys == (("one", "f1"),)
    assert Link("a", "x").profiles == (Profile("default"),)


# Report


def test_a_report_turns_into_plain_values() -> None:
    """Empty fields are left out, times are rounded."""
    record = AttemptRecord(
        "a/x",
        "a",
        "main",
        started=0.12344,
        outcome="failed",
        ended=1.0,
        first_token=0.5,
        kind=K.AUTH,
        status=401,
        code="bad_key",
        message="no",
        retry_after=3.0,
        is_probe=True,
        max_tokens="dropped",
        notes=("left out seed",),
        resumed_at=4,
        usage=Usage(1, 2, 3),
    )
    assert record.as_dict() == {
        "step": "attempt",
        "model": "a/x",
        "profile": "main",
        "outcome": "failed",
        "started": 0.1234,
        "seconds": 0.8766,
        "first_token": 0.3766,
        "kind": "auth",
        "status": 401,
        "code": "bad_key",
        "message": "no",
        "retry_after": 3.0,
        "max_tokens": "dropped",
        "resumed_at": 4,
        "is_probe": True,
        "notes": ["left out seed"],
        "input_tokens": 1,
        "output_tokens": 2,
    }
    assert AttemptRecord("a/x", "a", "main", 0.0).as_dict() == {
        "step": "attempt",
        "model": "a/x",
        "profile": "main",
        "outcome": "running",
        "started": 0.0,
    }
    assert SkipRecord("a/x", "a", "main", "why", 1.23456).as_dict() == {
        "step": "skip",
        "model": "a/x",
        "reason": "why",
        "profile": "main",
        "retry_after": 1.2346,
    }
    assert SkipRecord("a/x", "a", None, "why").as_dict() == {"step": "skip", "model": "a/x", "reason": "why"}
    report = Report([record, SkipRecord("b/y", "b", None, "why"), WaitRecord(0.55555, "soon")])
    assert report.as_dict()["trail"][2] == {"step": "wait", "seconds": 0.5555, "reason": "soon"}
    assert (len(report.attempts), len(report.skips)) == (1, 1)


# Views


def test_an_explanation_lists_every_target_and_why_not() -> None:
    """It prints as a table."""
    world = World()
    world.call(link("a/x", "main", "backup")).play(
        {"a/x [main]": fails(K.AUTH, seconds=0), "a/x [backup]": answers(0, first=0)}
    )
    chain = [link("a/x", "main", "backup"), link("b/y", unavailable="no such provider")]
    explained = Explanation.of(chain, world.memory, world.now)
    assert str(explained).splitlines() == [
        "   model  profile  verdict",
        "1  a/x    main     profile main is cooling for 5.0 s after auth",
        "2  a/x    backup   would be tried",
        "3  b/y    -        no such provider",
    ]


def test_a_snapshot_prints_as_a_table() -> None:
    """Models and profiles, what is free when, and what failed last."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.AUTH, "bad key", seconds=0)})
    world.call("b/y").play({"b/y": fails(K.RATE_LIMIT, "slow down", seconds=0)})
    world.call("c/z").play({"c/z": answers(0.5, first=0.25)})
    world.memory.health.disable("d/w", "too dear")
    snapshot = HealthSnapshot(
        tuple(world.memory.health.snapshot(world.now)),
        ProfileHealth.all(world.memory, world.now),
    )
    assert str(snapshot).splitlines() == [
        "target             state     free in  answered  first token  last failure",
        "a/x                cooling   59.5 s   0/1       -            auth: bad key",
        "b/y                cooling   29.5 s   0/1       -            rate_limit: slow down",
        "c/z                open      -        1/1       0.25 s       -",
        "d/w                disabled  -        0/0       -            too dear",
        "a [default]        cooling   4.5 s    0/1       -            auth: bad key",
        "b [default]        open      -        0/1       -            -",
        "b [default] for y  cooling   4.5 s    -         -            rate_limit: slow down",
        "c [default]        open      -        1/1       0.25 s       -",
    ]


def test_a_profile_that_is_free_again_shows_no_time() -> None:
    """Answered, or at its end."""
    gate = Gate()
    gate.shut(0, 10, K.AUTH, "no")
    assert ProfileHealth.of(Scoped("a", "p"), gate, None, 4).retry_after == 6
    assert ProfileHealth.of(Scoped("a", "p"), gate, None, 12).retry_after == 0
    gate.take(12, "me", 5)
    gate.answered("me")
    assert ProfileHealth.of(Scoped("a", "p"), gate, None, 4).retry_after == 0


def test_what_is_known_of_a_model_is_one_object() -> None:
    """And of another, another one."""
    memory = Memory(FailoverPolicy())
    assert memory.learnt("a/x") is memory.learnt("a/x")
    assert memory.learnt("a/x") is not memory.learnt("b/y")
