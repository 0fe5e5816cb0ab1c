"""`llm-failover drill`: a file in, a table, JSON and a picture out; exit codes that a pipeline can rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared_core.drill import SCENARIOS

FILE = """
[chain]
model = "openai/gpt-4.1"
fallbacks = ["anthropic/claude-sonnet-4-5"]

[profiles.openai]
main = "${OPENAI_API_KEY}"
backup = "${BACKUP_KEY}"

[policy]
fail_fast = true
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "failover.toml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def test_a_few_scenarios_are_shown_call_by_call(run: Any, file: str) -> None:
    """With the chain, who answered after how long, what was asked of whom, and advice."""
    done = run("drill", file, "--scenario", "primary-down", "--scenario", "broken late")
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert "  B  openai/gpt-4.1 [backup]" in lines
    assert "✓ primary-down  6/6       C6  0.4-1.2 s   A2 C6" in [line.rstrip() for line in lines]
    assert "    your users saw nothing" in lines
    assert "     1  streamed  first word 0.6 s, whole 1.4 s   A transient, C succeeded" in lines
    assert "· broken-late" in done.out
    assert "     1  streamed  first word 0.4 s, broke off after 0.8 s: transient" in done.out
    assert "advice: There is one key for anthropic:" in done.out
    assert "Times are the drill's own" in done.out


def test_a_chain_without_a_way_out_fails(run: Any) -> None:
    """The exit code is 1, and the verdict says what users saw."""
    done = run("drill", "--model", "openai/gpt-4.1", "--scenario", "account-empty", "--plain")
    assert done.code == 1
    assert "saw an error each time: balance" in " ".join(done.out.split())
    assert "not answered, and should have been: account-empty" in " ".join(done.out.split())


def test_all_of_it_is_one_table(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a wide screen the verdicts stand in it, and calls are not listed."""
    monkeypatch.setenv("COLUMNS", "100")
    names = ["healthy", "first-key-dead", "content-filter", "short-rate-limit"]
    options = [word for name in names for word in ("--scenario", name)]
    done = run("drill", "--model", "openai/gpt-4.1", "--fallback", "groq/llama-3.3-70b-versatile", *options)
    assert done.code == 0
    assert "your users" in done.out
    assert "· content-filter" in done.out
    assert "streamed" not in done.out


def test_json_is_one_object(run: Any, file: str, tmp_path: Path) -> None:
    """And a picture may come along."""
    picture = tmp_path / "drill.svg"
    done = run("drill", file, "--scenario", "refused", "--json", "--picture", str(picture))
    assert done.code == 0
    found = json.loads(done.out)
    assert found["scenarios"][0]["served"] == {"C": 6}
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_a_picture_is_named_at_the_end(run: Any, tmp_path: Path) -> None:
    """So that one finds it."""
    picture = str(tmp_path / "drill.svg")
    done = run("drill", "--model", "openai/gpt-4.1", "--scenario", "healthy", "--picture", picture)
    assert f"picture: {picture}".split() == done.out.split()[-2:]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give a configuration file, or --model, to drill"),
        (("here.toml", "--model", "openai/gpt-4.1"), "give a configuration file, or --model, to drill"),
        (("nowhere.toml",), "nowhere.toml"),
        (("--model", "nobody/x"), "provider 'nobody' is not known"),
        (("--model", "openai/gpt-4.1", "--scenario", "tsunami"), "no scenario is called 'tsunami'"),
        (("--model", "openai/gpt-4.1", "--picture", "drill.jpg"), "a picture's name ends in .svg or .png"),
        (
            ("--model", "openai/gpt-4.1", "--scenario", "healthy", "--picture", "/nowhere/at-all/drill.svg"),
            "the picture cannot be written",
        ),
    ],
)
def test_wrong_usage_is_said(run: Any, arguments: tuple[str, ...], words: str) -> None:
    """With exit code 2, and nothing on standard output."""
    done = run("drill", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.told


def test_scenarios_are_listed(run: Any) -> None:
    """By name, with what is wrong in each; as JSON too."""
    done = run("drill", "--list")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines() if not line.startswith(" ")] == list(SCENARIOS)
    listed = json.loads(run("drill", "--list", "--json").out)
    assert listed[0] == {"scenario": "healthy", "about": "nothing is wrong"}
