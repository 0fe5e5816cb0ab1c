"""What is tried on the same target first: wait, ask again, repair the request."""

from __future__ import annotations

import pytest

from shared_core.errors import ChainExhaustedError, ErrorKind, RequestRejectedError
from shared_core.mending import NOT_ACCEPTED, OPTIONAL_PARAMETERS
from shared_core.policy import FailoverPolicy
from tests.core.player import World, answers, fails, link, times_out

K = ErrorKind


# Waiting


def test_a_short_stated_wait_is_waited_out_once() -> None:
    """A rate limit that is over in two seconds is waited for, and does not cool the target."""
    world = World()
    call = world.call("a/x", "b/y").play({"a/x": [fails(K.RATE_LIMIT, retry_after=2.0), answers()]})
    assert call.trail == ["a/x: rate_limit", "wait 2", "a/x: answered"]
    assert world.cooling() == {}
    assert world.health("a/x")[0] == "open"


def test_the_wait_is_on_record() -> None:
    """The trail says how long was waited and why."""
    call = World().call("a/x").play({"a/x": [fails(K.RATE_LIMIT, retry_after=2.0), answers()]})
    steps = [step.as_dict() for step in call.walk.report.steps]
    assert [step["step"] for step in steps] == ["attempt", "wait", "attempt"]
    assert steps[1] == {"step": "wait", "seconds": 2.0, "reason": "rate_limit: it says to come back in 2 s"}


def test_a_second_rate_limit_is_not_waited_for() -> None:
    """One wait a target: the next refusal cools it and the walk goes on."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.RATE_LIMIT, retry_after=2.0), "b/y": answers()})
    assert call.trail == ["a/x: rate_limit", "wait 2", "a/x: rate_limit", "b/y: answered"]


@pytest.mark.parametrize(("stated", "waits"), [(2.5, [2.5]), (2.51, []), (None, []), (0.0, [])])
def test_patience_bounds_the_wait(stated: float | None, waits: list[float]) -> None:
    """A stated wait of at most `patience` is waited for; a longer one, or none, is not; no time at all is no wait."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.RATE_LIMIT, retry_after=stated), "b/y": answers()})
    assert call.waits == waits
    assert call.asked.count("a/x") == (2 if stated in {2.5, 0.0} else 1)


def test_a_free_sibling_is_better_than_a_wait() -> None:
    """With another key for the same model nobody waits."""
    chain = link("a/x", "main", "backup")
    call = World().call(chain).play({"a/x [main]": fails(K.RATE_LIMIT, retry_after=1.0), "a/x [backup]": answers()})
    assert call.trail == ["a/x [main]: rate_limit", "a/x [backup]: answered"]


def test_a_sibling_that_cools_is_no_reason_not_to_wait() -> None:
    """If the other key is cooling for longer, the short wait is the better way."""
    world = World()
    chain = link("a/x", "backup", "main")
    world.call(link("a/z", "backup"), "b/y").play({"a/z [backup]": fails(K.AUTH), "b/y": answers()})
    call = world.call(chain).play({"a/x [main]": [fails(K.RATE_LIMIT, retry_after=1.0), answers()]})
    assert call.trail == ["a/x [main]: rate_limit", "wait 1", "a/x [main]: answered"]


def test_another_call_may_shut_a_target_during_the_wait() -> None:
    """Then it is skipped with the reason, and what it had answered before counts."""
    world = World()
    call = world.call("a/x", "b/y").begin().ends(fails(K.RATE_LIMIT, retry_after=2.0))
    other = world.call("a/x").begin()
    assert call.next() == "wait 2"
    other.ends(fails(K.RATE_LIMIT, seconds=0, retry_after=60.0))
    call.play({"b/y": answers()})
    assert call.asked == ["a/x", "b/y"]
    assert [step.as_dict()["step"] for step in call.walk.report.steps] == ["attempt", "wait", "attempt"]
    assert world.memory.cooldowns.hit_count("a", "default", "x") == 1


