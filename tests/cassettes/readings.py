"""What a recorded stream says, read without the library: a few lines for each wire, enough to compare with.

Each reading takes the decoded events of one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["READINGS", "Said"]

Events = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a stream says: text, reasoning, calls (name, arguments as text or object), its end, tokens in and out."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    finish: str | None
    usage: tuple[int, int] | None


def openai(events: Events) -> Said:
    """Chat Completions: deltas of the one choice, and usage on an event of its own."""
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            found = calls.setdefault(call["index"], ["", ""])
            found[0] += call["function"].get("name", "")
            found[1] += call["function"].get("arguments", "")
    usage = next((event["usage"] for event in events if event.get("usage")), None)
    return Said(
        text="".join(delta.get("content") or "" for delta in deltas),
        reasoning="".join(delta.get("reasoning_content") or "" for delta in deltas),
        calls=[(name, arguments) for name, arguments in calls.values()],
        finish=next(choice["finish_reason"] for choice in events[-2]["choices"] or events[-1]["choices"]),
        usage=usage and (usage["prompt_tokens"], usage["completion_tokens"]),
    )


def responses(events: Events) -> Said:
    """Responses: the last event holds the whole answer."""
    answer = events[-1]["response"]
    items = answer["output"]
    return Said(
        text="".join(part["text"] for item in items if item["type"] == "message" for part in item["content"]),
        reasoning="".join(part["text"] for item in items if item["type"] == "reasoning" for part in item["summary"]),
        calls=[(item["name"], item["arguments"]) for item in items if item["type"] == "function_call"],
        finish=answer["status"],
        usage=(answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]),
    )


def anthropic(events: Events) -> Said:
    """Messages: blocks that start and grow."""
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    starts = [event for event in events if event["type"] == "content_block_start"]
    calls = {event["index"]: event["content_block"]["name"] for event in starts if "name" in event["content_block"]}
    grown = {
        index: "".join(
            event["delta"]["partial_json"]
            for event in events
            if event["type"] == "content_block_delta" and event["index"] == index
        )
        for index in calls
    }
    (end,) = (event for event in events if event["type"] == "message_delta")
    (start,) = (event["message"] for event in events if event["type"] == "message_start")
    return Said(
        text="".join(delta.get("text", "") for delta in deltas),
        reasoning="".join(delta.get("thinking", "") for delta in deltas),
        calls=[(name, grown[index]) for index, name in calls.items()],
        finish=end["delta"]["stop_reason"],
        usage=(start["usage"]["input_tokens"], end["usage"]["output_tokens"]),
    )


def gemini(events: Events) -> Said:
    """generateContent: parts of the one candidate; arguments are objects."""
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    usage = events[-1].get("usageMetadata")
    return Said(
        text="".join(part.get("text", "") for part in parts if not part.get("thought")),
        reasoning="".join(part["text"] for part in parts if part.get("thought")),
        calls=[
            (part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part
        ],
        finish=events[-1]["candidates"][0].get("finishReason"),
        usage=usage and (usage["promptTokenCount"], usage["candidatesTokenCount"]),
    )


READINGS: dict[str, Callable[[Events], Said]] = {
    "openai": openai,
    "responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
}
