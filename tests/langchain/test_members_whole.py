"""`invoke` and its like ask a member whole: what comes is the bare member's own message, with the trail added."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langchain_core.tracers import BaseTracer
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from langchain_failover import ChatFailover
from shared_core.errors import ChainExhaustedError, RequestRejectedError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.simulator import Fault, Reply, Simulator, ToolCall

# What Google's SDK says to itself where aiohttp is installed.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

KEY = "key-main"
KINDS = [ChatOpenAI, ChatAnthropic, ChatGoogleGenerativeAI]
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(provider: Simulator) -> Simulator:
    provider.clear()
    return provider


@pytest.fixture(scope="module")
def make(provider: Simulator, runner: asyncio.Runner) -> Iterator[Make]:
    """Models of a kind, the same for the same settings: their clients take long to make, and belong to a loop."""
    known: dict[Any, Any] = {}
    clients: list[Any] = []

    def make(kind: Any = ChatOpenAI, model: str = "first", **settings: Any) -> Any:
        key = (kind, model, repr(settings))
        if key not in known:
            url = provider.base_url if kind is ChatOpenAI else provider.url
            llm = known[key] = kind(model=model, base_url=url, api_key=KEY, **settings)
            clients.append({ChatOpenAI: "root_async_client", ChatAnthropic: "_async_client"}.get(kind))
            clients[-1] = getattr(llm.model_copy(), clients[-1]) if clients[-1] else llm
        return known[key]

    yield make
    for client in clients:
        runner.run(client.aclose() if hasattr(client, "aclose") else client.close())


@pytest.fixture(params=["invoke", "ainvoke", "batch"])
def ask(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Make:
    """One question, in each of the ways that wait for the whole answer."""

    def ask(llm: Any, question: Any = "x", **options: Any) -> Any:
        match request.param:
            case "invoke":
                return llm.invoke(question, **options)
            case "ainvoke":
                return runner.run(llm.ainvoke(question, **options))
            case _:
                (message,) = llm.batch([question], **options)
                return message

    return ask


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return city


class Plain(BaseChatModel):
    """Answers whole and streams alike, and writes down what it was asked for."""

    result: Any = None
    # What a cache's key is made of shows it not.
    asked: list[str] = Field(default_factory=list, repr=False)

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.asked.append("whole")
        if isinstance(self.result, Exception):
            raise self.result
        return self.result or ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        self.asked.append("stream")
        for text in ("in ", "pieces"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))


def fields_of(message: Any) -> dict[str, Any]:
    """Everything that a message holds, but for ids that are drawn for each answer, and for the trail."""
    found: dict[str, Any] = message.model_dump()
    assert str(found.pop("id")).partition("-")[0] in {"lc_run", "run", "msg"} or message.id.startswith("resp")
    found["response_metadata"].pop("failover", None)
    found["response_metadata"].pop("id", None)
    for call in found["tool_calls"]:
        call["id"] = call["id"] and "drawn"  # Google's integration draws them
    return {"class": type(message), **found}


# The message

CALLS = [ToolCall("weather", {"city": "Rome"}, id="call_1"), ToolCall("weather", {"city": "Oslo"}, id="call_2")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [
        Reply("The sky is blue."),
        Reply("Wait.", tool_calls=CALLS),
        Reply("Blue.", reasoning="The sky …", usage={"input": 7, "output": 5, "cached": 3, "reasoning": 2}),
        Reply("The sky is", finish="length"),
        Reply(refusal="No."),
    ],
    ids=["text", "calls", "thoughts", "length", "refusal"],
)
@pytest.mark.parametrize("version", [None, "v1"])
def test_a_message_is_the_bare_members_own(
    sim: Simulator, make: Make, ask: Make, kind: Any, answer: Reply, version: str | None
) -> None:
    """Field by field, its class included; and the provider is asked the same."""
    sim.script("first", answer)
    settings = {} if version is None else {"output_version": version}
    bare, chain = make(kind, **settings), ChatFailover(make(kind, **settings))
    if answer.tool_calls:
        bare, chain = bare.bind_tools([weather]), chain.bind_tools([weather])
    theirs, ours = ask(bare), ask(chain)
    assert fields_of(ours) == fields_of(theirs)
    report = ours.response_metadata["failover"]
    assert (report["model"], [step["outcome"] for step in report["trail"]]) == (f"{kind.__name__}/first", ["succeeded"])
    one, other = sim.requests_for("first")
    assert one.body == other.body


COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "first-2026",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]},
            "message": {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0},
    },
}


def completion(**changes: Any) -> Fault:
    """A whole answer of OpenAI's in its own words; `changes` are those of its choice."""
    (choice,) = COMPLETION["choices"]  # type: ignore[misc]
    return Fault.status(200, {**COMPLETION, "choices": [{**choice, **changes}]})


