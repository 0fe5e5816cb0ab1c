"""What is asked in the recorded conversations, and how a cassette is opened: for the recording and for the tests."""

from __future__ import annotations

from pathlib import Path

import vcr

from shared_core.messages import Message
from shared_core.request import LLMRequest, Tool

__all__ = ["CONVERSATIONS", "RECORDER", "asking"]

CONVERSATIONS = {
    "text": "Why is the sky blue?",
    "tools": "What is the weather in Zürich and in Kyoto?",
    "error": "Say that you are busy.",
}
"""The question of each cassette."""

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


def asking(name: str, model: str = "gpt-4.1-mini") -> LLMRequest:
    """The request of a cassette."""
    return LLMRequest(
        model=f"openai/{model}",
        messages=(Message.of("user", CONVERSATIONS[name]),),
        tools=(_WEATHER,) if name == "tools" else (),
        max_tokens=200,
    )
