"""The drivers: every way to ask the engine, each as one function that plays a scenario and says what its caller saw.

A driver is given a manager and a scenario; that is all that it knows. A face plugs in with one class. Async drivers run
in an `asyncio.run` of their own, as a program's first call does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from llama_index.core.llms import ChatMessage

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.errors import FailoverError
from shared_core.events import End, StreamEvent, TextDelta
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from tests.scenarios.scenarios import Scenario

__all__ = ["FAMILIES", "Driver", "Played"]

QUESTION = "What stands first?"


@dataclass(slots=True)
class Played:
    """What the caller saw."""

    shown: str = ""
    error: Any = None
    report: Mapping[str, Any] | None = None

    def take(self, event: StreamEvent) -> None:
        """An event of the engine."""
        if isinstance(event, TextDelta):
            self.shown += event.text
        elif isinstance(event, End):
            self.report = event.report.as_dict()


Play: TypeAlias = Callable[[FailoverManager, Scenario, Played], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Driver:
    """One way to ask. `streams`: its caller sees content as it comes."""

    name: str
    streams: bool
    play: Play

    def __call__(self, manager: FailoverManager, scenario: Scenario) -> Played:
        """Plays `scenario`; the engine's own errors are part of what is seen, others are raised."""
        played = Played()
        try:
            outcome = self.play(manager, scenario, played)
            if outcome is not None:
                asyncio.run(_awaited(outcome))
        except FailoverError as error:
            played.error = error
            played.report = error.report.as_dict()
        return played


async def _awaited(outcome: Awaitable[None]) -> None:
    await outcome


def _request(scenario: Scenario) -> Any:
    return scenario.made(messages=(Message.of("user", QUESTION),))


# The engine's own front door


def stream(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    for event in manager.stream(_request(scenario)):
        played.take(event)


async def astream(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    async for event in manager.astream(_request(scenario)):
        played.take(event)


def complete(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    answer = manager.complete(_request(scenario))
    played.shown, played.report = answer.text, answer.report.as_dict()


async def acomplete(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    answer = await manager.acomplete(_request(scenario))
    played.shown, played.report = answer.text, answer.report.as_dict()


# LangChain


def _langchain(manager: FailoverManager, scenario: Scenario) -> ChatFailover:
    return ChatFailover("a/first", fallbacks=["b/second"], manager=manager, **scenario.request)


def _take_message(message: Any, played: Played) -> None:
    played.shown += message.text
    played.report = message.response_metadata.get("failover") or played.report


def lc_invoke(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    _take_message(_langchain(manager, scenario).invoke(QUESTION), played)


async def lc_ainvoke(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    _take_message(await _langchain(manager, scenario).ainvoke(QUESTION), played)


def lc_stream(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    for chunk in _langchain(manager, scenario).stream(QUESTION):
        _take_message(chunk, played)


async def lc_astream(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    async for chunk in _langchain(manager, scenario).astream(QUESTION):
        _take_message(chunk, played)


# LlamaIndex

_MESSAGES = (ChatMessage(role="user", content=QUESTION),)


def _llamaindex(manager: FailoverManager, scenario: Scenario) -> FailoverLLM:
    return FailoverLLM("a/first", ["b/second"], manager=manager, **scenario.request)


def _take_response(response: Any, played: Played) -> None:
    played.shown = response.message.content or ""
    played.report = response.additional_kwargs.get("failover") or played.report


def li_chat(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    _take_response(_llamaindex(manager, scenario).chat(_MESSAGES), played)


async def li_achat(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    _take_response(await _llamaindex(manager, scenario).achat(_MESSAGES), played)


def li_stream_chat(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    for response in _llamaindex(manager, scenario).stream_chat(_MESSAGES):
        _take_response(response, played)


async def li_astream_chat(manager: FailoverManager, scenario: Scenario, played: Played) -> None:
    async for response in await _llamaindex(manager, scenario).astream_chat(_MESSAGES):
        _take_response(response, played)


FAMILIES: Mapping[str, tuple[Driver, ...]] = {
    "engine": (
        Driver("stream", True, stream),
        Driver("astream", True, astream),
        Driver("complete", False, complete),
        Driver("acomplete", False, acomplete),
    ),
    "langchain": (
        Driver("invoke", False, lc_invoke),
        Driver("ainvoke", False, lc_ainvoke),
        Driver("stream", True, lc_stream),
        Driver("astream", True, lc_astream),
    ),
    "llamaindex": (
        Driver("chat", False, li_chat),
        Driver("achat", False, li_achat),
        Driver("stream_chat", True, li_stream_chat),
        Driver("astream_chat", True, li_astream_chat),
    ),
}
"""Every driver, by the door at which it asks."""
