"""One running simulator, and how each of its wires is asked and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared_core.simulator import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    # One for all, since loading the TLS certificates takes longer than most tests.
    with httpx.Client(timeout=5, headers={"authorization": "Bearer key-main"}) as http:
        yield http


@dataclass(frozen=True)
class Tongue:
    """A wire as its clients see it."""

    name: str

    def url(self, sim: Simulator, model: str = "m", *, stream: bool = True) -> str:
        call = "streamGenerateContent?alt=sse" if stream else "generateContent"
        paths = {
            "openai": "/v1/chat/completions",
            "anthropic": "/v1/messages",
            "responses": "/v1/responses",
            "gemini": f"/v1beta/models/{model}:{call}",
        }
        return sim.url + paths[self.name]

    def body(self, text: str = "Hi you", model: str = "m", *, stream: bool = True, **more: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        match self.name:
            case "openai":
                return {"model": model, "messages": messages, "stream": stream, **more}
            case "anthropic":
                return {"model": model, "messages": messages, "max_tokens": 99, "stream": stream, **more}
            case "responses":
                return {"model": model, "input": text, "stream": stream, **more}
            case _:
                return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}

    def text(self, event: dict[str, Any]) -> str:
        """The text that one event adds."""
        match self.name:
            case "openai":
                return "".join(one["delta"].get("content") or "" for one in event.get("choices", ()))
            case "anthropic":
                return event.get("delta", {}).get("text", "")
            case "responses":
                return event["delta"] if event["type"] == "response.output_text.delta" else ""
            case _:
                parts = event["candidates"][0]["content"]["parts"] if "candidates" in event else []
                return "".join(part.get("text", "") for part in parts)

    def events(self, raw: bytes) -> list[dict[str, Any]]:
        """The JSON events of a stream; what is no event is left out."""
        lines = raw.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {") and line.endswith("}")]

    def streamed_text(self, raw: bytes) -> str:
        """The text of a whole stream."""
        return "".join(self.text(event) for event in self.events(raw))

    def whole_text(self, body: dict[str, Any]) -> str:
        """The text of a whole JSON answer."""
        match self.name:
            case "openai":
                return body["choices"][0]["message"]["content"]
            case "anthropic":
                return "".join(block.get("text", "") for block in body["content"])
            case "responses":
                return "".join(part["text"] for item in body["output"] for part in item.get("content", ()))
            case _:
                return "".join(part.get("text", "") for part in body["candidates"][0]["content"]["parts"])


@pytest.fixture(params=["openai", "anthropic", "responses", "gemini"])
def tongue(request: pytest.FixtureRequest) -> Tongue:
    return Tongue(request.param)
