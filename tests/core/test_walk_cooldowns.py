"""What is left alone after a failure, for how long, and how it comes back: cooldowns, probes, keys, patience."""

from __future__ import annotations

import pytest

from shared_core.chain import Profile
from shared_core.errors import ChainExhaustedError, ErrorKind
from tests.core.player import World, answers, fails, link, times_out

K = ErrorKind


# Scopes


def test_a_rate_limit_of_one_model_leaves_its_sibling_usable() -> None:
    """A model at its limit fails over to another one under the same key."""
    world = World()
    call = world.call("a/large", "a/mini").play({"a/large": fails(K.RATE_LIMIT), "a/mini": answers()})
    assert call.asked == ["a/large", "a/mini"]


def test_a_dead_key_is_dead_for_all_models() -> None:
    """The next model of the same provider is skipped under that profile, with the reason."""
    world = World()
    call = world.call("a/large", "a/mini", "b/y").play({"a/large": fails(K.AUTH), "b/y": answers()})
    assert call.asked == ["a/large", "b/y"]
    assert call.skips == {"a/mini": "profile default is cooling for 5.0 s after auth"}


def test_a_provider_does_not_block_a_sibling_with_the_same_profile_name() -> None:
    """Profiles of different providers have nothing in common but the name."""
    call = World().call("a/x", "b/x").play({"a/x": fails(K.AUTH), "b/x": answers()})
    assert call.asked == ["a/x", "b/x"]


def test_a_profile_that_cools_for_one_model_says_so() -> None:
    """The reason names profile, model, time and kind."""
    world = World()
    chain = link("a/x", "main", "backup")
    world.call(chain).play({"a/x [main]": fails(K.RATE_LIMIT, seconds=0), "a/x [backup]": answers(0, first=0)})
    call = world.call(chain).play({"a/x [backup]": answers()})
    assert call.skips == {"a/x [main]": "profile main for x is cooling for 5.0 s after rate_limit"}


def test_of_two_reasons_the_one_that_lasts_longer_is_told() -> None:
    """A profile that cools as a whole and for the model is free when both are."""
    world = World()
    both = link("a/x", "main", "backup"), link("a/z", "main")
    world.call(both[0]).play(
        {"a/x [main]": fails(K.RATE_LIMIT, retry_after=50, seconds=0), "a/x [backup]": answers(0, first=0)}
    )
    world.call(both[1]).play({"a/z [main]": fails(K.AUTH, seconds=0)})
    call = world.call(both[0]).play({"a/x [backup]": answers(0, first=0)})
    assert "for x is cooling for 50.0 s after rate_limit" in call.skips["a/x [main]"]
    world.memory.reset("a/z")
    world.call(both[1]).play({"a/z [main]": fails(K.BALANCE, seconds=0)})
    call = world.call(both[0]).play({"a/x [backup]": answers(0, first=0)})
    assert call.skips["a/x [main]"] == "profile main is cooling for 900.0 s after balance"


def test_a_model_that_others_use_is_cooled_for_them_too() -> None:
    """The memory is shared by all calls."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    call = world.call("a/x", "b/y").play({"b/y": answers()})
    assert call.skips == {"a/x": "a/x is cooling for 60.0 s after model_missing"}


# Lengths


def test_a_profiles_cooldown_grows_with_its_hits() -> None:
    """Each further refusal lengthens it, within its bounds."""
    world = World()
    seen = []
    for _ in range(10):
        world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
        seen.append(world.cooling()["a [default]"])
        world.later(3700)
        world.memory.health.reset()
        world.now -= 3700 - seen[-1]
    assert seen[0] == 5.0
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(30 + 30 * 0.1 * (9 * 0.31 % 1))


def test_an_empty_account_doubles_its_cooldown() -> None:
    """A quarter of an hour, then half an hour, at most an hour."""
    world = World(failure_memory=1e6)
    seen = []
    for _ in range(4):
        world.memory.health.reset()
        world.call("a/x").play({"a/x": fails(K.BALANCE, seconds=0)})
        seen.append(world.cooling()["a [default]"])
        world.later(seen[-1])
    assert seen == [900.0, 1800.0, 3600.0, 3600.0]


@pytest.mark.parametrize(("stated", "seconds"), [(60, 60.0), (1e9, 300.0), (4.0, 5.0), (0.0, 5.0)])
def test_a_stated_wait_is_the_cooldown_within_bounds(stated: float, seconds: float) -> None:
    """The provider's own word counts, held to 5 s … 300 s."""
    world = World(patience=0)
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=stated, seconds=0)})
    assert world.cooling() == {"a/x [default]": seconds}
    assert world.health("a/x") == ("cooling", seconds)


