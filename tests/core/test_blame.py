"""What a failure costs a profile and a model: blame in plain calls."""

from __future__ import annotations

import pytest

from shared_core.blame import cool_model, cool_profile, is_cut_short
from shared_core.chain import Profile, Target
from shared_core.cooldown import Scoped
from shared_core.decisions import Attempt
from shared_core.errors import ErrorKind, ProviderError
from shared_core.memory import Memory
from shared_core.notices import Notice
from shared_core.policy import FailoverPolicy
from tests.core.player import link

K = ErrorKind
MAIN = Profile("main", "f1")
TARGET = Target(link("a/x", MAIN, Profile("backup", "f2")), MAIN)
TIMER = ProviderError("slow", kind=K.TRANSIENT, is_timeout=True)


def attempt(*, is_cut: bool) -> Attempt:
    return Attempt(
        target=TARGET,
        max_tokens=None,
        omit=frozenset(),
        renames={},
        connect_timeout=10,
        first_token_timeout=4,
        idle_timeout=30,
        deadline=100,
        is_cut=is_cut,
    )


@pytest.mark.parametrize(
    ("is_cut", "spent", "has_content", "is_late", "is_blameless"),
    [
        (True, 4.0, False, False, True),
        (True, 3.995, False, False, True),
        (True, 3.98, False, False, False),
        (True, 4.0, True, False, False),
        (False, 4.0, False, False, False),
        (False, 1.0, True, True, True),
    ],
)
def test_a_timer_that_the_deadline_cut_short_blames_nobody(
    *, is_cut: bool, spent: float, has_content: bool, is_late: bool, is_blameless: bool
) -> None:
    """A clock is read a little early now and then; one that ran its whole time, or stopped inside of it, does blame."""

    def judged(error: ProviderError) -> bool:
        return is_cut_short(attempt(is_cut=is_cut), error, spent=spent, has_content=has_content, is_late=is_late)

    assert judged(TIMER) == is_blameless
    assert not judged(ProviderError("down", kind=K.TRANSIENT))


@pytest.mark.parametrize(
    ("kind", "scope", "cooldown_scope", "cooled"),
    [
        (K.RATE_LIMIT, "model", "model", Scoped("a", "main", "x")),
        (K.RATE_LIMIT, "account", "model", Scoped("a", "main")),
        (K.RATE_LIMIT, "model", "profile", Scoped("a", "main")),
        (K.AUTH, "model", "model", Scoped("a", "main")),
        (K.BALANCE, "model", "model", Scoped("a", "main")),
    ],
)
def test_a_profile_is_left_alone_for_a_model_or_for_all(
    kind: ErrorKind, scope: str, cooldown_scope: str, cooled: Scoped
) -> None:
    """For one only where the rule, the response and the settings say so."""
    policy = FailoverPolicy(cooldown_scope=cooldown_scope)  # type: ignore[arg-type]
    memory = Memory(policy)
    error = ProviderError("no", kind=kind, retry_after=20, scope=scope)  # type: ignore[arg-type]
    notice = cool_profile(TARGET, error, memory, policy, now=5, started=4)
    seconds = 900.0 if kind is K.BALANCE else 20.0
    assert notice == Notice("cooldown", "a/x", "a", "main", kind=kind, seconds=seconds)
    ((found, gate),) = memory.cooldowns
    assert (found, gate.until, gate.kind, gate.message) == (cooled, 5 + seconds, kind, "no")
    assert memory.cooldowns.gates("a", "main", "x", "f1", 5)
    assert not memory.cooldowns.gates("a", "main", "x", "another key", 5)


def test_nobody_s_profile_is_blamed_for_what_is_the_model_s() -> None:
    """And old news is not told twice."""
    policy = FailoverPolicy()
    memory = Memory(policy)
    down = ProviderError("down", kind=K.TRANSIENT)
    assert cool_profile(TARGET, down, memory, policy, now=5, started=4) is None
    assert list(memory.cooldowns) == []
    refused = ProviderError("no", kind=K.AUTH)
    assert cool_profile(TARGET, refused, memory, policy, now=5, started=4) is not None
    ((_, gate),) = memory.cooldowns
    gate.take(10, "me", 5)
    assert cool_profile(TARGET, refused, memory, policy, now=11, started=4) is None
    assert cool_profile(TARGET, refused, memory, policy, now=11, started=11) is not None


@pytest.mark.parametrize(
    ("kind", "stated", "seconds"),
    [
        (K.TRANSIENT, None, 10.0),
        (K.TRANSIENT, 1.0, 5.0),
        (K.TRANSIENT, 42.0, 42.0),
        (K.TRANSIENT, 1000.0, 300.0),
        (K.MODEL_MISSING, None, 60.0),
        (K.RATE_LIMIT, None, 30.0),
        (K.RATE_LIMIT, 42.0, 42.0),
    ],
)
def test_a_model_is_left_alone_by_kind_or_as_the_provider_says(
    kind: ErrorKind, stated: float | None, seconds: float
) -> None:
    """Within the bounds of a cooldown."""
    policy = FailoverPolicy()
    memory = Memory(policy)
    error = ProviderError("down", kind=kind, retry_after=stated)
    notice = cool_model(TARGET.link, error, memory, policy, now=5, started=4, holder="me")
    assert notice == Notice("cooldown", "a/x", "a", None, kind=kind, seconds=seconds)
    (health,) = memory.health.snapshot(5)
    assert (health.retry_after, health.kind, health.message) == (seconds, kind, "down")
    assert cool_model(TARGET.link, error, memory, policy, now=5, started=4, holder="me") is not None
    memory.health.gate("a/x", 309).take(309, "me", 5)
    assert cool_model(TARGET.link, error, memory, policy, now=310, started=4, holder="me") is None


def test_a_model_whose_keys_failed_is_free_with_the_first_of_its_profiles() -> None:
    """The last one's long wait is not the model's; a model's own trouble is."""
    policy = FailoverPolicy()
    for kind, seconds in ((K.RATE_LIMIT, 7.0), (K.TRANSIENT, 60.0)):
        memory = Memory(policy)
        for name, stated, fingerprint in (("main", 60, "f1"), ("backup", 7, "f2")):
            memory.cooldowns.shut(
                Scoped("a", name, "x"),
                ProviderError("no", kind=K.RATE_LIMIT, retry_after=stated),
                policy,
                now=5,
                fingerprint=fingerprint,
            )
        error = ProviderError("no", kind=kind, retry_after=60)
        notice = cool_model(TARGET.link, error, memory, policy, now=5, started=4, holder="me")
        assert notice is not None
        assert notice.seconds == seconds


def test_a_new_key_mends_only_what_a_key_broke() -> None:
    """An outage is not mended by it."""
    policy = FailoverPolicy()
    other = link("a/x", Profile("main", "f9"))
    for kind, is_mended in ((K.AUTH, True), (K.TRANSIENT, False)):
        memory = Memory(policy)
        cool_model(TARGET.link, ProviderError("no", kind=kind), memory, policy, now=5, started=4, holder="me")
        assert (memory.health.gate("a/x", 6, other.keys).state(6) == "open") is is_mended
