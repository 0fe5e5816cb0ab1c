"""`llm-failover check`: a file before it is used, and each target of its chain asked alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_core.simulator import Simulator

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, sim: Simulator) -> Write:
    """Writes a file; `URL` in it is the local provider's address."""

    def make(text: str) -> str:
        path = tmp_path / "failover.toml"
        path.write_text(text.replace("URL", sim.base_url), encoding="utf-8")
        return str(path)

    return make


CHAIN = """
[chain]
model = "openai/gpt-4.1"
fallbacks = ["local/any", "groq/llama-3.3-70b-versatile"]

[request]
temperature = 0.5

[profiles.openai]
main = "${OPENAI_API_KEY}"
backup = "${BACKUP_KEY}"

[base_urls]
openai = "URL"
local = "URL"
"""


def lines(text: str) -> list[str]:
    """What is behind each number, however it was wrapped, and the last line."""
    found = re.split(r"\n +\d+  .  |\n(?=/)", "\n" + text)
    return [" ".join(line.split()) for line in found[1:]]


def test_it_lists_the_chain_and_asks_nobody(run: Any, write: Write, sim: Simulator) -> None:
    """Each target with where its key is, or why it would be skipped, and its window; then the sum."""
    file = write(CHAIN)
    outcome = run("check", file)
    no_key = "no API key: set GROQ_API_KEY, or name another variable in [profiles.groq]"
    assert (outcome.code, outcome.err) == (1, "")
    assert lines(outcome.out) == [
        "openai/gpt-4.1 [main] would be tried (key from OPENAI_API_KEY, window 1,047,576)",
        "openai/gpt-4.1 [backup] would be tried (key from BACKUP_KEY, window 1,047,576)",
        "local/any [default] would be tried (needs no key)",
        f"groq/llama-3.3-70b-versatile [default] skipped: {no_key}",
        f"{file} is sound; 3 of 4 targets would be tried",
    ]
    assert sim.connections.accepted == 0


def test_all_is_well(run: Any, write: Write) -> None:
    """Exit code 0; a key in the provider's usual variable is found as well."""
    outcome = run("check", write('[chain]\nmodel = "anthropic/claude-sonnet-4-5"\nfallbacks = ["ollama/llama3.2"]\n'))
    assert outcome.code == 0
    assert lines(outcome.out)[0].endswith("would be tried (key from ANTHROPIC_API_KEY, window 200,000)")


def test_a_provider_without_an_address_is_a_target_that_is_skipped(run: Any, write: Write) -> None:
    """Its address may come from the environment where the file is used."""
    outcome = run("check", write('[chain]\nmodel = "azure/my-deployment"\n'), "--ping")
    assert outcome.code == 1
    assert lines(outcome.out)[0] == (
        "azure/my-deployment skipped: provider 'azure' has no address: give it a line in [base_urls]"
    )


def test_a_ping_asks_each_target_alone(run: Any, write: Write, sim: Simulator) -> None:
    """One small request each, with the file's settings: nobody fails over, and nobody is asked twice."""
    sim.script("gpt-4.1", "openai.invalid_key", key="key-of-openai")
    sim.script("gpt-4.1", "openai.rate_limit", key="key-of-backup")
    outcome = run("check", write(CHAIN), "--ping")
    assert outcome.code == 1
    bad, limited, good, skipped, summary = [re.sub(r"\d\.\d\d s", "N s", line) for line in lines(outcome.out)]
    assert bad.startswith("openai/gpt-4.1 [main] auth (HTTP 401) after N s: Incorrect API key provided")
    assert limited.startswith("openai/gpt-4.1 [backup] rate_limit (HTTP 429) after N s: Rate limit reached")
    assert good == "local/any [default] answered in N s (needs no key)"
    assert "skipped: no API key" in skipped
    assert summary.endswith("is sound; 1 of 4 targets answer")
    assert sorted((request.model, request.key or "") for request in sim.requests) == [
        ("any", ""),
        ("gpt-4.1", "key-of-backup"),
        ("gpt-4.1", "key-of-openai"),
    ]
    assert {request.asked.max_tokens for request in sim.requests} == {16}
    assert {request.body["temperature"] for request in sim.requests} == {0.5}


def test_a_silent_target_has_a_deadline_of_its_own(run: Any, write: Write, sim: Simulator) -> None:
    """The others answer as if it were not there."""
    sim.script("gpt-4.1", "silent")
    outcome = run("check", write(CHAIN), "--ping", "--timeout", "0.3")
    found = lines(outcome.out)
    assert found[0].startswith("openai/gpt-4.1 [main] transient after 0.")
    assert "local/any [default] answered" in found[2]