def test_the_model_is_free_when_its_first_profile_is() -> None:
    """Two keys with different stated waits: the model cools for the shorter one."""
    world = World()
    chain = link("a/x", "main", "backup")
    script = {
        "a/x [main]": fails(K.RATE_LIMIT, retry_after=20, seconds=0),
        "a/x [backup]": fails(K.RATE_LIMIT, retry_after=90, seconds=0),
    }
    call = world.call(chain).play(script)
    assert world.health("a/x") == ("cooling", 20.0)
    assert call.error.retry_after == 20.0  # type: ignore[union-attr]


def test_an_outages_stated_wait_is_not_cut_by_a_key() -> None:
    """A 503 that says a minute means a minute, though the key happens to cool for less."""
    world = World()
    call = world.call("a/x").begin()
    world.call("a/z").begin().ends(fails(K.AUTH, seconds=0))
    call.ends(fails(K.TRANSIENT, retry_after=60, seconds=0))
    assert world.health("a/x") == ("cooling", 60.0)


def test_a_models_cooldown_doubles_up_to_an_hour() -> None:
    """Ten seconds, twenty, forty … one hour."""
    world = World(transient_backoffs=(), failure_memory=1e6)
    seen = []
    for _ in range(11):
        world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
        seen.append(world.health("a/x")[1])
        world.later(seen[-1])
    assert seen[:4] == [10.0, 20.0, 40.0, 80.0]
    assert seen[-2:] == [3600.0, 3600.0]


def test_first_cooldowns_of_models_are_settings() -> None:
    """A kind that is not named keeps its own."""
    world = World(transient_backoffs=(), model_cooldowns={K.TRANSIENT: 3.0}, patience=0)
    world.call("a/x", "b/y").play({"a/x": fails(K.TRANSIENT, seconds=0), "b/y": fails(K.MODEL_MISSING, seconds=0)})
    assert world.health("a/x") == ("cooling", 3.0)
    assert world.health("b/y") == ("cooling", 60.0)


# Memory of hits


def test_success_forgets_all_hits() -> None:
    """After an answer the next failure is a first one again."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
    world.later(60)
    world.call("a/x").play({"a/x": answers()})
    assert world.memory.cooldowns.hit_count("a", "default") == 0
    assert world.health("a/x") == ("open", 0.0)
    assert world.memory.health.snapshot(world.now)[0].failures == 0


def test_hits_are_remembered_for_a_while_after_the_cooldown() -> None:
    """A failure within `failure_memory` is another hit, one after it a first one."""
    for pause, hits in ((10 + 299, 2), (10 + 300, 1)):
        world = World(transient_backoffs=())
        world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
        world.later(pause)
        world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
        assert world.memory.health.snapshot(world.now)[0].failures == hits


def test_a_profiles_hits_are_remembered_for_a_while_after_the_cooldown() -> None:
    """The same holds for profiles."""
    for pause, hits in ((5 + 299, 2), (5 + 300, 1)):
        world = World()
        world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
        world.later(pause)
        world.memory.health.reset()
        world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
        assert world.memory.cooldowns.hit_count("a", "default") == hits


def test_hits_are_forgotten_after_an_answer_that_nobody_heard_to_its_end() -> None:
    """A probe that was answered and then abandoned opens the target; its hits pass with time all the same."""
    world = World(transient_backoffs=())
    world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
    world.later(10)
    call = world.call("a/x").begin()
    call.walk.answered(world.now)
    call.walk.abandoned(world.now)
    assert world.memory.health.snapshot(world.now)[0].failures == 1
    world.later(300)
    assert world.memory.health.snapshot(world.now)[0].failures == 0


def test_without_failure_memory_hits_are_forgotten_at_expiry() -> None:
    """And everybody may come back at once: no probe, as the seed has it."""
    world = World(failure_memory=0)
    world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
    world.later(60)
    first, second = world.call("a/x").begin(), world.call("a/x").begin()
    assert first.asked == second.asked == ["a/x"]
    first.ends(fails(K.AUTH, seconds=0))
    assert world.cooling() == {"a [default]": 5.0}
    assert world.memory.cooldowns.hit_count("a", "default") == 1


def test_a_profile_that_was_forgotten_needs_no_probe() -> None:
    """Long after its cooldown a profile is like any other: a burst of calls meets no probe."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
    world.later(3600)
    first, second = world.call("a/x").begin(), world.call("a/x").begin()
    assert first.asked == second.asked == ["a/x"]
    assert not first.walk.report.attempts[0].is_probe


