"""What is known of models."""

import pytest

from shared_core.providers.models import ModelInfo, describe
from shared_core.providers.vendors import VENDORS


@pytest.mark.parametrize(
    ("provider", "model", "window", "output"),
    [
        ("openai", "gpt-4o", 128_000, 16_384),
        ("openai", "gpt-4o-2024-11-20", 128_000, 16_384),
        ("openai", "gpt-4o-2024-05-13", 128_000, 4_096),
        ("openai", "gpt-4-0613", 8_192, 8_192),
        ("openai", "gpt-5-2025-08-07", 272_000, 128_000),
        ("azure", "GPT-4.1-mini", 1_047_576, 32_768),
        ("anthropic", "claude-opus-4-20250514", 200_000, 32_000),
        ("anthropic", "claude-sonnet-4-5-20250929", 200_000, 64_000),
        ("openrouter", "anthropic/claude-sonnet-4.5", 200_000, 64_000),
        ("openrouter", "deepseek/deepseek-chat:free", 1_000_000, 384_000),
        ("gemini", "models/gemini-2.5-flash-preview-09-2025", 1_048_576, 65_536),
        ("qwen", "qwen-plus-latest", 1_000_000, 32_768),
        ("kimi", "kimi-k2-0905-preview", 262_144, 262_144),
        ("mistral", "mistral-large-2411", 131_072, 16_384),
        ("cohere", "command-r-plus-08-2024", 128_000, 4_000),
        ("minimax", "MiniMax-M2.5", 204_800, 131_072),
        ("groq", "llama-3.3-70b-versatile", 131_072, 32_768),
        ("groq", "openai/gpt-oss-120b", 131_072, 65_536),
        ("cerebras", "gpt-oss-120b", 131_072, 40_960),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", 131_072, 131_072),
        ("fireworks", "accounts/fireworks/models/deepseek-v4-pro", 1_000_000, 384_000),
    ],
)
def test_a_model_is_known_by_its_name_without_date(provider: str, model: str, window: int, output: int) -> None:
    """Dates, "latest", paths and case make no other model; a row of its own does."""
    info = describe(provider, model)
    assert info is not None
    assert (info.context_window, info.max_output_tokens) == (window, output)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.5-preview",
        "gpt-4o-realtime-preview",
        "gpt-4-32k",
        "claude-opus-4-9",
        "claude-opus-4-10",
        "gemini-2.5-flash-image",
        "qwen3-coder",
        "unheard-of",
        "gpt-",
        "",
        "/",
        "gpt-4" + "-12" * 5_000 + "!",
    ],
)
def test_a_variant_without_a_row_is_not_guessed(model: str) -> None:
    """What looks like a known model may be another one."""
    assert describe("openai", model) is None


def test_a_host_with_limits_of_its_own_hides_the_makers() -> None:
    """What the model can do stays true; how much of it the host allows is not known."""
    info = describe("nvidia", "openai/gpt-oss-120b")
    assert info is not None
    assert (info.context_window, info.max_output_tokens) == (None, None)
    assert info.tool_calling


def test_abilities_are_yes_no_or_not_known() -> None:
    """Structured output is not known where nobody says so."""
    opus, old, mini = (describe("x", name) for name in ("claude-opus-4-5", "gpt-4", "o3-mini"))
    assert opus is not None
    assert old is not None
    assert mini is not None
    assert (opus.structured_output, old.structured_output, mini.structured_output) == (None, False, True)
    assert (opus.pdf_inputs, opus.audio_inputs, old.reasoning, mini.image_inputs) == (True, False, False, False)


def test_a_users_own_facts_come_first() -> None:
    """By provider and model, then by model alone, then the table."""
    here, anywhere = ModelInfo(context_window=1), ModelInfo(context_window=2)
    extra = {"openai/gpt-4o": here, "gpt-4o": anywhere}
    assert describe("openai", "gpt-4o", extra=extra) is here
    assert describe("azure", "gpt-4o", extra=extra) is anywhere
    assert describe("openai", "gpt-4.1", extra=extra) == describe("openai", "gpt-4.1")


def test_hosts_in_the_table_are_vendors() -> None:
    """A row for a host that nobody can name would never be found."""
    assert describe("groq", "qwen/qwen3-32b") is not None
    assert {"groq", "cerebras", "together", "fireworks"} <= VENDORS.keys()
