"""Chat models of LangChain's as links of the chain: what they answer, how they fail, how they are asked."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.exceptions import ModelRateLimitError
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from langchain_failover import ChatFailover
from langchain_failover.members import LangChainMember
from shared_core.errors import ChainExhaustedError, ConfigurationError, StreamInterruptedError
from shared_core.request import LLMRequest, Tool
from shared_core.simulator import Fault, Reply, Simulator, ToolCall

# What Google's SDK says to itself where aiohttp is installed.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

Make = Callable[..., Any]
ANSWER = Reply("The sky is blue.")


_runners: list[asyncio.Runner] = []


def run(answer: Any) -> Any:
    return _runners[-1].run(answer)


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulator]:
    """One provider and one event loop for all tests, since the SDKs' clients take long to make, and belong to both."""
    with Simulator() as running, asyncio.Runner() as runner:
        _runners.append(runner)
        yield running
        for client in _clients:
            run(client.aclose() if hasattr(client, "aclose") else client.close())
        _clients.clear()
        _models.clear()
        _runners.clear()


_clients: list[Any] = []
_models: dict[tuple[Any, ...], Any] = {}


@pytest.fixture
def sim(provider: Simulator) -> Simulator:
    provider.clear()
    return provider


_chains: list[ChatFailover] = []


def chain_of(*links: Any, **settings: Any) -> ChatFailover:
    _chains.append(ChatFailover(*links, **settings))
    return _chains[-1]


@pytest.fixture(autouse=True)
def _closed(sim: Simulator) -> Iterator[None]:
    """What a test opened in the loop is closed in it."""
    yield
    for chain in _chains:
        run(chain.manager.aclose())  # type: ignore[union-attr]
    _chains.clear()


@pytest.fixture
def openai(sim: Simulator) -> Make:
    def make(model: str = "first", **settings: Any) -> ChatOpenAI:
        key = (ChatOpenAI, model, *settings.items())
        if key not in _models:
            llm = ChatOpenAI(model=model, base_url=sim.base_url, api_key="key-main", **settings)
            _clients.append(llm.root_async_client)
            _models[key] = llm
        return _models[key]

    return make


@pytest.fixture
def anthropic(sim: Simulator) -> Make:
    def make(model: str = "first", **settings: Any) -> ChatAnthropic:
        key = (ChatAnthropic, model, *settings.items())
        if key not in _models:
            llm = ChatAnthropic(model=model, base_url=sim.url, api_key="key-main", **settings)
            _clients.append(llm.model_copy()._async_client)
            _models[key] = llm
        return _models[key]

    return make


@pytest.fixture
def google(sim: Simulator) -> Make:
    def make(model: str = "first", **settings: Any) -> ChatGoogleGenerativeAI:
        key = (ChatGoogleGenerativeAI, model, *settings.items())
        if key not in _models:
            llm = ChatGoogleGenerativeAI(model=model, base_url=sim.url, api_key="key-main", **settings)
            _clients.append(llm)
            _models[key] = llm
        return _models[key]

    return make


@pytest.fixture(params=["openai", "anthropic", "google"])
def member(request: pytest.FixtureRequest) -> Make:
    found: Make = request.getfixturevalue(request.param)
    return found


def invoke(llm: Any, question: Any, **options: Any) -> Any:
    return llm.invoke(question, **options)


def ainvoke(llm: Any, question: Any, **options: Any) -> Any:
    return run(llm.ainvoke(question, **options))


def stream(llm: Any, question: Any, **options: Any) -> Any:
    first, *rest = llm.stream(question, **options)
    return first + rest


def astream(llm: Any, question: Any, **options: Any) -> Any:
    async def collected() -> Any:
        first, *rest = [chunk async for chunk in llm.astream(question, **options)]
        return first + rest

    return run(collected())


every_way = pytest.mark.parametrize("ask", [invoke, ainvoke, stream, astream])
collected = pytest.mark.parametrize("ask", [invoke, ainvoke])
streamed = pytest.mark.parametrize("ask", [stream, astream])


class Plain(BaseChatModel):
    """A model that cannot stream, and raises or answers what it is told."""

    answer: Any = "Plainly."
    asked: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.asked.append((messages, stop, kwargs))
        if isinstance(self.answer, BaseException):
            raise self.answer
        message = self.answer if isinstance(self.answer, AIMessage) else AIMessage(self.answer)
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": "plain-1"})


