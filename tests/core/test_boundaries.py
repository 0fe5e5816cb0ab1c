"""The rooms that decide, at their edges: the last value that counts and the first that does not, and what is kept."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from shared_core.budget import RetryBudget
from shared_core.chain import Profile
from shared_core.cooldown import Cooldowns, Scoped
from shared_core.errors import ChainExhaustedError, ErrorKind, RequestRejectedError
from shared_core.farewell import both_exhausted
from shared_core.gate import Gate
from shared_core.health import ProviderHealthRegistry
from shared_core.policy import Action, FailoverPolicy, RetryConfig
from shared_core.report import WaitRecord
from tests.core.player import Call, Leaves, World, answers, error, fails, link, times_out

K = ErrorKind


# Calls


def test_a_call_makes_its_models_known() -> None:
    """A snapshot lists every model of a chain, also those that nobody has asked yet."""
    world = World()
    world.call("a/x", "b/y")
    assert [each.model for each in world.memory.health.snapshot(world.now)] == ["a/x", "b/y"]


def test_every_call_pays_into_both_budgets() -> None:
    """One for repetitions, one for hedges, by the shares of the policy."""
    world = World(retry_budget=0.5, hedge_budget=0.25)
    for _ in range(2):
        assert world.memory.hedges.withdraw(world.now)
        assert world.memory.budget.withdraw(world.now)
    before = world.memory.budget.tokens, world.memory.hedges.tokens
    world.call("a/x")
    assert (world.memory.budget.tokens, world.memory.hedges.tokens) == (before[0] + 0.5, before[1] + 0.25)


def test_a_budget_has_defaults_of_its_own() -> None:
    """Ten repetitions for nothing, then one for five calls or twenty seconds."""
    budget = RetryBudget()
    assert [budget.withdraw(0) for _ in range(11)] == [True] * 10 + [False]
    for _ in range(4):
        budget.deposit(0)
    assert not budget.withdraw(0)
    budget.deposit(0)
    assert budget.withdraw(0)
    assert not budget.withdraw(19.9)
    assert budget.withdraw(20.1)


# Hedges


def hedging(**settings: object) -> World:
    return World(policy=FailoverPolicy(hedge_after=1.0, **settings))


def rival_of(call: Call) -> Call:
    hedge = call.walk.hedge(call.world.now)
    assert hedge is not None
    return Call(call.world, call.walk.rival(hedge))


def test_nothing_is_hedged_between_two_attempts() -> None:
    """There is no answer that could be late."""
    call = hedging().call("a/x", "b/y").begin().ends(fails(K.AUTH))
    assert call.walk.hedge(call.world.now) is None


def test_a_rival_shares_the_deadline_of_its_own_call() -> None:
    """The one that the request asked for, not the policy's."""
    call = hedging(deadline=60).call("a/x", "b/y", deadline=7).begin()
    assert rival_of(call).begin().attempt.deadline == call.world.now + 7


def test_attempts_of_a_rival_are_counted_with_the_others() -> None:
    """No two attempts of a call have the same number."""
    call = hedging().call("a/x", "b/y", "c/z").begin()
    other = rival_of(call).begin()
    call.ends(fails(K.AUTH)).begin()
    assert [attempt.number for walk in (call.walk, other.walk) for attempt in walk.report.attempts] == [1, 3, 2]


def test_what_a_cut_rival_was_asking_is_asked_again_behind_the_chain() -> None:
    """Also a profile of the model at hand that was passed over since the rival had it; and nothing else is."""
    world = hedging(transient_backoffs=(), actions={K.UNKNOWN: "next_profile"})
    call = world.call(link("a/x", "one", "two", "three"), "b/y").begin()
    other = rival_of(call).begin().ends(fails(K.UNKNOWN)).begin()
    assert other.asked == ["b/y", "a/x [two]"]
    call.ends(fails(K.UNKNOWN)).begin()
    assert call.asked == ["a/x [one]", "a/x [three]"]
    other.walk.abandoned(world.now)
    call.walk.outlive(other.walk)
    assert [each.name for each in call.walk.chain] == ["a/x", "b/y", "a/x"]
    call.ends(fails(K.UNKNOWN)).begin()
    assert call.asked[2:] == ["a/x [two]"]
    assert call.ends(fails(K.UNKNOWN)).next() == "ChainExhaustedError"