class Ends(BaseCallbackHandler):
    """Keeps what it is told of ends."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.results.append(response)


def test_metadata_is_where_the_bare_member_puts_it(sim: Simulator, make: Make, ask: Make) -> None:
    """Log probabilities, fingerprint and tier on the message; the same beside it, and the tokens, for handlers."""
    sim.script("first", completion())
    llm, theirs, ours = make(), Ends(), Ends()
    bare = ask(llm, config={"callbacks": [theirs]})
    message = ask(ChatFailover(llm), config={"callbacks": [ours]})
    assert fields_of(message) == fields_of(bare)
    assert message.response_metadata["logprobs"]["content"][0]["logprob"] == -0.1
    assert message.response_metadata["id"] == "chatcmpl-1"
    (expected,) = theirs.results
    _, told = ours.results  # the attempt's run ends before the call's
    assert told.llm_output == expected.llm_output
    assert told.generations[0][0].generation_info == expected.generations[0][0].generation_info
    assert list(message.response_metadata)[:3] == list(bare.response_metadata)[:3]


def test_a_message_of_several_is_the_first(make: Make) -> None:
    """As the bare member's `invoke` has it, which then tells nothing of what concerns all."""
    answers = [ChatGeneration(message=AIMessage(text)) for text in ("one", "two")]
    llm = Plain(result=ChatResult(generations=answers, llm_output={"model_name": "plain-1"}))
    theirs, ours = llm.invoke("x"), ChatFailover(llm).invoke("x")
    assert ours.text == "one"
    assert fields_of(ours) == fields_of(theirs)


def test_a_members_message_is_not_changed() -> None:
    """It may hand out the same object again."""
    message = AIMessage("whole", response_metadata={"a": 1})
    llm = Plain(result=ChatResult(generations=[ChatGeneration(message=message)], llm_output={"b": 2}))
    chain = ChatFailover(llm)
    first, second = chain.invoke("x"), chain.invoke("x")
    assert message.response_metadata == {"a": 1}
    assert message.id is None
    assert first.response_metadata.keys() == second.response_metadata.keys() == {"a", "b", "failover"}


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("kind", [ChatOpenAI, ChatAnthropic])
def test_structured_output_is_asked_whole(sim: Simulator, make: Make, ask: Make, method: Any, kind: Any) -> None:
    """With the raw message at hand, which is the bare member's."""
    answer = {"setup": "Why?", "punchline": "Because."}
    text = Reply('{"setup": "Why?", "punchline": "Because."}')
    sim.script("first", Reply(tool_calls=[ToolCall("Joke", answer)]) if method == "function_calling" else text)
    chain = ChatFailover(make(kind)).with_structured_output(Joke, method=method, include_raw=True)
    found = ask(chain, "Joke, as JSON")
    assert found["parsed"] == Joke(**answer)
    (request,) = sim.requests_for("first")
    assert not request.body.get("stream")


def test_a_form_that_is_cut_at_its_length_is_an_answer(sim: Simulator, make: Make, ask: Make) -> None:
    """OpenAI's SDK raises it; the chain gives what came, as it does for a stream, and asks nobody else."""
    sim.script("first", Reply('{"setup": "Wh', finish="length"))
    chain = ChatFailover(make(), fallbacks=[make(model="second")])
    found = ask(chain.with_structured_output(Joke, method="json_schema", include_raw=True), "Joke, as JSON")
    assert (found["raw"].text, found["raw"].response_metadata["finish_reason"]) == ('{"setup": "Wh', "length")
    assert found["parsed"] is None
    assert sim.requests_for("second") == []


