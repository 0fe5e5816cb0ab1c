"""How a call ends: answered, exhausted, rejected, interrupted, abandoned; and what the deadline allows."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shared_core.chain import Profile
from shared_core.errors import ChainExhaustedError, ErrorKind, FailoverError, ProviderError
from shared_core.events import Usage
from shared_core.report import AttemptRecord, SkipRecord
from tests.core.player import Call, World, answers, error, fails, link, times_out

K = ErrorKind
DEADLINE = "the deadline has passed"


# Answered


def test_an_answer_is_on_record() -> None:
    """Who answered, under which profile, when, and for how many tokens."""
    world = World()
    world.memory.health.disable("a/x", "out")
    call = world.call("a/x", link("b/y", "main")).play({"b/y [main]": answers(2.0, first=0.5, usage=Usage(3, 4, 7))})
    report = call.walk.report
    assert (report.model, report.provider, report.profile) == ("b/y", "b", "main")
    assert report.as_dict() == {
        "model": "b/y",
        "provider": "b",
        "profile": "main",
        "hedged": False,
        "continued": False,
        "trail": [
            {"step": "skip", "model": "a/x", "reason": "disabled: out"},
            {
                "step": "attempt",
                "model": "b/y",
                "profile": "main",
                "outcome": "succeeded",
                "started": 0.0,
                "seconds": 2.0,
                "first_token": 0.5,
                "input_tokens": 3,
                "output_tokens": 4,
            },
        ],
    }


def test_every_profile_comes_before_the_next_model() -> None:
    """The order is that of the chain, and within a model that of its profiles."""
    chain = [link("a/x", "one", "two", "three"), link("b/y", "one", "two")]
    call = World().call(*chain).play(lambda _: fails(K.AUTH))
    assert call.asked == ["a/x [one]", "a/x [two]", "a/x [three]", "b/y [one]", "b/y [two]"]


def test_profiles_of_a_model_that_failed_are_skipped_with_the_reason() -> None:
    """An outage of the model is not tried again with its other key."""
    call = World(transient_backoffs=()).call(link("a/x", "main", "backup"), "b/y")
    call.play({"a/x [main]": fails(K.TRANSIENT), "b/y": answers()})
    assert call.skips == {"a/x [backup]": "a/x failed: transient"}


def test_a_failed_attempt_is_on_record() -> None:
    """Kind, status, code, message and the stated wait."""
    call = (
        World().call("a/x").play({"a/x": fails(K.AUTH, "bad key", status=401, code="invalid_api_key", retry_after=9)})
    )
    (record,) = call.walk.report.attempts
    assert (record.kind, record.status, record.code) == (K.AUTH, 401, "invalid_api_key")
    assert (record.message, record.retry_after, record.outcome) == ("bad key", 9, "failed")


def test_a_failed_attempts_tokens_are_on_record() -> None:
    """What a broken answer cost is not lost."""
    call = World().call("a/x").begin()
    call.walk.failed(error(K.AUTH), call.world.now, usage=Usage(5, 1, 6))
    assert call.walk.report.attempts[0].usage == Usage(5, 1, 6)


def test_times_are_counted_from_the_calls_beginning() -> None:
    """Whatever the clock shows."""
    call = World(now=-50.0).call("a/x", "b/y").play({"a/x": fails(K.AUTH, seconds=3), "b/y": answers(2, first=1)})
    last = call.walk.report.attempts[-1]
    assert (last.started, last.first_token, last.ended) == (3.0, 4.0, 5.0)


# Exhausted


def test_the_most_actionable_cause_is_named_first() -> None:
    """A dead key before an outage, wherever it stood in the chain."""
    script = {
        "a/x": fails(K.TRANSIENT, "down"),
        "b/y": fails(K.AUTH, "bad key", status=401),
        "c/z": fails(K.RATE_LIMIT),
    }
    call = World(transient_backoffs=()).call("a/x", "b/y", "c/z").play(script)
    assert isinstance(call.error, ChainExhaustedError)
    assert call.error.kind is K.AUTH
    assert call.error.__cause__ is script["b/y"].error
    assert call.error.errors == tuple(each.error for each in script.values())
    assert str(call.error).splitlines() == [
        (
            "LLM chain exhausted (3 models, 3 attempts, 0 skipped). First to mend: auth (HTTP 401): bad key at b/y "
            "[default]. Check the API key. Something is callable again in 9.8 s."
        ),
        "  1. a/x [default] failed: transient: down",
        "  2. b/y [default] failed: auth (HTTP 401): bad key",
        "  3. c/z [default] failed: rate_limit: rate_limit happened",
    ]


def test_the_order_of_actionability() -> None:
    """What the caller can mend, then a person, then time."""
    ranked = [K.CONTEXT_EXCEEDED, K.AUTH, K.BALANCE, K.MODEL_MISSING, K.RATE_LIMIT, K.TRANSIENT, K.UNKNOWN]
    for better, worse in pairwise(ranked):
        for script in ({"a/x": fails(better), "b/y": fails(worse)}, {"a/x": fails(worse), "b/y": fails(better)}):
            call = World(transient_backoffs=()).call("a/x", "b/y").play(script)
            assert call.error.kind is better, (better, worse)  # type: ignore[union-attr]


def test_equal_messages_do_not_confuse_the_place() -> None:
    """The error says where the cause was met, even if another target used the same words."""
    script = {"a/x": fails(K.TRANSIENT, "no"), "b/y": fails(K.AUTH, "no")}
    call = World(transient_backoffs=()).call("a/x", "b/y").play(script)
    assert "auth: no at b/y [default]" in str(call.error)


def test_waits_and_skips_stand_in_the_message() -> None:
    """The whole way, in order."""
    world = World(transient_backoffs=(0.5,))
    world.memory.health.disable("b/y", "too dear")
    chain = ["a/x", "b/y", link("c/z", Profile("main", unavailable="no API key"))]
    lines = str(world.call(*chain).play({"a/x": fails(K.UNKNOWN, "odd")}).error).splitlines()
    assert lines[0].startswith("LLM chain exhausted (3 models, 2 attempts, 2 skipped). First to mend: unknown: odd")
    assert lines[1:] == [
        "  1. a/x [default] failed: unknown: odd",
        "  2. waited 0.5 s: unknown: repetition 1 of 1",
        "  3. a/x [default] failed: unknown: odd",
        "  4. b/y skipped: disabled: too dear",
        "  5. c/z [main] skipped: no API key",
    ]


def test_a_chain_that_is_all_cooling_says_why() -> None:
    """Without an attempt the kind is that for which the chain cools."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    call = world.call("a/x").play({})
    assert call.error.kind is K.MODEL_MISSING  # type: ignore[union-attr]
    assert call.error.__cause__ is None  # type: ignore[union-attr]
    assert (
        "1 model, 0 attempts, 1 skipped). All cooling (model_missing). Something is callable again in 60.0 s."
        in str(call.error)
    )