def test_what_lies_ahead_anyway_is_not_put_behind_the_chain() -> None:
    """A target that a cut rival was asking is asked where the chain has it, once."""
    call = hedging(transient_backoffs=()).call("a/x", "b/y", "c/z").begin()
    other = rival_of(call).begin()
    assert other.asked == ["b/y"]
    other.walk.abandoned(call.world.now)
    call.walk.outlive(other.walk)
    assert [each.name for each in call.walk.chain] == ["a/x", "b/y", "c/z"]
    call.ends(fails(K.AUTH)).play(lambda _: fails(K.AUTH))
    assert call.asked == ["a/x", "b/y", "c/z"]


def test_a_rivals_last_profile_is_not_the_models() -> None:
    """It has only a part of them: the first walk still asks another."""
    call = hedging().call(link("a/x", "one", "two"), "b/y").begin()
    rival_of(call).play(lambda _: fails(K.AUTH))
    assert call.world.health("b/y")[0] == "cooling"
    assert call.world.health("a/x")[0] == "open"


# Rests


def test_a_first_rest_is_as_short_as_it_can_be() -> None:
    """A target that is free in a tenth of a second is asked then."""
    world = World(min_cooldown=0)
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.later(9.9)
    assert world.call("a/x").play({"a/x": answers()}).waits == [pytest.approx(0.1)]


def test_a_skip_says_for_how_long() -> None:
    """The seconds until the target may be asked, however few."""
    world = World(min_cooldown=0, patience=0)
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.later(9.5)
    call = world.call("a/x", "b/y").play({"b/y": answers()})
    assert [step.retry_after for step in call.walk.report.skips] == [pytest.approx(0.5)]


# Repairs


