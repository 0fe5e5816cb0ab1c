"""A conversation goes from A to B and back to A, where each is a model string or an LLM of the framework.

The local provider is strict: it refuses unpaired calls, foreign signatures, empty text, wrong orders, as providers do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms import ChatMessage, ChatResponse, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI

from llamaindex_failover import FailoverLLM
from llamaindex_failover.histories import suited, to_chat
from llamaindex_failover.links import Link
from llamaindex_failover.messages import to_core
from shared_core.messages import Document, Message, ToolResult
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.simulator import Reply, Simulator, ToolCall
from tests.llamaindex.claude import CLAUDE, make_claude
from tests.llamaindex.conformance import PIXEL
from tests.llamaindex.conftest import certificates

KINDS = ("openai string", "anthropic string", "OpenAI member", "Anthropic member")
GPT = "gpt-4.1"
SIGNATURE = b"c2ltdWxhdGVkIHNpZ25hdHVyZQ=="


def weather(city: str) -> str:
    """Tells the weather."""
    return f"Sunny in {city}"


def climate(city: str) -> str:
    """Tells the climate."""
    raise OSError(city)


TOOLS = [FunctionTool.from_defaults(weather), FunctionTool.from_defaults(climate)]
CALLS = [ToolCall("weather", {"city": "Rome"}), ToolCall("climate", {"city": "Oslo"})]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(verify=certificates()) as made:
        yield made


def link(kind: str, sim: Simulator, client: httpx.Client) -> tuple[Link, str]:
    """A link of a chain, and the model by which the local provider knows it."""
    match kind:
        case "openai string":
            return f"openai/{GPT}", GPT
        case "anthropic string":
            return f"anthropic/{CLAUDE}", CLAUDE
        case "OpenAI member":
            return OpenAI(GPT, api_key="key-main", api_base=sim.base_url, http_client=client), GPT
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return make_claude(sim, max_tokens=4096, thinking_dict=thinking), CLAUDE


class Conversation:
    """What an agent's loop does with a chain of two links; the first link answers, unless it is down."""

    def __init__(self, sim: Simulator, client: httpx.Client, first: str, second: str, *, is_streamed: bool) -> None:
        self.is_streamed = is_streamed
        (one, self.one), (two, self.two) = link(first, sim, client), link(second, sim, client)
        self.llm = FailoverLLM(
            one,
            [two],
            profiles={"openai": {"main": "key-main"}, "anthropic": {"main": "key-claude"}},
            base_urls={"openai": sim.base_url, "anthropic": sim.url},
            policy=FailoverPolicy(transient_backoffs=()),
            reasoning_effort="low" if "anthropic string" in {first, second} else None,
        )
        self.history = [
            ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
            ChatMessage(blocks=[TextBlock(text="Weather?"), ImageBlock(image=PIXEL, image_mimetype="image/png")]),
        ]

    def ask(self) -> ChatResponse:
        asked: dict[str, Any] = {"tools": TOOLS, "chat_history": list(self.history), "allow_parallel_tool_calls": True}
        if self.is_streamed:
            *_, last = self.llm.stream_chat_with_tools(**asked)
        else:
            last = self.llm.chat_with_tools(**asked)
        self.history.append(last.message)
        return last

    def answer_calls(self, response: ChatResponse) -> None:
        selected = self.llm.get_tool_calls_from_response(response)
        assert [(call.tool_name, call.tool_kwargs) for call in selected] == [
            ("weather", {"city": "Rome"}),
            ("climate", {"city": "Oslo"}),
        ]
        for call, (text, is_error) in zip(selected, [("Sunny", False), ("service down", True)], strict=True):
            told = {"tool_call_id": call.tool_id, "name": call.tool_name, "is_error": is_error}
            self.history.append(ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs=told))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Anthropic's class makes a client for itself
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("first", "second"), [pair for pair in itertools.product(KINDS, KINDS) if pair[0] != pair[1]])
def test_there_and_back(sim: Simulator, client: httpx.Client, first: str, second: str, is_streamed: bool) -> None:
    """A thinks and calls two tools; B goes on, calls two more and answers; A answers to all of it."""
    talk = Conversation(sim, client, first, second, is_streamed=is_streamed)
    called = Reply(text="", reasoning="Two cities.", tool_calls=CALLS)
    if talk.one == talk.two:
        # Both are the same model for the local provider: the first one's answers are told from the second's by turns.
        sim.script(talk.one, called, "503", called, "503", Reply("Fine."), Reply("Bye."))
    else:
        sim.script(talk.one, called, "503", "503", Reply("Bye."))
        sim.script(talk.two, called, Reply("Fine."))
    before = [message.model_dump() for message in talk.history]
    answered = []

    def ask() -> ChatResponse:
        talk.llm.manager.reset()
        response = talk.ask()
        answered.append(response.additional_kwargs["failover"]["model"])
        return response

    talk.answer_calls(ask())
    talk.answer_calls(ask())
    assert ask().message.content == "Fine."
    talk.history.append(ChatMessage(role=MessageRole.ASSISTANT, content=""))
    talk.history.append(ChatMessage("Thanks."))
    assert ask().message.content == "Bye."
    talk.llm.manager.close()

    one, two, *_ = answered
    assert answered == [one, two, two, one]
    assert one != two
    assert [message.model_dump() for message in talk.history[: len(before)]] == before
    last = sim.requests[-1]
    inputs = [{"city": "Rome"}, {"city": "Oslo"}] * 2 if talk.one == CLAUDE else []
    assert [call["input"] for call in used(last.body)] == inputs
    # Claude's reasoning comes home with its proof, and goes to nobody else.
    assert (SIGNATURE in last.raw) == (talk.one == CLAUDE)
    assert not any(SIGNATURE in request.raw for request in sim.requests_for(GPT))


