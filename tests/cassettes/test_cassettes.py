"""Recorded conversations, replayed without network: what the provider said is what the caller gets, sync and async.

vcrpy reads a whole response before it hands it on, and replays it in one piece; how answers are cut on the wire is the
simulator's matter.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared_core.answer import Answer
from shared_core.errors import ChainExhaustedError, ErrorKind
from shared_core.events import Failed, ReasoningDelta, TextDelta, ToolCallDelta, WireEvent
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.vendors import find
from shared_core.registry import wire as protocol
from shared_core.request import LLMRequest
from tests.cassettes.conversations import CONVERSATIONS, RECORDER, WIRES, asking
from tests.cassettes.readings import READINGS, Said

HERE = Path(__file__).parent
ENDS = {
    "stop": {"stop", "completed", "end_turn", "STOP"},
    "tool_calls": {"tool_calls", "completed", "tool_use", "FUNCTION_CALL", "STOP"},
}


def recorded(wire: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request and response of a cassette."""
    (interaction,) = yaml.safe_load((HERE / wire / f"{name}.yaml").read_text("utf-8"))["interactions"]
    return interaction["request"], interaction["response"]


def said(wire: str, name: str) -> Said:
    """What the recorded stream says."""
    body = recorded(wire, name)[1]["body"]["string"]
    lines = (body if isinstance(body, str) else body.decode()).splitlines()
    return READINGS[wire]([json.loads(line[6:]) for line in lines if line.startswith("data: {")])


def manager(wire: str) -> FailoverManager:
    provider = WIRES[wire].provider
    # Nobody answers there: it is the cassette or nothing.
    url = f"https://provider.invalid{WIRES[wire].path}"
    return FailoverManager(
        base_urls={provider: url},
        profiles={provider: {"main": "key-main"}},
        policy=FailoverPolicy(transient_backoffs=(), patience=0),
    )


def request(wire: str, name: str) -> LLMRequest:
    """What was asked, of the model that was asked then."""
    sent = recorded(wire, name)[0]
    in_path = re.search(r"/models/([^:/]+):", sent["uri"])
    return asking(wire, name, in_path[1] if in_path else json.loads(sent["body"])["model"])


def sync(wire: str, name: str) -> Answer:
    with RECORDER.use_cassette(f"{wire}/{name}") as cassette, manager(wire) as asked:
        answer = asked.complete(request(wire, name))
        assert cassette.all_played
        return answer


def awaited(wire: str, name: str) -> Answer:
    async def ask() -> Answer:
        async with manager(wire) as asked:
            return await asked.acomplete(request(wire, name))

    with RECORDER.use_cassette(f"{wire}/{name}") as cassette:
        answer = asyncio.run(ask())
        assert cassette.all_played
        return answer


Ask = Callable[[str, str], Answer]
both = pytest.mark.parametrize("ask", [sync, awaited], ids=["sync", "async"])
wires = pytest.mark.parametrize("wire", WIRES)


@both
@wires
@pytest.mark.parametrize("name", ["text", "reasoning"])
def test_text(ask: Ask, wire: str, name: str) -> None:
    """Text, reasoning, the protocol's end and the tokens are those of the recorded events."""
    answer, expected = ask(wire, name), said(wire, name)
    assert answer.text == expected.text
    assert answer.text
    assert "".join(block.text for block in answer.reasoning) == expected.reasoning
    assert answer.finish is not None
    assert answer.finish.reason == "stop"
    assert expected.finish in ENDS["stop"]
    used = answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens)
    assert used == expected.usage
    assert answer.report.model == request(wire, name).model


@wires
def test_reasoning_is_recorded_where_the_wire_shows_it(wire: str) -> None:
    """Three of the four wires bring reasoning, so that the comparison above is one."""
    assert bool(said(wire, "reasoning").reasoning) == (wire != "openai")


@both
@wires
def test_tools(ask: Ask, wire: str) -> None:
    """Parallel calls are put together from their pieces, each with an id, and stay apart."""
    answer, expected = ask(wire, "tools"), said(wire, "tools")
    assert [call.name for call in answer.tool_calls] == [name for name, _ in expected.calls]
    for call, (_, arguments) in zip(answer.tool_calls, expected.calls, strict=True):
        assert json.loads(call.arguments) == (json.loads(arguments) if isinstance(arguments, str) else arguments)
    assert [json.loads(call.arguments)["city"] for call in answer.tool_calls] == ["Zürich", "京都"]
    assert len({call.id for call in answer.tool_calls}) == 2
    assert answer.finish is not None
    assert answer.finish.reason == "tool_calls"
    assert expected.finish in ENDS["tool_calls"]


@both
@wires
def test_error(ask: Ask, wire: str) -> None:
    """A recorded refusal is judged by its status, code and headers."""
    with pytest.raises(ChainExhaustedError) as caught:
        ask(wire, "error")
    (error,) = caught.value.errors
    response = recorded(wire, "error")[1]
    kinds = {404: ErrorKind.MODEL_MISSING, 429: ErrorKind.RATE_LIMIT}
    assert (error.status, error.kind) == (response["status"]["code"], kinds[response["status"]["code"]])
    stated = {name.lower() for name in response["headers"]} & {"retry-after", "retry-after-ms"}
    assert (error.retry_after is not None) == bool(stated or "try again in" in str(response["body"]["string"]))


@pytest.mark.parametrize(
    ("wire", "name"),
    [("openai", "tools"), ("responses", "reasoning"), ("anthropic", "reasoning"), ("gemini", "reasoning")],
)
def test_a_recorded_stream_cut_anywhere_is_whole_or_broken(wire: str, name: str) -> None:
    """After every byte: what passes for an answer has all of it."""
    row = find(WIRES[wire].provider)
    assert row is not None
    stream = str(recorded(wire, name)[1]["body"]["string"]).encode()

    def decoded(body: bytes) -> list[WireEvent]:
        decoder = protocol(wire).decoder(vendor=row, content_type="text/event-stream")
        return [*decoder.feed(body), *decoder.end()]

    def content(events: list[WireEvent]) -> tuple[str, str, str]:
        pieces = [[event for event in events if isinstance(event, kind)] for kind in (TextDelta, ReasoningDelta)]
        calls = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
        return *("".join(event.text for event in found) for found in pieces), "".join(calls)  # type: ignore[return-value]

    whole = content(decoded(stream))
    assert any(whole)
    passing = 0
    for length in range(len(stream)):
        events = decoded(stream[:length])
        if not any(isinstance(event, Failed) for event in events):
            assert content(events) == whole
            passing += 1
    assert 0 < passing < len(stream) / 2


@wires
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_cassette_holds_a_key(wire: str, name: str) -> None:
    """What could hold one was not recorded, on either side."""
    held = {header.lower() for part in recorded(wire, name) for header in part["headers"]}
    assert held.isdisjoint({"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "set-cookie"})
    text = (HERE / wire / f"{name}.yaml").read_text("utf-8").lower()
    assert "bearer" not in text
    assert "key-" not in text
    assert "key=" not in text