def test_a_chain_whose_keys_are_cooling_says_why() -> None:
    """The cause is told truthfully where not the model but its only key is left alone."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
    call = world.call("a/z").play({})
    assert call.error.kind is K.AUTH  # type: ignore[union-attr]
    assert "All cooling (auth)" in str(call.error)


def test_the_moment_to_come_back_is_the_soonest_of_the_chain() -> None:
    """Of all targets that time will free."""
    world = World(transient_backoffs=())
    script = {"a/x": fails(K.MODEL_MISSING, seconds=0), "b/y": fails(K.TRANSIENT, seconds=0)}
    assert world.call("a/x", "b/y").play(script).error.retry_after == 10.0  # type: ignore[union-attr]


def test_a_moment_to_come_back_needs_model_and_profile() -> None:
    """A model that is free while its key is not is not callable."""
    world = World(patience=0)
    world.call("a/x").play({"a/x": fails(K.AUTH, retry_after=200, seconds=0)})
    call = world.call("a/z").play({})
    assert call.error.retry_after == 200.0  # type: ignore[union-attr]


def test_without_a_key_there_is_no_moment_to_come_back() -> None:
    """Only a person can help, and the reason is in the message."""
    call = World().call(link("a/x", Profile("main", unavailable="no API key: set A_KEY"))).play({})
    assert call.error.retry_after is None  # type: ignore[union-attr]
    assert call.error.kind is K.UNKNOWN  # type: ignore[union-attr]
    assert "a/x [main] skipped: no API key: set A_KEY" in str(call.error)
    assert "1 model, 0 attempts, 1 skipped)." in str(call.error)


def test_every_candidate_is_attempted_or_skipped_once() -> None:
    """To the end of the chain, whatever stands in it."""
    world = World(transient_backoffs=())
    world.memory.health.disable("d/w", "out")
    chain = [
        link("a/x", "one", "two"),
        link("b/y", unavailable="unknown provider"),
        link("c/z", Profile("one", unavailable="no key"), "two"),
        "d/w",
        link("e/v", "one", "two"),
    ]
    call = world.call(*chain).play(lambda name: fails(K.TRANSIENT if name.startswith("e") else K.RATE_LIMIT))
    seen = [
        (step.model, step.profile) for step in call.walk.report.steps if isinstance(step, AttemptRecord | SkipRecord)
    ]
    assert seen == [
        ("a/x", "one"),
        ("a/x", "two"),
        ("b/y", None),
        ("c/z", "one"),
        ("c/z", "two"),
        ("d/w", None),
        ("e/v", "one"),
        ("e/v", "two"),
    ]


def test_a_target_that_was_attempted_is_not_skipped_as_well() -> None:
    """Even if another call shuts its model, or the deadline passes, while it runs."""
    world = World(deadline=30, transient_backoffs=())
    call = world.call("a/x", "b/y").begin()
    world.later(0.1)
    world.call("a/x").begin().ends(fails(K.MODEL_MISSING))
    call.ends(fails(K.AUTH)).play({"b/y": fails(K.AUTH, seconds=40)})
    assert call.skips == {}
    call = World(deadline=30).call("a/x").play({"a/x": fails(K.AUTH, seconds=40)})
    assert call.skips == {}


def test_giving_up_is_repeated() -> None:
    """Whoever asks again after the end gets the same error."""
    call = World().call("a/x").play({"a/x": fails(K.AUTH)})
    first = call.error
    assert call.next() == "ChainExhaustedError"
    assert call.error is first


def test_an_empty_chain_is_exhausted_at_once() -> None:
    """There is nothing to try; who builds chains refuses them before."""
    assert isinstance(World().call().play({}).error, ChainExhaustedError)


# Rejected


def test_a_rejection_names_the_target_and_the_cause() -> None:
    """The caller's mistake is told where it was noticed."""
    call = World().call("a/x", "b/y").play({"a/x": fails(K.BAD_REQUEST, "messages[0].role is wrong", status=400)})
    assert str(call.error) == (
        "a/x [default] refused the request. The request itself is wrong. "
        "bad_request (HTTP 400): messages[0].role is wrong"
    )
    assert call.error.__cause__ is call.error.errors[-1]  # type: ignore[union-attr]