@pytest.mark.parametrize(
    "name",
    [
        *("frequency_penalty", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens"),
        *("parallel_tool_calls", "presence_penalty", "reasoning", "reasoning_effort", "seed", "service_tier", "store"),
        *("stream_options", "strict", "temperature", "top_k", "top_logprobs", "top_p", "user"),
    ],
)
def test_what_only_tunes_an_answer_can_be_left_out(name: str) -> None:
    """A target that refuses it is asked without it."""
    call = World().call("a/x").play({"a/x": [fails(K.BAD_REQUEST, parameter=name), answers()]})
    assert call.attempt.omit == {name}


def test_room_for_one_token_is_room() -> None:
    """It is what the provider says is left."""
    call = World().call("a/x", max_tokens=8).play({"a/x": [fails(K.CONTEXT_EXCEEDED, is_sum=True, room=1), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [8, 1]


# Memory


def test_an_attempt_that_began_when_the_gate_was_shut_may_open_it() -> None:
    """At the same instant it counts as begun after."""
    health = ProviderHealthRegistry()
    health.record_failure("a/x", K.TRANSIENT, "down", 5)
    assert health.record_success("a/x", started=5)


def test_a_model_that_came_back_may_be_asked_at_once() -> None:
    """The seconds until then are never negative, and none when the next call probes."""
    health = ProviderHealthRegistry()
    health.record_failure("a/x", K.TRANSIENT, "down", 0)
    assert [(each.state, each.retry_after) for now in (9.5, 10, 12) for each in health.snapshot(now)] == [
        ("cooling", 0.5),
        ("ajar", 0.0),
        ("ajar", 0.0),
    ]


def test_a_new_key_wipes_what_the_old_one_met() -> None:
    """The entry is gone as soon as somebody looks with the new key, for every view of it."""
    cooldowns = Cooldowns()
    scope = Scoped("a", "main")
    cooldowns.shut(scope, error(K.AUTH), FailoverPolicy(), now=0, fingerprint="old")
    assert [found for found, _ in cooldowns.gates("a", "main", "x", "old", 1)] == [scope]
    assert cooldowns.gates("a", "main", "x", "new", 1) == []
    assert scope not in cooldowns


# Blame


@pytest.mark.parametrize(("early", "state"), [(0.0, "open"), (0.009, "open"), (0.02, "cooling"), (0.5, "cooling")])
def test_a_timer_that_was_cut_may_run_out_a_moment_early(early: float, state: str) -> None:
    """A hundredth of a second is the clock's; what ran out before was another timer, and its target is to blame."""
    world = World(deadline=18, transient_backoffs=())
    call = world.call("a/x", "b/y").begin()
    assert call.attempt.first_token_timeout == 9
    call.ends(times_out(9 - early))
    assert world.health("a/x")[0] == state


@pytest.mark.parametrize(
    ("kind", "action", "health"),
    [
        (K.TRANSIENT, "next_profile", "last_profile"),
        (K.TRANSIENT, "raise", "now"),
        (K.UNKNOWN, "next_profile", "none"),
        (K.AUTH, "next_model", "last_profile"),
    ],
)
def test_a_model_that_would_cool_at_once_waits_for_its_next_profile(kind: K, action: Action, health: str) -> None:
    """Only where the user sends the walk there; any other override leaves the model's health as the table says."""
    assert FailoverPolicy(actions={kind: action}).rule(kind).health == health


# Ends


def test_two_walks_that_are_exhausted_are_one_error() -> None:
    """Both trails, the most actionable cause of both, and the first moment that either of them knows."""
    world = World(patience=0)
    world.memory.health.disable("c/z", "out")
    one = world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, "slow down", retry_after=20, seconds=0)}).error
    two = world.call("b/y", "a/x").play({"b/y": fails(K.AUTH, "bad key", seconds=0)}).error
    three = world.call("c/z").play({}).error
    assert isinstance(one, ChainExhaustedError)
    assert isinstance(two, ChainExhaustedError)
    assert isinstance(three, ChainExhaustedError)
    for pair in ((one, two), (two, one)):
        both = both_exhausted(*pair)
        assert (both.kind, both.retry_after) == (K.AUTH, 20)
        assert both.errors == pair[0].errors + pair[1].errors
        assert both.report.steps == pair[0].report.steps + pair[1].report.steps
        assert both.report.hedged
        assert str(both).startswith("LLM chain exhausted (2 models, 2 attempts, 1 skipped). First to mend: auth: bad")
    assert both_exhausted(one, three).retry_after == both_exhausted(three, one).retry_after == 20


def test_two_walks_without_an_attempt_name_the_more_actionable_kind() -> None:
    """Of those for which either chain is cooling."""
    world = World(patience=0)
    for name, kind in (("a/x", K.MODEL_MISSING), ("b/y", K.TRANSIENT)):
        world.call(name).play({name: fails(kind, seconds=0)})
    cooling = [world.call(name).play({}).error for name in ("a/x", "b/y")]
    for pair in (cooling, cooling[::-1]):
        assert both_exhausted(*pair).kind is K.MODEL_MISSING


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (K.AUTH, "Check the API key."),
        (K.BALANCE, "Top up the account."),
        (K.MODEL_MISSING, "Check the model's name and the account's access to it."),
        (K.RATE_LIMIT, "Wait, or add a profile or a model to the chain."),
        (K.TRANSIENT, "Wait, or add a model of another provider to the chain."),
        (K.UNKNOWN, "Nothing certain is known of the cause."),
        (K.OUTPUT_LIMIT, "Lower max_tokens, or set actions={'output_limit': 'next_model'} in the policy."),
        (K.CONTEXT_EXCEEDED, "Shorten the messages, or add a model with a larger window to the chain."),
        (K.CONTENT_FILTER, "A provider's content policy blocked the prompt or the answer."),
        (K.BAD_REQUEST, "The request itself is wrong."),
    ],
)
def test_every_kind_has_its_advice(kind: K, advice: str) -> None:
    """Of all causes the first to mend is told with what to do about it."""
    call = World(transient_backoffs=()).call("a/x").play({"a/x": fails(kind, "so it is")})
    assert f" {advice} " in f"{call.error} ".replace("\n", " ")
    assert f"{kind}: so it is" in str(call.error)


def test_an_output_limit_that_was_sent_on_has_its_advice() -> None:
    """Where the user lets the next model try, the exhaustion names it first."""
    world = World(actions={K.OUTPUT_LIMIT: "next_model"})
    call = world.call("a/x", "b/y").play({"a/x": fails(K.OUTPUT_LIMIT, "too many"), "b/y": fails(K.AUTH)})
    assert "First to mend: output_limit: too many at a/x [default]. Lower max_tokens." in str(call.error)