def test_a_pause_that_lasted_too_long_ends_in_the_failure_before_it() -> None:
    """When the deadline passes while the caller's machine sleeps, the outage before it still cools the model."""
    world = World(deadline=30)
    call = world.call("a/x", "b/y").begin().ends(fails(K.TRANSIENT))
    assert call.next() == "wait 0.5"
    world.later(60)
    assert call.next() == "ChainExhaustedError"
    assert world.health("a/x")[0] == "cooling"
    assert call.skips == {"b/y": "the deadline has passed"}


# Asking again


def test_a_quick_blip_is_asked_again_twice() -> None:
    """After half a second, then after two."""
    call = World().call("a/x", "b/y").play({"a/x": [fails(K.TRANSIENT)] * 2 + [answers()]})
    assert call.trail == ["a/x: transient", "wait 0.5", "a/x: transient", "wait 2", "a/x: answered"]


def test_a_repetition_that_answers_leaves_no_mark() -> None:
    """A blip that passed does not cool the model."""
    world = World()
    world.call("a/x").play({"a/x": [fails(K.TRANSIENT), answers()]})
    assert world.health("a/x") == ("open", 0.0)


def test_the_number_of_repetitions_is_a_setting() -> None:
    """One pause, one repetition; none, none."""
    for backoffs in ((), (1.0,), (1.0, 1.0, 1.0)):
        call = World(transient_backoffs=backoffs).call("a/x", "b/y").play({"a/x": fails(K.UNKNOWN), "b/y": answers()})
        assert call.waits == list(backoffs)


@pytest.mark.parametrize(("seconds", "asked"), [(10.0, 3), (10.1, 1)])
def test_a_slow_failure_is_not_repeated_while_another_target_is_left(seconds: float, asked: int) -> None:
    """What took longer than `quick_failure` to fail has used up its chance."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.TRANSIENT, seconds=seconds), "b/y": answers()})
    assert call.asked.count("a/x") == asked


def test_a_slow_failure_of_the_last_target_is_repeated() -> None:
    """With nobody else to ask it gets its repetitions after all."""
    assert World().call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=20)}).asked == ["a/x"] * 3


def test_a_timeout_is_not_repeated_while_another_target_is_left() -> None:
    """Silence is not asked for twice, even a short one."""
    assert World().call("a/x", "b/y").play({"a/x": times_out(3), "b/y": answers()}).asked == ["a/x", "b/y"]


def test_a_timeout_of_the_last_target_is_repeated_once() -> None:
    """And no more: each time it had the longest time that there is."""
    assert World().call("a/x").play({"a/x": times_out(120)}).asked == ["a/x"] * 2


def test_a_cooling_target_is_not_another_one() -> None:
    """Only a target that could be asked now keeps this one from being repeated."""
    world = World()
    world.call("b/y").play({"b/y": fails(K.MODEL_MISSING)})
    assert world.call("a/x", "b/y").play({"a/x": times_out(20)}).asked == ["a/x"] * 2


def test_a_stated_wait_lengthens_the_pause() -> None:
    """A 503 with Retry-After is repeated when it says so."""
    call = World().call("a/x").play({"a/x": [fails(K.TRANSIENT, retry_after=1.5), answers()]})
    assert call.waits == [1.5]
    call = World().call("a/x").play({"a/x": [fails(K.TRANSIENT, retry_after=0.1), answers()]})
    assert call.waits == [0.5]


def test_a_long_stated_wait_forbids_the_repetition() -> None:
    """Whoever says to come back in a minute is not asked again in half a second."""
    world = World()
    call = world.call("a/x", "b/y").play({"a/x": fails(K.TRANSIENT, retry_after=60), "b/y": answers(0, first=0)})
    assert call.asked == ["a/x", "b/y"]
    assert world.health("a/x") == ("cooling", 60.0)


def test_fail_fast_moves_on_at_once() -> None:
    """While another target is left nothing is waited for and nothing repeated."""
    for outcome in (fails(K.TRANSIENT), fails(K.UNKNOWN), fails(K.RATE_LIMIT, retry_after=1.0)):
        call = World(fail_fast=True).call("a/x", "b/y").play({"a/x": outcome, "b/y": answers()})
        assert call.trail[1:] == ["b/y: answered"]


def test_fail_fast_still_repeats_on_the_last_target() -> None:
    """A late answer beats none."""
    assert World(fail_fast=True).call("a/x").play({"a/x": fails(K.TRANSIENT)}).asked == ["a/x"] * 3
    call = World(fail_fast=True).call("a/x").play({"a/x": [fails(K.RATE_LIMIT, retry_after=1.0), answers()]})
    assert call.waits == [1.0]


def test_an_answer_that_was_not_accepted_is_not_asked_for_again() -> None:
    """The same question would get the same answer: the next model is asked."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.UNKNOWN, code=NOT_ACCEPTED), "b/y": answers()})
    assert call.asked == ["a/x", "b/y"]


