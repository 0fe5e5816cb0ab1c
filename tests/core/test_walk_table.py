"""Every cell of the walk's table: what a kind of error means on the same target, for profile, model, and way."""

from __future__ import annotations

import pytest

from shared_core.errors import ChainExhaustedError, ErrorKind, RequestRejectedError
from shared_core.policy import RULES, Action, Rule
from tests.core.player import World, answers, fails, link

K = ErrorKind
TWO = link("a/x", "main", "backup")

TABLE = {
    # kind: (asked again by itself, what of the profile cools, seconds, seconds the model cools, where it goes)
    K.RATE_LIMIT: (1, "a/x [main]", 5.0, 0.0, "a/x [backup]"),
    K.AUTH: (1, "a [main]", 5.0, 0.0, "a/x [backup]"),
    K.BALANCE: (1, "a [main]", 900.0, 0.0, "a/x [backup]"),
    K.MODEL_MISSING: (1, None, 0.0, 60.0, "b/y"),
    K.OUTPUT_LIMIT: (1, None, 0.0, 0.0, "RequestRejectedError"),
    K.TRANSIENT: (3, None, 0.0, 10.0, "b/y"),
    K.UNKNOWN: (3, None, 0.0, 0.0, "b/y"),
    K.CONTEXT_EXCEEDED: (1, None, 0.0, 0.0, "b/y"),
    K.CONTENT_FILTER: (1, None, 0.0, 0.0, "RequestRejectedError"),
    K.BAD_REQUEST: (1, None, 0.0, 0.0, "RequestRejectedError"),
}
KINDS = pytest.mark.parametrize("kind", list(K), ids=str)


def test_the_table_has_a_row_for_every_kind() -> None:
    """No kind of error is without a rule, here or in the code."""
    assert set(RULES) == set(TABLE) == set(K)


@KINDS
def test_on_the_same_target(kind: ErrorKind) -> None:
    """Only what is likely to pass is asked for again as it was, twice, after half a second and after two."""
    call = World().call(TWO, "b/y").play({"a/x [main]": fails(kind), "a/x [backup]": answers(), "b/y": answers()})
    asked, *_ = TABLE[kind]
    assert call.asked.count("a/x [main]") == asked
    assert call.waits == ([0.5, 2.0] if asked == 3 else [])


@KINDS
def test_for_the_profile(kind: ErrorKind) -> None:
    """A rate limit cools the profile for this model, a bad or empty key for all, anything else leaves it alone."""
    world = World()
    world.call(TWO, "b/y").play({"a/x [main]": fails(kind), "a/x [backup]": answers(0), "b/y": answers(0)})
    _, scope, seconds, _, _ = TABLE[kind]
    assert world.cooling() == ({scope: pytest.approx(seconds, abs=1)} if scope else {})


@KINDS
def test_for_the_model(kind: ErrorKind) -> None:
    """A model cools for its own failures at once, and for none of its profiles' while one is left."""
    world = World()
    call = world.call(TWO, "b/y").begin()
    while call.error is None and call.attempt.target.profile.name == "main":
        call.ends(fails(kind, seconds=0.0))
        while call.next().startswith("wait"):
            pass
    *_, model, _ = TABLE[kind]
    assert world.health("a/x") == (("cooling", model) if model else ("open", 0.0))


@KINDS
def test_where_the_walk_goes(kind: ErrorKind) -> None:
    """To the next profile, to the next model, or no further."""
    call = World().call(TWO, "b/y").play({"a/x [main]": fails(kind), "a/x [backup]": answers(), "b/y": answers()})
    *_, where = TABLE[kind]
    assert where in call.trail[-1]
    assert isinstance(call.error, RequestRejectedError) == (where == "RequestRejectedError")


@pytest.mark.parametrize(("kind", "seconds"), [(K.RATE_LIMIT, 30.0), (K.AUTH, 60.0), (K.BALANCE, 60.0)], ids=str)
def test_the_model_cools_when_its_last_profile_failed(kind: ErrorKind, seconds: float) -> None:
    """With all its keys refused the model itself is left alone, for a time that depends on the kind."""
    world = World()
    script = {"a/x [main]": fails(kind, seconds=0), "a/x [backup]": fails(kind, seconds=0), "b/y": answers(0, first=0)}
    call = world.call(TWO, "b/y").play(script)
    assert call.asked == ["a/x [main]", "a/x [backup]", "b/y"]
    assert world.health("a/x") == ("cooling", seconds)


@KINDS
def test_a_single_profile_is_the_last_one(kind: ErrorKind) -> None:
    """With one profile, kinds that belong to a profile cool its model as well."""
    world = World()
    world.call("a/x", "b/y").play({"a/x": fails(kind, seconds=0), "b/y": answers(0, first=0)})
    cools = RULES[kind].health != "none"
    assert world.health("a/x")[0] == ("cooling" if cools else "open")


@pytest.mark.parametrize(
    "last", [K.UNKNOWN, K.OUTPUT_LIMIT, K.CONTENT_FILTER, K.BAD_REQUEST, K.CONTEXT_EXCEEDED], ids=str
)
def test_the_model_is_not_blamed_for_another_profiles_key(last: ErrorKind) -> None:
    """When the last profile failed in a way that says nothing of the model, the first one's bad key does not either."""
    world = World()
    call = world.call(TWO, "b/y")
    call.play({"a/x [main]": fails(K.AUTH), "a/x [backup]": fails(last), "b/y": answers()})
    assert world.health("a/x")[0] == "open"


