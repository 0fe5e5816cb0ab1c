"""LangChain's conformance suites pass on every wire: without a network, and against the local provider."""

from __future__ import annotations

from tests.langchain.standard import StandardIntegration, StandardUnit


class TestOpenAIUnit(StandardUnit):
    """Chat Completions."""

    model_name = "openai/gpt-4.1"
    key_name = "OPENAI_API_KEY"


class TestResponsesUnit(StandardUnit):
    """OpenAI's Responses."""

    model_name = "openai-responses/gpt-5"
    key_name = "OPENAI_API_KEY"


class TestAnthropicUnit(StandardUnit):
    """Anthropic's Messages."""

    model_name = "anthropic/claude-sonnet-4-5"
    key_name = "ANTHROPIC_API_KEY"


class TestGeminiUnit(StandardUnit):
    """Google's generateContent."""

    model_name = "gemini/gemini-2.5-flash"
    key_name = "GEMINI_API_KEY"


class TestOpenAI(StandardIntegration):
    """Chat Completions."""

    provider = wire = "openai"
    usage_details = ("audio_input", "reasoning_output", "cache_read_input", "cache_creation_input")


class TestResponses(StandardIntegration):
    """OpenAI's Responses."""

    provider, wire = "openai-responses", "responses"
    usage_details = ("reasoning_output", "cache_read_input", "cache_creation_input")


class TestAnthropic(StandardIntegration):
    """Anthropic's Messages."""

    provider = wire = "anthropic"
    supports_audio_inputs = False  # Claude hears nothing
    usage_details = ("reasoning_output", "cache_read_input", "cache_creation_input")


class TestGemini(StandardIntegration):
    """Google's generateContent."""

    provider = wire = "gemini"
    usage_details = ("audio_input", "reasoning_output", "cache_read_input")
