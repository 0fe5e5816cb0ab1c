"""What is publicly known of models: windows, output ceilings, inputs, abilities.

Owns a compact table of the main models, and the rule which row a model id means. It is for decisions that may be
wrong at small cost (is it worth trying a model whose window is smaller?), so an absent row or field means "not known",
never "no". It refuses to guess: a variant that no row names has none.

The facts come from the public data of models.dev and from the model profiles of LangChain's partner packages.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from shared_core.records import record

__all__ = ["ModelInfo", "describe"]


@record(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Facts about one model; None where they are not known.

    Attributes:
        context_window: Highest number of input tokens.
        max_output_tokens: Highest `max_tokens`.
        image_inputs: It reads images.
        audio_inputs: It hears audio.
        pdf_inputs: It reads PDF files.
        tool_calling: It calls tools.
        structured_output: It follows a JSON schema.
        reasoning: It reasons before it answers.
        efforts: Reasoning efforts that it knows.
        refuses: Settings of a request that it refuses, by their names there ("temperature").
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    image_inputs: bool | None = None
    audio_inputs: bool | None = None
    pdf_inputs: bool | None = None
    tool_calling: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None
    efforts: tuple[str, ...] | None = None
    refuses: frozenset[str] = frozenset()


def _row(
    context_window: int | None,
    max_output_tokens: int | None,
    abilities: str,
    efforts: str = "",
    refuses: frozenset[str] = frozenset(),
) -> ModelInfo:
    """A row; `abilities` are words.

    An absent word means no, and one with a question mark that sources disagree. But an absent "schema" or "pdf" means
    that it is not known: some hosts read PDF files on the model's behalf. "no-schema" says no.
    """
    words = frozenset(abilities.split())

    def has(word: str) -> bool | None:
        return None if f"{word}?" in words else word in words

    return ModelInfo(
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        image_inputs=has("image"),
        audio_inputs=has("audio"),
        pdf_inputs="pdf" in words or None,
        tool_calling=has("tools"),
        structured_output=True if "schema" in words else False if "no-schema" in words else None,
        reasoning=has("reasoning"),
        efforts=tuple(efforts.split()) or None,
        refuses=refuses,
    )


_GPT = "image pdf tools schema reasoning"
_CLAUDE = "image pdf tools reasoning"
_GEMINI = "image audio pdf tools schema reasoning"
_THINKER = "tools reasoning"

_LEVELS = "low medium high"
_TO_XHIGH = "none low medium high xhigh"
_TO_MAX = "none low medium high xhigh max"

_FIXED = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"})
"""What OpenAI's models refuse as long as they reason, which those before gpt-5.1 always do."""

