"""`llm-failover demo`: what it shows is what the engine did."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from shared_core.cli import main

FAST = ("--speed", "50")

OPENAI, ANTHROPIC, GROQ = "openai/gpt-4.1", "anthropic/claude-sonnet-4-5", "groq/llama-3.3-70b-versatile"


@pytest.fixture(scope="module")
def scenes() -> dict[int, dict[str, Any]]:
    """The results of all scenes, played once."""
    text: list[str] = []

    class Paper:
        encoding = "utf-8"

        def write(self, piece: str) -> None:
            text.append(piece)

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Paper())
        assert main(["demo", "--json", *FAST]) == 0
    return {scene["number"]: scene for scene in json.loads("".join(text))["scenes"]}


def requests(scene: dict[str, Any]) -> list[int]:
    return [target["requests"] for target in scene["targets"]]


def served(scene: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    return [(call["failover"]["model"], call["failover"]["profile"]) for call in scene["calls"]]


def trail(call: dict[str, Any]) -> list[tuple[str, ...]]:
    """Step, model, and how an attempt ended."""
    return [
        tuple(step[name] for name in ("step", "model", "kind") if name in step) for step in call["failover"]["trail"]
    ]


def test_there_are_six_scenes(scenes: dict[int, dict[str, Any]]) -> None:
    """Each with its calls and its targets."""
    assert list(scenes) == [1, 2, 3, 4, 5, 6]


def test_a_dead_key_is_asked_once(scenes: dict[int, dict[str, Any]]) -> None:
    """The second key answers, and the first one is left alone afterwards."""
    scene = scenes[1]
    assert served(scene) == [(OPENAI, "backup"), (OPENAI, "backup")]
    assert requests(scene) == [1, 2, 0]
    assert scene["targets"][0]["state"] == "cooling"
    assert scene["targets"][0]["kind"] == "auth"
    assert scene["calls"][0]["answer"] == "The capital of France is Paris."
    assert trail(scene["calls"][1])[0] == ("skip", OPENAI)


def test_a_short_rate_limit_is_waited_for_and_a_long_one_is_not(scenes: dict[int, dict[str, Any]]) -> None:
    """The long one cools its target for the stated time."""
    scene = scenes[2]
    assert served(scene) == [(OPENAI, "main"), (ANTHROPIC, "main"), (ANTHROPIC, "main")]
    assert requests(scene) == [3, 2]
    assert trail(scene["calls"][0]) == [("attempt", OPENAI, "rate_limit"), ("wait",), ("attempt", OPENAI)]
    assert trail(scene["calls"][1]) == [("attempt", OPENAI, "rate_limit"), ("attempt", ANTHROPIC)]
    assert trail(scene["calls"][2]) == [("skip", OPENAI), ("attempt", ANTHROPIC)]
    assert 15 < scene["targets"][0]["retry_after"] <= 20


def test_an_outage_costs_one_call_its_repetitions(scenes: dict[int, dict[str, Any]]) -> None:
    """Three requests in the first call, none in the second."""
    scene = scenes[3]
    assert served(scene) == [(ANTHROPIC, "main"), (ANTHROPIC, "main")]
    assert requests(scene) == [3, 2]
    assert trail(scene["calls"][1]) == [("skip", OPENAI), ("attempt", ANTHROPIC)]


def test_a_ceiling_is_learnt(scenes: dict[int, dict[str, Any]]) -> None:
    """The repaired request is answered by the same target, and the next one is right at once."""
    scene = scenes[4]
    assert served(scene) == [(OPENAI, "main"), (OPENAI, "main")]
    assert requests(scene) == [3, 0]
    sent = [[step.get("max_tokens") for step in call["failover"]["trail"]] for call in scene["calls"]]
    assert sent == [[None, 16384], [16384]]


def test_a_broken_stream_fails_over_until_words_were_shown(scenes: dict[int, dict[str, Any]]) -> None:
    """Streamed and shown, it raises with the partial; collected, it fails over."""
    before, after, collected = scenes[5]["calls"]
    assert served(scenes[5]) == [(ANTHROPIC, "main"), (None, None), (ANTHROPIC, "main")]
    assert requests(scenes[5]) == [3, 2]
    assert before["error"] is None
    assert after["answer"] is None
    assert after["error"]["type"] == "StreamInterruptedError"
    assert after["error"]["partial"] == "Whisk the eggs, melt the butter,"
    assert collected["answer"] == "Beat three eggs, butter the pan, and fold gently."
    assert [call["streamed"] for call in scenes[5]["calls"]] == [True, True, False]


def test_when_everything_is_down_the_error_says_what_to_do(scenes: dict[int, dict[str, Any]]) -> None:
    """Every target is asked once; the second call asks nobody."""
    scene = scenes[6]
    errors = [call["error"] for call in scene["calls"]]
    assert served(scene) == [(None, None), (None, None)]
    assert requests(scene) == [1, 1, 1]
    assert [error["type"] for error in errors] == ["ChainExhaustedError"] * 2
    assert "Check the API key" in errors[0]["message"]
    assert errors[0]["retry_after"] > 0
    assert [target["kind"] for target in scene["targets"]] == ["transient", "balance", "auth"]
    assert [step["step"] for step in scene["calls"][1]["failover"]["trail"]] == ["skip"] * 3


FACTS = {
    1: ["asks openai/gpt-4.1 [main]", "auth (HTTP 401)", "fails over to openai/gpt-4.1 [backup]", "Paris."],
    2: ["rate_limit (HTTP 429)", "skips openai/gpt-4.1: cooling for", f"{ANTHROPIC} [main] answered"],
    3: ["transient (HTTP 503)", "asks openai/gpt-4.1 [main] again", "answered after 3 failed attempts"],
    4: ["max_tokens 100000 lowered to 32768", "output_limit (HTTP 400)", "sends max_tokens 16384", "answered"],
    5: ["StreamInterruptedError", 'partial: "Whisk the eggs, melt the butter,"', "answered after 1 failed attempt"],
    6: ["ChainExhaustedError", "Check the API key.", "balance (HTTP 400)", "0 answers, 2 errors"],
}


@pytest.mark.parametrize("number", FACTS)
def test_a_scene_alone_in_plain_text(run: Any, number: int) -> None:
    """It reads in the order in which it happened, without escape codes, within 80 columns."""
    outcome = run("demo", "--scene", str(number), "--plain", *FAST)
    assert (outcome.code, outcome.err) == (0, "")
    flat = " ".join(outcome.out.split())
    rest = flat
    for fact in FACTS[number]:
        _, found, rest = rest.partition(fact)
        assert found
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert not any(line.endswith(" ") for line in outcome.out.splitlines())
    assert sum(line.startswith("──") for line in outcome.out.splitlines()) == 2  # one scene, and the end
    assert "nothing leaves this machine" in flat


def test_waits_are_as_long_as_they_were(run: Any) -> None:
    """At a speed at which they can be told from the engine's own time."""
    out = run("demo", "--scene", "3", "--speed", "10").out
    waits = [float(line.split()[-2]) for line in out.splitlines() if " waited " in line]
    assert len(waits) == 2
    assert 0.05 <= waits[0] < 0.2 <= waits[1] < 1


def test_it_asks_no_proxy_and_takes_no_key_of_the_environment(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, whatever the environment says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    results = json.loads(run("demo", "--scene", "1", "--json", *FAST).out)
    assert requests(results["scenes"][0]) == [1, 2, 0]


def test_on_a_terminal_it_is_coloured(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are the same."""
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    assert main(["demo", "--scene", "3", *FAST]) == 0
    text = terminal.close()
    assert "\x1b[" in text
    assert "waiting" in text
    assert "A circuit breaker stops asking what keeps failing." in _without_codes(text)


@pytest.mark.parametrize("dull", ["NO_COLOR", "--plain", "dumb", "no rich"])
def test_colours_can_be_refused(terminal: Any, monkeypatch: pytest.MonkeyPatch, dull: str) -> None:
    """By NO_COLOR, by an option, by the terminal, or because `rich` is not there."""
    if dull == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    elif dull == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    elif dull == "no rich":
        monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    assert main(["demo", "--scene", "1", *FAST, *(["--plain"] if dull == "--plain" else [])]) == 0
    text = terminal.close()
    assert "\x1b" not in text
    assert "answered after 1 failed attempt" in text


def _without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
