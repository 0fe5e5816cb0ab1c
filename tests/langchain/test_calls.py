"""Calls through a provider that misbehaves, as a LangChain program makes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelInvalidRequestError,
    ModelRateLimitError,
)
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter

from langchain_failover import ChatFailover, Hooks, Vendor
from shared_core.errors import (
    ChainExhaustedError,
    ConfigurationError,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.simulator import Fault, Reply, Simulator

Make = Callable[..., ChatFailover]
Ask = Callable[..., Any]

ANSWER = Reply("The sky is blue.")
BEFORE_CONTENT = [
    "503",
    "reset",
    "close",
    "html",
    "empty",
    "only_done",
    "error_event@0",
    "garbage@0",
    "openai.rate_limit",
    "openai.invalid_key",
]
AFTER_CONTENT = ["cut@2", "truncated@2", "error_event@2", "malformed@2"]


def invoke(llm: Any, question: Any, **options: Any) -> AIMessage:
    return llm.invoke(question, **options)


def ainvoke(llm: Any, question: Any, **options: Any) -> AIMessage:
    return asyncio.run(llm.ainvoke(question, **options))


def stream(llm: Any, question: Any, **options: Any) -> AIMessageChunk:
    first, *rest = llm.stream(question, **options)
    return first + rest


def astream(llm: Any, question: Any, **options: Any) -> AIMessageChunk:
    async def collected() -> AIMessageChunk:
        first, *rest = [chunk async for chunk in llm.astream(question, **options)]
        return first + rest  # type: ignore[no-any-return]

    return asyncio.run(collected())


every_way = pytest.mark.parametrize("ask", [invoke, ainvoke, stream, astream])
collected = pytest.mark.parametrize("ask", [invoke, ainvoke])
streamed = pytest.mark.parametrize("ask", [stream, astream])


@every_way
def test_a_healthy_model_answers(sim: Simulator, llm: ChatFailover, ask: Ask) -> None:
    """Text, usage, and who answered, in every way of asking."""
    sim.script("first", ANSWER)
    message = ask(llm, "Why is the sky blue?")
    assert message.content == "The sky is blue."
    metadata = message.response_metadata
    assert (metadata["model_name"], metadata["model_provider"], metadata["finish_reason"]) == (
        "first",
        "openai",
        "stop",
    )
    assert metadata["failover"]["model"] == "openai/first"
    assert metadata["failover"]["profile"] == "default"
    assert [step["outcome"] for step in metadata["failover"]["trail"]] == ["succeeded"]
    assert message.usage_metadata["output_tokens"] > 0
    assert sim.requests[0].key == "key-main"


@every_way
@pytest.mark.parametrize("fault", BEFORE_CONTENT)
def test_what_breaks_before_content_fails_over_unseen(sim: Simulator, make: Make, ask: Ask, fault: str) -> None:
    """The next model answers, and the trail says why."""
    sim.script("first", fault)
    sim.script("second", ANSWER)
    message = ask(make("openai/first", "deepseek/second"), "x")
    assert message.content == "The sky is blue."
    report = message.response_metadata["failover"]
    assert report["model"] == "deepseek/second"
    assert report["trail"][0]["outcome"] == "failed"
    assert report["trail"][0]["model"] == "openai/first"


@collected
@pytest.mark.parametrize("fault", AFTER_CONTENT)
def test_a_broken_stream_is_asked_anew_where_nothing_was_shown(
    sim: Simulator, llm: ChatFailover, ask: Ask, fault: str
) -> None:
    """The answer is whole, from the next model, without a trace of the half one."""
    sim.script("first", fault)
    sim.script("second", ANSWER)
    message = ask(llm, "x")
    assert message.content == "The sky is blue."
    assert message.response_metadata["failover"]["model"] == "openai/second"


@pytest.mark.parametrize("fault", AFTER_CONTENT)
def test_a_stream_that_breaks_after_content_says_so(sim: Simulator, llm: ChatFailover, fault: str) -> None:
    """What was shown cannot be taken back: the error holds it, and the trail."""
    kind = fault.partition("@")[0]
    sim.script("first", getattr(Fault, kind)(after=2, reply=ANSWER))
    shown: list[str] = []
    with pytest.raises(StreamInterruptedError) as caught:
        shown.extend(chunk.text for chunk in llm.stream("x"))
    assert "".join(shown) == caught.value.partial
    assert caught.value.partial
    assert "The sky is blue.".startswith(caught.value.partial)
    assert caught.value.report.attempts[0].outcome == "failed"
    assert not sim.requests_for("second")


async def test_an_async_stream_that_breaks_after_content_says_so(sim: Simulator, llm: ChatFailover) -> None:
    """As in sync code."""
    sim.script("first", Fault.cut(2, reply=ANSWER))
    shown: list[str] = []

    async def read() -> None:
        async for chunk in llm.astream("x"):
            shown[len(shown) :] = [chunk.text]

    with pytest.raises(StreamInterruptedError) as caught:
        await read()
    assert "".join(shown) == caught.value.partial != ""


@every_way
def test_a_dead_key_with_a_good_second_one(sim: Simulator, make: Make, ask: Ask) -> None:
    """Every profile of a model comes before the next model."""
    sim.script("*", "openai.invalid_key", key="key-dead")
    llm = make(profiles={"openai": {"main": "key-dead", "backup": "key-good"}})
    report = ask(llm, "x").response_metadata["failover"]
    assert (report["model"], report["profile"]) == ("openai/first", "backup")
    assert "key-" not in str(report)


@every_way
def test_everything_down_is_one_error_with_the_whole_trail(sim: Simulator, llm: ChatFailover, ask: Ask) -> None:
    """It is LangChain's kind of the failure too, says when to come back, and has no key in it."""
    sim.script("*", Fault.named("openai.rate_limit", retry_after=20))
    with pytest.raises(ChainExhaustedError) as caught:
        ask(llm, "x")
    error = caught.value
    assert isinstance(error, ModelRateLimitError)
    assert [attempt.model for attempt in error.report.attempts] == ["openai/first", "openai/second"]
    assert len(error.errors) == 2
    assert error.retry_after is not None
    assert 15 < error.retry_after <= 20
    assert "key-main" not in repr(error) + str(vars(error)) + str(error.__cause__)