def used(body: Any) -> list[Any]:
    """The tool calls in a request to Claude."""
    turns = [turn["content"] for turn in body["messages"] if isinstance(turn["content"], list)]
    return [block for turn in turns for block in turn if block.get("type") == "tool_use"]


def test_every_block_has_a_way_back() -> None:
    """What the engine made of LlamaIndex's messages becomes the same messages again."""
    image = ImageBlock(image=PIXEL, image_mimetype="image/png", detail="low")
    result = {"tool_call_id": "call_1", "name": "weather", "is_error": True}
    messages = [
        ChatMessage(
            blocks=[
                TextBlock(text="Look:"),
                CachePoint(cache_control=CacheControl(type="ephemeral")),
                image,
                ImageBlock(url="https://example.com/cat.png", image_mimetype="image/png"),
                AudioBlock(audio=b"sound", format="wav"),
                DocumentBlock(data=b"%PDF-1.4", title="paper", document_mimetype="application/pdf"),
            ],
            additional_kwargs={"name": "ann"},
        ),
        ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[
                ThinkingBlock(content="Hm.", additional_information={"signature": "sig", "origin": "anthropic"}),
                ToolCallBlock(tool_call_id="call_1", tool_name="weather", tool_kwargs={"city": "Rome"}),
            ],
        ),
        ChatMessage(role=MessageRole.TOOL, content="down", additional_kwargs=result),
    ]
    back = [made for message in to_core(messages) for made in to_chat(message)]
    assert [message.model_dump() for message in back] == [message.model_dump() for message in messages]


def test_results_are_messages_of_their_own() -> None:
    """Several in one of the engine's messages are as many in LlamaIndex, each with a block; a text file is text."""
    message = Message("tool", (ToolResult("a"), ToolResult("b", (Document(text="told", mime_type="text/plain"),))))
    assert [(made.additional_kwargs["tool_call_id"], made.content) for made in to_chat(message)] == [
        ("a", ""),
        ("b", "told"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role=MessageRole.DEVELOPER, content="Be brief."),
        ChatMessage(blocks=[CitableBlock(title="t", source="s", content=[TextBlock(text="cited")])]),
        ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": [{"name": "f", "arguments": "{}"}]}),
    ],
    ids=["role", "block", "older call"],
)
def test_what_only_some_classes_know_is_translated(message: ChatMessage) -> None:
    """Roles, blocks and older forms that a member's class may not know."""
    core = to_core([ChatMessage("Hi"), message])
    own = {id(core[1]): message}
    made = suited(core, own, Vendor(name="Mine", wire="member"), "m")
    assert message not in made
    assert {told.role for told in made} <= {
        MessageRole.SYSTEM,
        MessageRole.USER,
        MessageRole.ASSISTANT,
        MessageRole.TOOL,
    }