def test_repetitions_draw_on_a_budget() -> None:
    """An outage that lasts is met by one attempt a call when the budget is spent."""
    world = World(retry_reserve=3, retry_budget=0.0)
    asked = []
    for _ in range(4):
        world.memory.health.reset()
        asked.append(len(world.call("a/x").play({"a/x": fails(K.TRANSIENT)}).asked))
    assert asked == [3, 2, 1, 1]
    assert world.memory.budget.tokens == 0


def test_calls_pay_into_the_budget() -> None:
    """With a share of a half, two calls buy one repetition."""
    world = World(retry_reserve=1, retry_budget=0.5)
    world.call("a/x").play({"a/x": [fails(K.TRANSIENT), answers()]})
    before = world.memory.budget.tokens
    world.call("a/x").play({"a/x": answers()})
    assert world.memory.budget.tokens >= before + 0.5


def test_a_wait_and_a_repair_do_not_draw_on_the_budget() -> None:
    """They are what the provider asked for, not a guess."""
    world = World(retry_reserve=0)
    world.call("a/x").play({"a/x": [fails(K.RATE_LIMIT, retry_after=1.0), answers()]})
    call = world.call("a/x", max_tokens=10).play({"a/x": [fails(K.OUTPUT_LIMIT), answers()]})
    assert len(call.asked) == 2


def test_no_repetition_is_paid_for_that_cannot_begin() -> None:
    """A pause that would end after the deadline costs no token."""
    world = World(deadline=0.4)
    assert world.call("a/x").play({"a/x": fails(K.TRANSIENT)}).waits == []
    assert world.memory.budget.tokens == 10.0


# Repairing the output limit