# Failures of calls that ran at the same time


@pytest.mark.parametrize(
    ("kind", "profile", "model"),
    [(K.BALANCE, 900.0, 60.0), (K.RATE_LIMIT, 5.0, 30.0), (K.TRANSIENT, None, 10.0)],
    ids=str,
)
def test_calls_that_fail_together_count_once(kind: ErrorKind, profile: float | None, model: float) -> None:
    """A hundred calls in flight: one hit, and the cooldown of one hit."""
    world = World(transient_backoffs=())
    for call in [world.call("a/x").begin() for _ in range(100)]:
        world.later(0.001)
        call.ends(fails(kind, seconds=0))
        call.next()
    assert list(world.cooling().values()) == ([profile] if profile else [])
    assert world.health("a/x") == ("cooling", model)
    assert world.memory.health.snapshot(world.now)[0].failures == 1


def test_a_late_failure_of_an_old_attempt_lengthens_the_cooldown() -> None:
    """The target was still failing then; but it is no further hit."""
    world = World(transient_backoffs=())
    old = world.call("a/x").begin()
    world.call("a/x").begin().ends(fails(K.TRANSIENT))
    old.ends(fails(K.TRANSIENT, seconds=4))
    assert world.health("a/x") == ("cooling", 10.0)
    assert world.memory.health.snapshot(world.now)[0].failures == 1


def test_a_failure_from_before_an_answer_is_over() -> None:
    """Once a probe was answered, what an older attempt met does not shut the target again: no cooldown is told."""
    world = World(transient_backoffs=())
    old = world.call("a/x").begin()
    world.call("a/x").begin().ends(fails(K.TRANSIENT))
    world.later(10)
    probe = world.call("a/x").begin()
    probe.walk.answered(world.now)
    old.walk.notices.clear()
    old.ends(fails(K.TRANSIENT, seconds=0))
    assert world.health("a/x")[0] == "open"
    assert [each.event for each in old.walk.notices] == ["failure"]


def test_a_failure_from_before_a_probe_does_not_disturb_it() -> None:
    """While a probe is out an older attempt's failure changes nothing: the probe knows better."""
    world = World()
    old = world.call("a/x").begin()
    world.call("a/x").begin().ends(fails(K.AUTH)).next()
    world.later(60)
    probe = world.call("a/x").begin()
    old.ends(fails(K.AUTH, seconds=0)).next()
    assert world.health("a/x")[0] == "probing"
    probe.walk.answered(world.now)
    assert world.health("a/x")[0] == "open"
    assert world.cooling() == {}


def test_a_success_of_an_attempt_from_before_a_failure_does_not_clear_it() -> None:
    """An answer that began before the outage says nothing of it."""
    world = World(transient_backoffs=())
    old = world.call("a/x").begin()
    world.later(1)
    world.call("a/x").begin().ends(fails(K.TRANSIENT, seconds=0))
    other = world.call("b/y").begin()
    other.ends(answers())
    old.ends(answers(5))
    assert world.health("a/x")[0] == "cooling"