def test_an_interruption_says_how_much_had_been_shown() -> None:
    """And keeps the partial."""
    call = World().call("a/x").begin().ends(fails(K.TRANSIENT, "cut", first=0.05, shown="Hello"))
    assert call.next() == "StreamInterruptedError"
    assert str(call.error) == "a/x [default] broke off after 5 characters had been shown. transient: cut"


# Abandoned, at every point


def abandoned(call: Call) -> Call:
    call.walk.abandoned(call.world.now)
    with pytest.raises(RuntimeError):
        call.next()
    return call


def test_a_call_may_be_abandoned_before_it_began() -> None:
    """Nothing happened."""
    world = World()
    assert abandoned(world.call("a/x")).walk.report.steps == []


def test_a_call_may_be_abandoned_while_an_attempt_runs() -> None:
    """The attempt ended: nobody's failure, and no reason to fail over."""
    world = World()
    call = abandoned(world.call("a/x", "b/y").begin())
    assert [record.outcome for record in call.walk.report.attempts] == ["abandoned"]
    assert world.health("a/x") == ("open", 0.0)
    (health,) = [each for each in world.memory.health.snapshot(world.now) if each.model == "a/x"]
    assert health.attempts == 0


def test_a_call_may_be_abandoned_after_the_first_content() -> None:
    """The same."""
    call = World().call("a/x").begin()
    call.walk.answered(call.world.now)
    abandoned(call)
    assert call.world.health("a/x") == ("open", 0.0)


