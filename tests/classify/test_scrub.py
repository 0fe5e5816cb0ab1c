"""Keys go, words stay."""

from __future__ import annotations

import pytest

from shared_core.scrub import MASK, cut, scrub

# Assembled here, so that nothing in this file looks like a live key.
LONG = "a1B2" * 6


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + LONG,
        "sk-ant-" + "api03-" + LONG,
        "sk-or-" + "v1-" + LONG,
        "sk-" + "proj-" + "****" * 4 + "wxyz",
        "sk-" + "abcd…wxyz",
        "sk-" + "letters" * 3,
        "AIza" + "Sy" + LONG,
        "gsk_" + LONG,
        "xai-" + LONG,
        "hf_" + LONG,
        "nvapi-" + LONG,
        "ghp_" + LONG,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl",
        "0123456789abcdef" * 2 + ".Secret1234567",
        "ya29." + LONG,
    ],
)
def test_a_key_s_shape_is_enough(key: str) -> None:
    """Wherever it stands."""
    for text in ("{} is wrong", "it was '{}'", '{{"message": "got {}"}}', "(see {})"):
        scrubbed = scrub(text.format(key))
        assert MASK in scrubbed
        assert key[8:] not in scrubbed


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc123def", f"Authorization: Bearer {MASK}"),
        ("authorization: abc123def", f"authorization: {MASK}"),
        ('"Authorization": "Basic dXNlcjpw"', f'"Authorization": "Basic {MASK}"'),
        ("/v1beta/models/gemini-2.5-pro?key=abc123&alt=sse", f"/v1beta/models/gemini-2.5-pro?key={MASK}&alt=sse"),
        ("x-api-key: abc123def\nhost: h", f"x-api-key: {MASK}\nhost: h"),
        ('{"api_key": "abc123def", "model": "m"}', f'{{"api_key": "{MASK}", "model": "m"}}'),
        ('{\\"api_key\\": \\"abc123def\\"}', f'{{\\"api_key\\": \\"{MASK}\\"}}'),
        ("'apiKey': 'abc123def'", f"'apiKey': '{MASK}'"),
        ("client_secret=abc123&x=1", f"client_secret={MASK}&x=1"),
        ("Incorrect API key provided: ab***yz1. You can", f"Incorrect API key provided: {MASK} You can"),
        ("Your api key: ****abcd is invalid", f"Your api key: {MASK} is invalid"),
        ("API key abc123def is not valid", f"API key {MASK} is not valid"),
        ("https://user:pass1234@proxy.example:8080/x", f"https://{MASK}@proxy.example:8080/x"),
    ],
)
def test_a_key_s_place_is_enough(text: str, clean: str) -> None:
    """What stands where a key stands goes, whatever it looks like."""
    assert scrub(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "The model `claude-sonnet-4-20250514` does not exist, request req_011CbGwJbzjfDGN6vNFPYMGA",
        "anthropic.claude-3-5-sonnet-20241022-v2:0 in us-east-1",
        "API key not valid. Please pass a valid API key.",
        "invalid x-api-key",
        "Unexpected token: expected value",
        "Set the key: OPENAI_API_KEY",
        "max_tokens: 30000 > 8192, tokens: 4096",
        "scikit-learn, task-force, risk-adjusted",
        "Please try again in 6m0s. Limit 30000, Used 14567",
        "org-1234 in project proj_abc, function 87ea0ddc-cff1-4bca-bf8b-3bd98a35ddd0",
        '{"api_key": null, "token": ""}',
    ],
)
def test_ordinary_text_survives(text: str) -> None:
    """Model names, request ids, numbers and sentences."""
    assert scrub(text) == text


def test_literal_secrets_go() -> None:
    """The longest first; what is too short to be a secret stays."""
    assert (
        scrub("hunter2 and hunter2-long and ab", ["hunter2", "hunter2-long", "ab", ""]) == f"{MASK} and {MASK} and ab"
    )


def test_scrubbing_twice_changes_nothing_more() -> None:
    """So that every layer may scrub."""
    once = scrub(f"Bearer abc123def key={LONG} api key: ****abcd https://u:p@h/")
    assert scrub(once) == once


def test_a_cut_text_says_that_it_was_cut() -> None:
    """And stands on one line."""
    assert cut("a\n b") == "a b"
    assert cut("x" * 300) == "x" * 199 + "…"
