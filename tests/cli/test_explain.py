"""`llm-failover explain`: the chain before anybody is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core.simulator import Simulator


def test_it_lists_targets_and_reasons(run: Any) -> None:
    """In the order of the chain, in plain words."""
    outcome = run("explain", "--model", "openai/gpt-4.1", "--fallback", "groq/llama-3.3-70b-versatile")
    assert (outcome.code, outcome.err) == (0, "")
    first, *rest = outcome.out.splitlines()
    assert first.split()[:1] == ["1"]
    assert "openai/gpt-4.1 [default]" in first
    assert first.endswith("would be tried")
    assert "skipped: no API key: set GROQ_API_KEY, or give --key-env groq=VARIABLE" in " ".join(" ".join(rest).split())


def test_it_shows_profiles(run: Any) -> None:
    """By name, never by key."""
    keys = ("--profile", "openai:main=OPENAI_API_KEY", "--profile", "openai:backup=BACKUP_KEY")
    outcome = run("explain", "--model", "openai/gpt-4.1", *keys, "--json")
    assert json.loads(outcome.out)["candidates"] == [
        {"model": "openai/gpt-4.1", "profile": "main", "skip": None},
        {"model": "openai/gpt-4.1", "profile": "backup", "skip": None},
    ]


def test_nobody_is_asked(run: Any, sim: Simulator) -> None:
    """Not even a local provider."""
    assert run("explain", "--model", "local/any", "--base-url", f"local={sim.base_url}").code == 0
    assert sim.connections.accepted == 0


def test_a_chain_that_cannot_answer_is_exit_code_1(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a script can ask before it starts."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run("explain", "--model", "openai/gpt-4.1").code == 1


def test_a_wrong_setting_is_exit_code_2(run: Any) -> None:
    """The same checks as for `ask`."""
    outcome = run("explain", "--model", "nobody/any")
    assert (outcome.code, outcome.out) == (2, "")
    assert "provider 'nobody' is not known" in outcome.err
