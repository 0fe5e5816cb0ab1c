"""What a `ChatFailover` with chat models in it knows of itself, and how it is copied, stored and cached."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import ConfigurableField
from langchain_openai import ChatOpenAI
from pydantic import Field

from langchain_failover import ChatFailover, FailoverManager
from shared_core.errors import ConfigurationError
from shared_core.messages import Message
from shared_core.request import LLMRequest
from shared_core.simulator import Reply, Simulator

KEY = "key-main"


class Echo(BaseChatModel):
    """Answers with what it was asked, and keeps it."""

    temperature: float | None = None
    heard: list[Any] = Field(default_factory=list, repr=False)

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.heard.append(messages)
        message = AIMessage(f"{messages[-1].text} at {self.temperature}")
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-from-environment")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-from-environment")


@pytest.fixture
def mixed(sim: Simulator) -> Iterator[ChatFailover]:
    links = [ChatAnthropic(model="claude-sonnet-4-5", base_url=sim.url, api_key=KEY), "groq/llama-3.3-70b-versatile"]
    llm = ChatFailover(
        ChatOpenAI(model="gpt-4.1", base_url=sim.base_url, api_key=KEY, temperature=0.5), fallbacks=links
    )
    yield llm
    llm.manager.close()  # type: ignore[union-attr]


NAMES = ("ChatOpenAI/gpt-4.1", "ChatAnthropic/claude-sonnet-4-5", "groq/llama-3.3-70b-versatile")


def test_each_link_has_a_name(mixed: ChatFailover) -> None:
    """Shown by explain, health and trails; a link can be asked for by it."""
    assert mixed.names == NAMES
    assert [candidate.model for candidate in mixed.explain().candidates] == list(NAMES)
    assert [candidate.model for candidate in mixed.explain(model=NAMES[1]).candidates][:2] == [NAMES[1], NAMES[2]]


def test_the_profile_is_that_of_all_links(mixed: ChatFailover) -> None:
    """A member's own profile counts as our table does for strings."""
    assert mixed.profile is not None
    assert mixed.profile["max_input_tokens"] == 131_072
    assert mixed.profile["tool_calling"] is True
    alone = ChatFailover(ChatOpenAI(model="x", api_key=KEY, profile={"max_input_tokens": 5, "image_inputs": False}))
    assert alone.profile == {
        "max_input_tokens": 5,
        "image_inputs": False,
        "text_inputs": True,
        "text_outputs": True,
    }
    assert [link.window for link in alone.chain] == [5]


def test_langsmith_is_told_of_the_first_link(mixed: ChatFailover) -> None:
    """By the member's own words, with what the chain lays over them."""
    params = mixed._get_ls_params(stop=["END"])
    assert (params["ls_provider"], params["ls_model_name"]) == ("openai", "gpt-4.1")
    assert (params["ls_temperature"], params["ls_stop"]) == (0.5, ["END"])
    assert mixed._get_ls_params(temperature=0.1)["ls_temperature"] == 0.1
    assert mixed._get_invocation_params()["model"] == NAMES[0]


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_no_key_is_in_a_dump(mixed: ChatFailover) -> None:
    """LangChain stores its own models without them; loaded, they take theirs from the environment."""
    for text in (dumps(mixed), repr(mixed), str(mixed), str(pickle.dumps(mixed))):
        assert KEY not in text
    loaded: Any = load(
        dumpd(mixed),
        secrets_from_env=True,
        allowed_objects=[ChatFailover, ChatOpenAI, ChatAnthropic],
        valid_namespaces=["langchain_failover"],
    )
    assert loaded.names == NAMES
    assert loaded.model.openai_api_key.get_secret_value() == "key-from-environment"


def test_a_chain_of_members_goes_through_pickle(mixed: ChatFailover) -> None:
    """With its settings, and keys from the environment."""
    found = pickle.loads(pickle.dumps(mixed))  # noqa: S301  # our own
    assert found.names == NAMES
    assert found.model.temperature == 0.5
    assert found.fallbacks[0].anthropic_api_key.get_secret_value() == "key-from-environment"
    bound = pickle.loads(pickle.dumps(ChatFailover(ChatOpenAI(model="gpt-4.1").bind(stop=["A"]))))  # noqa: S301
    assert bound.model.kwargs == {"stop": ["A"]}