def test_a_success_of_an_old_attempt_does_not_clear_a_profile() -> None:
    """The same holds for keys."""
    world = World()
    old = world.call("a/x").begin()
    world.later(1)
    world.call("a/x").begin().ends(fails(K.AUTH, seconds=0))
    old.ends(answers(1))
    assert world.cooling() == {"a [default]": 4.0}


# Probes


def cooled(world: World, **more: float) -> World:
    """A world in which a/x has just come back."""
    world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    world.later(more.get("seconds", 60.0))
    return world


def test_one_call_probes_and_the_others_walk_on() -> None:
    """After a cooldown the first call is the probe; the rest skip, and say why."""
    world = cooled(World())
    probe = world.call("a/x", "b/y").begin()
    assert probe.asked == ["a/x"]
    assert probe.walk.report.attempts[0].is_probe
    others = [world.call("a/x", "b/y").begin() for _ in range(3)]
    assert [call.asked for call in others] == [["b/y"]] * 3
    assert others[0].skips == {"a/x": "a/x is being probed by another call"}
    assert not others[0].walk.report.attempts[0].is_probe


def test_a_probe_that_is_answered_lets_all_pass() -> None:
    """At its first content, so that a long answer keeps nobody away."""
    world = cooled(World())
    probe = world.call("a/x").begin()
    probe.walk.answered(world.now)
    assert world.call("a/x").begin().asked == ["a/x"]
    assert world.health("a/x")[0] == "open"


def test_a_probe_that_fails_closes_for_longer() -> None:
    """It is another hit."""
    world = cooled(World())
    world.call("a/x").begin().ends(fails(K.MODEL_MISSING, seconds=0))
    assert world.health("a/x") == ("cooling", 120.0)


def test_a_probe_that_breaks_after_its_first_content_closes_for_longer() -> None:
    """Hits are forgotten only when an answer is whole."""
    world = cooled(World(transient_backoffs=()))
    world.call("a/x").begin().ends(fails(K.TRANSIENT, first=0.0, shown="", seconds=0))
    assert world.health("a/x") == ("cooling", 20.0)


def test_a_probe_that_is_abandoned_gives_its_permit_back() -> None:
    """The next call probes."""
    world = cooled(World())
    probe = world.call("a/x").begin()
    probe.walk.abandoned(world.now)
    assert world.health("a/x")[0] == "ajar"
    assert world.call("a/x").begin().walk.report.attempts[0].is_probe


@pytest.mark.parametrize(
    "kind", [K.UNKNOWN, K.CONTENT_FILTER, K.BAD_REQUEST, K.OUTPUT_LIMIT, K.CONTEXT_EXCEEDED], ids=str
)
def test_a_probe_that_says_nothing_of_the_target_gives_its_permit_back(kind: ErrorKind) -> None:
    """A refusal of the request leaves the model ajar for the next call."""
    world = cooled(World(transient_backoffs=()))
    world.call("a/x").begin().ends(fails(kind, seconds=0)).next()
    assert world.health("a/x")[0] == "ajar"


def test_a_probe_that_succeeds_without_content_opens() -> None:
    """A silent turn is an answer."""
    world = cooled(World())
    world.call("a/x").play({"a/x": answers(first=None)})
    assert world.health("a/x") == ("open", 0.0)


def test_the_permit_of_a_caller_that_vanished_lapses() -> None:
    """A probe that is never heard of again blocks nobody for ever."""
    world = cooled(World())
    probe = world.call("a/x").begin()
    lease = probe.attempt.first_token_timeout + world.policy.connect_timeout
    world.later(lease - 0.1)
    assert world.health("a/x")[0] == "probing"
    world.later(0.1)
    second = world.call("a/x").begin()
    assert second.walk.report.attempts[0].is_probe
    probe.walk.answered(world.now)
    assert world.health("a/x")[0] == "probing"


def test_the_permit_outlives_a_model_that_thinks_for_long() -> None:
    """However long the policy lets a model be silent, its probe stays the only one."""
    world = cooled(World(silent_first_token_timeout=900))
    world.call(link("a/x", thinks_silently=True)).begin()
    world.later(890)
    assert world.health("a/x")[0] == "probing"