def test_max_tokens_is_lowered_to_the_stated_ceiling() -> None:
    """It is asked again at once with what the message allows, and the trail says so."""
    call = World().call("a/x", max_tokens=30_000)
    call.play({"a/x": [fails(K.OUTPUT_LIMIT, ceiling=16_384), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [30_000, 16_384]
    assert call.waits == []
    assert [record.max_tokens for record in call.walk.report.attempts] == [None, 16_384]


def test_max_tokens_is_dropped_without_a_ceiling() -> None:
    """Where the message names no number it is left out."""
    call = World().call("a/x", max_tokens=30_000).play({"a/x": [fails(K.OUTPUT_LIMIT), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [30_000, None]
    assert call.walk.report.attempts[-1].max_tokens == "dropped"


@pytest.mark.parametrize("ceiling", [40_000, 30_000, 0, -1])
def test_a_ceiling_that_makes_no_sense_drops_max_tokens(ceiling: int) -> None:
    """A number that is not below what was refused is no ceiling."""
    call = World().call("a/x", max_tokens=30_000).play({"a/x": [fails(K.OUTPUT_LIMIT, ceiling=ceiling), answers()]})
    assert call.attempts[-1].max_tokens is None


def test_the_ceiling_is_remembered_for_that_model() -> None:
    """The next call is right at once; a smaller wish is not raised."""
    world = World()
    world.call("a/x", max_tokens=30_000).play({"a/x": [fails(K.OUTPUT_LIMIT, ceiling=16_384), answers()]})
    assert world.call("a/x", max_tokens=30_000).play({"a/x": answers()}).attempts[0].max_tokens == 16_384
    assert world.call("a/x", max_tokens=100).play({"a/x": answers()}).attempts[0].max_tokens == 100
    assert world.call("a/x").play({"a/x": answers()}).attempts[0].max_tokens is None
    assert world.call("a/z", max_tokens=30_000).play({"a/z": answers()}).attempts[0].max_tokens == 30_000


def test_a_refusal_without_ceiling_is_remembered() -> None:
    """What was refused once is left out again, and less than that is sent."""
    world = World()
    world.call("a/x", max_tokens=30_000).play({"a/x": [fails(K.OUTPUT_LIMIT), answers()]})
    assert world.call("a/x", max_tokens=30_000).play({"a/x": answers()}).attempts[0].max_tokens is None
    assert world.call("a/x", max_tokens=29_999).play({"a/x": answers()}).attempts[0].max_tokens == 29_999


def test_the_next_model_gets_what_the_caller_asked_for() -> None:
    """A repair belongs to one target."""
    world = World(actions={K.OUTPUT_LIMIT: "next_model"})
    script = {"a/x": fails(K.OUTPUT_LIMIT, ceiling=16_384), "b/y": answers()}
    call = world.call("a/x", "b/y", max_tokens=30_000).play(script)
    assert [attempt.max_tokens for attempt in call.attempts] == [30_000, 16_384, 30_000]


def test_the_next_profile_of_the_model_gets_its_ceiling() -> None:
    """The ceiling is the model's, whoever asks."""
    call = World().call(link("a/x", "main", "backup"), max_tokens=30_000)
    script = {"a/x [main]": [fails(K.OUTPUT_LIMIT, ceiling=99), fails(K.AUTH)], "a/x [backup]": answers()}
    assert [attempt.max_tokens for attempt in call.play(script).attempts] == [30_000, 99, 99]


def test_a_repaired_request_that_fails_again_is_raised_with_advice() -> None:
    """The error names the setting to lower, and the rule that would go on."""
    call = World().call("a/x", "b/y", max_tokens=30_000)
    call.play({"a/x": [fails(K.OUTPUT_LIMIT, "too many tokens", ceiling=16_384)]})
    assert call.asked == ["a/x", "a/x"]
    assert isinstance(call.error, RequestRejectedError)
    for words in ("a/x [default]", "Lower max_tokens", "actions={'output_limit': 'next_model'}", "too many tokens"):
        assert words in str(call.error)


def test_an_output_limit_without_max_tokens_is_raised_at_once() -> None:
    """There is nothing to lower."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.OUTPUT_LIMIT, ceiling=10)})
    assert call.asked == ["a/x"]
    assert isinstance(call.error, RequestRejectedError)


def test_an_output_limit_blames_nobody() -> None:
    """Neither the model nor the profile cools for what the caller wished."""
    world = World()
    world.call("a/x", max_tokens=5).play({"a/x": fails(K.OUTPUT_LIMIT)})
    assert world.cooling() == {}
    assert world.health("a/x")[0] == "open"


# Repairing the sum of input and output


def test_a_sum_that_is_too_large_is_repaired_by_the_room_that_is_left() -> None:
    """The input fits beside a smaller answer; that is true of this input alone and not remembered."""
    world = World()
    call = world.call("a/x", max_tokens=8_000)
    call.play({"a/x": [fails(K.CONTEXT_EXCEEDED, is_sum=True, room=2_000, ceiling=16_385), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [8_000, 2_000]
    assert world.call("a/x", max_tokens=8_000).play({"a/x": answers()}).attempts[0].max_tokens == 8_000


@pytest.mark.parametrize("room", [None, 0, -5, 8_000, 9_000])
def test_a_sum_without_usable_room_drops_max_tokens(room: int | None) -> None:
    """A room that is not smaller than what was sent cannot be the answer."""
    call = World().call("a/x", max_tokens=8_000)
    call.play({"a/x": [fails(K.CONTEXT_EXCEEDED, is_sum=True, room=room), answers()]})
    assert call.attempts[-1].max_tokens is None


def test_a_sum_is_repaired_even_if_the_provider_chose_the_output() -> None:
    """Without `max_tokens` the room is sent, if it is known; else there is nothing to repair."""
    call = World().call("a/x").play({"a/x": [fails(K.CONTEXT_EXCEEDED, is_sum=True, room=500), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [None, 500]
    call = World().call("a/x", "b/y").play({"a/x": fails(K.CONTEXT_EXCEEDED, is_sum=True), "b/y": answers()})
    assert call.asked == ["a/x", "b/y"]


def test_a_sum_is_repaired_once() -> None:
    """A second overflow goes to the next model, which gets the caller's value."""
    call = World().call("a/x", "b/y", max_tokens=8_000)
    call.play({"a/x": fails(K.CONTEXT_EXCEEDED, is_sum=True, room=2_000), "b/y": answers()})
    assert [attempt.max_tokens for attempt in call.attempts] == [8_000, 2_000, 8_000]


def test_an_overflow_without_output_is_not_repaired() -> None:
    """If the input alone is too long, a smaller answer does not help."""
    call = World().call("a/x", "b/y", max_tokens=8_000).play({"a/x": fails(K.CONTEXT_EXCEEDED), "b/y": answers()})
    assert call.asked == ["a/x", "b/y"]


# A larger window


def test_only_a_larger_window_is_asked_after_an_overflow() -> None:
    """Models whose window is not larger are skipped with the reason; an unknown window is tried."""
    chain = [link("a/x", window=8_000), link("b/same", window=8_000), link("b/small", window=4_000), "c/unknown"]
    call = World().call(*chain).play({"a/x": fails(K.CONTEXT_EXCEEDED), "c/unknown": answers()})
    assert call.asked == ["a/x", "c/unknown"]
    assert call.skips["b/same"] == "its window of 8000 tokens is not larger than the 8000 that overflowed"
    assert set(call.skips) == {"b/same", "b/small"}


def test_the_stated_window_counts_more_than_the_known_one() -> None:
    """A refusal that names the window teaches it, for this call and later ones."""
    world = World()
    chain = [link("a/x", window=100_000), link("b/y", window=9_000)]
    call = world.call(*chain).play({"a/x": fails(K.CONTEXT_EXCEEDED, ceiling=8_192), "b/y": answers()})
    assert call.asked == ["a/x", "b/y"]
    assert world.memory.learnt("a/x").window == 8_192
    call = world.call(link("c/z", window=10_000), chain[0])
    assert call.play({"c/z": fails(K.CONTEXT_EXCEEDED)}).asked == ["c/z"]


def test_windows_only_grow_along_the_chain() -> None:
    """After a second overflow the larger of the two windows is the one to beat."""
    chain = [link("a/x", window=8_000), link("b/y", window=32_000), link("c/z", window=16_000)]
    call = World().call(*chain).play({"a/x": fails(K.CONTEXT_EXCEEDED), "b/y": fails(K.CONTEXT_EXCEEDED)})
    assert call.asked == ["a/x", "b/y"]
    assert "32000" in call.skips["c/z"]


def test_an_overflow_that_nobody_can_hold_is_raised() -> None:
    """No window is larger: the request is rejected, with the advice to shorten it."""
    chain = [link("a/x", window=8_000), link("b/y", window=4_000)]
    call = World().call(*chain).play({"a/x": fails(K.CONTEXT_EXCEEDED)})
    assert isinstance(call.error, RequestRejectedError)
    assert "Shorten the messages" in str(call.error)


def test_an_overflow_beside_other_failures_is_an_exhaustion() -> None:
    """If another target failed for another reason, it is not the request alone."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.CONTEXT_EXCEEDED), "b/y": fails(K.AUTH)})
    assert isinstance(call.error, ChainExhaustedError)
    assert call.error.kind is K.CONTEXT_EXCEEDED


def test_an_overflow_sent_on_by_the_user_is_an_exhaustion() -> None:
    """With `next_model` the user said that it is a failure like another."""
    call = World(actions={K.CONTEXT_EXCEEDED: "next_model"}).call("a/x").play({"a/x": fails(K.CONTEXT_EXCEEDED)})
    assert isinstance(call.error, ChainExhaustedError)


# Parameters


def test_a_refused_parameter_is_renamed_and_remembered() -> None:
    """A model that wants `max_completion_tokens` gets it, now and in later calls."""
    world = World()
    refusal = fails(K.BAD_REQUEST, parameter="max_tokens", replacement="max_completion_tokens")
    call = world.call("a/x", max_tokens=10).play({"a/x": [refusal, answers()]})
    assert [dict(attempt.renames) for attempt in call.attempts] == [{}, {"max_tokens": "max_completion_tokens"}]
    assert call.walk.report.attempts[-1].notes == ("sent max_tokens as max_completion_tokens",)
    later = world.call("a/x", "b/y").begin()
    assert later.attempt.renames == {"max_tokens": "max_completion_tokens"}
    assert world.call("b/y").begin().attempt.renames == {}


def test_a_refused_parameter_is_left_out_and_remembered() -> None:
    """A model that knows no `temperature` is asked without it."""
    world = World()
    call = world.call("a/x").play({"a/x": [fails(K.BAD_REQUEST, parameter="temperature"), answers()]})
    assert [attempt.omit for attempt in call.attempts] == [frozenset(), frozenset({"temperature"})]
    assert world.call("a/x").begin().attempt.omit == {"temperature"}


def test_a_nested_name_means_its_last_part() -> None:
    """`body.top_p` is `top_p`."""
    call = World().call("a/x").play({"a/x": [fails(K.BAD_REQUEST, parameter="body.top_p"), answers()]})
    assert call.attempts[-1].omit == {"top_p"}


def test_several_parameters_may_be_refused_one_by_one() -> None:
    """Up to four; a target that refuses more does not fit the request."""
    names = ["temperature", "top_p", "seed", "user", "top_k"]
    refusals = [fails(K.BAD_REQUEST, parameter=name) for name in names]
    call = World().call("a/x").play({"a/x": [*refusals[:4], answers()]})
    assert call.trail[-1] == "a/x: answered"
    call = World().call("a/x").play({"a/x": [*refusals, answers()]})
    assert isinstance(call.error, RequestRejectedError)
    assert len(call.asked) == 5


def test_a_parameter_that_is_refused_again_is_raised() -> None:
    """Leaving it out did not help, so asking once more would not either."""
    for refusal in (
        fails(K.BAD_REQUEST, parameter="temperature"),
        fails(K.BAD_REQUEST, parameter="max_tokens", replacement="max_completion_tokens"),
    ):
        assert World().call("a/x").play({"a/x": refusal}).asked == ["a/x"] * 2


@pytest.mark.parametrize("name", ["stop", "tools", "tool_choice", "response_format", "messages", None])
def test_what_was_asked_for_is_never_left_out(name: str | None) -> None:
    """Without its tools or its form the answer would be another one: the refusal is raised."""
    assert name not in OPTIONAL_PARAMETERS
    call = World().call("a/x", "b/y").play({"a/x": fails(K.BAD_REQUEST, parameter=name)})
    assert call.asked == ["a/x"]
    assert isinstance(call.error, RequestRejectedError)


def test_a_parameter_is_not_renamed_to_something_else() -> None:
    """A replacement that is no optional parameter is not believed."""
    call = World().call("a/x").play({"a/x": fails(K.BAD_REQUEST, parameter="user", replacement="messages")})
    assert call.asked == ["a/x"]


def test_every_repair_is_bounded_by_the_deadline() -> None:
    """When the time is up, nothing is repaired and asked again."""
    call = World(policy=FailoverPolicy(deadline=5)).call("a/x", max_tokens=5)
    assert call.play({"a/x": fails(K.OUTPUT_LIMIT, seconds=6)}).asked == ["a/x"]