# What is told


def test_asking_again_in_words_is_told_as_a_retry_without_a_pause() -> None:
    """A target that refuses to go on from a trailing turn is asked at once."""
    world = World(transient_backoffs=())
    call = world.call("a/x", "b/y").begin().ends(fails(K.TRANSIENT, first=0.0, shown="Half", may_go_on=True)).begin()
    call.walk.failed(error(K.BAD_REQUEST), world.now, had_prefill=True)
    retry = call.walk.notices[-1]
    assert (retry.event, retry.model, retry.seconds) == ("retry", "b/y", 0.0)


def test_a_cooldown_is_told_with_its_kind() -> None:
    """Of the profile and of the model, for how long and why."""
    call = World().call("a/x").play({"a/x": fails(K.BALANCE, seconds=0)})
    told = [each for each in call.walk.notices if each.event == "cooldown"]
    assert [(each.profile, each.kind, each.seconds) for each in told] == [
        ("default", K.BALANCE, 900.0),
        (None, K.BALANCE, 60.0),
    ]


def test_a_key_that_works_again_is_told_as_a_recovery() -> None:
    """Also if the model had another key and was never left alone."""
    world = World()
    chain = link("a/x", "one", "two")
    world.call(chain).play({"a/x [one]": fails(K.AUTH, seconds=0), "a/x [two]": answers(0, first=0)})
    world.later(5)
    call = world.call(chain).play({"a/x [one]": answers()})
    assert [(each.event, each.profile) for each in call.walk.notices][-1] == ("recovery", "one")


def test_the_time_to_the_first_content_is_the_attempts_own() -> None:
    """What the call lost before it does not count."""
    world = World()
    world.call("a/x", "b/y").play({"a/x": fails(K.AUTH, seconds=3), "b/y": answers(2, first=1)})
    assert [each.latency for each in world.memory.health.snapshot(world.now)] == [None, 1.0]


def test_old_news_of_a_key_cools_nothing() -> None:
    """While a probe is out, and after its answer: no seconds are told, and nothing is forgotten or added."""
    cooldowns, scope = Cooldowns(), Scoped("a", "main")
    assert cooldowns.shut(scope, error(K.AUTH), FailoverPolicy(), now=10) == 5.0
    ((_, gate),) = cooldowns
    gate.take(15, "me", 30)
    for _ in range(2):
        assert cooldowns.shut(scope, error(K.BALANCE), FailoverPolicy(), now=16, started=9) == 0.0
        assert [each.kind for _, each in cooldowns] == [K.AUTH]
        gate.answered("me")


def test_only_the_holder_can_give_a_permit_back() -> None:
    """Or answer for it."""
    gate = Gate()
    gate.shut(0, 10, K.AUTH, "no")
    assert gate.take(10, "me", 5)
    gate.give_back("you")
    assert not gate.answered("you")
    assert gate.state(11) == "probing"
    gate.give_back("me")
    assert gate.state(11) == "ajar"


def test_a_model_that_another_call_shut_is_not_asked_again_after_a_pause() -> None:
    """Even though its profile is free."""
    world = World()
    call = world.call("a/x", "b/y").begin().ends(fails(K.TRANSIENT))
    other = world.call("a/x").begin()
    assert call.next() == "wait 0.5"
    other.ends(fails(K.MODEL_MISSING, seconds=0))
    assert call.next() == "b/y"


def test_a_refused_parameter_is_no_refused_prefill() -> None:
    """A target that names what it does not accept is asked without that, and may still go on from a trailing turn."""
    world = World(transient_backoffs=())
    call = world.call("a/x", "b/y").begin().ends(fails(K.TRANSIENT, first=0.0, shown="Half", may_go_on=True)).begin()
    call.walk.failed(error(K.BAD_REQUEST, parameter="seed"), world.now, had_prefill=True)
    assert call.next() == "b/y"
    assert call.attempt.omit == {"seed"}
    assert not world.memory.learnt("b/y").refuses_prefill