def test_a_repetition_in_place_keeps_the_permit() -> None:
    """While the probe repeats, others still walk on, and each attempt renews the lease."""
    world = cooled(World())
    probe = world.call("a/x").begin().ends(fails(K.UNKNOWN, seconds=125))
    assert probe.next() == "wait 0.5"
    probe.begin()
    world.later(125)
    assert world.health("a/x")[0] == "probing"
    assert world.call("a/x", "b/y").begin().asked == ["b/y"]


def test_a_probe_of_a_profile_is_one_as_well() -> None:
    """Two models under a key that was refused: one call asks, the other walks on."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
    world.later(60)
    probe = world.call("a/z").begin()
    assert probe.walk.report.attempts[0].is_probe
    other = world.call("a/x", "b/y").begin()
    assert other.asked == ["b/y"]
    assert other.skips == {"a/x": "profile default is being probed by another call"}
    probe.walk.answered(world.now)
    assert world.call("a/x").begin().asked == ["a/x"]


def test_the_second_profile_of_a_probe_is_told_apart() -> None:
    """Only the attempt that stands behind a gate is a probe; its sibling is an attempt like another."""
    world = World()
    chain = link("a/x", "main", "backup")
    world.call(chain).play({"a/x [main]": fails(K.AUTH, seconds=0), "a/x [backup]": answers(0, first=0)})
    world.later(5)
    call = world.call(chain).play({"a/x [main]": fails(K.AUTH), "a/x [backup]": answers()})
    assert [record.is_probe for record in call.walk.report.attempts] == [True, False]


# Keys


def keyed(value: str) -> object:
    return link("a/x", Profile("main", fingerprint=value))


def test_a_key_whose_value_changed_starts_clean() -> None:
    """A new key is asked at once, though the old one, and with it the model, was cooling."""
    for kind in (K.AUTH, K.BALANCE, K.RATE_LIMIT):
        world = World()
        world.call(keyed("old")).play({"a/x [main]": fails(kind, seconds=0)})
        assert world.health("a/x")[0] == "cooling"
        assert world.call(keyed("old"), "b/y").begin().asked == ["b/y"]
        call = world.call(keyed("new")).play({"a/x [main]": answers()})
        assert call.asked == ["a/x [main]"]
        assert not call.walk.report.attempts[0].is_probe
        assert world.cooling() == {}


def test_a_new_key_does_not_mend_a_model() -> None:
    """An outage is the model's own, whatever the key."""
    world = World(transient_backoffs=())
    world.call(keyed("old")).play({"a/x [main]": fails(K.TRANSIENT, seconds=0)})
    assert world.call(keyed("new"), "b/y").begin().asked == ["b/y"]


def test_a_late_failure_of_an_old_key_does_not_block_the_new_one() -> None:
    """What was asked under the old value says nothing of the new one."""
    world = World()
    old = world.call(keyed("old")).begin()
    world.call(keyed("new")).play({"a/x [main]": answers(0, first=0)})
    old.ends(fails(K.AUTH, seconds=0)).next()
    assert world.call(keyed("new")).begin().asked == ["a/x [main]"]


def test_a_key_that_was_taken_away_is_a_reason() -> None:
    """A profile without a key is skipped and the next one asked."""
    chain = link("a/x", Profile("main", unavailable="no API key: set A_KEY"), "backup")
    call = World().call(chain).play({"a/x [backup]": answers()})
    assert call.skips == {"a/x [main]": "no API key: set A_KEY"}


def test_a_model_that_cannot_be_asked_is_a_reason() -> None:
    """A link without a provider is skipped as a whole, and the walk goes on."""
    chain = [link("a/x", unavailable="provider 'a' is not known"), "b/y"]
    call = World().call(*chain).play({"b/y": answers()})
    assert call.skips == {"a/x": "provider 'a' is not known"}


# What a person says


def test_a_disabled_model_is_skipped_until_it_is_enabled() -> None:
    """Only a person takes a model out for good, and the reason is told."""
    world = World()
    world.memory.health.disable("a/x", "too dear")
    call = world.call("a/x", "b/y").play({"b/y": answers()})
    assert call.skips == {"a/x": "disabled: too dear"}
    world.memory.health.enable("a/x")
    assert world.call("a/x").begin().asked == ["a/x"]


