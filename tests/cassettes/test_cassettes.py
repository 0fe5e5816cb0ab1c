"""Recorded conversations, replayed without network: what the provider said is what the caller gets, sync and async.

vcrpy reads a whole response before it hands it on, and replays it in one piece; how answers are cut on the wire is the
simulator's matter.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared_core.answer import Answer
from shared_core.errors import ChainExhaustedError, ErrorKind
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.request import LLMRequest
from tests.cassettes.conversations import CONVERSATIONS, RECORDER, asking

HERE = Path(__file__).parent


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request and response of a cassette."""
    (interaction,) = yaml.safe_load((HERE / f"{name}.yaml").read_text("utf-8"))["interactions"]
    return interaction["request"], interaction["response"]


def chunks(name: str) -> list[dict[str, Any]]:
    """The events of a recorded stream."""
    body = recorded(name)[1]["body"]["string"]
    lines = (body if isinstance(body, str) else body.decode()).splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def deltas(name: str) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks(name) for choice in chunk["choices"]]


def manager() -> FailoverManager:
    return FailoverManager(
        base_urls={"openai": "https://provider.invalid/v1"},  # nobody answers there: it is the cassette or nothing
        profiles={"openai": {"main": "key-main"}},
        policy=FailoverPolicy(transient_backoffs=(), patience=0),
    )


def request(name: str) -> LLMRequest:
    """What was asked, of the model that was asked then."""
    return asking(name, json.loads(recorded(name)[0]["body"])["model"])


def sync(name: str) -> Answer:
    with RECORDER.use_cassette(name) as cassette, manager() as asked:
        answer = asked.complete(request(name))
        assert cassette.all_played
        return answer


def awaited(name: str) -> Answer:
    async def ask() -> Answer:
        async with manager() as asked:
            return await asked.acomplete(request(name))

    with RECORDER.use_cassette(name) as cassette:
        answer = asyncio.run(ask())
        assert cassette.all_played
        return answer


both = pytest.mark.parametrize("ask", [sync, awaited], ids=["sync", "async"])


@both
def test_text(ask: Callable[[str], Answer]) -> None:
    """The text, finish reason, usage and id are those of the recorded events."""
    answer = ask("text")
    assert answer.text == "".join(delta.get("content") or "" for delta in deltas("text"))
    assert answer.text
    assert answer.finish is not None
    assert answer.finish.raw == "stop"
    usage = chunks("text")[-1]["usage"]
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert answer.details["id"] == chunks("text")[0]["id"]
    assert answer.report.model == request("text").model


@both
def test_tools(ask: Callable[[str], Answer]) -> None:
    """Parallel calls are put together from their pieces, each with its id, and stay apart."""
    answer = ask("tools")
    pieces: dict[int, dict[str, str]] = {}
    for delta in deltas("tools"):
        for call in delta.get("tool_calls", ()):
            found = pieces.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
            found["id"] += call.get("id", "")
            found["name"] += call["function"].get("name", "")
            found["arguments"] += call["function"].get("arguments", "")
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
    assert calls == list(pieces.values())
    assert len(calls) == 2
    assert all(json.loads(call["arguments"])["city"] for call in calls)
    assert answer.finish is not None
    assert answer.finish.reason == "tool_calls"


@both
def test_error(ask: Callable[[str], Answer]) -> None:
    """A recorded refusal is judged by its status, code and headers."""
    with pytest.raises(ChainExhaustedError) as caught:
        ask("error")
    (error,) = caught.value.errors
    response = recorded("error")[1]
    kinds = {404: ErrorKind.MODEL_MISSING, 429: ErrorKind.RATE_LIMIT}
    assert (error.status, error.kind) == (response["status"]["code"], kinds[response["status"]["code"]])
    assert error.code == json.loads(response["body"]["string"])["error"]["code"]
    stated = {name.lower() for name in response["headers"]} & {"retry-after", "retry-after-ms"}
    assert (error.retry_after is not None) == bool(stated)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_cassette_holds_a_key(name: str) -> None:
    """What could hold one was not recorded, on either side."""
    held = {header.lower() for part in recorded(name) for header in part["headers"]}
    assert held.isdisjoint({"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "set-cookie"})
    text = (HERE / f"{name}.yaml").read_text("utf-8").lower()
    assert "bearer" not in text
    assert "key-" not in text
