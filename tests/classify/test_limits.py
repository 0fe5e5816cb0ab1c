"""Ceilings, windows and the room that is left."""

from __future__ import annotations

import pytest

from shared_core.classify.body import dig
from shared_core.classify.limits import read_limits
from shared_core.errors import ErrorKind


@pytest.mark.parametrize(
    ("text", "ceiling"),
    [
        (
            "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, you provided 32000",
            16_384,
        ),
        ("max_tokens: 30000 > 8192, which is the maximum allowed number of output tokens for claude-3", 8_192),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8_192),
        ("Range of max_tokens should be [1,\n  8192]", 8_192),
        ("max_tokens must be in [1, 4097)", 4_096),
        ("maxOutputTokens value of 65536 but the supported range is from 1 (inclusive) to 8193 (exclusive)", 8_192),
        ("max_tokens for `llama-3.1-8b-instant` must be less than or equal to 8000", 8_000),
        ("max_tokens must be less than 8193", 8_192),
        ("max_tokens must be between 1 and 4,096", 4_096),
        ("integer above maximum value. Expected a value <= 12288, but got 32000 instead", 12_288),
        ('max_tokens=30000 exceeds tier "vip-3" ceiling (16384)', 16_384),
        ("max_tokens (384000) exceeds model's maximum output tokens (65536) for model m:0731", 65_536),
        (
            "The maximum tokens you requested exceeds the model limit of 4096. Try a value that is lower than 4096.",
            4_096,
        ),
        ("max tokens must be less than or equal to 4096, the maximum output for this model - received 8192", 4_096),
        ("max_tokens 的最大值为 8192", 8_192),
        ("the maximum is 16k", 16_000),
        ("maxOutputTokens is 70000 but the supported range is from 1 (inclusive) to 65536 (inclusive)", 65_536),
        ("max_tokens is too large for this model, which supports up to 4096", 4_096),
        ("max_tokens must be less than 2", 1),
        ("maxOutputTokens: 8193 is not less or equal to 8192", 8_192),
        ("max_tokens (30000) > 8192", 8_192),
        ("You asked for 4096, but can only afford 222", 222),
        ("max_tokens: 30000 > 8192, whatever the limit of 200000 tokens is for", 8_192),
        ("max_tokens must be less than 1", None),
        ("max_tokens参数非法", None),
        ("limit of 999999999", None),
        ("limit of 0", None),
    ],
)
def test_the_ceiling_of_an_output_limit(text: str, ceiling: int | None) -> None:
    """The number that is allowed, not the one that was asked for."""
    assert read_limits(ErrorKind.OUTPUT_LIMIT, dig(text).text).ceiling == ceiling


@pytest.mark.parametrize(
    ("text", "ceiling", "is_sum", "room"),
    [
        ("prompt is too long: 215000 tokens > 200000 maximum", 200_000, False, None),
        (
            "maximum context length is 128000 tokens. However, your messages resulted in 204308 tokens.",
            128_000,
            False,
            None,
        ),
        (
            "maximum context length is 4096 tokens. Requested 4118 (3118 in the messages, 1000 in the completion).",
            4_096,
            True,
            978,
        ),
        ("input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000", 200_000, True, 21_041),
        (
            "maximum context length is 32768 tokens, your request has 4215 input tokens (max_tokens > 32768 - 4215).",
            32_768,
            True,
            28_553,
        ),
        (
            "maximum context length is 128000 tokens. Requested 65535 output tokens and at least 62466 input tokens.",
            128_000,
            True,
            65_534,
        ),
        ("`inputs` tokens + `max_new_tokens` must be <= 1512. Given: 603 `inputs` tokens and 1024", 1_512, True, 909),
        (
            "maximum context length is 4096 tokens, requested 9000 (8000 in the messages, 1000 in the completion)",
            4_096,
            True,
            None,
        ),
        (
            "Request too large: Limit 30000, Requested 342389. The input or output tokens must be reduced",
            30_000,
            True,
            None,
        ),
        ("request (131168 tokens) exceeds the available context size (131072 tokens)", 131_072, False, None),
        ("Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", 59_862, False, None),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            1_048_576,
            False,
            None,
        ),
        ("maximum prompt length is 131072 but the request contains 537812 tokens", 131_072, False, None),
        ("exceeded model token limit: 131072 (requested: 140000)", 131_072, False, None),
        ("Range of input length should be [1, 30720]", 30_720, False, None),
        ("n_keep: 13055>= n_ctx: 4096", 4_096, False, None),
        ("max_total_tokens (33298) must be less than or equal to max_seq_len (32768)", 32_768, True, None),
        ("Number of tokens (757) exceeded maximum context length (512).", 512, False, None),
        ("length of prompt_tokens (68957) must be less than max_seq_len (65536).", 65_536, False, None),
        ("Malformed input: expected maxLength: 51200, actual: 60000", 51_200, False, None),
        ("It is too large for model with 8192 maximum context length.", 8_192, False, None),
        ("It does not fit into the 4096-token context.", 4_096, False, None),
        ("The token limit is 4096.", 4_096, False, None),
        ("The maximum context length for gpt-4 is 8192 tokens.", 8_192, False, None),
        ("You exceed the context limit: 5000/4096", 4_096, False, None),
        ("输入过长,最大长度为 8192", 8_192, False, None),
        ("The context window is 8192, and 4000 tokens in your prompt are pictures.", 8_192, False, None),
        ("The context window is 4096: 4000 prompt tokens and max_tokens of 97", 4_096, True, 96),
        ("There are 4000 tokens in the prompt, too many with these max_tokens", None, True, None),
        ("maximum context length is 4096; the prompt contains 4000 tokens and max_tokens is 97", 4_096, True, 96),
        ("maximum context length is 4096; the prompt contains 4096 tokens and max_tokens is 97", 4_096, True, None),
        ("prompt is too long", None, False, None),
    ],
)
def test_the_window_and_the_room_in_it(text: str, ceiling: int | None, is_sum: bool, room: int | None) -> None:
    """Room is told only where the sum is blamed and the input alone would fit."""
    assert read_limits(ErrorKind.CONTEXT_EXCEEDED, dig(text).text) == (ceiling, room, is_sum)


def test_a_window_in_a_field_of_its_own() -> None:
    """As llama.cpp states it."""
    body = {
        "error": {"message": "the request exceeds the available context size", "n_prompt_tokens": 1_407, "n_ctx": 256}
    }
    assert read_limits(ErrorKind.CONTEXT_EXCEEDED, dig(body).text).ceiling == 256


def test_what_a_small_balance_still_affords_is_a_ceiling() -> None:
    """Other numbers of a balance are money."""
    text = "requires more credits, or fewer max_tokens. you requested up to 4096 tokens, but can only afford 222."
    assert read_limits(ErrorKind.BALANCE, text).ceiling == 222
    assert read_limits(ErrorKind.BALANCE, "limit of 10 usd").ceiling is None


def test_other_kinds_have_no_ceiling() -> None:
    """A rate limit's numbers are tokens per minute."""
    assert read_limits(ErrorKind.RATE_LIMIT, "limit 30000") == (None, None, False)
