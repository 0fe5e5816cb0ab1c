"""`llm-failover ask`, with a simulator in the providers' place."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from shared_core.simulator import Fault, Reply, Simulator

CHAIN = ("--model", "openai/gpt-4.1", "--fallback", "anthropic/claude-sonnet-4-5")


@pytest.fixture
def urls(sim: Simulator) -> tuple[str, ...]:
    return ("--base-url", f"openai={sim.url}", "--base-url", f"anthropic={sim.url}")


def test_the_answer_is_on_stdout_and_the_trail_on_stderr(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """So that a pipe gets the answer alone."""
    sim.script("gpt-4.1", "openai.invalid_key")
    sim.script("claude-sonnet-4-5", Reply("Forty-two."))
    outcome = run("ask", "Why?", *CHAIN, *urls)
    assert (outcome.code, outcome.out) == (0, "Forty-two.\n")
    places = [
        outcome.told.index(part)
        for part in (
            "asks openai/gpt-4.1 [default]",
            "auth (HTTP 401)",
            "fails over to anthropic/claude-sonnet-4-5 [default]",
            "answered after 1 failed attempt",
        )
    ]
    assert places == sorted(places)
    assert [request.key for request in sim.requests] == ["key-of-openai", "key-of-anthropic"]


def test_every_option_reaches_the_provider(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """System message, length and temperature."""
    options = ("--system", "Be brief.", "--max-tokens", "50", "--temperature", "0.5", "--deadline", "20")
    assert run("ask", "Why?", *CHAIN, *urls, *options).code == 0
    body = sim.requests[0].body
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "Why?"]
    assert body["messages"][0]["role"] in {"system", "developer"}
    assert body["max_completion_tokens"] == 50
    assert body["temperature"] == 0.5


def test_keys_come_from_named_variables_in_order(run: Any, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default key and a further profile; under an alias of the provider's name as well."""
    monkeypatch.setenv("FIRST_KEY", "key-of-first")
    sim.script("*", "401", key="key-of-first")
    keys = ("--key-env", "anthropic=FIRST_KEY", "--profile", "claude:backup=BACKUP_KEY")
    outcome = run("ask", "Why?", "--model", "claude-sonnet-4-5", "--base-url", f"anthropic={sim.url}", *keys, "--json")
    assert json.loads(outcome.out)["failover"]["profile"] == "backup"
    assert [request.key for request in sim.requests] == ["key-of-first", "key-of-backup"]
    assert "key-of-first" not in outcome.out + outcome.err


def test_a_provider_of_ones_own_needs_no_key(run: Any, sim: Simulator) -> None:
    """An address is enough."""
    outcome = run("ask", "Hi", "--model", "local/any", "--base-url", f"local={sim.base_url}", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "You said: Hi\n", "")


def test_a_dash_reads_the_question_from_stdin(
    run: Any, sim: Simulator, urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As UTF-8, and what is not is replaced."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Größe \xff?".encode() + b"\xff"), "ascii"))
    assert run("ask", "-", *CHAIN, *urls).code == 0
    assert sim.requests[0].body["messages"][0]["content"] == "Größe \xff?\ufffd"
    monkeypatch.setattr(sys, "stdin", io.StringIO("Text"))
    assert run("ask", "-", *CHAIN, *urls).out == "You said: Text\n"


