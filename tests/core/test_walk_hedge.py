"""Two walks for one call: a second target is asked while the first is late; and what a driver notes of an attempt."""

from __future__ import annotations

import pytest

from shared_core.decisions import Hedge
from shared_core.errors import ErrorKind
from shared_core.events import Usage, added
from tests.core.player import Call, World, answers, fails, link

K = ErrorKind
TWO = link("a/x", "main", "backup")


def hedging(**settings: object) -> World:
    return World(hedge_after=5.0, **settings)


def rival(call: Call) -> Call:
    """The second walk, which the walk decided for."""
    hedge = call.walk.hedge(call.world.now)
    assert hedge is not None
    return Call(call.world, call.walk.rival(hedge))


def test_the_models_behind_come_before_the_other_profiles() -> None:
    """It is the model that is slow, not the key."""
    call = hedging().call(TWO, "b/y").begin()
    hedge = call.walk.hedge(call.world.now)
    assert isinstance(hedge, Hedge)
    assert [(each.name, [profile.name for profile in each.profiles]) for each in hedge.chain] == [
        ("b/y", ["default"]),
        ("a/x", ["backup"]),
    ]


def test_a_call_is_hedged_once() -> None:
    """However long it takes, and its rival is not hedged at all."""
    call = hedging().call("a/x", "b/y", "c/z").begin()
    other = rival(call).begin()
    assert call.walk.hedge(call.world.now) is None
    assert other.walk.hedge(call.world.now) is None


def test_neither_asks_what_the_other_has_asked() -> None:
    """Whichever fails goes on with what is left, and says why it skipped."""
    call = hedging().call("a/x", "b/y", "c/z").begin()
    other = rival(call).begin()
    assert other.asked == ["b/y"]
    call.ends(fails(K.AUTH)).begin()
    assert call.asked == ["a/x", "c/z"]
    assert call.skips == {"b/y": "asked as a hedge"}
    other.ends(fails(K.AUTH)).play({})
    assert other.skips["c/z"] == "asked as a hedge"


def test_a_rival_without_anybody_left_gives_up() -> None:
    """Its chain ends in the first target's model, of which no profile may be left."""
    call = hedging().call("a/x", "b/y").begin()
    other = rival(call).play({"b/y": fails(K.AUTH)})
    assert other.asked == ["b/y"]
    assert other.error is not None


def test_a_rival_shares_the_deadline_and_the_callers_wish() -> None:
    """It is the same call: one deadline, counted from its beginning, and one `max_tokens`."""
    world = hedging(deadline=60)
    call = world.call("a/x", "b/y", max_tokens=7).begin()
    deadline = call.attempt.deadline
    world.later(5)
    other = rival(call).begin()
    assert other.attempt.deadline == deadline
    assert other.attempt.max_tokens == 7
    assert other.walk.report.attempts[0].started == 5.0


def test_a_rival_pays_into_no_budget() -> None:
    """Two walks are one call."""
    world = hedging(retry_reserve=10)
    for _ in range(10):
        world.memory.budget.withdraw(world.now)
    call = world.call("a/x", "b/y").begin()
    before = world.memory.budget.tokens, world.memory.hedges.tokens - 1
    rival(call)
    assert (world.memory.budget.tokens, world.memory.hedges.tokens) == before


def test_whoever_has_content_is_not_hedged() -> None:
    """Nor one of which something was shown, nor before the first attempt."""
    world = hedging()
    call = world.call("a/x", "b/y")
    assert call.walk.hedge(world.now) is None
    call.begin().walk.answered(world.now)
    assert call.walk.hedge(world.now) is None
    call = world.call("a/x", "b/y", "c/z").begin().ends(fails(K.AUTH, first=0.0, shown="Hi", may_go_on=True)).begin()
    assert call.walk.hedge(world.now) is None


def test_a_pause_before_a_repetition_may_be_hedged() -> None:
    """The answer is as late as if the attempt still ran."""
    call = hedging().call("a/x", "b/y").begin().ends(fails(K.TRANSIENT))
    assert call.next() == "wait 0.5"
    assert rival(call).begin().asked == ["b/y"]


def test_without_the_setting_nothing_is_hedged() -> None:
    """It costs tokens."""
    call = World().call("a/x", "b/y").begin()
    assert call.walk.hedge(call.world.now) is None


def test_without_another_target_nothing_is_hedged() -> None:
    """And no token of the budget is spent."""
    world = hedging()
    tokens = world.memory.hedges.tokens
    assert world.call("a/x").begin().walk.hedge(world.now) is None
    assert world.memory.hedges.tokens == tokens


def test_nothing_is_hedged_after_the_deadline() -> None:
    """Nothing begins then."""
    world = hedging(deadline=10)
    call = world.call("a/x", "b/y").begin()
    world.later(10)
    assert call.walk.hedge(world.now) is None


def test_hedges_draw_on_a_budget_of_their_own() -> None:
    """Two in reserve, then one for twenty calls."""
    world = hedging()
    hedged = [world.call("a/x", "b/y").begin().walk.hedge(world.now) is not None for _ in range(3)]
    assert hedged == [True, True, False]
    assert world.memory.budget.tokens == 10


def test_a_probe_may_be_hedged_and_stays_the_only_one() -> None:
    """The rival is another holder: it does not pass the gate that its sibling probes."""
    world = hedging()
    world.call("a/x").play({"a/x": fails(K.MODEL_MISSING, seconds=0)})
    world.later(60)
    call = world.call(TWO, "b/y").begin()
    other = rival(call).begin()
    assert other.asked == ["b/y"]
    other.ends(fails(K.AUTH)).play({})
    assert other.skips["a/x"] == "a/x is being probed by another call"


def test_notes_stand_on_the_running_attempt() -> None:
    """What was changed for its target."""
    call = World().call("a/x").begin()
    call.walk.note(["left out seed"])
    call.walk.note(["image dropped"])
    assert call.walk.report.attempts[0].notes == ("left out seed", "image dropped")
    call.ends(answers())
    with pytest.raises(RuntimeError, match="no attempt is running"):
        call.walk.note(["too late"])


def test_a_refused_prefill_is_asked_for_in_words() -> None:
    """Once, at once, and from then on; the refusal is nobody's fault."""
    world = World(transient_backoffs=())
    call = world.call("a/x", "b/y").begin().ends(fails(K.TRANSIENT, first=0.0, shown="Half", may_go_on=True)).begin()
    assert call.attempt.shown == "Half"
    call.walk.failed(fails(K.BAD_REQUEST).error, world.now, had_prefill=True)
    assert world.memory.learnt("b/y").refuses_prefill
    assert call.next() == "b/y"
    call.walk.failed(fails(K.BAD_REQUEST).error, world.now)
    assert call.next() == "StreamInterruptedError"
    assert world.health("b/y")[0] == "open"


def test_tokens_of_two_attempts_are_added() -> None:
    """What is not known counts for nothing."""
    assert added(None, None) is None
    assert added(Usage(1, 2, 3), None) == added(None, Usage(1, 2, 3)) == Usage(1, 2, 3)
    both = added(Usage(1, 2, 3, cache_read_tokens=4), Usage(10, 20, 30, reasoning_tokens=5))
    assert both is not None
    assert (both.input_tokens, both.output_tokens, both.total_tokens) == (11, 22, 33)
    assert (both.cache_read_tokens, both.reasoning_tokens) == (4, 5)