def test_a_call_may_be_abandoned_between_two_attempts() -> None:
    """What failed before has counted, what comes after is not asked."""
    world = World()
    abandoned(world.call("a/x", "b/y").begin().ends(fails(K.AUTH)))
    assert "a [default]" in world.cooling()


def test_a_call_may_be_abandoned_during_a_pause() -> None:
    """The failure before the pause was one, whoever goes away: the model cools for it."""
    for kind in (K.TRANSIENT, K.RATE_LIMIT):
        world = World()
        call = world.call("a/x").begin().ends(fails(kind, retry_after=1.0))
        assert call.next() == "wait 1"
        abandoned(call)
        assert world.health("a/x")[0] == "cooling" or world.cooling()


def test_a_call_may_be_abandoned_during_a_rest() -> None:
    """Waiting for a target to come back binds nobody."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.later(9)
    call = world.call("a/x")
    assert call.next() == "wait 1"
    abandoned(call)


def test_abandoning_twice_or_after_the_end_changes_nothing() -> None:
    """A driver may always say at last that the call is over."""
    call = World().call("a/x").play({"a/x": answers()})
    call.walk.abandoned(call.world.now)
    assert call.walk.report.attempts[0].outcome == "succeeded"
    call = World().call("a/x").play({"a/x": fails(K.AUTH)})
    call.walk.abandoned(call.world.now)
    assert call.next() == "ChainExhaustedError"


# Illegal calls


def test_nothing_is_decided_while_an_attempt_runs() -> None:
    """A driver that asks then has a bug."""
    call = World().call("a/x").begin()
    with pytest.raises(RuntimeError, match="while an attempt runs"):
        call.next()


def test_nothing_is_decided_after_an_answer() -> None:
    """The call is over."""
    call = World().call("a/x").play({"a/x": answers()})
    with pytest.raises(RuntimeError, match="after the end"):
        call.next()


@pytest.mark.parametrize("state", ["before", "paused", "answered", "exhausted", "abandoned"])
def test_nothing_ends_while_nothing_runs(state: str) -> None:
    """Every attempt ends exactly once."""
    call = World().call("a/x")
    match state:
        case "paused":
            call.begin().ends(fails(K.TRANSIENT))
        case "answered":
            call.play({"a/x": answers()})
        case "exhausted":
            call.play({"a/x": fails(K.AUTH)})
        case "abandoned":
            call.begin().walk.abandoned(call.world.now)
    now = call.world.now
    for end in (
        lambda: call.walk.failed(error(K.AUTH), now),
        lambda: call.walk.succeeded(now),
        lambda: call.walk.answered(now),
    ):
        with pytest.raises(RuntimeError, match="no attempt is running"):
            end()


# Deadlines


def test_nothing_begins_after_the_deadline() -> None:
    """What is left of the chain is skipped, with the reason."""
    call = World(deadline=10).call("a/x", "b/y", "c/z").play({"a/x": fails(K.AUTH, seconds=10)})
    assert call.asked == ["a/x"]
    assert call.skips == {"b/y": DEADLINE, "c/z": DEADLINE}


def test_a_calls_own_deadline_takes_the_place_of_the_policys() -> None:
    """A request may be in more or in less of a hurry."""
    world = World(deadline=10)
    assert world.call("a/x").begin().attempt.deadline == world.now + 10
    assert world.call("a/x", deadline=3).begin().attempt.deadline == world.now + 3
    assert World().call("a/x").begin().attempt.deadline is None


def test_time_is_shared_fairly_and_the_last_gets_all_that_remains() -> None:
    """Three targets share thirty seconds; what the first does not use, the others have."""
    call = World(deadline=30).call("a/x", "b/y", "c/z").begin()
    assert call.attempt.first_token_timeout == pytest.approx(10)
    call.ends(fails(K.AUTH, seconds=4)).begin()
    assert call.attempt.first_token_timeout == pytest.approx(13)
    call.ends(times_out(13)).begin()
    assert call.attempt.first_token_timeout == pytest.approx(13)


@pytest.mark.parametrize(("deadline", "is_remembered"), [(29.9, False), (30, True)])
def test_a_share_of_the_time_that_is_a_fair_try_is_remembered(deadline: float, is_remembered: bool) -> None:
    """A third of the granted 30 s: less is the deadline's fault, as much is the target's, which cools then."""
    world = World(deadline=deadline)
    call = world.call("a/x", "b/y", "c/z").begin()
    assert call.attempt.is_cut is not is_remembered
    call.ends(times_out(deadline / 3)).begin()
    assert [model.state for model in world.memory.health.snapshot(world.now)][:1] == [
        "cooling" if is_remembered else "open"
    ]


def test_profiles_count_as_targets_for_the_share() -> None:
    """Every target that could be asked now gets its share, one that cools gets none."""
    world = World(deadline=30)
    world.call("b/y").play({"b/y": fails(K.MODEL_MISSING)})
    call = world.call(link("a/x", "one", "two", "three"), "b/y").begin()
    assert call.attempt.first_token_timeout == pytest.approx(10)


def test_timeouts_without_a_deadline() -> None:
    """Thirty seconds for the first content, two minutes for silent thinkers and for the last target left."""
    chain = ["a/x", link("b/y", thinks_silently=True), "c/z"]
    call = World().call(*chain).play(lambda _: fails(K.AUTH))
    assert [attempt.first_token_timeout for attempt in call.attempts] == [30.0, 120.0, 120.0]
    assert {attempt.connect_timeout for attempt in call.attempts} == {10.0}
    assert {attempt.idle_timeout for attempt in call.attempts} == {30.0}
    assert not any(attempt.is_cut for attempt in call.attempts)


def test_an_answer_in_one_piece_has_a_time_of_its_own() -> None:
    """However long the other timers are; a share of a deadline is a fair try as it is for silent thinkers."""
    whole = link("a/x", answers_whole=True, thinks_silently=True)
    call = World().call(whole, "b/y").begin()
    assert (call.attempt.first_token_timeout, call.attempt.is_cut) == (600.0, False)
    call = World(whole_timeout=90).call(whole).begin()
    assert call.attempt.first_token_timeout == 120.0  # the last one left is given longer
    call = World(deadline=80).call(whole, "b/y").begin()
    assert (call.attempt.first_token_timeout, call.attempt.is_cut) == (40.0, False)
    call = World(deadline=79).call(whole, "b/y").begin()
    assert call.attempt.is_cut


def test_a_long_first_token_timeout_is_not_shortened_for_the_last() -> None:
    """The last target is given longer, never less."""
    assert World(first_token_timeout=500).call("a/x").begin().attempt.first_token_timeout == 500


def test_a_short_share_bounds_the_connection_too() -> None:
    """Connecting is part of the time until the first content."""
    call = World(deadline=4).call("a/x", "b/y").begin()
    assert call.attempt.connect_timeout == pytest.approx(2)


def test_a_share_that_suffices_is_no_cut() -> None:
    """A deadline that leaves each its full time changes nothing."""
    call = World(deadline=60).call("a/x", "b/y").begin()
    assert call.attempt.first_token_timeout == 30.0
    assert not call.attempt.is_cut


def test_no_pause_begins_that_cannot_end_before_the_deadline() -> None:
    """The repetition is left out and the walk goes on."""
    call = World(deadline=0.55).call("a/x", "b/y").play({"a/x": fails(K.TRANSIENT), "b/y": answers(0, first=0)})
    assert call.waits == []
    call = World(deadline=0.65).call("a/x", "b/y").begin().ends(fails(K.TRANSIENT))
    assert call.next() == "wait 0.5"
    call = World(deadline=2.05).call("a/x", "b/y").begin().ends(fails(K.RATE_LIMIT, retry_after=2.0))
    assert call.next() == "b/y"


@pytest.mark.parametrize("code", ["first_token_timeout", "deadline", None])
def test_running_into_a_cut_timer_blames_nobody(code: str | None) -> None:
    """Had it had its full time, the target might have answered."""
    world = World(deadline=18)
    call = world.call("a/x", "b/y").begin()
    call.ends(times_out(call.attempt.first_token_timeout, code=code)).begin()
    assert call.asked == ["a/x", "b/y"]
    assert world.health("a/x") == ("open", 0.0)


def test_a_full_timer_is_the_targets_fault() -> None:
    """With a deadline that did not cut it, silence cools the model."""
    world = World(deadline=100)
    world.call("a/x", "b/y").begin().ends(times_out(30))
    assert world.health("a/x")[0] == "cooling"


def test_a_timeout_of_the_providers_own_is_its_fault() -> None:
    """A gateway's 504 after two seconds has nothing to do with a share of ten."""
    world = World(deadline=20, transient_backoffs=())
    call = world.call("a/x", "b/y").begin()
    call.ends(fails(K.TRANSIENT, "gateway timeout", status=504, is_timeout=True, seconds=2))
    assert world.health("a/x")[0] == "cooling"