_BY_MODEL: Mapping[str, ModelInfo] = MappingProxyType(
    {
        # OpenAI. From gpt-5 on, input and output have limits of their own.
        "gpt-3.5-turbo": _row(16_385, 4_096, "tools no-schema"),
        "gpt-4": _row(8_192, 8_192, "tools no-schema"),
        "gpt-4-0125": _row(128_000, 4_096, "tools no-schema"),
        "gpt-4-1106": _row(128_000, 4_096, "tools no-schema"),
        "gpt-4-turbo": _row(128_000, 4_096, "image tools no-schema"),
        "gpt-4o": _row(128_000, 16_384, "image pdf tools schema"),
        "gpt-4o-mini": _row(128_000, 16_384, "image pdf tools schema"),
        "gpt-4o-2024-05-13": _row(128_000, 4_096, "image tools schema"),
        "gpt-4.1": _row(1_047_576, 32_768, "image pdf tools schema"),
        "gpt-4.1-mini": _row(1_047_576, 32_768, "image pdf tools schema"),
        "gpt-4.1-nano": _row(1_047_576, 32_768, "image tools schema"),
        "o1": _row(200_000, 100_000, _GPT, _LEVELS, _FIXED),
        "o3": _row(200_000, 100_000, _GPT, _LEVELS, _FIXED | {"stop"}),
        "o3-mini": _row(200_000, 100_000, "tools schema reasoning", _LEVELS, _FIXED),
        "o4-mini": _row(200_000, 100_000, _GPT, _LEVELS, _FIXED | {"stop"}),
        "gpt-5": _row(272_000, 128_000, _GPT, "minimal low medium high", _FIXED),
        "gpt-5-mini": _row(272_000, 128_000, _GPT, "minimal low medium high", _FIXED),
        "gpt-5-nano": _row(272_000, 128_000, _GPT, "minimal low medium high", _FIXED),
        "gpt-5.1": _row(272_000, 128_000, f"{_GPT} audio?", "none low medium high"),
        "gpt-5.2": _row(272_000, 128_000, _GPT, _TO_XHIGH),
        "gpt-5.4": _row(922_000, 128_000, _GPT, _TO_XHIGH),
        "gpt-5.4-mini": _row(272_000, 128_000, _GPT, _TO_XHIGH),
        "gpt-5.4-nano": _row(272_000, 128_000, _GPT, _TO_XHIGH),
        "gpt-5.5": _row(922_000, 128_000, _GPT, _TO_XHIGH),
        "gpt-5.6": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-5.6-luna": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-5.6-sol": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-5.6-terra": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-6-luna": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-6-sol": _row(922_000, 128_000, _GPT, _TO_MAX),
        "gpt-oss-20b": _row(131_072, None, _THINKER, _LEVELS),
        "gpt-oss-120b": _row(131_072, None, _THINKER, _LEVELS),
        # Anthropic.
        "claude-opus-4": _row(200_000, 32_000, _CLAUDE),
        "claude-opus-4-0": _row(200_000, 32_000, _CLAUDE),
        "claude-opus-4-1": _row(200_000, 32_000, _CLAUDE),
        "claude-opus-4-5": _row(200_000, 64_000, _CLAUDE),
        "claude-opus-4-6": _row(1_000_000, 128_000, _CLAUDE),
        "claude-opus-4-7": _row(1_000_000, 128_000, _CLAUDE),
        "claude-opus-4-8": _row(1_000_000, 128_000, _CLAUDE),
        "claude-sonnet-4": _row(200_000, 64_000, _CLAUDE),
        "claude-sonnet-4-0": _row(200_000, 64_000, _CLAUDE),
        "claude-sonnet-4-5": _row(200_000, 64_000, _CLAUDE),
        "claude-sonnet-4-6": _row(1_000_000, 128_000, _CLAUDE),
        "claude-sonnet-5": _row(1_000_000, 128_000, _CLAUDE),
        "claude-haiku-4-5": _row(200_000, 64_000, _CLAUDE),
        # Google.
        "gemini-2.5-pro": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        "gemini-2.5-flash": _row(1_048_576, 65_536, _GEMINI, "none minimal low medium high"),
        "gemini-2.5-flash-lite": _row(1_048_576, 65_536, _GEMINI, "none minimal low medium high"),
        "gemini-3-flash": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        "gemini-3.1-pro": _row(1_048_576, 65_536, _GEMINI, _LEVELS),
        "gemini-3.1-flash-lite": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        "gemini-3.5-flash": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        "gemini-flash": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        "gemini-flash-lite": _row(1_048_576, 65_536, _GEMINI, "minimal low medium high"),
        # DeepSeek.
        "deepseek-chat": _row(1_000_000, 384_000, "tools"),
        "deepseek-reasoner": _row(1_000_000, 384_000, _THINKER),
        "deepseek-v4-flash": _row(1_000_000, 384_000, f"{_THINKER} image?"),
        "deepseek-v4-pro": _row(1_000_000, 384_000, _THINKER),
        # Qwen, as Alibaba serves it.
        "qwen-max": _row(32_768, 8_192, "tools reasoning?"),
        "qwen-plus": _row(1_000_000, 32_768, _THINKER),
        "qwen-flash": _row(1_000_000, 32_768, _THINKER),
        "qwen-turbo": _row(1_000_000, 16_384, _THINKER),
        "qwen-vl-max": _row(131_072, 8_192, "image tools"),
        "qwen-vl-plus": _row(131_072, 8_192, "image tools"),
        "qwen3-max": _row(262_144, 65_536, "tools reasoning?"),
        "qwen3-coder-plus": _row(1_048_576, 65_536, "tools reasoning?"),
        "qwen3-coder-flash": _row(1_000_000, 65_536, "tools reasoning?"),
        "qwen3-vl-plus": _row(262_144, 32_768, "image tools reasoning"),
        "qwen3-235b-a22b": _row(131_072, None, _THINKER),
        "qwen3-32b": _row(131_072, None, _THINKER),
        "qwen3.5-plus": _row(1_000_000, 65_536, "image tools reasoning"),
        "qwen3.6-plus": _row(1_000_000, 65_536, "image tools reasoning"),
        "qwen3.7-plus": _row(1_000_000, 65_536, "image tools reasoning"),
        "qwen3.7-max": _row(1_000_000, 65_536, _THINKER),
        # Zhipu.
        "glm-4.5": _row(131_072, 98_304, _THINKER),
        "glm-4.5-air": _row(131_072, 98_304, _THINKER),
        "glm-4.5-flash": _row(131_072, 98_304, _THINKER),
        "glm-4.5v": _row(64_000, None, "image tools reasoning"),
        "glm-4.6": _row(204_800, 131_072, _THINKER),
        "glm-4.6v": _row(128_000, 32_768, "image tools reasoning"),
        "glm-4.7": _row(204_800, 131_072, _THINKER),
        "glm-4.7-flash": _row(200_000, 131_072, _THINKER),
        "glm-5": _row(204_800, 131_072, _THINKER),
        "glm-5.1": _row(200_000, 131_072, _THINKER),
        "glm-5.2": _row(1_000_000, 131_072, _THINKER),
        # Moonshot.
        "kimi-k2-0711": _row(131_072, 16_384, "tools"),
        "kimi-k2-0905": _row(262_144, 262_144, "tools"),
        "kimi-k2-turbo": _row(262_144, 262_144, "tools"),
        "kimi-k2-thinking": _row(262_144, 262_144, _THINKER),
        "kimi-k2-thinking-turbo": _row(262_144, 262_144, _THINKER),
        "kimi-k2.5": _row(262_144, 262_144, "image tools schema reasoning"),
        "kimi-k2.6": _row(262_144, 262_144, "image tools schema reasoning"),
        "kimi-k2.7-code": _row(262_144, 262_144, "image tools schema reasoning"),
        # MiniMax and StepFun.
        "minimax-m2": _row(196_608, 128_000, _THINKER),
        "minimax-m2.1": _row(204_800, 131_072, _THINKER),
        "minimax-m2.5": _row(204_800, 131_072, _THINKER),
        "minimax-m2.7": _row(204_800, 131_072, _THINKER),
        "minimax-m3": _row(1_000_000, None, "image tools reasoning"),
        "step-3.5-flash": _row(256_000, 256_000, _THINKER),
        "step-3.7-flash": _row(256_000, 256_000, "image tools reasoning"),
        # Mistral.
        "mistral-large": _row(262_144, 262_144, "image tools"),
        "mistral-large-2411": _row(131_072, 16_384, "tools"),
        "mistral-medium": _row(262_144, 262_144, "image tools reasoning?"),
        "mistral-medium-2505": _row(131_072, 131_072, "image tools"),
        "mistral-small": _row(256_000, 256_000, "image tools reasoning", "none high"),
        "mistral-small-2506": _row(128_000, 16_384, "image tools"),
        "ministral-3b": _row(None, None, "image? tools"),
        "ministral-8b": _row(None, None, "image? tools"),
        "codestral": _row(256_000, None, "tools"),
        "magistral-medium": _row(None, None, f"{_THINKER} image?"),
        "magistral-small": _row(None, None, f"{_THINKER} image?"),
        "pixtral-large": _row(128_000, 128_000, "image tools"),
        # xAI, Cohere, Perplexity.
        "grok-4.3": _row(1_000_000, None, "image pdf tools schema reasoning", "none low medium high"),
        "grok-4.20-0309-reasoning": _row(1_000_000, None, "image pdf tools schema reasoning"),
        "grok-4.20-0309-non-reasoning": _row(1_000_000, None, "image pdf tools schema"),
        "command-a": _row(256_000, 8_000, "tools"),
        "command-a-reasoning": _row(256_000, 32_000, _THINKER),
        "command-r": _row(128_000, 4_000, "tools"),
        "command-r-plus": _row(128_000, 4_000, "tools"),
        "command-r7b": _row(128_000, 4_000, "tools"),
        "sonar": _row(128_000, None, "image? tools?"),
        "sonar-pro": _row(200_000, None, "image tools?"),
        "sonar-reasoning-pro": _row(128_000, None, "image reasoning", "minimal low medium high"),
        # Llama: the limits are those of its hosts, below.
        "llama-3.1-8b": ModelInfo(tool_calling=True, reasoning=False, image_inputs=False),
        "llama-3.3-70b": ModelInfo(tool_calling=True, reasoning=False, image_inputs=False),
    }
)
"""Rows by the model's name as its maker serves it, without version or date."""

