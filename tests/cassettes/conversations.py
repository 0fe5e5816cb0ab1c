"""What is asked in the recorded conversations, and how a cassette is opened: for the recording and for the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import vcr

from shared_core.messages import Message
from shared_core.request import LLMRequest, Tool

__all__ = ["CONVERSATIONS", "RECORDER", "WIRES", "Recorded", "asking"]

CONVERSATIONS = {
    "text": "Why is the sky blue?",
    "tools": "What is the weather in Zürich and in Kyoto?",
    "reasoning": "How many of 12 apples are left after three are eaten? Think first.",
    "error": "Say that you are busy.",
}
"""The question of each cassette."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a wire's cassettes are recorded with.

    Attributes:
        provider: The provider that speaks it.
        model: The model that is asked, if no other is named.
        key_env: Where its key is, for a recording against the real one.
        path: What its base URL ends in.
    """

    provider: str
    model: str
    key_env: str
    path: str = ""


WIRES = {
    "openai": Recorded("openai", "gpt-4.1-mini", "OPENAI_API_KEY", "/v1"),
    "responses": Recorded("openai-responses", "gpt-5-mini", "OPENAI_API_KEY", "/v1"),
    "anthropic": Recorded("anthropic", "claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
    "gemini": Recorded("gemini", "gemini-2.5-flash", "GEMINI_API_KEY"),
}
"""Each wire, and what its cassettes are recorded with."""

_WEATHER = Tool(
    "get_weather",
    "Weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def _without_cookies(response: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    kept = {name: value for name, value in response["headers"].items() if name.lower() != "set-cookie"}
    return {**response, "headers": kept}


RECORDER = vcr.VCR(
    cassette_library_dir=str(Path(__file__).parent),
    path_transformer=vcr.VCR.ensure_suffix(".yaml"),
    filter_headers=["authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "user-agent"],
    before_record_response=_without_cookies,
    match_on=["method", "path", "query", "body"],
    record_mode="none",
)
"""How cassettes are kept: without keys, cookies, and without the host, which is another on each machine."""


def asking(wire: str, name: str, model: str) -> LLMRequest:
    """The request of a cassette."""
    return LLMRequest(
        model=f"{WIRES[wire].provider}/{model}",
        messages=(Message.of("user", CONVERSATIONS[name]),),
        tools=(_WEATHER,) if name == "tools" else (),
        reasoning_effort="low" if name == "reasoning" and wire != "openai" else None,  # its model takes none
        max_tokens=2000,
    )