def test_what_langchain_cannot_store_is_not_pickled() -> None:
    """Rather than a chain with a link missing."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ChatFailover(Echo()))


def test_copies_share_the_members(mixed: ChatFailover) -> None:
    """And with them the memory of what is down."""
    other = mixed.model_copy(update={"temperature": 0.1})
    for found in (copy.copy(mixed), copy.deepcopy(mixed), other):
        assert found.names == NAMES
        assert found.model is mixed.model
        assert found.manager is mixed.manager
    swapped = mixed.model_copy(update={"fallbacks": (mixed.fallbacks[0],)})
    assert swapped.names == NAMES[:2]


def test_a_manager_is_shared_with_members() -> None:
    """One object has one name and one health in all chains of a manager."""
    manager, echo = FailoverManager(), Echo()
    one, two = ChatFailover(echo, manager=manager), ChatFailover(Echo(), fallbacks=[echo], manager=manager)
    assert one.names == ("Echo/echo",)
    assert two.names == ("Echo#2/echo", "Echo/echo")


def test_a_member_can_be_chosen_by_configuration() -> None:
    """Configurable fields make a new model of the same manager, with the same names."""
    quick, slow = Echo(temperature=1), Echo(temperature=2)
    llm = ChatFailover(quick).configurable_fields(model=ConfigurableField(id="who"))
    assert llm.invoke("Hi").text == "Hi at 1.0"
    assert llm.invoke("Hi", {"configurable": {"who": slow}}).text == "Hi at 2.0"


def test_answers_are_cached_by_the_members_settings() -> None:
    """Another member, or the same with other settings, has other answers."""
    cache, echo = InMemoryCache(), Echo()
    cold = ChatFailover(echo, cache=cache)
    assert cold.invoke("Hi").text == cold.invoke("Hi").text == "Hi at None"
    assert len(echo.heard) == 1
    assert ChatFailover(echo, temperature=0.5, cache=cache).invoke("Hi").text == "Hi at 0.5"


def test_strings_may_mean_langchains_models(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With provider_style="langchain" they are what `init_chat_model` makes of them."""
    monkeypatch.setenv("OPENAI_API_BASE", sim.base_url)
    sim.script("gpt-4.1", Reply("Hello."))
    llm = ChatFailover("openai:gpt-4.1", fallbacks=["anthropic:claude-sonnet-4-5"], provider_style="langchain")
    assert llm.names == NAMES[:2]
    assert llm.invoke("Hi").response_metadata["failover"]["model"] == NAMES[0]
    assert llm.with_config(tags=["x"]).invoke("Hi").text == "Hello."
    assert ChatFailover("openai:gpt-4.1", provider_style="langchain", manager=llm.manager).names == NAMES[:1]
    assert pickle.loads(pickle.dumps(llm)).names == NAMES[:2]  # noqa: S301  # our own
    llm.manager.close()  # type: ignore[union-attr]


def test_a_string_of_which_no_model_can_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown provider, a missing package, and a key that is not there; no value is shown."""
    for text in ("nobody:nothing", "what-is-this"):
        with pytest.raises(ConfigurationError, match=f"no chat model can be made of '{text}'"):
            ChatFailover(text, provider_style="langchain")
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigurationError, match="needs the package `langchain`"):
        ChatFailover("openai:gpt-4.1", provider_style="langchain")


def test_a_member_without_a_vendor_gets_a_neutral_history() -> None:
    """What other providers made is written in the forms that everybody reads; what it made itself stays."""
    thought = AIMessage(
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
        ],
        tool_calls=[{"name": "weather", "args": {"city": "Rome"}, "id": "toolu_1"}],
        response_metadata={"model_provider": "anthropic"},
    )
    own = AIMessage("Sunny.", response_metadata={"model_provider": "echo"}, additional_kwargs={"mood": "good"})
    result = ToolMessage("sunny", tool_call_id="toolu_1")
    history = [HumanMessage("Weather?"), thought, result, own, HumanMessage("Thanks")]
    echo = Echo()
    ChatFailover(echo).invoke(history)
    (heard,) = echo.heard
    assert heard[0] is history[0]
    assert heard[3] is own
    assert heard[2] is result
    assert heard[1].content == "Let me look."
    assert heard[1].tool_calls[0]["args"] == {"city": "Rome"}
    assert len(thought.content) == 3


def test_orphans_are_repaired_for_members() -> None:
    """A call without a result gets one that says so, a result without a call becomes text."""
    broken = AIMessage("", tool_calls=[{"name": "weather", "args": {}, "id": "call_1"}])
    echo = Echo()
    ChatFailover(echo).invoke(
        [HumanMessage("a"), broken, HumanMessage("b"), ToolMessage("late", tool_call_id="call_9")]
    )
    (heard,) = echo.heard
    assert [message.type for message in heard][:3] == ["human", "ai", "tool"]
    assert heard[2].status == "error"
    assert "late" in heard[-1].text


def test_the_engine_alone_can_ask_a_member() -> None:
    """A request that `ChatFailover` did not make has core messages only; they are written for the member."""
    manager, echo = FailoverManager(), Echo()
    name = ChatFailover(echo, manager=manager).names[0]
    answer = manager.complete(
        LLMRequest(model=name, messages=(Message.of("system", "Be brief."), Message.of("user", "Hi")))
    )
    assert answer.text == "Hi at None"
    assert [message.type for message in echo.heard[0]] == ["system", "human"]