_BY_HOST: Mapping[str, ModelInfo] = MappingProxyType(
    {
        "groq/llama-3.1-8b-instant": _row(131_072, 131_072, "tools"),
        "groq/llama-3.3-70b-versatile": _row(131_072, 32_768, "tools"),
        "groq/llama-4-scout-17b-16e-instruct": _row(131_072, 8_192, "image tools schema"),
        "groq/gpt-oss-20b": _row(131_072, 65_536, "tools schema reasoning", _LEVELS),
        "groq/gpt-oss-120b": _row(131_072, 65_536, "tools schema reasoning", _LEVELS),
        "groq/qwen3-32b": _row(131_072, 40_960, _THINKER),
        "cerebras/gpt-oss-120b": _row(131_072, 40_960, "tools schema reasoning", _LEVELS),
        "cerebras/zai-glm-4.7": _row(131_072, 40_960, "tools schema reasoning"),
        "together/llama-3.3-70b-instruct-turbo": _row(131_072, 131_072, "tools"),
        "together/gpt-oss-20b": _row(131_072, 131_072, "tools schema reasoning", _LEVELS),
        "together/gpt-oss-120b": _row(131_072, 131_072, _THINKER, _LEVELS),
        "together/deepseek-v4-pro": _row(512_000, 384_000, "tools schema reasoning"),
        "together/kimi-k2.6": _row(262_144, 131_000, "image tools schema reasoning"),
        "together/glm-5.2": _row(262_144, 164_000, "tools schema reasoning"),
        "together/minimax-m3": _row(524_288, 250_000, "image tools schema reasoning"),
        "fireworks/gpt-oss-120b": _row(131_072, None, _THINKER, _LEVELS),
        "fireworks/deepseek-v4-pro": _row(1_000_000, 384_000, "tools schema reasoning"),
    }
)
"""Rows by `host/model` where a host sets limits of its own; only the last part of the host's model id counts."""