@every_way
@pytest.mark.parametrize(
    ("fault", "end", "kind"),
    [
        ("openai.context_length", ChainExhaustedError, ContextOverflowError),
        ("openai.bad_request", RequestRejectedError, ModelInvalidRequestError),
        ("openai.invalid_key", ChainExhaustedError, ModelAuthenticationError),
    ],
)
def test_errors_are_langchains_kinds_too(
    sim: Simulator, llm: ChatFailover, ask: Ask, fault: str, end: type[Exception], kind: type[Exception]
) -> None:
    """Middleware that knows LangChain's errors understands ours."""
    sim.script("*", fault)
    with pytest.raises(kind) as caught:
        ask(llm, "x")
    if kind is not ContextOverflowError:
        assert isinstance(caught.value, end)
    assert "key-main" not in repr(caught.value)


def test_no_key_is_logged(sim: Simulator, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """At any level, while targets fail and one answers."""
    caplog.set_level(logging.DEBUG)
    sim.script("first", "openai.invalid_key")
    make("openai/first", "deepseek/second").invoke("x")
    assert "openai/first" in caplog.text
    assert "key-main" not in caplog.text + str([vars(record) for record in caplog.records])


@every_way
def test_a_call_may_choose_its_own_chain(sim: Simulator, llm: ChatFailover, ask: Ask) -> None:
    """`model` replaces the first link, `fallback_models` come next, the model's own fallbacks last."""
    sim.script("third", "503")
    sim.script("fourth", "503")
    message = ask(llm, "x", model="openai/third", fallback_models=["openai/fourth"])
    trail = message.response_metadata["failover"]["trail"]
    assert [step["model"] for step in trail] == ["openai/third", "openai/fourth", "openai/second"]
    assert not sim.requests_for("first")


@every_way
def test_options_reach_the_provider(sim: Simulator, make: Make, ask: Ask) -> None:
    """Settings of the model, options of the call over them, and whatever else the provider knows."""
    llm = make(
        temperature=0.5,
        max_tokens=9,
        seed=1,
        top_p=0.9,
        stop=["END"],
        extra_body={"top_k": 3},
        extra_headers={"x-a": "1"},
    )
    ask(
        llm,
        "x",
        temperature=0,
        seed=7,
        presence_penalty=0.1,
        user="u-1",
        logit_bias={"1": 2},
        extra_body={"min_p": 0.1},
        extra_headers={"x-b": "2"},
    )
    request = sim.requests[0]
    wanted = {
        "temperature": 0,
        "seed": 7,
        "top_p": 0.9,
        "stop": ["END"],
        "presence_penalty": 0.1,
        "user": "u-1",
        "logit_bias": {"1": 2},
        "top_k": 3,
        "min_p": 0.1,
    }
    assert {name: request.body.get(name) for name in wanted} == wanted
    assert request.body.get("max_completion_tokens", request.body.get("max_tokens")) == 9
    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")


def test_a_stop_of_the_call_wins(sim: Simulator, make: Make) -> None:
    """Bound or given."""
    llm = make(stop=["A"])
    llm.invoke("x", stop=["B"])
    llm.bind(stop=["C"]).invoke("x")
    llm.invoke("x", stop_sequences="D")
    llm.invoke("x")
    assert [request.body["stop"] for request in sim.requests] == [["B"], ["C"], ["D"], ["A"]]


def test_policy_settings_hold_for_a_call(sim: Simulator, llm: ChatFailover) -> None:
    """A deadline of the call ends it, whatever the model's own settings are."""
    sim.script("*", "silent")
    with pytest.raises(ChainExhaustedError):
        llm.invoke("x", deadline=0.2)
    with pytest.raises(ChainExhaustedError):
        list(llm.stream("x", first_token_timeout=0.1, timeout=0.3))


@pytest.mark.parametrize(
    "options", [{"n": 2}, {"deadline": -1}, {"max_tokens": 0}, {"tool_choice": "x"}, {"timeout": 1, "deadline": 2}]
)
def test_a_wrong_option_is_an_error(llm: ChatFailover, options: dict[str, Any]) -> None:
    """It is told before anything is sent."""
    with pytest.raises(ConfigurationError):
        llm.invoke("x", **options)


def test_max_tokens_above_the_ceiling_is_repaired(sim: Simulator, make: Make) -> None:
    """The ceiling that the provider states is used at once."""
    sim.script("first", "ceiling@100")
    message = make(max_tokens=5000).invoke("x")
    assert message.response_metadata["failover"]["model"] == "openai/first"
    assert len(sim.requests_for("first")) == 2


def test_a_missing_key_skips_with_the_reason(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that cannot be asked is no failure of the chain."""
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    llm = make("groq/x", "openai/y", profiles={"openai": {"a": "key-main"}})
    first, *_ = llm.invoke("x").response_metadata["failover"]["trail"]
    assert first["step"] == "skip"
    assert first["model"] == "groq/x"
    assert "GROQ_API_KEY" in first["reason"]


async def test_the_engines_settings_reach_the_engine(sim: Simulator, make: Make) -> None:
    """Order of profiles, aliases, vendors, hooks and HTTP clients of one's own."""
    heard: list[str] = []
    hooks = Hooks(on_failover=lambda notice: heard.append(str(notice.next_profile)))
    sim.script("*", "openai.invalid_key", key="key-b")
    async with httpx.AsyncClient(headers={"x-client": "async"}) as async_client:
        with httpx.Client(headers={"x-client": "sync"}) as client:
            llm = make(
                "fast",
                profiles={"mine": {"a": "key-a", "b": "key-b"}},
                order={"mine": ["b", "a"]},
                aliases={"fast": "mine/model-1"},
                vendors=[Vendor(name="mine", base_url=sim.base_url)],
                base_urls={},
                hooks=hooks,
                http_client=client,
                http_async_client=async_client,
            )
            assert llm.hooks is hooks
            first = llm.invoke("x")
            second = await llm.ainvoke("x")
    report = first.response_metadata["failover"]
    assert (report["model"], report["profile"]) == ("mine/model-1", "a")
    assert [step["profile"] for step in report["trail"]] == ["b", "a"]
    assert second.response_metadata["failover"]["trail"][0]["step"] == "skip"
    assert heard == ["a"]
    assert [request.headers["x-client"] for request in sim.requests] == ["sync", "sync", "async"]
    assert [request.key for request in sim.requests] == ["key-b", "key-a", "key-a"]


def test_two_models_share_what_is_down(sim: Simulator, make: Make) -> None:
    """With one manager, a target that failed for one is not asked by the other."""
    sim.script("first", Fault.named("openai.rate_limit", retry_after=30))
    one = make()
    other = ChatFailover("openai/first", fallbacks=["openai/second"], manager=one.manager)
    one.invoke("x")
    message = other.invoke("x")
    assert len(sim.requests_for("first")) == 1
    assert message.response_metadata["failover"]["trail"][0]["step"] == "skip"


def test_a_closed_stream_is_abandoned(sim: Simulator, llm: ChatFailover) -> None:
    """The caller going away closes the connection and is nobody's failure."""
    sim.script("first", Reply(chunks=["a"] * 200, delay_chunk=0.05))
    stream = llm.stream("x")
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator
    sim.wait_for(lambda: sim.requests[0].aborted)
    sim.script("first", ANSWER)
    assert llm.invoke("x").response_metadata["failover"]["model"] == "openai/first"


async def test_a_closed_async_stream_is_abandoned(sim: Simulator, llm: ChatFailover) -> None:
    """Leaving the loop over an async stream closes the connection too."""
    sim.script("first", Reply(chunks=["a"] * 200, delay_chunk=0.05))
    stream = llm.astream("x")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # a generator
    await sim.await_for(lambda: sim.requests[0].aborted)
    assert not sim.requests_for("second")


async def test_a_cancelled_call_is_abandoned(sim: Simulator, llm: ChatFailover) -> None:
    """Likewise in async code."""
    sim.script("first", "silent")
    task = asyncio.ensure_future(llm.ainvoke("x"))
    await sim.await_for(lambda: sim.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sim.await_for(lambda: sim.requests[0].aborted)
    assert not sim.requests_for("second")


def test_a_chain_of_runnables_streams(sim: Simulator, llm: ChatFailover) -> None:
    """`prompt | llm | parser`, collected and piece by piece."""
    sim.script("first", "503")
    sim.script("second", ANSWER)
    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")]) | llm | StrOutputParser()
    assert chain.invoke({"q": "Why?"}) == "The sky is blue."
    pieces = list(chain.stream({"q": "Why?"}))
    assert "".join(pieces) == "The sky is blue."
    assert len(pieces) > 1
    assert [message["content"] for message in sim.requests[-1].body["messages"]] == ["Be brief.", "Why?"]


async def test_batches_are_answered_one_by_one(sim: Simulator, llm: ChatFailover) -> None:
    """Sync and async, with failover in each."""
    sim.script("first", "503")
    questions = ["one", "two", "three"]
    for answers in (llm.batch(questions), await llm.abatch(questions)):  # type: ignore[arg-type]
        assert ["one" in answers[0].text, "two" in answers[1].text, "three" in answers[2].text] == [True] * 3


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ends: list[Any] = []

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.ends.append(response)


def test_callbacks_hear_each_token_once(sim: Simulator, make: Make) -> None:
    """Streaming tells of tokens; a collected call only with `streaming=True`."""
    sim.script("first", ANSWER)
    heard = Tokens()
    list(make().stream("x", config={"callbacks": [heard]}))
    assert "".join(heard.tokens) == "The sky is blue."
    collected, streaming = Tokens(), Tokens()
    make().invoke("x", config={"callbacks": [collected]})
    make(streaming=True).invoke("x", config={"callbacks": [streaming]})
    assert collected.tokens == []
    assert "".join(streaming.tokens) == "The sky is blue."
    (generation,) = collected.ends[0].generations[0]
    assert generation.generation_info["finish_reason"] == "stop"


async def test_events_of_a_chain(sim: Simulator, llm: ChatFailover) -> None:
    """`astream_events` shows the pieces and the end, from the model that answered."""
    sim.script("first", "503")
    sim.script("second", ANSWER)
    events = [event async for event in (llm | StrOutputParser()).astream_events("x", version="v2")]
    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(pieces) == "The sky is blue."
    (last,) = [event for event in events if event["event"] == "on_chat_model_end"]
    assert last["data"]["output"].response_metadata["model_name"] == "second"


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_events_in_blocks(sim: Simulator, llm: ChatFailover) -> None:
    """The event protocol of version 3, with reasoning and text apart."""
    sim.script("first", Reply("Blue.", reasoning="Light scatters."))
    heard = Tokens()
    stream = llm.stream_events("x", {"callbacks": [heard]}, version="v3")
    assert [block["type"] for block in stream.output.content] == ["reasoning", "text"]
    assert "".join(heard.tokens) == "Blue."
    astream = await llm.astream_events("x", {"callbacks": [heard]}, version="v3")
    output = await astream.output
    assert [block["type"] for block in output.content] == ["reasoning", "text"]
    assert output.content[0]["reasoning"] == "Light scatters."


def test_usage_is_counted_for_the_model_that_answered(sim: Simulator, llm: ChatFailover) -> None:
    """LangChain's usage callback groups by the name of the model."""
    sim.script("first", "503")
    with get_usage_metadata_callback() as counted:
        llm.invoke("x")
    assert list(counted.usage_metadata) == ["second"]


def test_a_cached_answer_asks_nobody(sim: Simulator, make: Make) -> None:
    """The cache tells models and options apart."""
    llm = make(cache=InMemoryCache())
    for _ in range(2):
        llm.invoke("x")
    assert len(sim.requests) == 1
    llm.invoke("x", temperature=1)
    llm.model_copy(update={"temperature": 0.5}).invoke("x")
    assert len(sim.requests) == 3


def test_a_rate_limiter_is_asked(sim: Simulator, make: Make) -> None:
    """Once for each call, not for each attempt."""

    class Counting(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            Counting.asked += 1
            return True

    sim.script("first", "503")
    make(rate_limiter=Counting()).invoke("x")
    assert Counting.asked == 1


def test_streaming_can_be_disabled(sim: Simulator, make: Make) -> None:
    """Then a stream is the whole answer, which a broken stream cannot spoil."""
    sim.script("first", "cut@2")
    sim.script("second", ANSWER)
    (message,) = make(disable_streaming=True).stream("x")
    assert message.content == "The sky is blue."


def test_langchains_wrappers_work_around_it(sim: Simulator, make: Make) -> None:
    """`with_retry` and `with_fallbacks` see its errors as they see any other's."""
    sim.script("first", "503")
    sim.script("second", "400", "400", ANSWER)
    backup = make("openai/third")
    rescued = make().with_fallbacks([backup], exceptions_to_handle=(RequestRejectedError,)).invoke("x")
    assert rescued.response_metadata["model_name"] == "third"
    retried = make().with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("x")
    assert retried.content == "The sky is blue."


@every_way
@pytest.mark.parametrize("version", [None, "v1"])
def test_a_conversation_goes_from_one_model_to_the_other_and_back(
    sim: Simulator, make: Make, ask: Ask, version: str | None
) -> None:
    """What the fallback answered is read by the first model in the next turn."""
    sim.script("first", "503", "ok")
    sim.script("second", Reply("Blue.", reasoning="Light scatters."))
    llm = make(output_version=version)
    history: list[Any] = [HumanMessage("Why?")]
    history.append(ask(llm, history))
    assert history[-1].response_metadata["model_name"] == "second"
    assert [block["type"] for block in history[-1].content_blocks] == ["reasoning", "text"]
    llm.manager.reset()  # type: ignore[union-attr]
    history.append(HumanMessage("Go on."))
    assert ask(llm, history).response_metadata["model_name"] == "first"
    sent = sim.requests_for("first")[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == "Blue."


def test_several_event_loops_one_after_another(sim: Simulator, llm: ChatFailover) -> None:
    """A model lives longer than a loop."""
    for _ in range(3):
        assert asyncio.run(llm.ainvoke("hello")).text
    assert llm.invoke("hello").text


async def test_sync_calls_inside_a_running_loop(llm: ChatFailover) -> None:
    """As in a notebook."""
    assert llm.invoke("hello").text
    assert list(llm.stream("hello"))
