"""The wires that the local provider speaks, and which path belongs to which.

Paths are matched by their end, since every vendor puts another prefix before it (`/v1`, `/api/v1`, `/openai/v1` …).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from shared_core.simulator.asked import Asked
from shared_core.simulator.wires.anthropic import AnthropicWire
from shared_core.simulator.wires.base import CREATED, Frames, SimulatedWire
from shared_core.simulator.wires.gemini import GeminiWire
from shared_core.simulator.wires.openai import OpenAIWire
from shared_core.simulator.wires.responses import ResponsesWire

__all__ = ["Asked", "Frames", "Route", "SimulatedWire", "listed_models", "route"]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a POST goes: the wire, and the model and the kind of answer if the path says them."""

    wire: SimulatedWire
    model: str | None = None
    stream: bool = False


_PATHS: Final[tuple[tuple[re.Pattern[str], SimulatedWire], ...]] = (
    (re.compile(r"(?:.*/deployments/(?P<model>[^/]+)|.*)/chat/completions"), OpenAIWire()),
    (re.compile(r".*/messages"), AnthropicWire()),
    (re.compile(r".*/responses"), ResponsesWire()),
    (re.compile(r".*/models/(?P<model>[^/]+):(?P<call>generateContent|streamGenerateContent)"), GeminiWire()),
)


def route(path: str) -> Route | None:
    """The route of a POST to `path`, or None if no wire lives there."""
    for pattern, wire in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None:
            found = match.groupdict()
            model = found.get("model")
            return Route(wire, model and unquote(model), found.get("call") == "streamGenerateContent")
    return None


def listed_models(path: str, names: Sequence[str]) -> dict[str, Any] | None:
    """The answer to a GET of the list of models, or of one of them; None if `path` is neither."""
    match = re.fullmatch(r"(?P<prefix>.*)/models(?:/(?P<name>.+))?", path)
    if match is None:
        return None
    entry = _gemini_entry if match["prefix"].endswith("/v1beta") else _openai_entry
    if match["name"]:
        return entry(unquote(match["name"]))
    models = [entry(name) for name in names or ("simulated",)]
    return {"models": models} if entry is _gemini_entry else {"object": "list", "data": models}


def _openai_entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


def _gemini_entry(name: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