_SETS_OWN_LIMITS = frozenset(
    {
        *(
            "groq",
            "cerebras",
            "together",
            "fireworks",
            "siliconflow",
            "siliconflow-cn",
            "nvidia",
            "github",
            "deepinfra",
        ),
        *("huggingface", "sambanova", "nebius", "hyperbolic", "ollama", "vllm", "llamacpp", "lmstudio"),
    }
)
"""Hosts where a maker's limits say nothing about the same model."""

_VERSION = re.compile(
    r"(?>[-@:](?>latest|preview|beta|exp|free|instruct|v\d+(?>:\d+)?+|\d{3,}(?>-\d{2})*+|\d\d-\d{4}|\d\d-\d\d))*+"
)
"""What may stand behind a name without making it another model."""


def describe(provider: str, model: str, *, extra: Mapping[str, ModelInfo] | None = None) -> ModelInfo | None:
    """What is known of a model; None if nothing is.

    Args:
        provider: The provider's canonical name.
        model: The model id as that provider knows it.
        extra: A user's own facts, by `provider/model` or by model id; they come first.

    >>> describe("openai", "gpt-4.1-2025-04-14").max_output_tokens
    32768
    """
    if extra:
        own = extra.get(f"{provider}/{model}") or extra.get(model)
        if own is not None:
            return own
    return _described(provider, model)


@functools.lru_cache(maxsize=1024)
def _described(provider: str, model: str) -> ModelInfo | None:
    name = model.strip().lower().rpartition("/")[2]
    if name.startswith("claude"):
        name = name.replace(".", "-")  # OpenRouter and GitHub write "claude-sonnet-4.5"
    hosted = _longest(_BY_HOST, f"{provider}/{name}")
    if hosted is not None:
        return hosted
    info = _longest(_BY_MODEL, name)
    if info is not None and provider in _SETS_OWN_LIMITS:
        return replace(info, context_window=None, max_output_tokens=None)
    return info


def _longest(table: Mapping[str, ModelInfo], name: str) -> ModelInfo | None:
    """The row with the longest name that `name` is, or is a version of."""
    for end in range(len(name), 0, -1):
        info = table.get(name[:end])
        if info is not None:
            return info if _VERSION.fullmatch(name, end) else None
    return None
