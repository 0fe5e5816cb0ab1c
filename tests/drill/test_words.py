"""One word, said by each provider in its own way, is understood by the engine as what it is."""

from __future__ import annotations

import pytest

from shared_core.drill import Scenario, Trouble, drill
from shared_core.errors import ConfigurationError
from shared_core.simulator import Ceiling, Fault, Flap, RateLimit, Reply

PRIMARIES = (
    "openai/gpt-4.1",
    "openai-responses/gpt-4.1",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
    "azure/gpt-4.1",
    "deepseek/deepseek-chat",
    "openrouter/meta-llama/llama-3.3-70b",
    "ollama/llama3.2:1b",
)
KINDS = {
    "overloaded": "transient",
    "rate_limit@20": "rate_limit",
    "invalid_key": "auth",
    "no_credit*2": "balance",
    "model_not_found": "model_missing",
    "context_length": "context_exceeded",
    "content_filter": "content_filter",
    "max_tokens@1000": "output_limit",
}


@pytest.mark.parametrize("primary", PRIMARIES)
def test_each_provider_says_it_in_its_own_words(primary: str) -> None:
    """Eight troubles, eight kinds, whichever wire the primary speaks."""
    scenarios = [
        Scenario(word, "", [Trouble(word)], calls=1, max_tokens=30_000 if "max_tokens" in word else None)
        for word in KINDS
    ]
    report = drill(primary, scenarios, models=["groq/llama-3.3-70b-versatile"])
    kinds = {word: str(report[word].calls[0].attempts[0].kind) for word in KINDS}
    assert kinds == KINDS
    stated = report["rate_limit@20"].calls[0].attempts[0].retry_after
    assert stated == 20


def test_behaviours_of_ones_own_are_played() -> None:
    """A reply's text and pace, a fault, and rules with a memory are taken as they are; the rest is dressed alike."""
    scenarios = [
        Scenario("text", "", [Trouble(Reply("Bonjour.", delay_first=3))], calls=1),
        Scenario("cut", "", [Trouble(Fault.cut(1))], calls=1, mode="whole"),
        Scenario("flap", "", [Trouble(Flap(1, 1, by="requests", first="down"))], calls=1),
        Scenario("limit", "", [Trouble(RateLimit(2, 60.0))], calls=3),
        Scenario("ceiling", "", [Trouble(Ceiling(10, then=Fault.cut(0)))], calls=1, max_tokens=100),
        Scenario("steps", "", [Trouble("503, 500*2, ok")], calls=1),
        Scenario("slow-error", "", [Trouble(Fault.status(503, delay=4))], calls=1),
    ]
    report = drill(["openai/gpt-4.1", "anthropic/claude-sonnet-4-5"], scenarios)
    text = report["text"].calls[0]
    assert (text.shown, text.first_word, text.outcome) == (len("Bonjour."), 3.0, "answered")
    assert report["text"].verdict == "your users waited 2.6 s longer each time"
    assert report["cut"].calls[0].role == report.roles[1]
    assert [str(each.kind) for each in report["flap"].calls[0].attempts] == ["transient", "None"]
    assert [call.role and call.role.letter for call in report["limit"].calls] == ["A", "A", "B"]
    assert [str(each.kind) for each in report["ceiling"].calls[0].attempts[:2]] == ["output_limit", "transient"]
    assert [each.status for each in report["steps"].calls[0].attempts] == [503, 500, 500, None]
    assert report["slow-error"].calls[0].attempts[0].ended == pytest.approx(4.0)


@pytest.mark.parametrize("what", ["tsunami", "overloaded@", "rate_limit@x", "", "cut@1,flood"])
def test_a_word_that_nobody_knows_is_refused_where_it_is_written(what: str) -> None:
    """Before anything is played."""
    with pytest.raises(ConfigurationError, match=r"cannot read|no behaviour is called"):
        Trouble(what)