def test_a_profile_is_cooling_for_as_long_as_its_cooldown() -> None:
    """As a whole or for a model; remembering its hits is not cooling."""
    cooldowns = Cooldowns()
    cooldowns.shut(Scoped("a", "main", "x"), error(K.RATE_LIMIT), FailoverPolicy(), now=0)
    cooldowns.shut(Scoped("b", "main"), error(K.AUTH), FailoverPolicy(), now=0)
    assert cooldowns.is_cooling("a", "main", "x", now=4.9)
    assert cooldowns.is_cooling("b", "main", "x", now=4.9)
    assert cooldowns.is_cooling("b", "main", now=4.9)
    assert not cooldowns.is_cooling("a", "main", "y", now=4.9)
    assert not cooldowns.is_cooling("a", "main", now=4.9)
    assert not cooldowns.is_cooling("a", "main", "x", now=5)


def test_a_model_is_not_blamed_for_the_one_before_it() -> None:
    """One whose only key was passed over does not cool for a failure of another model."""
    world = World()
    world.call("b/w").play({"b/w": fails(K.AUTH, seconds=0)})
    call = world.call("a/x", "b/y").play({"a/x": fails(K.AUTH, seconds=0)})
    assert call.skips["b/y"].startswith("profile default is cooling")
    assert world.health("b/y") == ("open", 0.0)


def test_only_a_mistake_in_the_request_is_a_refused_prefill() -> None:
    """Another failure of an attempt that goes on is one like any other."""
    world = World(transient_backoffs=())
    call = world.call("a/x", "b/y", "c/z").begin()
    call.ends(fails(K.TRANSIENT, first=0.0, shown="Half", may_go_on=True)).begin()
    call.walk.failed(error(K.AUTH), world.now, had_prefill=True)
    assert call.next() == "c/z"
    assert not world.memory.learnt("b/y").refuses_prefill


def test_rests_together_are_no_longer_than_patience() -> None:
    """Time that was waited is gone for the next rest."""
    world = World(failure_memory=0, patience=2.5, model_cooldowns={K.MODEL_MISSING: 1.5})
    call = world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    assert (call.waits, call.asked) == ([1.5], ["a/x"] * 2)
    world = World(failure_memory=0, patience=3.0, model_cooldowns={K.MODEL_MISSING: 1.5})
    call = world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    assert (call.waits, call.asked) == ([1.5, 1.5], ["a/x"] * 3)


def test_the_whole_order_of_actionability() -> None:
    """Whatever the user lets the walk go on after: the first to mend of any two kinds is the same."""
    order = [
        *(K.OUTPUT_LIMIT, K.CONTEXT_EXCEEDED, K.BAD_REQUEST, K.CONTENT_FILTER, K.AUTH, K.BALANCE, K.MODEL_MISSING),
        *(K.RATE_LIMIT, K.TRANSIENT, K.UNKNOWN),
    ]
    settings = {"transient_backoffs": (), "actions": dict.fromkeys(K, "next_model")}
    for better, worse in itertools.pairwise(order):
        for script in ({"a/x": fails(better), "b/y": fails(worse)}, {"a/x": fails(worse), "b/y": fails(better)}):
            call = World(**settings).call("a/x", "b/y").play(script)
            assert isinstance(call.error, ChainExhaustedError)
            assert call.error.kind is better


def test_a_rest_is_not_lengthened_beyond_patience() -> None:
    """A second rest is no shorter than a look at a probe, unless less than that is left."""
    world = World(failure_memory=0, min_cooldown=0, patience=0.3, model_cooldowns={K.MODEL_MISSING: 0.2})
    limited = fails(K.RATE_LIMIT, retry_after=0.05, seconds=0)
    call = world.call("a/x").play({"a/x": [fails(K.MODEL_MISSING, seconds=0), limited, limited, answers()]})
    assert call.waits == [pytest.approx(seconds) for seconds in (0.2, 0.05, 0.1)]


def test_a_key_that_was_refused_is_left_alone_while_its_value_is_the_same() -> None:
    """Beside another key of the same model, so that it is the profile that cools and not the model."""
    world = World()
    chain = link("a/x", Profile("one", fingerprint="key-1"), Profile("two", fingerprint="key-2"))
    world.call(chain).play({"a/x [one]": fails(K.AUTH, seconds=0), "a/x [two]": answers(0, first=0)})
    assert world.call(chain).begin().asked == ["a/x [two]"]
    changed = link("a/x", Profile("one", fingerprint="key-3"), Profile("two", fingerprint="key-2"))
    assert world.call(changed).begin().asked == ["a/x [one]"]


