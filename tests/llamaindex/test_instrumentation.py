"""Instrumentation: what hooks are told is among LlamaIndex's own events, in the span of the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent
from pydantic import Field

from llamaindex_failover import FailoverLLM
from llamaindex_failover.instrumentation import FailoverEvent, instrumentation
from shared_core.simulator import Simulator


class Listener(BaseEventHandler):
    """Keeps events."""

    seen: list[Any] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_kwargs: Any) -> None:
        self.seen.append(event)

    def of(self, kind: type[BaseEvent]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A handler at the root, as a program adds it; it is taken away afterwards."""
    made, root = Listener(), get_dispatcher()
    root.add_event_handler(made)
    yield made
    root.event_handlers.remove(made)


async def ask(llm: FailoverLLM, way: str) -> None:
    messages = [ChatMessage("Hi")]
    match way:
        case "chat":
            llm.chat(messages)
        case "stream_chat":
            list(llm.stream_chat(messages))
        case "achat":
            await llm.achat(messages)
        case _:
            [_ async for _ in await llm.astream_chat(messages)]


@pytest.mark.parametrize("way", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_handlers_hear_what_hooks_are_told(
    way: str, sim: Simulator, make_llm: Callable[..., FailoverLLM], listener: Listener
) -> None:
    """In order, as plain values, in the span of the call's own events."""
    sim.script("gpt-4.1", "503")
    await ask(make_llm(), way)
    told = listener.of(FailoverEvent)
    assert [event.name for event in told] == ["on_failure", "on_cooldown", "on_failover"]
    assert told[2].notice["next_model"] == "anthropic/claude-sonnet-4-5"
    assert told[2].model_dump()["class_name"] == "FailoverEvent"
    (start,) = listener.of(LLMChatStartEvent)
    assert {event.span_id for event in told} == {start.span_id} != {None}


def test_nothing_is_made_where_nobody_listens() -> None:
    """The framework's idle handler does not count."""
    assert instrumentation() is None
