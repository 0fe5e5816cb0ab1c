"""Why a target is not asked, until when, and what is the soonest of a chain: verdicts in plain calls."""

from __future__ import annotations

import pytest

from shared_core.chain import Profile
from shared_core.cooldown import Scoped
from shared_core.errors import ErrorKind, ProviderError
from shared_core.memory import Memory
from shared_core.policy import FailoverPolicy
from shared_core.verdict import Verdict, cooling_kinds, judge_link, judge_profile, soonest
from tests.core.player import link

K = ErrorKind
ME, YOU = "me", "you"
MAIN = Profile("main", "f1")


def fresh() -> Memory:
    return Memory(FailoverPolicy())


def cool(
    memory: Memory,
    scope: Scoped,
    seconds: float,
    kind: ErrorKind = K.RATE_LIMIT,
    *,
    now: float = 0.0,
    fingerprint: str = "",
) -> None:
    """Lets a profile cool, from `now` on."""
    error = ProviderError("no", kind=kind, retry_after=seconds)
    memory.cooldowns.shut(scope, error, FailoverPolicy(), now=now, fingerprint=fingerprint)


def down(memory: Memory, model: str, seconds: float, kind: ErrorKind = K.TRANSIENT, *, now: float = 0.0) -> None:
    """Lets a model cool, from `now` on."""
    memory.health.record_failure(model, kind, "down", now, cooldown=seconds)


# Models


def test_a_healthy_model_has_no_verdict() -> None:
    """Nor has one that nobody has heard of, or that is free again."""
    memory = fresh()
    assert judge_link(link("a/x"), memory, 0, ME) is None
    down(memory, "a/x", 10)
    assert judge_link(link("a/x"), memory, 10, ME) is None


def test_what_time_does_not_mend_has_no_end() -> None:
    """A provider that is not there, before a person's word, before all that passes."""
    memory = fresh()
    down(memory, "a/x", 10)
    memory.health.disable("a/x", "too dear")
    assert judge_link(link("a/x", unavailable="no such provider"), memory, 0, ME) == Verdict("no such provider")
    assert judge_link(link("a/x"), memory, 0, ME) == Verdict("disabled: too dear")


def test_a_cooling_model_says_for_how_long_and_why() -> None:
    """Until its end."""
    memory = fresh()
    down(memory, "a/x", 10, K.MODEL_MISSING)
    assert judge_link(link("a/x"), memory, 4, ME) == Verdict(
        "a/x is cooling for 6.0 s after model_missing", 10, K.MODEL_MISSING
    )


def test_a_probed_model_is_looked_at_again_soon() -> None:
    """By all but the one who probes; after its lease it is anybody's."""
    memory = fresh()
    down(memory, "a/x", 10)
    assert memory.health.gate("a/x", 10).take(10, ME, 5)
    assert judge_link(link("a/x"), memory, 12, ME) is None
    assert judge_link(link("a/x"), memory, 12, YOU) == Verdict(
        "a/x is being probed by another call", 12.25, K.TRANSIENT
    )
    assert judge_link(link("a/x"), memory, 15, YOU) is None


@pytest.mark.parametrize(
    ("window", "learnt", "overflowed", "is_asked"),
    [
        (4096, None, 0, True),
        (4096, None, 4095, True),
        (4096, None, 4096, False),
        (4096, None, 4097, False),
        (None, None, 4096, True),
        (8192, 4096, 4096, False),
        (4096, 8192, 4096, True),
        (None, 4096, 4096, False),
    ],
)
def test_a_window_must_be_larger_than_what_overflowed(
    window: int | None, learnt: int | None, overflowed: int, *, is_asked: bool
) -> None:
    """What a refusal taught counts more than what is written; an unknown window may be large."""
    memory = fresh()
    memory.learnt("a/x").window = learnt
    verdict = judge_link(link("a/x", window=window), memory, 0, ME, overflowed)
    known = learnt or window
    assert verdict == (
        None
        if is_asked
        else Verdict(f"its window of {known} tokens is not larger than the {overflowed} that overflowed")
    )


def test_a_model_that_failed_under_an_old_key_is_asked_under_a_new_one() -> None:
    """Its failure was the key's."""
    memory = fresh()
    memory.health.record_failure("a/x", K.AUTH, "no", 0, keys=[("main", "f1")])
    assert judge_link(link("a/x", MAIN), memory, 1, ME) is not None
    assert judge_link(link("a/x", Profile("main", "f2")), memory, 1, ME) is None


# Profiles


def test_a_profile_without_a_key_is_not_asked() -> None:
    """With the reason."""
    dead = Profile("main", unavailable="no API key")
    assert judge_profile(link("a/x", dead), dead, fresh(), 0, ME) == Verdict("no API key")


def test_a_profile_cools_as_a_whole_or_for_a_model() -> None:
    """The later of the two is told, whichever it is; of equal ones, that of the whole."""
    target = link("a/x", MAIN)
    whole, part = Scoped("a", "main"), Scoped("a", "main", "x")
    for seconds, model_seconds, told in (
        (20, None, Verdict("profile main is cooling for 20.0 s after auth", 20, K.AUTH)),
        (None, 30, Verdict("profile main for x is cooling for 30.0 s after rate_limit", 30, K.RATE_LIMIT)),
        (20, 30, Verdict("profile main for x is cooling for 30.0 s after rate_limit", 30, K.RATE_LIMIT)),
        (30, 20, Verdict("profile main is cooling for 30.0 s after auth", 30, K.AUTH)),
        (20, 20, Verdict("profile main is cooling for 20.0 s after auth", 20, K.AUTH)),
    ):
        memory = fresh()
        if seconds is not None:
            cool(memory, whole, seconds, K.AUTH, fingerprint="f1")
        if model_seconds is not None:
            cool(memory, part, model_seconds, fingerprint="f1")
        assert judge_profile(target, MAIN, memory, 0, ME) == told


