"""Token counts need no download, and are about right."""

from __future__ import annotations

import socket

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, trim_messages

from langchain_failover import ChatFailover
from langchain_failover.tokens import PER_DOCUMENT, PER_IMAGE, PER_MESSAGE, PER_SMALL_IMAGE, token_ids

ENGLISH = (
    "The failover engine tries the next API key, then the next model, and says afterwards exactly what it did. "
    "Nothing else in the program changes: tools, structured output, agents, callbacks and token usage stay the same."
)


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> ChatFailover:
    def refuse(*_: object) -> None:
        raise AssertionError("a token count went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return ChatFailover("openai/gpt-4.1")


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("hello", 1, 1),
        (ENGLISH, len(ENGLISH) // 5, len(ENGLISH) // 3),  # OpenAI's rule of thumb is four characters
        ("故障转移引擎会尝试下一个密钥", 7, 14),
        ("1234567890", 4, 4),
        ("def f(x):\n    return x + 1\n", 10, 16),
        ("Привет, как дела?", 5, 10),
        ("🙂🙂", 1, 4),
        ("\ud800", 1, 1),
    ],
)
def test_estimates_are_close(llm: ChatFailover, text: str, least: int, most: int) -> None:
    """Near the rules of thumb for each kind of text."""
    assert least <= llm.get_num_tokens(text) <= most


def test_ids_are_stable_and_follow_the_text() -> None:
    """The same piece has the same number."""
    assert token_ids("no no") == token_ids("no no")
    assert token_ids("a b a")[0] != token_ids("a b a")[1]


def test_a_tokenizer_of_ones_own_is_used() -> None:
    """LangChain's setting for it."""
    llm = ChatFailover("openai/gpt-4.1", custom_get_token_ids=lambda text: [ord(letter) for letter in text])
    assert llm.get_num_tokens("abc") == 3
    assert llm.get_num_tokens_from_messages([HumanMessage("abc")]) == PER_MESSAGE + 3


def test_messages_are_counted_with_everything_in_them(llm: ChatFailover) -> None:
    """Calls, results, pictures, documents, reasoning and tool schemas."""
    count = llm.get_num_tokens
    image = {"type": "image_url", "image_url": {"url": "http://x"}}
    small = {"type": "image_url", "image_url": {"url": "http://x", "detail": "low"}}
    document = {"type": "file", "url": "http://x", "mime_type": "application/pdf"}
    notes = {"type": "text-plain", "text": "hello"}
    audio = {"type": "audio", "url": "http://x"}
    opaque = {"type": "search_result", "source": "s"}
    call = {"name": "look", "args": {}, "id": "1"}
    cases = [
        (HumanMessage([image, small, document, notes]), PER_IMAGE + PER_SMALL_IMAGE + PER_DOCUMENT + 1),
        (HumanMessage([audio]), PER_DOCUMENT),
        (HumanMessage([opaque]), count('{"type": "search_result", "source": "s"}')),
        (HumanMessage("hello", name="Ada"), 2),
        (AIMessage("hello", additional_kwargs={"reasoning_content": "hello"}), 2),
        (AIMessage("", tool_calls=[call]), count("look") + count("{}")),
        (ToolMessage("hello", tool_call_id="1"), 1),
    ]
    for message, expected in cases:
        assert llm.get_num_tokens_from_messages([message]) == PER_MESSAGE + expected

    def look() -> None:
        """Look around."""

    plain = llm.get_num_tokens_from_messages([HumanMessage("hello")])
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")], tools=[look]) > plain + 5


def test_a_conversation_can_be_trimmed(llm: ChatFailover) -> None:
    """`trim_messages` takes the model as its token counter."""
    history = [HumanMessage("word " * 50), AIMessage("ok"), HumanMessage("last")]
    assert trim_messages(history, max_tokens=20, token_counter=llm) == history[1:]