def test_what_time_cannot_free_is_not_called_cooling() -> None:
    """A chain of models that a person has disabled, or without keys, says nothing of coming back."""
    world = World()
    world.memory.health.disable("a/x", "too dear")
    lines = str(world.call("a/x").play({}).error).splitlines()
    assert lines == ["LLM chain exhausted (1 model, 0 attempts, 1 skipped).", "  1. a/x skipped: disabled: too dear"]


# Settings


@pytest.mark.parametrize(
    "given",
    [
        *({"attempts": 0}, {"min_delay_ms": -1}, {"max_delay_ms": -1}, {"jitter": -0.1}, {"jitter": 1.1}, {"other": 1}),
    ],
)
def test_the_growth_of_cooldowns_is_validated(given: dict[str, float]) -> None:
    """What cannot be meant is refused, and nothing is changed afterwards."""
    with pytest.raises(ValidationError):
        RetryConfig(**given)
    with pytest.raises(ValidationError):
        RetryConfig().attempts = 5
    assert RetryConfig().model_dump() == {"attempts": 3, "min_delay_ms": 400, "max_delay_ms": 30_000, "jitter": 0.1}
    assert RetryConfig(attempts=1, min_delay_ms=0, max_delay_ms=0, jitter=1).jitter == 1


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_a_time(seconds: float) -> None:
    """More than nothing, and not for ever; a pause may be nothing."""
    with pytest.raises(ValidationError):
        FailoverPolicy(first_token_timeout=seconds)
    if seconds:
        with pytest.raises(ValidationError):
            FailoverPolicy(patience=seconds)


def test_a_model_that_answers_again_is_told_as_a_recovery() -> None:
    """Also where no profile was cooling; one that was never down has nothing to recover from."""
    world = World(transient_backoffs=())
    world.call("a/x").play({"a/x": fails(K.TRANSIENT)})
    world.later(20)
    for events in (["attempt", "success", "recovery"], ["attempt", "success"]):
        call = world.call("a/x").play({"a/x": answers()})
        assert sorted(each.event for each in call.walk.notices) == sorted(events)


def test_a_wait_for_the_soonest_target_says_so() -> None:
    """In the trail."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10)})
    world.later(8)
    call = world.call("a/x").play({"a/x": answers()})
    assert [step.reason for step in call.walk.report.steps if isinstance(step, WaitRecord)] == [
        "everything is cooling; the first target is about to be free"
    ]


def test_a_stated_wait_of_the_whole_patience_is_still_waited_for() -> None:
    """A little more is not; a shorter one than our own pause does not shorten it."""
    for stated, waits in ((2.5, [2.5]), (2.51, []), (0.1, [0.5])):
        call = World(transient_backoffs=(0.5,)).call("a/x", "b/y")
        call.play({"a/x": fails(K.TRANSIENT, retry_after=stated), "b/y": answers()})
        assert call.waits == waits


def test_what_a_request_cannot_do_without_is_not_left_out() -> None:
    """Even if the provider names something else for it."""
    for parameter, replacement in (("messages", "seed"), ("seed", "messages")):
        refused = fails(K.BAD_REQUEST, parameter=parameter, replacement=replacement)
        call = World().call("a/x").play({"a/x": refused})
        assert (call.asked, type(call.error)) == (["a/x"], RequestRejectedError)


def test_a_target_that_a_cut_rival_was_asking_says_little_of_its_model() -> None:
    """It is asked at the end, under that one profile: its failing is the profile's, since others may be well."""
    world = World(hedge_after=5.0)
    call = world.call("a/x", "b/y", "c/z").begin()
    hedge = call.walk.hedge(world.now)
    assert hedge is not None
    other = Call(world, call.walk.rival(hedge)).begin()
    call.ends(fails(K.AUTH)).begin()
    other.ends(Leaves())
    call.walk.outlive(other.walk)
    call.ends(fails(K.AUTH)).play({"b/y": fails(K.AUTH)})
    assert call.asked == ["a/x", "c/z", "b/y"]
    assert "b [default]" in world.cooling()
    assert [world.health(model)[0] for model in ("b/y", "c/z")] == ["open", "cooling"]