def test_an_empty_question_is_wrong_usage(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    outcome = run("ask", "-", *CHAIN)
    assert (outcome.code, outcome.out) == (2, "")
    assert "the question is empty" in outcome.told


def test_a_missing_key_is_a_skip_with_its_reason(
    run: Any, sim: Simulator, urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain goes on."""
    monkeypatch.delenv("OPENAI_API_KEY")
    outcome = run("ask", "Hi", *CHAIN, *urls)
    assert outcome.code == 0
    flat = outcome.told
    assert "skips openai/gpt-4.1 [default]: no API key: set OPENAI_API_KEY, or give --key-env openai=VARIABLE" in flat
    assert flat.index("skips") < flat.index("asks anthropic/claude-sonnet-4-5")
    assert flat.count("skips") == 1


def test_an_exhausted_chain_is_exit_code_1(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """The error is short where the trail was drawn, and whole where it was not."""
    sim.script("*", "401")
    outcome = run("ask", "Hi", *CHAIN, *urls)
    assert (outcome.code, outcome.out) == (1, "")
    assert "llm-failover: LLM chain exhausted (2 models, 2 attempts, 0 skipped)" in outcome.told
    assert "1. openai/gpt-4.1" not in outcome.told
    assert "1. openai/gpt-4.1 [default] failed: auth" in run("ask", "Hi", *CHAIN, *urls, "--quiet").told


def test_a_rejected_request_is_exit_code_1(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """No other target is tried."""
    sim.script("gpt-4.1", "openai.content_filter")
    outcome = run("ask", "Hi", *CHAIN, *urls)
    assert outcome.code == 1
    assert "openai/gpt-4.1 [default] refused the request" in outcome.told
    assert len(sim.requests) == 1


def test_a_stream_that_breaks_off_leaves_its_partial(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """Shown text cannot be taken back."""
    sim.script("gpt-4.1", Fault.cut(2, reply=Reply("one two three")))
    outcome = run("ask", "Hi", *CHAIN, *urls)
    assert (outcome.code, outcome.out) == (1, "one two\n")
    assert "broke off after 7 characters" in outcome.told


@pytest.mark.parametrize("option", ["--no-stream", "--json"])
def test_unshown_a_broken_stream_is_mended(run: Any, sim: Simulator, urls: tuple[str, ...], option: str) -> None:
    """The partial is dropped, and the question asked again."""
    sim.script("gpt-4.1", Fault.truncated(2, reply=Reply("one two three")), Reply("four"))
    outcome = run("ask", "Hi", *CHAIN, *urls, option)
    assert outcome.code == 0
    answer = json.loads(outcome.out)["answer"] if option == "--json" else outcome.out.rstrip("\n")
    assert answer == "four"
    assert "transient: the stream ended" in outcome.told
    assert len(sim.requests) == 2


def test_json_holds_answer_usage_and_trail(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """And the error, if there was one."""
    sim.script("gpt-4.1", Reply("Gruß", usage={"input": 3, "output": 1}), "401")
    found = json.loads(run("ask", "Hi", *CHAIN, *urls, "--json").out)
    assert (found["answer"], found["finish"], found["error"]) == ("Gruß", "stop", None)
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (3, 1)
    assert found["failover"]["model"] == "openai/gpt-4.1"
    outcome = run("ask", "Hi", "--model", "openai/gpt-4.1", *urls, "--json")
    error = json.loads(outcome.out)["error"]
    assert outcome.code == 1
    assert (error["type"], error["kind"]) == ("ChainExhaustedError", "auth")


def test_a_refusal_is_an_answer(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """The model's words are shown either way."""
    sim.script("gpt-4.1", Reply(refusal="I would rather not."))
    for options in ((), ("--no-stream",)):
        outcome = run("ask", "Hi", *CHAIN, *urls, *options)
        assert (outcome.code, outcome.out) == (0, "I would rather not.\n")


def test_an_answer_of_thoughts_alone_prints_nothing(run: Any, sim: Simulator) -> None:
    """Reasoning is not the answer."""
    sim.script("any", Reply("", reasoning="Hm."))
    outcome = run("ask", "Hi", "--model", "local/any", "--base-url", f"local={sim.base_url}")
    assert (outcome.code, outcome.out) == (0, "")


def test_repairs_of_the_request_are_told(run: Any, sim: Simulator) -> None:
    """What a target got otherwise than it was asked for."""
    local = ("--model", "local/any", "--base-url", f"local={sim.base_url}", "--max-tokens", "90", "--temperature", "0")
    sim.script("any", "openai.unsupported_temperature", "openai.unsupported_max_tokens", "ok")
    outcome = run("ask", "Hi", *local)
    assert outcome.code == 0
    assert "sends max_tokens 90" in outcome.told
    assert "left out temperature" in outcome.told
    assert "sent max_tokens as max_completion_tokens" in outcome.told
    body = {"error": {"message": "max_tokens is too large for this model", "param": "max_tokens"}}
    sim.script("any", Fault.status(400, body), "ok")
    assert "leaves out max_tokens" in run("ask", "Hi", *local).told


def test_an_attempt_that_a_timer_ended_is_told(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """In the engine's words, before the next target's name."""
    sim.script("gpt-4.1", "silent")
    outcome = run("ask", "Hi", *CHAIN, *urls, "--deadline", "0.6")
    assert outcome.code == 0
    flat = outcome.told
    assert flat.index("transient: no content for") < flat.index("fails over to anthropic")
    assert "waited" not in flat


def test_the_last_attempt_that_a_timer_ended_is_told(run: Any, sim: Simulator, urls: tuple[str, ...]) -> None:
    """From the report, since no target follows."""
    sim.script("gpt-4.1", "silent")
    outcome = run("ask", "Hi", "--model", "openai/gpt-4.1", *urls, "--deadline", "0.2")
    assert outcome.code == 1
    assert "transient: the call's deadline passed" in outcome.told
    assert "LLM chain exhausted" in outcome.told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nobody/any"), "provider 'nobody' is not known: give --base-url nobody=URL"),
        (
            ("--model", "local/any", "--base-url", "local=ftp://x"),
            "--base-url local=URL must begin with http:// or https://",
        ),
        (("--model", "/"), "is not a model string"),
        ((*CHAIN, "--key-env", "openai=NOT_SET"), "the key of 'openai' (profile 'default') is not set"),
        ((*CHAIN, "--profile", "openai:spare=NOT_SET"), "the key of 'openai' (profile 'spare') is not set"),
        ((*CHAIN, "--max-tokens", "0"), "max_tokens must be at least 1"),
    ],
)
def test_wrong_settings_are_exit_code_2(run: Any, arguments: tuple[str, ...], words: str) -> None:
    """Each names what is wrong; nobody is asked."""
    outcome = run("ask", "Hi", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.told
    assert "NOT_SET" not in outcome.told


def test_ctrl_c_is_exit_code_130(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quietly."""

    class Interrupted(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    outcome = run("ask", "-", *CHAIN)
    assert outcome.code == 130
    assert outcome.err.strip() == "llm-failover: interrupted"