def test_it_speaks_json(run: Any, write: Write, sim: Simulator) -> None:
    """The same, for programs."""
    sim.script("gpt-4.1", "503", key="key-of-backup")
    file = write(CHAIN.replace(', "groq/llama-3.3-70b-versatile"', ""))
    plain = json.loads(run("check", file, "--json").out)
    assert (plain["file"], plain["error"], plain["targets"][2]) == (
        file,
        None,
        {"model": "local/any", "profile": "default", "variable": None, "skip": None, "window": None, "ping": None},
    )
    outcome = run("check", file, "--json", "--ping")
    pings = [target["ping"] for target in json.loads(outcome.out)["targets"]]
    assert outcome.code == 1
    assert [(ping["is_ok"], ping["kind"], ping["status"]) for ping in pings] == [
        (True, None, None),
        (False, "transient", 503),
        (True, None, None),
    ]


def test_what_only_a_request_shows_is_told_of_its_target(run: Any, write: Write, sim: Simulator) -> None:
    """It may refuse the request, or be skipped for what the file says of it."""
    sim.script("any", "openai.bad_request")
    small = '[models."local/small"]\ncontext_window = 1\n'
    file = write(f'[chain]\nmodel = "local/any"\nfallbacks = ["local/small"]\n[base_urls]\nlocal = "URL"\n{small}')
    refused, skipped, _ = lines(run("check", file, "--ping").out)
    assert refused.startswith("local/any [default] bad_request (HTTP 400) after")
    assert re.match(r"local/small \[default\] skipped after .* window", skipped)
    assert [request.model for request in sim.requests] == ["any"]


@pytest.mark.parametrize("arguments", [(), ("--ping",)])
def test_a_wrong_file_is_exit_code_2(run: Any, write: Write, sim: Simulator, arguments: tuple[str, ...]) -> None:
    """All mistakes are told, and nobody is asked."""
    file = write(CHAIN + "[policy]\ndeadlin = 3\n[order]\nopenai = ['mian']\n")
    outcome = run("check", file, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"llm-failover: {file}: 2 mistakes\n"
        "  line 17: policy.deadlin: unknown setting; did you mean 'deadline'?\n"
        "  line 19: order.openai[0]: no such profile; did you mean 'main'?\n"
    )
    told = json.loads(run("check", file, "--json").out)
    assert [(each["path"], each["line"]) for each in told["mistakes"]] == [
        ("policy.deadlin", 17),
        ("order.openai[0]", 19),
    ]
    assert sim.connections.accepted == 0


def test_a_file_for_langchain_alone_is_exit_code_2(run: Any, write: Write) -> None:
    """Its model strings mean nothing to the engine."""
    file = write('[chain]\nmodel = "bedrock:x"\nprovider_style = "langchain"\n')
    told = json.loads(run("check", file, "--json").out)
    assert (told["mistakes"], "only ChatFailover" in told["error"]) == ([], True)


def test_a_file_beneath_the_other_options(run: Any, write: Write) -> None:
    """`--config`: a model, fallbacks, addresses and keys on the command line go before those of the file."""
    file = write(CHAIN + "[order]\nopenai = ['backup']\n")
    keys = ("--key-env", "openai=ANTHROPIC_API_KEY", "--base-url", "mine=http://127.0.0.1:1")
    shown = json.loads(run("explain", "--config", file, "--json").out)["candidates"]
    other = json.loads(run("explain", "--config", file, "--json", *keys, "--fallback", "mine/x").out)["candidates"]
    assert [(each["model"], each["profile"]) for each in shown][:2] == [
        ("openai/gpt-4.1", "backup"),
        ("local/any", "default"),
    ]
    assert [(each["model"], each["profile"]) for each in other] == [
        ("openai/gpt-4.1", "default"),
        ("mine/x", "default"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain",), "give --model, or --config"),
        (("check",), "the following arguments are required: file"),
        (("check", "x.toml", "--timeout", "0"), "must be a number above 0"),
        (("check", "none.toml"), "none.toml: cannot be read: No such file or directory"),
        (("ask", "Hi", "--config", "none.toml"), "none.toml: cannot be read: No such file or directory"),
    ],
)
def test_wrong_usage(run: Any, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and why."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.told
