"""What the engine that this one was ported from asserts of itself, and the defects of it that are not here."""

from __future__ import annotations

import pytest

from shared_core.classify import classify_response
from shared_core.credentials import Credentials
from shared_core.errors import ChainExhaustedError, ErrorKind, ProviderError
from shared_core.policy import FailoverPolicy
from shared_core.registry import ProviderRegistry
from tests.core.player import Fails, World, answers, fails, link

K = ErrorKind
TIER_CEILING = (
    '{"error":{"type":"quota_exceeded","message":"max_tokens=30000 exceeds tier \\"vip-3\\" ceiling (16384). '
    'Lower max_tokens or upgrade tier."}}'
)


def refused(status: int, body: str) -> Fails:
    """An attempt that got this response."""
    return Fails(classify_response(status, body))


def message(text: str, **more: object) -> str:
    extra = "".join(f',"{name}":"{value}"' for name, value in more.items())
    return f'{{"error":{{"message":"{text}"{extra}}}}}'


# Classification


def test_a_tier_ceiling_that_is_sent_as_a_429_is_no_rate_limit() -> None:
    """It is an output limit with the stated ceiling; the same target is asked again, and nothing cools."""
    error = classify_response(429, TIER_CEILING)
    assert (error.kind, error.ceiling) == (K.OUTPUT_LIMIT, 16_384)
    world = World()
    call = world.call("a/x", "b/y", max_tokens=30_000).play({"a/x": [refused(429, TIER_CEILING), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [30_000, 16_384]
    assert world.cooling() == {}


def test_openais_context_length_is_no_rate_limit() -> None:
    """It overflowed; where the output is part of the sum, the same target is asked again with less of it."""
    text = "This model's maximum context length is 16385 tokens, however you requested 30000"
    assert classify_response(400, message(text)).kind is K.CONTEXT_EXCEEDED
    error = classify_response(400, message(f"{text} tokens (10000 in the messages, 20000 in the completion)."))
    call = World().call("a/x", max_tokens=20_000).play({"a/x": [Fails(error), answers()]})
    assert [attempt.max_tokens for attempt in call.attempts] == [20_000, 6_385]


def test_openais_context_length_code_decides() -> None:
    """The structured code is enough."""
    assert classify_response(400, message("too long", code="context_length_exceeded")).kind is K.CONTEXT_EXCEEDED


def test_anthropics_max_tokens_too_large_is_an_output_limit() -> None:
    """With the ceiling that the message states."""
    text = "max_tokens: 30000 > 8192, which is the maximum allowed for this model"
    error = classify_response(400, message(text, type="invalid_request_error"))
    assert (error.kind, error.ceiling) == (K.OUTPUT_LIMIT, 8192)


def test_a_genuine_429_is_a_rate_limit_and_cools_down() -> None:
    """It is no output limit; the target is left alone and the next one asked."""
    outcome = refused(429, message("rate limit exceeded, please retry after 10s"))
    assert (outcome.error.kind, outcome.error.retry_after) == (K.RATE_LIMIT, 10.0)
    world = World()
    call = world.call("a/x", "b/y").play({"a/x": outcome, "b/y": answers(0, first=0)})
    assert call.asked == ["a/x", "b/y"]
    assert world.cooling() == {"a/x [default]": 10.0}


def test_a_401_is_an_auth_error() -> None:
    """And no output limit."""
    assert classify_response(401, message("invalid api key")).kind is K.AUTH


# Cooldowns


def test_a_cooldown_belongs_to_a_pair_of_provider_and_profile() -> None:
    """Each counts by itself, though both are called "default"."""
    world = World()
    world.call("kimi/k2").play({"kimi/k2": fails(K.AUTH)})
    cooldowns = world.memory.cooldowns
    assert cooldowns.is_cooling("kimi", "default", now=world.now)
    assert not cooldowns.is_cooling("kimi", "other", now=world.now)
    assert not cooldowns.is_cooling("deepseek", "default", now=world.now)


def test_a_providers_cooldown_does_not_bleed_to_its_siblings() -> None:
    """Other providers on the same profile name stay callable."""
    world = World()
    world.call("kimi/k2").play({"kimi/k2": fails(K.AUTH)})
    for name in ("deepseek/chat", "doubao/pro"):
        assert world.call(name).begin().asked == [name]


def test_hits_are_counted_for_each_pair() -> None:
    """Two failures of one provider are none of another's."""
    world = World()
    for _ in range(2):
        world.call("kimi/k2").play({"kimi/k2": fails(K.AUTH)})
        world.later(60)
    assert world.memory.cooldowns.hit_count("kimi", "default") == 2
    assert world.memory.cooldowns.hit_count("deepseek", "default") == 0


def test_cooldowns_that_ended_are_swept_away() -> None:
    """With the seed's setting an entry is gone at its end, with its hits; others stay."""
    world = World(FailoverPolicy(failure_memory=0, min_cooldown=0))
    world.call("kimi/k2").play({"kimi/k2": fails(K.AUTH, retry_after=60)})
    world.call("deepseek/chat").play({"deepseek/chat": fails(K.AUTH, retry_after=0)})
    cooldowns = world.memory.cooldowns
    cooldowns.sweep(world.now)
    assert not cooldowns.is_cooling("deepseek", "default", now=world.now)
    assert ("deepseek", "default", None) not in cooldowns
    assert cooldowns.hit_count("deepseek", "default") == 0
    assert ("kimi", "default", None) in cooldowns
    assert cooldowns.hit_count("kimi", "default") == 1


# The walk


def test_transient_errors_are_repeated_twice_on_the_same_target() -> None:
    """After half a second, then two; then the model is marked and the chain advances."""
    world = World()
    call = world.call("a/x", "b/y").play({"a/x": fails(K.TRANSIENT), "b/y": answers()})
    assert call.waits == [0.5, 2.0]
    assert world.health("a/x")[0] == "cooling"


def test_an_unknown_error_advances_without_marking_the_model() -> None:
    """Nothing certain is known, so nothing is held against it."""
    world = World()
    world.call("a/x", "b/y").play({"a/x": fails(K.UNKNOWN), "b/y": answers()})
    assert world.health("a/x")[0] == "open"


def test_an_unknown_provider_is_a_failed_link_and_the_walk_goes_on() -> None:
    """No other provider takes its place."""
    chain = [link("nobody/x", unavailable="provider 'nobody' is not known"), "b/y"]
    assert World().call(*chain).play({"b/y": answers()}).asked == ["b/y"]


def test_a_chain_that_is_all_cooling_is_told_apart() -> None:
    """The error says so, and when to come back."""
    world = World()
    world.call("a/x").play({"a/x": fails(K.TRANSIENT)})
    call = world.call("a/x").play({})
    assert isinstance(call.error, ChainExhaustedError)
    assert "All cooling" in str(call.error)


# Defects that are not here


@pytest.mark.parametrize(
    "text",
    ["request 4290 failed: upstream unavailable", "trace id 8a429f", "model gpt-401k is overloaded", "order 140129"],
)
def test_numbers_inside_other_numbers_decide_nothing(text: str) -> None:
    """A "429" or a "401" in an id makes neither a rate limit nor a refused key."""
    assert classify_response(503, message(text)).kind is K.TRANSIENT


def test_a_dropped_max_tokens_does_not_leak_to_the_next_model() -> None:
    """It gets what the caller asked for."""
    world = World(actions={K.OUTPUT_LIMIT: "next_model"})
    call = world.call("a/x", "b/y", max_tokens=500).play({"a/x": fails(K.OUTPUT_LIMIT), "b/y": answers()})
    assert [attempt.max_tokens for attempt in call.attempts] == [500, None, 500]


def test_each_profile_has_its_own_key() -> None:
    """Configured keys are used."""
    registry = ProviderRegistry()
    credentials = Credentials({"openai": {"main": "key-main", "backup": "key-backup"}}, None, registry.canonical)
    vendor = registry.vendor("openai")
    assert vendor is not None
    keys = [credentials.key(vendor, profile.name) for profile in credentials.profiles(vendor)]
    assert [key.get_secret_value() for key in keys if key is not None] == ["key-main", "key-backup"]


def test_a_count_is_not_forgotten_when_its_cooldown_ends() -> None:
    """So that the next cooldown is longer if the trouble is still there."""
    world = World(FailoverPolicy(min_cooldown=0))
    seen = []
    for _ in range(3):
        world.call("a/x").play({"a/x": fails(K.AUTH, seconds=0)})
        seen.append(world.cooling()["a [default]"])
        world.later(60)
        world.memory.health.reset()
    assert seen[0] < seen[1] < seen[2]


def test_errors_are_typed_not_told_by_their_text() -> None:
    """What the walk does follows from the kind alone."""
    error = ProviderError("429 Too Many Requests: max_tokens 401 unauthorized", kind=K.CONTENT_FILTER)
    call = World().call("a/x", "b/y").play({"a/x": Fails(error)})
    assert call.asked == ["a/x"]