def test_a_chain_that_is_disabled_cannot_be_waited_for() -> None:
    """Time does not help: there is no moment to come back."""
    world = World()
    world.memory.health.disable("a/x", "too dear")
    call = world.call("a/x").play({})
    assert call.error.retry_after is None  # type: ignore[union-attr]


def test_reset_clears_a_model_and_its_profiles() -> None:
    """And nobody else's."""
    world = World()
    for name in ("a/x", "b/y"):
        world.call(name, max_tokens=5).play({name: fails(K.AUTH, seconds=0)})
    world.memory.learnt("a/x").refused_output(100, 50)
    world.memory.reset("a/x")
    assert world.cooling() == {"b [default]": 5.0}
    assert world.health("a/x") == ("open", 0.0)
    assert world.health("b/y")[0] == "cooling"
    assert world.memory.learnt("a/x").ceiling is None


def test_reset_leaves_other_models_rate_limits() -> None:
    """A rate limit of a sibling is the sibling's."""
    world = World()
    for name in ("a/x", "a/z"):
        world.call(name).play({name: fails(K.RATE_LIMIT, seconds=0)})
    world.memory.reset("a/x")
    assert world.cooling() == {"a/z [default]": 5.0}


def test_reset_clears_everything() -> None:
    """Cooldowns, health, disablement, what refusals taught, and the budget."""
    world = World(retry_reserve=1)
    world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
    world.call("b/y").play({"b/y": fails(K.AUTH, seconds=0)})
    world.memory.health.disable("c/z", "because")
    world.memory.learnt("a/x").refused_output(100, 50)
    world.memory.hedges.withdraw(world.now)
    world.memory.reset()
    assert world.memory.hedges.tokens == 2
    assert world.cooling() == {}
    assert world.memory.budget.tokens == 1
    assert world.memory.learnt("a/x").ceiling is None
    assert world.call("a/x").begin().asked == ["a/x"]
    assert world.call("c/z").begin().asked == ["c/z"]


# Patience


def test_a_target_that_is_about_to_be_free_is_waited_for() -> None:
    """With everything cooling, the soonest is waited for if that is within `patience`."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.call("b/y").play({"b/y": fails(K.MODEL_MISSING, seconds=0)})
    world.later(8)
    call = world.call("a/x", "b/y").play({"a/x": answers()})
    assert call.trail == ["wait 2", "a/x: answered"]
    assert [step.as_dict()["step"] for step in call.walk.report.steps] == ["wait", "attempt"]


def test_a_target_that_is_free_too_late_is_not_waited_for() -> None:
    """Then the error says when to come back."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.later(7)
    call = world.call("a/x").play({})
    assert call.waits == []
    assert call.error.retry_after == pytest.approx(3.0)  # type: ignore[union-attr]


def test_patience_is_for_the_whole_call() -> None:
    """Several short rests together are no longer than one may be."""
    world = World(min_cooldown=0, patience=2.5, transient_backoffs=(), model_cooldowns={K.TRANSIENT: 1.0})
    call = world.call("a/x").play({"a/x": fails(K.TRANSIENT, seconds=0)})
    assert call.waits == [1.0]
    assert call.asked == ["a/x", "a/x"]


def test_tiny_cooldowns_do_not_make_endless_walks() -> None:
    """A provider that says to come back in a microsecond is not asked a million times."""
    world = World(min_cooldown=0)
    call = world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=1e-6, seconds=0)})
    assert len(call.asked) < 50
    assert isinstance(call.error, ChainExhaustedError)


def test_a_probe_of_another_call_is_looked_at_again() -> None:
    """A call whose only target is being probed waits a moment for the answer, and then asks."""
    world = cooled(World())
    probe = world.call("a/x").begin()
    call = world.call("a/x")
    assert call.next() == "wait 0.25"
    probe.walk.answered(world.now)
    assert call.begin().asked == ["a/x"]