class Streaming(Plain):
    """A model that streams the pieces of `answer`; a threading event in it blocks."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        self.asked.append((messages, stop, kwargs))
        for piece in self.answer:
            if isinstance(piece, BaseException):
                raise piece
            if isinstance(piece, threading.Event):
                piece.wait(10)
                continue
            made = piece if isinstance(piece, AIMessageChunk) else AIMessageChunk(content=piece)
            yield ChatGenerationChunk(message=made)


# Answers


def without_ids(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = message.model_dump(exclude={"id"})
    found["response_metadata"].pop("failover", None)
    found["response_metadata"].pop("id", None)
    return found


@streamed
def test_chunks_pass_untouched(sim: Simulator, member: Make, ask: Any) -> None:
    """They are those of the bare model, but for the trail on the last one."""
    call = ToolCall("weather", {"city": "Rome"}, id="call_1")
    sim.script("first", Reply("The sky is blue.", reasoning="Think.", tool_calls=[call]))
    bare, chain = member().bind_tools([weather]), chain_of(member()).bind_tools([weather])
    if ask is stream:
        ours, theirs = list(chain.stream("x")), list(bare.stream("x"))
    else:

        async def both() -> tuple[list[Any], list[Any]]:
            return [c async for c in chain.astream("x")], [c async for c in bare.astream("x")]

        ours, theirs = run(both())
    assert [without_ids(chunk) for chunk in ours] == [without_ids(chunk) for chunk in theirs]
    assert ["failover" in chunk.response_metadata for chunk in ours] == [False] * (len(ours) - 1) + [True]


@every_way
def test_a_members_answer_is_its_own(sim: Simulator, member: Make, ask: Any) -> None:
    """Text, model name, provider, usage and finish are the member's, the trail is ours."""
    sim.script("first", ANSWER)
    llm = member()
    message, bare = ask(chain_of(llm), "x"), ask(llm, "x")
    assert message.content == bare.content or message.text == bare.text
    for name in ("model_name", "model_provider", "stop_reason"):
        assert message.response_metadata.get(name) == bare.response_metadata.get(name)
    if bare.usage_metadata is not None:
        assert message.usage_metadata["output_tokens"] == bare.usage_metadata["output_tokens"]
    report = message.response_metadata["failover"]
    assert report["model"] == f"{type(llm).__name__}/first"
    assert [step["outcome"] for step in report["trail"]] == ["succeeded"]
    assert "inner" not in report


BEFORE_CONTENT = ["503", "reset", "empty", "error_event@0", "openai.rate_limit", "openai.invalid_key", "truncated@0"]
AFTER_CONTENT = ["cut@2", "truncated@2", "error_event@2"]
IN_THE_MIDDLE = ["cut@1", "truncated@1", "error_event@1"]


@every_way
@pytest.mark.parametrize("fault", BEFORE_CONTENT)
def test_what_breaks_before_content_fails_over_unseen(
    sim: Simulator, openai: Make, anthropic: Make, ask: Any, fault: str
) -> None:
    """From a member to a member of another provider; one request each, for the member's own retries are off."""
    sim.script("first", fault)
    sim.script("second", ANSWER)
    message = ask(chain_of(openai(), fallbacks=[anthropic("second")], max_retries=0), "x")
    assert message.text == "The sky is blue."
    report = message.response_metadata["failover"]
    assert report["model"] == "ChatAnthropic/second"
    assert [step["model"] for step in report["trail"]] == ["ChatOpenAI/first", "ChatAnthropic/second"]
    assert (len(sim.requests_for("first")), len(sim.requests_for("second"))) == (1, 1)


@every_way
@pytest.mark.parametrize("fault", ["503", "anthropic.overloaded", "error_event@0", "truncated@0"])
def test_a_string_stands_in_for_a_member(sim: Simulator, anthropic: Make, ask: Any, fault: str) -> None:
    """Members and strings mix freely."""
    sim.script("first", fault)
    sim.script("second", ANSWER)
    llm = chain_of(anthropic(), fallbacks=["local/second"], base_urls={"local": sim.base_url}, max_retries=0)
    message = ask(llm, "x")
    assert message.text == "The sky is blue."
    assert message.response_metadata["model_provider"] == "local"
    assert len(sim.requests_for("first")) == 1