def test_a_connection_that_had_its_full_time_is_the_targets_fault() -> None:
    """Five seconds to connect were granted and used up, though the share was far less than the first content's."""
    world = World(deadline=18, connect_timeout=5)
    world.call("a/x", "b/y").begin().ends(times_out(5, code=None))
    assert world.health("a/x")[0] == "cooling"


def test_a_stall_after_content_is_the_targets_fault() -> None:
    """The idle timer is never cut, so that running into it counts, even under a deadline."""
    world = World(deadline=18, idle_timeout=5)
    call = world.call("a/x", "b/y").begin()
    assert call.attempt.is_cut
    call.ends(times_out(6, code="idle_timeout", first=1.0, shown="Hel"))
    assert world.health("a/x")[0] == "cooling"


def test_a_long_answer_that_the_deadline_ends_blames_nobody() -> None:
    """It was streaming all the time."""
    world = World(deadline=200)
    call = world.call("a/x").begin()
    assert not call.attempt.is_cut
    call.ends(times_out(200, code="deadline", first=1.0, shown="Once upon a time"))
    assert world.health("a/x") == ("open", 0.0)
    assert call.next() == "StreamInterruptedError"


def test_a_cut_timer_ends_in_an_exhaustion_with_the_reasons() -> None:
    """The deadline is told as what it is."""
    call = World(deadline=10).call("a/x", "b/y")
    call.play({"a/x": times_out(5), "b/y": times_out(5, code="deadline")})
    assert isinstance(call.error, ChainExhaustedError)
    assert call.error.kind is K.TRANSIENT
    assert call.error.retry_after == 0.0


def test_has_more_says_whether_another_target_is_left() -> None:
    """For the driver, which may want to know before it lets go of an answer."""
    world = World()
    call = world.call("a/x", "b/y").begin()
    assert call.walk.has_more(world.now)
    call.ends(fails(K.AUTH)).begin()
    assert not call.walk.has_more(world.now)


def test_ends_are_failover_errors() -> None:
    """One `except` catches them all, and each failed attempt is a `ProviderError`."""
    call = World().call("a/x").play({"a/x": fails(K.AUTH)})
    assert isinstance(call.error, FailoverError)
    assert all(isinstance(each, ProviderError) for each in call.error.errors)  # type: ignore[attr-defined]