def test_a_probe_without_answer_is_not_waited_for_for_ever() -> None:
    """After its patience the call gives up."""
    world = cooled(World())
    world.call("a/x").begin()
    call = world.call("a/x").play({})
    assert call.waits == [0.25] * 10
    assert isinstance(call.error, ChainExhaustedError)


def test_no_rest_ends_after_the_deadline() -> None:
    """What cannot be reached in time is not waited for."""
    world = World(deadline=1.0)
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.later(8.5)
    assert world.call("a/x").play({}).waits == []


def test_after_a_rest_everything_is_judged_anew() -> None:
    """What was skipped before is attempted or skipped for good, once."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=10, seconds=0)})
    world.call("b/y").play({"b/y": fails(K.MODEL_MISSING, seconds=0)})
    world.later(9)
    call = world.call("b/y", "a/x").play({"a/x": fails(K.RATE_LIMIT, retry_after=100)})
    assert call.trail[:2] == ["wait 1", "a/x: rate_limit"]
    assert list(call.skips) == ["b/y"]


# What is told


def test_hooks_hear_of_everything_that_happens() -> None:
    """An attempt and how it ended, a cooldown, a failover; and, when it is back, a recovery."""
    world = World()
    call = world.call("a/x", "b/y").play({"a/x": fails(K.AUTH, "bad key", seconds=0), "b/y": answers()})
    told = [(each.event, each.model, each.profile) for each in call.walk.notices]
    assert told == [
        ("attempt", "a/x", "default"),
        ("failure", "a/x", "default"),
        ("cooldown", "a/x", "default"),
        ("cooldown", "a/x", None),
        ("failover", "a/x", "default"),
        ("attempt", "b/y", "default"),
        ("success", "b/y", "default"),
    ]
    failover = call.walk.notices[4]
    assert (failover.kind, failover.message) == (K.AUTH, "bad key")
    assert (failover.next_model, failover.next_profile) == ("b/y", "default")
    assert [each.seconds for each in call.walk.notices[2:4]] == [5.0, 60.0]
    assert [each.number for each in call.walk.notices] == [1, 1, None, None, 1, 2, 2]
    world.later(60)
    call = world.call("a/x").play({"a/x": answers()})
    assert [each.event for each in call.walk.notices] == ["attempt", "success", "recovery"]


def test_a_repetition_is_no_failover() -> None:
    """Asking the same target again is told beforehand, with the pause, as a retry."""
    call = World().call("a/x").play({"a/x": [fails(K.TRANSIENT), answers()]})
    assert [each.event for each in call.walk.notices] == ["attempt", "failure", "retry", "attempt", "success"]
    retry = call.walk.notices[2]
    assert (retry.number, retry.kind, retry.seconds) == (1, K.TRANSIENT, 0.5)


def test_another_profile_is_a_failover() -> None:
    """The model stays, the key changes."""
    chain = link("a/x", "main", "backup")
    call = World().call(chain).play({"a/x [main]": fails(K.AUTH), "a/x [backup]": answers()})
    assert [each.next_profile for each in call.walk.notices if each.event == "failover"] == ["backup"]


def test_a_failure_counts_in_the_figures() -> None:
    """Attempts and successes are counted, and the time to the first content is averaged."""
    world = World(transient_backoffs=())
    world.call("a/x").play({"a/x": fails(K.UNKNOWN)})
    world.call("a/x").play({"a/x": answers(first=0.5)})
    world.call("a/x").play({"a/x": answers(first=1.0)})
    world.call("a/x").play({"a/x": answers(first=None)})
    (health,) = world.memory.health.snapshot(world.now)
    assert (health.attempts, health.successes) == (4, 3)
    assert health.latency == pytest.approx(0.8 * 0.5 + 0.2 * 1.0)


def test_a_probe_that_ran_into_a_cut_timer_gives_its_permit_back() -> None:
    """It blames nobody, so the next call probes."""
    world = cooled(World(deadline=2, transient_backoffs=()))
    call = world.call("a/x").begin()
    call.ends(times_out(call.attempt.first_token_timeout, code="deadline"))
    call.next()
    assert world.health("a/x")[0] == "ajar"
