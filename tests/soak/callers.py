"""The ways to ask: the bare engine and both faces, sync and async, streamed and whole, to the end or left half way.

Every caller notes in `Seen` what its user would have: the text so far, void what is marked void, and how the call
ended. Nothing is judged here.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.utils import message_chunk_to_message
from llama_index.core.base.llms.types import ChatMessage

from langchain_failover import ChatFailover
from langchain_failover.chunks import RESTART as LANGCHAIN_RESTART
from llamaindex_failover import FailoverLLM
from llamaindex_failover.growing import RESTART as LLAMAINDEX_RESTART
from shared_core.errors import FailoverError
from shared_core.events import End, MemberChunk, Restart, TextDelta, ToolCallDelta
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.request import LLMRequest, Tool
from tests.soak.cases import TOOL, Case

__all__ = ["CALLERS", "Asked", "Caller", "Leaving", "Seen", "aask", "ask", "leaving"]


@dataclass(slots=True)
class Leaving:
    """How a caller goes away: after so many pieces it closes or drops its stream, after so many seconds it cancels."""

    closes_after: int | None = None
    drops_after: int | None = None
    cancels_after: float | None = None


@dataclass(slots=True)
class Seen:
    """What the user of a call has in the end."""

    text: str = ""
    merged: str | None = None
    calls: dict[int, list[str]] = field(default_factory=dict)
    restarts: int = 0
    report: Mapping[str, Any] | None = None
    error: BaseException | None = None
    has_left: bool = False
    seconds: float = 0.0

    def void(self) -> None:
        self.text, self.restarts = "", self.restarts + 1
        self.calls.clear()


@dataclass(slots=True)
class Asked:
    """One call: what is asked, of whom, how.

    Attributes:
        case: The question.
        caller: How it is asked.
        llm: The face, or the manager for the bare engine.
        models: The chain, for the bare engine.
        policy: Settings of the call, whoever holds them.
        leaving: How the caller goes away, if it does.
    """

    case: Case
    caller: Caller
    llm: Any
    models: tuple[str, ...]
    policy: FailoverPolicy
    leaving: Leaving


@dataclass(frozen=True, slots=True)
class Caller:
    """One way to ask. `streams`: the user sees the text as it comes."""

    name: str
    face: str
    streams: bool
    is_async: bool
    pull: Any


def ask(asked: Asked) -> Seen:
    """Asks in sync code."""
    seen = Seen()
    began = time.monotonic()
    pieces = asked.caller.pull(asked, seen)
    leaving = asked.leaving
    try:
        for taken, _ in enumerate(pieces):
            if taken == leaving.closes_after:
                pieces.close()
                seen.has_left = True
                break
            if taken == leaving.drops_after:
                seen.has_left = True
                break
    except FailoverError as error:
        seen.error = error
    seen.seconds = time.monotonic() - began
    return seen


async def aask(asked: Asked) -> Seen:
    """Asks in async code."""
    seen = Seen()
    began = time.monotonic()
    task = asyncio.create_task(_pulled(asked, seen))
    if asked.leaving.cancels_after is not None:
        await asyncio.wait([task], timeout=asked.leaving.cancels_after)
        if not task.done():
            task.cancel()
            began = time.monotonic()
    await asyncio.wait([task])
    if task.cancelled():
        seen.has_left = True
    elif isinstance(error := task.exception(), FailoverError):
        seen.error = error
    elif error is not None:
        raise error
    seen.seconds = time.monotonic() - began
    return seen


async def _pulled(asked: Asked, seen: Seen) -> None:
    leaving, taken = asked.leaving, 0
    pieces = asked.caller.pull(asked, seen)
    async for _ in pieces:
        if taken == leaving.closes_after:
            await pieces.aclose()
            seen.has_left = True
            return
        if taken == leaving.drops_after:
            seen.has_left = True
            return
        taken += 1


# The bare engine

_LOOK_UP = {
    "name": TOOL,
    "description": "Looks something up.",
    "parameters": {
        "type": "object",
        "properties": {"asked": {"type": "string"}, "by": {"type": "string"}},
        "required": ["asked", "by"],
    },
}


def _request(asked: Asked) -> LLMRequest:
    first, *rest = asked.models
    tools = (Tool(_LOOK_UP["name"], _LOOK_UP["description"], _LOOK_UP["parameters"]),)
    return LLMRequest(
        model=first,
        fallback_models=tuple(rest),
        messages=(Message.of("user", asked.case.question),),
        max_tokens=4000 if asked.case.number % 3 else None,
        tools=tools if asked.case.form == "tool" else (),
        tool_choice="required" if asked.case.form == "tool" else None,
    )


def _take(event: Any, seen: Seen) -> None:
    assert seen.report is None, "something came behind the end"
    match event:
        case TextDelta() | MemberChunk():
            seen.text += event.text
        case ToolCallDelta():
            seen.calls.setdefault(event.index, []).append(event.arguments)
        case Restart():
            seen.void()
        case End():
            seen.report = event.report.as_dict()


def _stream(asked: Asked, seen: Seen) -> Iterator[None]:
    manager: FailoverManager = asked.llm
    with closing(manager.stream(_request(asked), policy=asked.policy)) as events:
        for event in events:
            _take(event, seen)
            yield


async def _astream(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    manager: FailoverManager = asked.llm
    async with aclosing(manager.astream(_request(asked), policy=asked.policy)) as events:
        async for event in events:
            _take(event, seen)
            yield


def _complete(asked: Asked, seen: Seen) -> Iterator[None]:
    manager: FailoverManager = asked.llm
    for event in manager.stream(_request(asked), hold=True, policy=asked.policy):
        _take(event, seen)
    yield


async def _acomplete(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    manager: FailoverManager = asked.llm
    async for event in manager.astream(_request(asked), hold=True, policy=asked.policy):
        _take(event, seen)
    yield


# LangChain


def _options(asked: Asked) -> dict[str, Any]:
    if asked.case.form != "tool":
        return {}
    return {"tools": [{"type": "function", "function": _LOOK_UP}], "tool_choice": "required"}


def _take_message(message: AIMessage, seen: Seen) -> None:
    if LANGCHAIN_RESTART in message.response_metadata:
        seen.void()
    seen.text += message.text
    for call in getattr(message, "tool_call_chunks", ()):
        seen.calls.setdefault(call["index"] or 0, []).append(call["args"] or "")
    seen.report = message.response_metadata.get("failover") or seen.report


def _take_whole(message: AIMessage, seen: Seen) -> None:
    seen.text, seen.report = message.text, message.response_metadata["failover"]
    seen.calls = {index: [json.dumps(call["args"])] for index, call in enumerate(message.tool_calls)}


def _lc_stream(asked: Asked, seen: Seen) -> Iterator[None]:
    llm: ChatFailover = asked.llm
    merged: Any = None
    for chunk in llm.stream(asked.case.question, **_options(asked)):
        merged = chunk if merged is None or LANGCHAIN_RESTART in chunk.response_metadata else merged + chunk
        _take_message(chunk, seen)
        yield
    seen.merged = message_chunk_to_message(merged).text


async def _lc_astream(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    llm: ChatFailover = asked.llm
    merged: Any = None
    async for chunk in llm.astream(asked.case.question, **_options(asked)):
        merged = chunk if merged is None or LANGCHAIN_RESTART in chunk.response_metadata else merged + chunk
        _take_message(chunk, seen)
        yield
    seen.merged = message_chunk_to_message(merged).text


def _lc_invoke(asked: Asked, seen: Seen) -> Iterator[None]:
    _take_whole(asked.llm.invoke(asked.case.question, **_options(asked)), seen)
    yield


async def _lc_ainvoke(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    _take_whole(await asked.llm.ainvoke(asked.case.question, **_options(asked)), seen)
    yield


# LlamaIndex


def _messages(asked: Asked) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=asked.case.question)]


def _take_response(response: Any, seen: Seen) -> None:
    extra = response.additional_kwargs
    if LLAMAINDEX_RESTART in extra:
        seen.void()
    seen.text += response.delta or ""
    seen.merged = response.message.content or ""
    seen.report = extra.get("failover") or seen.report


def _li_stream_chat(asked: Asked, seen: Seen) -> Iterator[None]:
    llm: FailoverLLM = asked.llm
    for response in llm.stream_chat(_messages(asked)):
        _take_response(response, seen)
        yield


async def _li_astream_chat(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    llm: FailoverLLM = asked.llm
    async for response in await llm.astream_chat(_messages(asked)):
        _take_response(response, seen)
        yield


def _li_chat(asked: Asked, seen: Seen) -> Iterator[None]:
    response = asked.llm.chat(_messages(asked))
    seen.text, seen.report = response.message.content, response.additional_kwargs["failover"]
    yield


async def _li_achat(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    response = await asked.llm.achat(_messages(asked))
    seen.text, seen.report = response.message.content, response.additional_kwargs["failover"]
    yield


def _li_complete(asked: Asked, seen: Seen) -> Iterator[None]:
    response = asked.llm.complete(asked.case.question)
    seen.text, seen.report = response.text, response.additional_kwargs["failover"]
    yield


async def _li_acomplete(asked: Asked, seen: Seen) -> AsyncIterator[None]:
    response = await asked.llm.acomplete(asked.case.question)
    seen.text, seen.report = response.text, response.additional_kwargs["failover"]
    yield


CALLERS = (
    Caller("stream", "engine", True, False, _stream),
    Caller("astream", "engine", True, True, _astream),
    Caller("complete", "engine", False, False, _complete),
    Caller("acomplete", "engine", False, True, _acomplete),
    Caller("stream", "langchain", True, False, _lc_stream),
    Caller("astream", "langchain", True, True, _lc_astream),
    Caller("invoke", "langchain", False, False, _lc_invoke),
    Caller("ainvoke", "langchain", False, True, _lc_ainvoke),
    Caller("stream_chat", "llamaindex", True, False, _li_stream_chat),
    Caller("astream_chat", "llamaindex", True, True, _li_astream_chat),
    Caller("chat", "llamaindex", False, False, _li_chat),
    Caller("achat", "llamaindex", False, True, _li_achat),
    Caller("complete", "llamaindex", False, False, _li_complete),
    Caller("acomplete", "llamaindex", False, True, _li_acomplete),
)
"""Every way to ask."""


def leaving(rng: random.Random, caller: Caller) -> Leaving:
    """How, and whether, a caller goes away."""
    chance = rng.random()
    if caller.is_async and chance < 0.08:
        return Leaving(cancels_after=rng.choice((0.0, 0.005, 0.02, 0.1, 0.4)))
    if caller.streams and chance < 0.13:
        return Leaving(closes_after=rng.choice((0, 1, 2, 5)))
    if caller.streams and chance < 0.16:
        return Leaving(drops_after=rng.choice((0, 1, 3)))
    return Leaving()