@collected
@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        *(({"streaming": True}, fault) for fault in AFTER_CONTENT),
        *(({}, fault) for fault in IN_THE_MIDDLE),
    ],
)
def test_a_half_answer_that_nobody_saw_is_asked_for_elsewhere(
    sim: Simulator, member: Make, ask: Any, settings: Any, fault: str
) -> None:
    """A streamed one is seen by the missing finish reason in its metadata, a whole one by the rest of its JSON."""
    sim.script("first", fault)
    sim.script("second", ANSWER)
    message = ask(chain_of(member(**settings), fallbacks=[member("second")], max_retries=0), "x")
    assert message.text == "The sky is blue."
    failed = message.response_metadata["failover"]["trail"][0]
    assert (failed["outcome"], failed["kind"]) == ("failed", "transient")


@streamed
@pytest.mark.parametrize("fault", AFTER_CONTENT)
def test_a_break_after_content_was_shown_is_told(sim: Simulator, member: Make, ask: Any, fault: str) -> None:
    """The partial is what the member had given."""
    sim.script("first", fault)
    with pytest.raises(StreamInterruptedError) as caught:
        ask(chain_of(member(), fallbacks=[member("second")], max_retries=0), "x")
    assert caught.value.partial
    assert not sim.requests_for("second")


@streamed
def test_a_members_broken_text_goes_on_elsewhere(sim: Simulator, member: Make, openai: Make, ask: Any) -> None:
    """With mid_stream="continue" the metadata is that of who finished, not the two merged into one word."""
    whole = "The capital of France is Paris, and it lies on the Seine, a river that flows to the sea."
    sim.script("first", Fault.cut(8, reply=Reply(whole)))
    sim.script("second", Reply(whole[whole.index("France") :]))
    llm = chain_of(member(), fallbacks=[openai("second")], mid_stream="continue", max_retries=0)
    message = ask(llm, "Where?")
    assert message.text == whole
    assert message.response_metadata["model_name"] == "second"
    assert message.response_metadata["failover"]["continued"] is True


@every_way
def test_a_model_that_does_not_stream_is_asked_whole(ask: Any) -> None:
    """Its message comes through whole, in one piece where a stream is wanted."""
    calls = [{"name": "weather", "args": {"city": "Rome"}, "id": "call_1", "type": "tool_call"}]
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    model = Plain(answer=AIMessage("Plainly.", tool_calls=calls, usage_metadata=usage))
    message = ask(chain_of(model), "x")
    assert message.text == "Plainly."
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("weather", {"city": "Rome"})]
    assert message.usage_metadata["total_tokens"] == 5
    assert message.response_metadata["model_name"] == "plain-1"
    assert message.response_metadata["failover"]["model"] == "Plain/plain"


@every_way
def test_a_silent_answer_of_a_whole_model_stands(ask: Any) -> None:
    """Nothing of a whole answer can be missing, so an empty one is an answer if nobody else is left."""
    assert ask(chain_of(Plain(answer="")), "x").text == ""


@every_way
def test_a_chain_may_be_a_member(sim: Simulator, make: Make, ask: Any) -> None:
    """Its own trail stands inside the outer one; when it is exhausted the outer chain goes on."""
    sim.script("second", ANSWER)
    sim.script("first", "503")
    inner = make("openai/first", "openai/second")
    _chains.append(inner)
    message = ask(chain_of(inner, fallbacks=[Plain()], max_retries=0), "x")
    report = message.response_metadata["failover"]
    assert report["provider"] == "ChatFailover"
    assert report["inner"]["model"] == "openai/second"
    assert message.response_metadata["model_provider"] == "openai"
    sim.clear()
    sim.script("first", "openai.invalid_key")
    sim.script("second", "openai.invalid_key")
    inner.manager.reset()
    message = ask(chain_of(inner, fallbacks=[Plain()], max_retries=0), "x")
    assert message.text == "Plainly."
    assert message.response_metadata["failover"]["trail"][0]["kind"] == "auth"