# How it ended


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_without_a_finish_is_broken_where_one_is_always_told(
    sim: Simulator, make: Make, ask: Make, kind: Any
) -> None:
    """Somebody between here and the provider has lost it, and perhaps more."""
    bodies: dict[Any, Any] = {
        ChatOpenAI: completion(finish_reason=None),
        ChatAnthropic: Fault.status(
            200,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "first",
                "content": [{"type": "text", "text": "Half"}],
                "stop_reason": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        ),
        ChatGoogleGenerativeAI: Fault.status(200, {"candidates": [{"content": {"parts": [{"text": "Half"}]}}]}),
    }
    sim.script("first", bodies[kind])
    sim.script("second", Reply("Whole."))
    message = ask(ChatFailover(make(kind), fallbacks=[make(model="second")], max_retries=0))
    assert message.text == "Whole."
    failed = trail(message)[0]
    assert (failed["kind"], failed["code"]) == ("transient", "truncated")


def test_an_empty_answer_without_a_finish_is_broken_as_well(sim: Simulator, make: Make, ask: Make) -> None:
    """Of a member that always tells one."""
    sim.script("first", completion(finish_reason=None, message={"role": "assistant", "content": ""}))
    sim.script("second", Reply("Whole."))
    message = ask(ChatFailover(make(), fallbacks=[make(model="second")], max_retries=0))
    assert message.text == "Whole."


@pytest.mark.parametrize("settings", [{}, {"first_token_timeout": 20}], ids=["whole", "streamed and collected"])
@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("kind", KINDS)
def test_thoughts_do_not_displace_the_answer(
    sim: Simulator, make: Make, ask: Make, kind: Any, version: Any, settings: Any
) -> None:
    """In either form of the message, however the member is asked."""
    sim.script("first", Reply(chunks=("The sky", " is", " blue."), reasoning="Let me think."))
    message = ask(ChatFailover(make(kind), output_version=version, **settings))
    assert message.text == "The sky is blue."
    assert ("v1" in str(message.response_metadata.get("output_version"))) is (version == "v1")


@pytest.mark.parametrize("page", ["<html>Your key {key} is welcome.</html>", '{{"key": "{key}", "id": '])
def test_what_is_no_answer_stays_out_of_its_error(sim: Simulator, make: Make, ask: Make, page: str) -> None:
    """What came may hold a key, and an SDK's error quotes it: neither cause nor copy for another process does."""
    sim.script("first", Fault.status(200, body=page.format(key=KEY)))
    with pytest.raises(ChainExhaustedError) as caught:
        ask(ChatFailover(make(), max_retries=0))
    (error,) = caught.value.errors
    assert (error.code, error.__cause__) == ("truncated", None)
    assert KEY.encode() not in pickle.dumps(caught.value)
    (copied,) = copy.deepcopy(caught.value).errors
    assert (copied.code, copied.message) == (error.code, error.message)


@pytest.mark.parametrize("kind", [ChatOpenAI, ChatGoogleGenerativeAI])  # Anthropic's API has no such end
def test_a_filtered_answer_is_asked_for_nowhere_else(sim: Simulator, make: Make, ask: Make, kind: Any) -> None:
    """It is a refusal of the request."""
    sim.script("first", Reply("Half", finish="content_filter"))
    with pytest.raises(RequestRejectedError):
        ask(ChatFailover(make(kind), fallbacks=[make(model="second")]))
    assert sim.requests_for("second") == []


