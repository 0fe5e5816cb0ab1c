"""A conversation goes from A to B and back to A, for every ordered pair of wires."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from shared_core.history import prepare
from shared_core.messages import Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

VENDORS = {
    "openai": Vendor(name="openai", tool_id=r".{1,40}"),
    "responses": Vendor(name="azure", wire="responses", tool_id=r".{1,64}"),
    "anthropic": Vendor(name="anthropic", wire="anthropic", tool_id=r"[a-zA-Z0-9_-]+"),
    "gemini": Vendor(name="gemini", wire="gemini"),
    "mistral": Vendor(name="mistral", tool_id=r"[a-zA-Z0-9]{9}", alternates=True),
}
IDS = {
    "openai": ("call_aB1", "call_aB2"),
    "responses": ("call_cD1", "call_cD2"),
    "anthropic": ("toolu_01", "toolu_02"),
    "gemini": ("", ""),
    "mistral": ("aB3dE6gH9", "bC3dE6gH9"),
}
PAIRS = list(itertools.permutations(VENDORS, 2))
PNG = Image(data="iVBORw0KGgo=", mime_type="image/png")


def turn_of(maker: str, ids: tuple[str, str]) -> tuple[Message, ...]:
    """What an agent's loop leaves behind when `maker` answered: thought, empty text, two calls, results, an answer."""
    name = VENDORS[maker].name
    rome = ToolCall(ids[0], "weather", '{"city":"Rome"}', signature="proof" if maker == "gemini" else None, origin=name)
    oslo = ToolCall(ids[1], "climate", '{"city":"Oslo"}', origin=name)
    results = (
        ToolResult(ids[0], (Text("sunny"), PNG), name="weather"),
        ToolResult(ids[1], (Text("service down"),), name="climate", is_error=True),
    )
    return (
        Message("assistant", (Reasoning("two cities", signature="sig", id="rs_1", origin=name), Text(""), rome, oslo)),
        Message("tool", results),
        Message("assistant", (Opaque({"type": "search"}, origin=name), Text("Sunny in Rome.", origin=name))),
        Message("assistant", (Text("", origin=name),)),
    )


def begun_by(maker: str) -> tuple[Message, ...]:
    """A conversation that only `maker` has answered in."""
    question = Message("user", (Text("Weather here?"), PNG))
    return (Message.of("system", "Be brief."), question, *turn_of(maker, IDS[maker]), Message.of("user", "And now?"))


def calls_of(messages: tuple[Message, ...]) -> list[ToolCall]:
    return [block for message in messages for block in message.content if isinstance(block, ToolCall)]


def results_of(messages: tuple[Message, ...]) -> list[ToolResult]:
    return [block for message in messages for block in message.content if isinstance(block, ToolResult)]


@pytest.mark.parametrize(("maker", "reader"), PAIRS)
def test_history_of_one_is_valid_for_the_other(maker: str, reader: str) -> None:
    """Nothing of the maker's own is left; what was said and done all is."""
    vendor = VENDORS[reader]
    out = prepare(begun_by(maker), vendor)
    kinds = [type(block) for message in out for block in message.content]
    assert Reasoning not in kinds
    assert Opaque not in kinds
    assert not any(getattr(block, "signature", None) for message in out for block in message.content)
    calls, results = calls_of(out), results_of(out)
    assert [call.id for call in calls] == [result.call_id for result in results]
    assert len({call.id for call in calls}) == 2
    assert all(re.fullmatch(vendor.tool_id or ".+", call.id) for call in calls)
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Rome", "Oslo"]
    assert [result.is_error for result in results] == [False, True]
    assert results[0].content == (Text("sunny"), PNG)
    assert [message.role for message in out] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert out[1].content[1] is PNG


@pytest.mark.parametrize(("maker", "reader"), PAIRS)
def test_and_back_again(maker: str, reader: str) -> None:
    """When the other has answered, the maker gets its own blocks as they were, and the other's without secrets."""
    home = VENDORS[maker]
    history = (*begun_by(maker), *turn_of(reader, IDS[reader]), Message.of("user", "Thanks, once more."))
    out = prepare(history, home)
    thoughts = [block for message in out for block in message.content if isinstance(block, Reasoning)]
    assert [thought.origin for thought in thoughts] == [home.name]
    assert [block.origin for message in out for block in message.content if isinstance(block, Opaque)] == [home.name]
    calls = calls_of(out)
    assert [call.id for call in calls] == [result.call_id for result in results_of(out)]
    assert len({call.id for call in calls}) == 4
    assert [call.signature for call in calls] == ["proof" if maker == "gemini" else None, None, None, None]
    if maker != "gemini":
        assert [call.id for call in calls[:2]] == list(IDS[maker])
    assert prepare(out, home) is out


@pytest.mark.parametrize(("maker", "reader"), PAIRS)
def test_prefix_is_stable(maker: str, reader: str) -> None:
    """The next turn begins with the very same messages, so a provider's prompt cache still holds."""
    vendor = VENDORS[reader]
    history = begun_by(maker)
    grown = (*history, *turn_of(reader, IDS[reader]), Message.of("user", "Thanks."))
    before = prepare(history, vendor)
    assert prepare(grown, vendor)[: len(before)] == before