def test_a_profile_cools_as_a_whole_though_it_is_free_for_a_model() -> None:
    """Or the other way round."""
    whole, part = Scoped("a", "main"), Scoped("a", "main", "x")
    for longer, shorter, what in ((whole, part, "profile main"), (part, whole, "profile main for x")):
        memory = fresh()
        cool(memory, longer, 30, fingerprint="f1")
        cool(memory, shorter, 5, fingerprint="f1")
        verdict = judge_profile(link("a/x", MAIN), MAIN, memory, 10, ME)
        assert verdict == Verdict(f"{what} is cooling for 20.0 s after rate_limit", 30, K.RATE_LIMIT)


def test_a_profile_of_another_model_provider_or_key_is_free() -> None:
    """Nothing is held against them."""
    memory = fresh()
    cool(memory, Scoped("a", "main", "x"), 20, fingerprint="f1")
    assert judge_profile(link("a/y", MAIN), MAIN, memory, 0, ME) is None
    assert judge_profile(link("b/x", MAIN), MAIN, memory, 0, ME) is None
    assert judge_profile(link("a/x", MAIN), Profile("backup", "f1"), memory, 0, ME) is None
    assert judge_profile(link("a/x", MAIN), MAIN, memory, 20, ME) is None
    assert judge_profile(link("a/x", MAIN), Profile("main", "f2"), memory, 0, ME) is None


def test_a_probed_profile_is_looked_at_again_soon() -> None:
    """By all but the one who probes."""
    memory = fresh()
    cool(memory, Scoped("a", "main"), 20, K.AUTH, fingerprint="f1")
    ((_, gate),) = memory.cooldowns
    gate.take(20, ME, 5)
    assert judge_profile(link("a/x", MAIN), MAIN, memory, 21, ME) is None
    assert judge_profile(link("a/x", MAIN), MAIN, memory, 21, YOU) == Verdict(
        "profile main is being probed by another call", 21.25, K.AUTH
    )


# The soonest of a chain


def test_what_is_free_is_free_now() -> None:
    """Some profile of some model is enough."""
    memory = fresh()
    two = link("a/x", "main", "backup")
    assert soonest((two,), memory, 7, ME) == 7
    cool(memory, Scoped("a", "main"), 20)
    assert soonest((two,), memory, 7, ME) == 7
    cool(memory, Scoped("a", "backup"), 30)
    assert soonest((two,), memory, 7, ME) == 20
    assert soonest((two, link("b/y")), memory, 7, ME) == 7


def test_a_model_is_free_when_it_and_one_of_its_profiles_are() -> None:
    """The later of the two counts."""
    memory = fresh()
    down(memory, "a/x", 10)
    cool(memory, Scoped("a", "default", "x"), 20)
    down(memory, "b/y", 15)
    cool(memory, Scoped("b", "default", "y"), 5)
    down(memory, "c/z", 17)
    assert soonest((link("a/x"),), memory, 0, ME) == 20
    assert soonest((link("b/y"),), memory, 0, ME) == 15
    assert soonest((link("c/z"),), memory, 0, ME) == 17
    assert soonest((link("a/x"), link("c/z"), link("b/y")), memory, 0, ME) == 15


def test_what_time_does_not_mend_is_never_the_soonest() -> None:
    """If there is nothing else, there is no instant."""
    memory = fresh()
    memory.health.disable("d/w", "too dear")
    keyless = link("b/y", Profile("main", unavailable="no API key"))
    hopeless = (link("a/x", unavailable="gone"), keyless, link("d/w"))
    assert soonest((), memory, 7, ME) is None
    assert soonest(hopeless, memory, 7, ME) is None
    down(memory, "c/z", 20)
    assert soonest((*hopeless, link("c/z")), memory, 7, ME) == 20
    half = link("e/v", Profile("main", unavailable="no API key"), Profile("backup"))
    assert soonest((*hopeless, half), memory, 7, ME) == 7


def test_a_window_that_is_too_small_is_never_the_soonest() -> None:
    """It does not grow."""
    small, large = link("a/x", window=10), link("b/y", window=20)
    assert soonest((small, large), fresh(), 7, ME, 10) == 7
    assert soonest((small,), fresh(), 7, ME, 10) is None
    assert soonest((small,), fresh(), 7, ME) == 7


# For which kinds a chain cools


def test_the_kinds_for_which_a_chain_is_left_alone() -> None:
    """A model's own, else those of each of its profiles; what is free or hopeless has none."""
    memory = fresh()
    down(memory, "a/x", 10, K.MODEL_MISSING)
    cool(memory, Scoped("a", "default"), 20, K.AUTH)
    cool(memory, Scoped("b", "main"), 20, K.BALANCE)
    cool(memory, Scoped("b", "backup", "y"), 20, K.RATE_LIMIT)
    chain = (
        link("a/x"),
        link("b/y", "main", "backup", "third", Profile("fourth", unavailable="no API key")),
        link("c/z"),
        link("d/w", unavailable="gone"),
    )
    assert cooling_kinds(chain, memory, 0, ME) == [K.MODEL_MISSING, K.BALANCE, K.RATE_LIMIT]