@pytest.mark.parametrize(
    "fault", [Fault.html(), Fault.garbage(), Fault.cut(1), Fault.truncated(1), "empty", "reset@1", "error_event@0"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_whole_json_is_a_passing_failure(
    sim: Simulator, make: Make, ask: Make, kind: Any, fault: Any
) -> None:
    """A page of a proxy, half a document, an error in place of an answer: the next link is asked, once."""
    sim.script("first", fault)
    sim.script("second", Reply("Whole."))
    message = ask(ChatFailover(make(kind), fallbacks=[make(model="second")], max_retries=0))
    assert message.text == "Whole."
    # Anthropic's integration trips over what is no message, in a way that tells nothing.
    trips = kind is ChatAnthropic and getattr(fault, "kind", fault) in {"status", "error_event@0"}
    assert trail(message)[0]["kind"] == ("unknown" if trips else "transient")
    assert len(sim.requests_for("first")) == 1


# Whole or streamed


class Words(BaseCallbackHandler):
    """Wants tokens."""

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        pass


class Traces(BaseTracer):
    """Wants runs."""

    def _persist_run(self, run: Any) -> None:
        pass


class Choosy(Plain):
    """Has a setting of LangChain's integrations."""

    streaming: bool = False


@pytest.mark.parametrize(
    ("llm", "settings", "way"),
    [
        (Plain(), {}, "whole"),
        (Choosy(), {}, "whole"),
        (Choosy(streaming=True), {}, "stream"),
        (Choosy(streaming=False), {}, "whole"),
        (Choosy(streaming=True, disable_streaming=True), {}, "whole"),
        (Plain().bind(stream=True), {}, "stream"),
        (Choosy(streaming=True).bind(stream=False), {}, "whole"),
        (Plain(callbacks=[Words()]), {}, "stream"),
        (Plain(callbacks=[Traces(), UsageMetadataCallbackHandler()]), {}, "whole"),
        (Plain(), {"callbacks": [Words()]}, "whole"),
        (Plain(), {"first_token_timeout": 20}, "stream"),
        (Plain(), {"idle_timeout": 20}, "stream"),
        (Plain(), {"hedge_after": 20}, "stream"),
        (Plain(), {"deadline": 20}, "stream"),
        (Plain(), {"policy": FailoverPolicy(whole_timeout=60)}, "whole"),
        (Plain(), {"policy": FailoverPolicy(first_token_timeout=30)}, "stream"),
        (Plain(), {"manager": FailoverManager(policy=FailoverPolicy(hedge_after=30))}, "stream"),
        (Plain(), {"manager": FailoverManager(policy=FailoverPolicy(hedge_after=None))}, "whole"),
    ],
)
def test_who_is_asked_whole(ask: Make, llm: Any, settings: Any, way: str) -> None:
    """Whoever LangChain would ask whole, unless somebody wants its tokens, or timers look at its pace."""
    chain = ChatFailover(llm, **settings)
    member = chain.members[chain.names[0]]
    asked = member.llm.asked
    asked.clear()
    assert ask(chain).text == ("whole" if way == "whole" else "in pieces")
    assert asked == [way]


def test_a_stream_is_a_stream(runner: asyncio.Runner) -> None:
    """Nothing of this concerns `stream`."""
    llm = Plain()
    chain = ChatFailover(llm)
    assert [chunk.text for chunk in chain.stream("x")] == ["in ", "pieces", ""]

    async def events() -> list[str]:
        return [event["event"] async for event in chain.astream_events("x", version="v2")]

    assert runner.run(events()).count("on_chat_model_stream") == 3
    assert set(llm.asked) == {"stream"}


def test_a_model_that_can_only_stream_is_streamed(ask: Make) -> None:
    """Its `_generate` says that there is none; what cannot stream either has failed."""

    class Streaming(Plain):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    assert ask(ChatFailover(Streaming())).text == "in pieces"
    answer = ask(ChatFailover(Streaming(disable_streaming=True), fallbacks=[Plain()], max_retries=0))
    assert answer.text == "whole"


# Time


class Slow(Plain):
    """Takes its time."""

    seconds: float = 0.1

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        threading.Event().wait(self.seconds)
        return super()._generate(*args, **kwargs)


def test_a_long_answer_has_a_time_of_its_own(ask: Make) -> None:
    """It is silent until it is whole; but who is silent for longer than that is left."""
    chain = ChatFailover(Slow(), fallbacks=[Plain()], max_retries=0)
    assert chain.chain[0].answers_whole is False  # what is asked decides
    policy = FailoverPolicy(whole_timeout=0.05, transient_backoffs=())
    assert [step["outcome"] for step in trail(ask(chain))] == ["succeeded"]
    failed, answered = trail(ask(ChatFailover(Slow(), fallbacks=[Plain()], policy=policy)))
    assert (failed["code"], answered["outcome"]) == ("first_token_timeout", "succeeded")


def trail(message: Any) -> list[Any]:
    found: list[Any] = message.response_metadata["failover"]["trail"]
    return found


def test_a_hedged_call_looks_at_the_first_piece(ask: Make) -> None:
    """A long answer that has begun is not late; one that has not is overtaken."""

    class Waiting(Plain):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            threading.Event().wait(1 if self.result == "late" else 0)
            yield from super()._stream(*args, **kwargs)

    policy = FailoverPolicy(hedge_after=0.05, hedge_budget=1.0, transient_backoffs=())
    answer = ask(ChatFailover(Waiting(result="late"), fallbacks=[Plain()], policy=policy))
    assert answer.response_metadata["failover"]["hedged"] is True
    answer = ask(ChatFailover(Waiting(), fallbacks=[Plain()], policy=policy))
    assert answer.response_metadata["failover"]["hedged"] is False


def _until_asked(sim: Simulator) -> None:
    while not sim.requests_for("first"):
        time.sleep(0.001)


def test_a_call_that_is_cancelled_ends_its_request(sim: Simulator, make: Make, runner: asyncio.Runner) -> None:
    """At once, and nobody is blamed."""
    sim.script("first", Reply("Late.", delay_headers=60))
    chain = ChatFailover(make())

    async def cancelled() -> None:
        call = asyncio.ensure_future(chain.ainvoke("x"))
        await asyncio.to_thread(_until_asked, sim)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    runner.run(cancelled())
    (health,) = chain.manager.health().models  # type: ignore[union-attr]
    assert health.kind is None


def test_a_silent_member_is_left_with_its_thread(sim: Simulator, make: Make) -> None:
    """Its socket is shut under the read, so that the thread ends long before its client would give up."""
    sim.script("first", Reply("Late.", delay_headers=60))
    sim.script("second", Reply("Whole."))
    policy = FailoverPolicy(whole_timeout=0.1, transient_backoffs=())
    message = ChatFailover(make(), fallbacks=[make(model="second")], policy=policy).invoke("x")
    assert message.text == "Whole."
    for thread in threading.enumerate():
        if thread.name == "llm-failover-member":
            thread.join(10)
            assert not thread.is_alive()


# What is around it


def test_an_answer_is_cached_once(ask: Make) -> None:
    """By the chain; the trail says what it took when it was asked for."""
    llm = Plain()
    chain = ChatFailover(llm, cache=InMemoryCache())
    first, second = ask(chain), ask(chain)
    assert llm.asked == ["whole"]
    assert first.text == second.text == "whole"
    assert trail(second) == trail(first)


def test_an_answer_that_is_not_accepted_is_asked_for_elsewhere(sim: Simulator, make: Make, ask: Make) -> None:
    """The predicate sees the whole answer, tool calls included."""
    sim.script("first", Reply("No.", tool_calls=CALLS))
    sim.script("second", Reply("Yes."))
    seen: list[str] = []

    def accept(answer: Any) -> bool:
        seen.append(answer.text)
        return bool(answer.text == "Yes.")

    chain = ChatFailover(make(), fallbacks=[make(model="second")], accept=accept, max_retries=0)
    assert ask(chain.bind_tools([weather])).text == "Yes."
    assert seen == ["No.", "Yes."]


def test_the_report_knows_the_tokens(sim: Simulator, make: Make, ask: Make) -> None:
    """As the member tells them."""
    sim.script("first", completion())
    (attempt,) = trail(ask(ChatFailover(make())))
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (9, 2)


def test_tokens_are_counted_once_by_whoever_counts(sim: Simulator, make: Make, ask: Make) -> None:
    """The attempt's run tells its inherited handlers of none, wherever they look; the member's own hear all."""
    sim.script("first", completion())
    inherited, own = Ends(), Ends()
    chain = ChatFailover(make().with_config(callbacks=[own]))
    ask(chain, config={"callbacks": [inherited]})
    quiet, outer = inherited.results
    (told,) = own.results
    assert quiet.llm_output is None
    (generation,) = quiet.generations[0]
    assert generation.message.usage_metadata is None
    assert "token_usage" not in generation.message.response_metadata
    for full in (outer, told):
        assert full.llm_output["token_usage"]["total_tokens"] == 11
        assert full.generations[0][0].message.usage_metadata["total_tokens"] == 11
        assert full.generations[0][0].message.response_metadata["model_name"] == "first-2026"


def test_a_chain_in_the_chain_is_asked_whole(sim: Simulator, make: Make, ask: Make) -> None:
    """And so are its own members; its trail stands inside the outer one."""
    llm = Plain()
    message = ask(ChatFailover(ChatFailover(llm)))
    assert llm.asked == ["whole"]
    report = message.response_metadata["failover"]
    assert (report["provider"], report["inner"]["model"]) == ("ChatFailover", "Plain/plain")
