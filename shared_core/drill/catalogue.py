"""The outages that every chain is rehearsed with. Nothing here says how a call ends: that is for the engine to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared_core.drill.scenarios import REFUSED, Scenario, Trouble, canonical
from shared_core.errors import ConfigurationError

__all__ = ["SCENARIOS", "select"]

_PROVIDER, _FIRST_KEY, _EVERYTHING = "primary provider", "first key", "everything"

_ALL = (
    Scenario("healthy", "nothing is wrong"),
    # Somebody is down.
    Scenario("one-blip", "the primary is overloaded for half a second", [Trouble("overloaded", until=0.5)]),
    Scenario("primary-down", "the primary answers every request with an overload error", [Trouble("overloaded")]),
    Scenario(
        "provider-down", "all models of the primary's provider are overloaded", [Trouble("overloaded", _PROVIDER)]
    ),
    Scenario("refused", "the primary's provider accepts no connection", [Trouble(REFUSED, _PROVIDER)]),
    Scenario(
        "outage-and-recovery",
        "the primary is overloaded for 45 seconds, while two calls come every five",
        [Trouble("overloaded", until=45)],
        calls=28,
        together=2,
        mode="streamed",
    ),
    Scenario(
        "everything-down", "every target is overloaded", [Trouble("overloaded", _EVERYTHING)], is_survivable=False
    ),
    # Limits, keys, accounts.
    Scenario(
        "short-rate-limit",
        "the primary is at its rate limit for one second, and says so",
        [Trouble("rate_limit@1", until=1)],
    ),
    Scenario(
        "long-rate-limit",
        "the primary is at its rate limit for 20 seconds, and says so",
        [Trouble("rate_limit@20", until=20)],
    ),
    Scenario(
        "first-key-limited",
        "the primary provider's first key is at its rate limit for a minute",
        [Trouble("rate_limit@60", _FIRST_KEY, until=60)],
    ),
    Scenario("first-key-dead", "the primary provider's first key is refused", [Trouble("invalid_key", _FIRST_KEY)]),
    Scenario("all-keys-dead", "every key of the primary provider's is refused", [Trouble("invalid_key", _PROVIDER)]),
    Scenario("account-empty", "the primary provider's account is empty", [Trouble("no_credit", _PROVIDER)]),
    Scenario("model-retired", "the primary model does not exist any more", [Trouble("model_not_found")]),
    # Streams.
    Scenario("slow", "the primary's first word comes after 8 seconds", [Trouble("slow@8")]),
    Scenario("stalled", "the primary accepts, and says nothing", [Trouble("stall@0")]),
    Scenario("keepalives", "the primary sends keepalives and no word", [Trouble("keepalive")]),
    Scenario("broken-early", "the primary's stream breaks before the first word", [Trouble("cut@0")]),
    Scenario("broken-late", "the primary's stream breaks after four words", [Trouble("cut@4")]),
    Scenario("stalled-late", "the primary's stream falls silent after four words", [Trouble("stall@4")]),
    Scenario("unfinished", "the primary's stream ends without saying that it is finished", [Trouble("truncated@4")]),
    Scenario("error-event", "the primary's stream is a 200 that holds an error", [Trouble("error_event")]),
    Scenario("garbage", "the primary answers with bytes that are no protocol", [Trouble("garbage")]),
    # Requests.
    Scenario(
        "max-tokens",
        "the primary refuses max_tokens above 1000, of which the calls ask for 30000",
        [Trouble("max_tokens@1000")],
        max_tokens=30_000,
    ),
    Scenario(
        "context-exceeded", "the input is too long for the primary", [Trouble("context_length")], is_survivable=False
    ),
    Scenario(
        "content-filter",
        "the primary's content filter blocks the prompt",
        [Trouble("content_filter")],
        is_survivable=False,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order in which they are played."""


def select(chosen: Sequence[str | Scenario] | None) -> tuple[Scenario, ...]:
    """The scenarios of a drill: all of the catalogue, or those that are named or given.

    Raises:
        ConfigurationError: A name is not known, or given twice.
    """
    if chosen is None:
        return _ALL
    found: dict[str, Scenario] = {}
    for each in chosen:
        scenario = each if isinstance(each, Scenario) else SCENARIOS.get(canonical(each))
        if scenario is None:
            raise ConfigurationError(f"no scenario is called {each!r}; there are {', '.join(SCENARIOS)}")
        if scenario.name in found:
            raise ConfigurationError(f"the scenario {scenario.name!r} is given twice")
        found[scenario.name] = scenario
    if not found:
        raise ConfigurationError("a drill needs at least one scenario")
    return tuple(found.values())