def test_a_model_keeps_its_place_in_its_own_script() -> None:
    """Models that count their calls are asked themselves, not copies."""
    chain = chain_of(FakeListChatModel(responses=["one", "two"]))
    assert [chain.invoke("x").text for _ in range(3)] == ["one", "two", "one"]
    chain = chain_of(GenericFakeChatModel(messages=iter([AIMessage("a b"), AIMessage("c")])))
    assert [chunk.text for chunk in chain.stream("x") if chunk.text] == ["a", " ", "b"]
    assert chain.invoke("x").text == "c"


@every_way
def test_output_version_holds(sim: Simulator, member: Make, ask: Any) -> None:
    """Of the chain for all its answers, and of a member for its own."""
    sim.script("first", ANSWER)
    for llm in (chain_of(member(), output_version="v1"), chain_of(member(output_version="v1"))):
        message = ask(llm, "x")
        assert [(block["type"], block["text"]) for block in message.content] == [("text", "The sky is blue.")]


# Failures


@every_way
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelRateLimitError("slow down"), "rate_limit"),
        (ConnectionResetError("gone"), "transient"),
        (TimeoutError("late"), "transient"),
        (ZeroDivisionError("a bug"), "unknown"),
    ],
)
def test_whatever_a_member_raises_is_classified(ask: Any, error: Exception, kind: str) -> None:
    """LangChain's own errors, the system's, and plain ones."""
    message = ask(chain_of(Plain(answer=error), fallbacks=[Plain()], max_retries=0), "x")
    assert message.response_metadata["failover"]["trail"][0]["kind"] == kind


@every_way
def test_the_originals_are_kept_as_causes(ask: Any) -> None:
    """An exhausted chain of members raises what LangChain's users expect."""
    error = ModelRateLimitError("slow down")
    with pytest.raises(ChainExhaustedError) as caught:
        ask(chain_of(Plain(answer=error), max_retries=0), "x")
    assert isinstance(caught.value, ModelRateLimitError)
    assert caught.value.errors[0].__cause__ is error


@every_way
def test_timers_hold_around_a_member_that_blocks(ask: Any) -> None:
    """In sync code too, and for a member whose own code is sync only."""
    release = threading.Event()

    class Releasing(Plain):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            release.set()
            return super()._generate(*args, **kwargs)

    llm = chain_of(
        Streaming(answer=[release, "Late."]), fallbacks=[Releasing()], first_token_timeout=0.05, max_retries=0
    )
    message = ask(llm, "x")
    assert message.text == "Plainly."
    assert message.response_metadata["failover"]["trail"][0]["code"] == "first_token_timeout"


@every_way
def test_a_member_that_does_not_stream_is_waited_for(ask: Any) -> None:
    """It is silent until its whole answer is there, so the time for a stream's first piece is not its measure."""

    class Slow(Plain):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            threading.Event().wait(0.1)
            return super()._generate(*args, **kwargs)

    answer = ask(chain_of(Slow(), fallbacks=[Plain(answer="Too soon.")], first_token_timeout=0.02), "x")
    assert answer.text == "Plainly."


@pytest.mark.parametrize(
    ("kind", "settings", "without_tools", "with_tools"),
    [
        (Plain, {}, True, True),
        (Streaming, {}, False, False),
        (Streaming, {"disable_streaming": True}, True, True),
        (Streaming, {"disable_streaming": "tool_calling"}, False, True),
    ],
)
def test_who_answers_whole(kind: Any, settings: Any, without_tools: bool, with_tools: bool) -> None:
    """Who cannot stream, and who was told not to; a chain, which looks to its own timers, is given as long."""
    member = LangChainMember(kind(**settings))
    assert member.answers_whole(LLMRequest()) is without_tools
    assert member.answers_whole(LLMRequest(tools=(Tool("f"),))) is with_tools
    assert LangChainMember(chain_of(kind(**settings))).answers_whole(LLMRequest())


@streamed
def test_a_reader_that_leaves_abandons_the_member(sim: Simulator, member: Make, ask: Any) -> None:
    """Nobody is blamed for it."""
    sim.script("first", Reply("word " * 50))
    llm = chain_of(member())
    if ask is stream:
        reading = llm.stream("x")
        next(reading)
        reading.close()  # type: ignore[attr-defined]
    else:

        async def leave() -> None:
            chunks: Any = llm.astream("x")
            await anext(chunks)
            await chunks.aclose()

        run(leave())
    (health,) = llm.manager.health().models  # type: ignore[union-attr]
    assert health.kind is None
    while any(thread.name == "llm-failover-member" for thread in threading.enumerate()):
        time.sleep(0.001)