def test_the_model_cools_for_its_own_failure_and_not_for_a_key_before_it() -> None:
    """A refused key, then an outage under the second one: the model cools for the outage, as long as that takes."""
    world = World(transient_backoffs=())
    script = {"a/x [main]": fails(K.AUTH), "a/x [backup]": fails(K.TRANSIENT, seconds=0), "b/y": answers(0, first=0)}
    world.call(TWO, "b/y").play(script)
    assert world.health("a/x") == ("cooling", 10.0)
    assert world.memory.health.snapshot(world.now)[0].kind is K.TRANSIENT


def test_the_model_does_not_cool_while_a_profile_was_not_asked() -> None:
    """A deadline that ends the walk between two profiles does not make the model look as if both had failed."""
    world = World(deadline=60)
    call = world.call(TWO)
    call.play({"a/x [main]": fails(K.RATE_LIMIT, seconds=70)})
    assert call.asked == ["a/x [main]"]
    assert world.health("a/x")[0] == "open"


def test_an_account_wide_rate_limit_cools_the_whole_profile() -> None:
    """The response may say that not the model but the account is meant."""
    world = World()
    world.call("a/x", "b/y").play({"a/x": fails(K.RATE_LIMIT, scope="account", seconds=0), "b/y": answers(0, first=0)})
    assert world.cooling() == {"a [default]": 5.0}


def test_cooldowns_by_profile_restore_the_seed() -> None:
    """With `cooldown_scope="profile"` every rate limit cools the whole profile."""
    world = World(cooldown_scope="profile")
    world.call("a/x", "b/y").play({"a/x": fails(K.RATE_LIMIT, seconds=0), "b/y": answers(0, first=0)})
    assert world.cooling() == {"a [default]": 5.0}


@KINDS
@pytest.mark.parametrize("action", ["next_profile", "next_model", "larger_window", "raise"])
def test_an_action_can_be_overridden(kind: ErrorKind, action: Action) -> None:
    """The user says where the walk goes after a kind; what cools stays as the table says."""
    world = World(actions={kind: action}, transient_backoffs=())
    call = world.call(TWO, "b/y").play({"a/x [main]": fails(kind), "a/x [backup]": answers(), "b/y": answers()})
    expected = {"next_profile": "a/x [backup]: answered", "raise": "RequestRejectedError"}.get(action, "b/y: answered")
    assert call.trail[-1] == expected
    assert bool(world.cooling()) == (RULES[kind].profile != "none")


def test_an_override_leaves_the_rest_of_the_row() -> None:
    """Only the last column is the user's."""
    rule = World(actions={K.AUTH: "raise"}).policy.rule(K.AUTH)
    assert rule == Rule("none", "account", "last_profile", "raise")


def test_a_model_that_was_left_keeps_its_other_profiles_usable() -> None:
    """Sent to the next model by the user's rule, the walk does not cool a model whose second key was never tried."""
    world = World(actions={K.RATE_LIMIT: "next_model"})
    world.call(TWO, "b/y").play({"a/x [main]": fails(K.RATE_LIMIT), "b/y": answers()})
    assert world.health("a/x")[0] == "open"
    assert world.call(TWO, "b/y").play({"a/x [backup]": answers()}).asked == ["a/x [backup]"]


@KINDS
def test_a_failure_after_something_was_shown_ends_the_call(kind: ErrorKind) -> None:
    """Whatever the kind, nothing else is asked: the caller has seen a part of this answer."""
    call = World().call(TWO, "b/y").begin().ends(fails(kind, first=0.1, shown="Half an ans"))
    assert call.next() == "StreamInterruptedError"
    assert call.error.partial == "Half an ans"  # type: ignore[union-attr]
    assert call.error.kind is kind  # type: ignore[union-attr]
    assert call.asked == ["a/x [main]"]


@KINDS
def test_a_failure_after_something_was_shown_still_counts(kind: ErrorKind) -> None:
    """What cools for an early failure cools for a late one."""
    world = World()
    world.call("a/x").begin().ends(fails(kind, first=0.1, shown=""))
    assert bool(world.cooling()) == (RULES[kind].profile != "none")
    assert (world.health("a/x")[0] == "cooling") == (RULES[kind].health != "none")


@KINDS
def test_what_may_go_on_goes_on_by_the_table(kind: ErrorKind) -> None:
    """An answer that can be continued is continued where the table would have gone, and the break is on record."""
    call = World().call(TWO, "b/y").begin().ends(fails(kind, first=0.1, shown="Half", may_go_on=True))
    *_, where = TABLE[kind]
    if where == "RequestRejectedError":
        assert call.next() == "StreamInterruptedError"
        return
    assert call.next() == where
    assert call.attempt.shown == "Half"
    assert call.walk.report.attempts[-1].resumed_at == 4


def test_going_on_with_nobody_left_is_an_interruption() -> None:
    """When the chain ends, the caller gets the partial, and the cause that broke it off; the errors hold the rest."""
    call = World(transient_backoffs=()).call("a/x", "b/y").begin()
    call.ends(fails(K.TRANSIENT, first=0.1, shown="Half", may_go_on=True)).begin().ends(fails(K.AUTH, "bad key"))
    assert call.next() == "StreamInterruptedError"
    assert call.error.partial == "Half"  # type: ignore[union-attr]
    assert call.error.kind is K.TRANSIENT  # type: ignore[union-attr]
    assert [cause.kind for cause in call.error.errors] == [K.TRANSIENT, K.AUTH]  # type: ignore[union-attr]


def test_all_rows_end_somewhere() -> None:
    """A chain in which everything fails in every way is exhausted or rejected, never silent."""
    for kind in K:
        call = World().call(TWO, "b/y").play(lambda _, kind=kind: fails(kind))
        assert isinstance(call.error, ChainExhaustedError | RequestRejectedError)