# Retries


def test_a_members_own_retries_are_off_on_a_copy(sim: Simulator, member: Make) -> None:
    """The user's object keeps its setting, also where its client was made before."""
    sim.script("first", "503")
    llm = member(max_retries=5)
    if isinstance(llm, ChatAnthropic):
        assert llm._client.max_retries == 5
    with pytest.raises(ChainExhaustedError):
        chain_of(llm, max_retries=0).invoke("x")
    assert len(sim.requests) == 1
    assert llm.max_retries == 5
    if not isinstance(llm, ChatGoogleGenerativeAI):  # its client is told with each request
        assert (llm._client if isinstance(llm, ChatAnthropic) else llm.root_client).max_retries == 5


def test_a_member_whose_retries_cannot_be_switched_off_is_named() -> None:
    """Its client was made with them, and cannot be asked to leave them."""

    class Stubborn(Plain):
        max_retries: int = 3
        client: Any = None

    with pytest.warns(UserWarning, match=r"Stubborn \(plain\) may retry by itself"):
        chain_of(Stubborn(client=object()))
    chain_of(Stubborn(client=object(), max_retries=0))
    chain_of(Stubborn())


# Options


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return city


def sent_tools(body: dict[str, Any]) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in body["tools"]]


@every_way
def test_tools_are_bound_by_each_member(sim: Simulator, openai: Make, anthropic: Make, ask: Any) -> None:
    """From the tools that the user gave, in the form of each one's provider."""
    sim.script("first", "503")
    sim.script("second", Reply(tool_calls=[ToolCall("weather", {"city": "Rome"})]))
    llm = chain_of(openai(), fallbacks=[anthropic("second")], max_retries=0)
    message = ask(llm.bind_tools([weather], tool_choice="any", parallel_tool_calls=False), "x")
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("weather", {"city": "Rome"})]
    first, second = sim.requests_for("first")[0].body, sim.requests_for("second")[0].body
    assert sent_tools(first) == sent_tools(second) == ["weather"]
    assert (first["tool_choice"], first["parallel_tool_calls"]) == ("required", False)
    assert second["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "to_openai", "to_anthropic"),
    [
        ("auto", "auto", {"type": "auto"}),
        ("none", "none", {"type": "none"}),
        ("weather", {"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choices(
    sim: Simulator, openai: Make, anthropic: Make, choice: str, to_openai: Any, to_anthropic: Any
) -> None:
    """In LangChain's words, which mean the same everywhere."""
    chain_of(openai("a")).bind_tools([weather], tool_choice=choice).invoke("x")
    chain_of(anthropic("b")).bind_tools([weather], tool_choice=choice).invoke("x")
    assert sim.requests_for("a")[0].body["tool_choice"] == to_openai
    assert sim.requests_for("b")[0].body["tool_choice"] == to_anthropic


def test_tools_of_another_provider_stay_behind(sim: Simulator, openai: Make, anthropic: Make) -> None:
    """A tool that Anthropic runs itself is nothing for OpenAI."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    chain_of(openai("a")).bind_tools([weather, search]).invoke("x")
    chain_of(anthropic("b")).bind_tools([weather, search]).invoke("x")
    chain_of(openai("c")).bind_tools([search]).invoke("x")
    assert sent_tools(sim.requests_for("a")[0].body) == ["weather"]
    assert sent_tools(sim.requests_for("b")[0].body) == ["weather", "web_search"]
    assert "tools" not in sim.requests_for("c")[0].body


def test_a_model_without_tools_is_passed_over() -> None:
    """The next link may have them."""

    class Handy(Plain):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self.bind(tools=tools)

    handy = Handy()
    message = chain_of(Plain(), fallbacks=[handy]).bind_tools([weather]).invoke("x")
    assert message.response_metadata["failover"]["model"] == "Handy/plain"
    assert handy.asked[0][2]["tools"] == [weather]


@pytest.mark.parametrize("is_strange", [False, True])
def test_a_model_that_turns_tools_down_is_passed_over(is_strange: bool) -> None:
    """Its refusal, or a binding that nobody can follow, is no failure of the request."""

    class Refusing(Plain):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            if is_strange:
                return RunnableLambda(str)
            raise NotImplementedError

    class Handy(Plain):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self.bind(tools=tools)

    message = chain_of(Refusing(), fallbacks=[Handy()]).bind_tools([weather]).invoke("x")
    report = message.response_metadata["failover"]
    assert report["model"] == "Handy/plain"
    assert [step["outcome"] for step in report["trail"]] == ["failed", "succeeded"]


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("who", ["ChatOpenAI", "ChatAnthropic", "string"])
@pytest.mark.parametrize("is_async", [False, True])
def test_structured_output(
    sim: Simulator, openai: Make, anthropic: Make, method: Any, who: str, is_async: bool
) -> None:
    """All three methods, whoever of a mixed chain answers."""
    chain = {"ChatOpenAI": openai(who), "ChatAnthropic": anthropic(who), "string": f"local/{who}"}
    answer = {"setup": "Why?", "punchline": "Because."}
    text = Reply('{"setup": "Why?", "punchline": "Because."}')
    reply = Reply(tool_calls=[ToolCall("Joke", answer)]) if method == "function_calling" else text
    sim.script(who, reply)
    sim.script("down", "503")
    llm = chain_of(openai("down"), fallbacks=[chain[who]], base_urls={"local": sim.base_url}, max_retries=0)
    asker = llm.with_structured_output(Joke, method=method)
    found = run(asker.ainvoke("Joke, as JSON")) if is_async else asker.invoke("Joke, as JSON")
    assert found == Joke(**answer)
    body = sim.requests_for(who)[0].body
    if method == "json_schema":
        form = body["output_config"]["format"] if who == "ChatAnthropic" else body["response_format"]
        assert form["type"] == "json_schema"
        assert b"punchline" in sim.requests_for(who)[0].raw


def test_a_schema_is_told_in_words_where_there_is_no_other_way() -> None:
    """A model that knows no structured output can still read."""
    text = '{"setup": "a", "punchline": "b"}'
    model = Plain(answer=text)
    found = chain_of(model).with_structured_output(Joke, method="json_schema").invoke([HumanMessage("x")])
    assert found == Joke(setup="a", punchline="b")
    told = model.asked[0][0][0]
    assert told.type == "system"
    assert "punchline" in told.text
    chain_of(model).with_structured_output(Joke, method="json_schema").invoke([("system", "Be funny."), ("user", "x")])
    told = model.asked[1][0][0]
    assert told.text.startswith("Be funny.")
    assert "punchline" in told.text


def test_json_is_told_in_words_where_there_is_no_other_way(sim: Simulator, anthropic: Make) -> None:
    """Anthropic has no mode for JSON without a schema."""
    sim.script("first", Reply('{"setup": "a", "punchline": "b"}'))
    found = chain_of(anthropic()).with_structured_output(Joke, method="json_mode").invoke("A joke.")
    assert found == Joke(setup="a", punchline="b")
    assert "one JSON object" in str(sim.requests_for("first")[0].body["system"])


def test_a_schema_keeps_what_it_says_of_itself(sim: Simulator, openai: Make) -> None:
    """Name, description and strictness reach a member."""
    form = {
        "type": "json_schema",
        "json_schema": {
            "name": "joke",
            "description": "A joke.",
            "strict": True,
            "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        },
    }
    sim.script("first", Reply('{"a": "b"}'))
    chain_of(openai()).invoke("x", response_format=form)
    sent = sim.requests_for("first")[0].body["response_format"]["json_schema"]
    assert (sent["name"], sent["description"], sent["strict"]) == ("joke", "A joke.", True)
    assert sent["schema"]["properties"] == {"a": {"type": "string"}}


def test_settings_of_the_chain_and_the_call_reach_a_member(sim: Simulator, member: Make) -> None:
    """Those that its class has; the user's object stays as it was."""
    llm = member(temperature=0.9)
    chain = chain_of(llm, temperature=0.1, max_tokens=77, seed=5)
    chain.invoke("x")
    chain.invoke("x", temperature=0.2, max_tokens=88, stop=["END"])
    first, second = (request.body.get("generationConfig", request.body) for request in sim.requests_for("first"))
    length, stop = {
        ChatOpenAI: ("max_completion_tokens", "stop"),
        ChatAnthropic: ("max_tokens", "stop_sequences"),
        ChatGoogleGenerativeAI: ("maxOutputTokens", "stopSequences"),
    }[type(llm)]
    assert (first["temperature"], first[length]) == (0.1, 77)
    assert (second["temperature"], second[length], second[stop]) == (0.2, 88, ["END"])
    assert ("seed" in first) is not isinstance(llm, ChatAnthropic)
    assert llm.temperature == 0.9


def test_keywords_of_a_call_go_to_a_member_as_they_are(sim: Simulator, openai: Make) -> None:
    """What is no setting of ours is the member's business."""
    chain_of(openai(), extra_body={"for": "strings"}).invoke("x", logprobs=True)
    body = sim.requests_for("first")[0].body
    assert body["logprobs"] is True
    assert "for" not in body


def test_what_is_bound_to_a_member_holds(sim: Simulator, openai: Make) -> None:
    """Bindings are links as well; what is said for a call wins."""
    bound = openai().bind_tools([weather]).bind(stop=["A"])
    chain = chain_of(bound.with_config(tags=["mine"]), fallbacks=[openai("second").bind(stop=["B"])])
    chain.invoke("x")
    chain.invoke("x", stop=["C"])
    first, second = (request.body for request in sim.requests_for("first"))
    assert (first["stop"], sent_tools(first)) == (["A"], ["weather"])
    assert second["stop"] == ["C"]
    assert chain.names == ("ChatOpenAI/first", "ChatOpenAI#2/second")


def test_a_whole_answer_has_its_tokens(sim: Simulator, openai: Make) -> None:
    """`ChatOpenAI` tells them of a stream only if asked to."""
    assert chain_of(openai()).invoke("x").usage_metadata["output_tokens"] > 0
    assert chain_of(openai(stream_usage=False)).invoke("x").usage_metadata["output_tokens"] > 0
    assert chain_of(openai(streaming=True)).invoke("x").usage_metadata["output_tokens"] > 0
    quiet = chain_of(openai(streaming=True, stream_usage=False)).invoke("x")
    assert quiet.usage_metadata is None


async def test_a_rate_limiter_of_a_member_is_heeded() -> None:
    """Before each attempt, as the bare model does."""

    class Counting(InMemoryRateLimiter):
        count = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.count += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire()

    limiter = Counting()
    chain = chain_of(Plain(rate_limiter=limiter))
    chain.invoke("x")
    await chain.ainvoke("x")
    assert limiter.count == 2


async def test_a_native_async_model_is_asked_natively() -> None:
    """Its `_astream` may give an iterator that is no generator."""

    class Pieces:
        def __init__(self) -> None:
            self.left = ["a", "b"]

        def __aiter__(self) -> AsyncIterator[Any]:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return ChatGenerationChunk(message=AIMessageChunk(content=self.left.pop(0)))

    class Native(Plain):
        def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            return Pieces()

    assert [chunk.text async for chunk in chain_of(Native()).astream("x")] == ["a", "b", ""]


# Mistakes


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Plain().with_retry(), "cannot be a link of the chain"),
        (Plain().with_fallbacks([Plain()]), "cannot be a link of the chain"),
        (Plain() | str, "cannot be a link of the chain"),
        (Plain, "a link of the chain is a model string or a LangChain chat model"),
        (7, "a link of the chain is a model string or a LangChain chat model, got int"),
    ],
)
def test_what_cannot_be_a_link_is_refused(entry: Any, problem: str) -> None:
    """With what to do instead."""
    with pytest.raises(ConfigurationError, match=problem):
        chain_of(entry)
    with pytest.raises(ConfigurationError, match=problem):
        chain_of("openai/gpt-4.1", fallbacks=[entry])


def test_a_key_for_a_member_is_refused() -> None:
    """It has its own."""
    with pytest.raises(ConfigurationError, match="which has settings of its own"):
        chain_of(Plain(), api_key="key-main")
    with pytest.raises(ConfigurationError, match="when ChatFailover is made"):
        chain_of(Plain()).invoke("x", model=Plain())
