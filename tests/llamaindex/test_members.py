"""LLM objects of the framework as links of a chain, beside model strings."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ThinkingBlock, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage, MessageRole, MockLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from pydantic import PrivateAttr

from llamaindex_failover import FailoverLLM
from shared_core.errors import ChainExhaustedError, RequestRejectedError
from shared_core.manager import FailoverManager
from shared_core.simulator import Ceiling, Reply, Simulator, ToolCall
from tests.llamaindex.claude import make_claude
from tests.llamaindex.conformance import Driver, Person, add, ask, tools
from tests.llamaindex.conftest import FALLBACK, PRIMARY, Maker, certificates
from tests.llamaindex.homemade import PromptOnly, Scripted, said

GPT = "gpt-4.1"


@pytest.fixture
async def openai(sim: Simulator) -> AsyncIterator[OpenAI]:
    """An LLM that would retry by itself."""
    with httpx.Client(verify=certificates()) as client:
        async with httpx.AsyncClient(verify=certificates()) as aclient:
            yield OpenAI(GPT, api_key="key-main", api_base=sim.base_url, http_client=client, async_http_client=aclient)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Whether to call the async methods."""
    return bool(request.param)


def trail(response: Any) -> list[tuple[str, str | None]]:
    """What was tried: model, and how it failed."""
    steps = response.additional_kwargs["failover"]["trail"]
    return [(step["model"], step.get("kind") or step.get("reason")) for step in steps if "model" in step]


# Names.


def test_members_have_names(make_llm: Maker, openai: OpenAI) -> None:
    """A member is called by its class and model; a second object of a class has a number."""
    other = OpenAI("gpt-4.1-mini", api_key="key-other")
    llm = make_llm(openai, (other, Scripted(), PromptOnly(), PRIMARY, openai))
    names = [candidate.model for candidate in llm.manager.explain(llm._request(ask(), {})).candidates]
    assert names == ["OpenAI/gpt-4.1", "OpenAI#2/gpt-4.1-mini", "Scripted/v1", "PromptOnly/default", PRIMARY]
    assert repr(llm) == (
        "FailoverLLM(model='OpenAI/gpt-4.1', fallbacks=['OpenAI/gpt-4.1-mini', 'Scripted/v1', 'PromptOnly/default', "
        f"'{PRIMARY}', 'OpenAI/gpt-4.1'])"
    )


def test_an_object_keeps_its_name_in_a_manager(openai: OpenAI) -> None:
    """Two LLMs that share a manager and a member share what is known of that member."""
    with FailoverManager() as manager:
        one = FailoverLLM(openai, manager=manager)
        two = FailoverLLM(Scripted(), [openai], manager=manager)
        assert one.to_payload()["model"] == two.to_payload()["fallbacks"][0] == "OpenAI/gpt-4.1"


async def test_a_call_may_name_members(make_llm: Maker, is_async: bool) -> None:
    """`model` and `fallbacks` of a single call may be objects too."""
    down, up = Scripted(script=[ConnectionError("no route")]), Scripted(script=[said("Up.")])
    llm = make_llm(PromptOnly(), ())
    response = await Driver(llm, is_async=is_async).call("chat", ask(), model=down, fallbacks=[up])
    assert trail(response) == [("Scripted/v1", "transient"), ("Scripted#2/v1", None)]
    assert response.message.content == "Up."


# Responses.


async def test_responses_pass_through_untouched(make_llm: Maker, is_async: bool) -> None:
    """The very objects that the member made; one more at the end bears the trail, and repeats no delta."""
    script = [said("", ""), said("Hel", "Hel"), said("Hello", "lo", raw={"usage": {"prompt_tokens": 3}})]
    driver = Driver(make_llm(Scripted(script=script), ()), is_async=is_async)
    *responses, last = await driver.stream("stream_chat", ask())
    assert [id(response) for response in responses] == [id(response) for response in script]
    assert (last.message, last.raw, last.delta) == (script[-1].message, script[-1].raw, "")
    assert trail(last) == [("Scripted/v1", None)]
    assert "failover" not in script[-1].additional_kwargs
    whole = await driver.call("chat", ask())
    assert (whole.message, whole.raw) == (script[-1].message, script[-1].raw)
    assert trail(whole) == [("Scripted/v1", None)]


async def test_openai_gives_what_it_gives_alone(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """Types, usage keys and tool calls are those of the class itself."""
    sim.script(GPT, Reply(text="Let me see.", tool_calls=[ToolCall("add", {"a": 1, "b": 2}, id="call_1")]))
    llm = make_llm(openai, ())
    alone, ours = openai.chat_with_tools([FunctionTool.from_defaults(add)], "1 + 2"), None
    ours = llm.chat_with_tools([FunctionTool.from_defaults(add)], "1 + 2")
    assert type(ours.raw) is type(alone.raw)
    assert ours.message == alone.message
    assert ours.additional_kwargs.items() >= alone.additional_kwargs.items()
    both = [list(each.stream_chat(ask())) for each in (openai, llm)]
    assert [response.delta for response in both[1][:-1]] == [response.delta for response in both[0]]
    assert [response.message for response in both[1][:-1]] == [response.message for response in both[0]]


async def test_chains_are_mixed_freely(make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool) -> None:
    """From a string to a member and from a member to a string, whole and streamed."""
    sim.script(GPT, "503*8")
    driver = Driver(make_llm(PRIMARY, (Scripted(), PRIMARY)), is_async=is_async)
    assert trail(await driver.call("chat", ask())) == [(PRIMARY, "transient"), ("Scripted/v1", None)]
    driver = Driver(make_llm(Scripted(script=[TimeoutError("late")]), (FALLBACK,)), is_async=is_async)
    for response in (
        await driver.call("chat", ask()),
        await driver.call("complete", "Hi"),
        (await driver.stream("stream_chat", ask()))[-1],
        (await driver.stream("stream_complete", "Hi"))[-1],
    ):
        assert trail(response)[-1] == (FALLBACK, None)


# Completions.


async def test_a_completion_is_a_completion(make_llm: Maker, is_async: bool) -> None:
    """A prompt reaches the member as a prompt, formatted or not, and its responses come back as they are."""
    member = Scripted()
    driver = Driver(make_llm(member, ()), is_async=is_async)
    whole = await driver.call("complete", "Hi", formatted=True)
    streamed = await driver.stream("stream_complete", "Hi")
    assert whole.text == "Completed."
    assert [(response.text, response.delta) for response in streamed] == [
        ("Com", "Com"),
        ("Completed.", "pleted."),
        ("Completed.", ""),
    ]
    assert [(call["given"], call["formatted"]) for call in member.asked] == [("Hi", True), ("Hi", False)]
    assert [trail(response) for response in (whole, streamed[-1])] == [[("Scripted/v1", None)]] * 2


async def test_the_least_of_llms_works(make_llm: Maker, is_async: bool) -> None:
    """One that only completes whole prompts, in sync code, answers chats and streams, by its own prompt format."""
    member = PromptOnly(messages_to_prompt=lambda messages: "|".join(str(message.content) for message in messages))
    driver = Driver(make_llm(member, ()), is_async=is_async)
    assert (await driver.call("chat", ask())).message.content == "Completed."
    assert [response.delta for response in await driver.stream("stream_chat", ask())] == [None, ""]
    assert (await driver.call("complete", "Hi")).text == "Completed."
    assert [response.text for response in await driver.stream("stream_complete", "Hi")] == ["Completed."] * 2
    assert member.prompts == [("Be brief.|Hi", True)] * 2 + [("Hi", False)] * 2


async def test_the_mock_llm_works(make_llm: Maker, is_async: bool) -> None:
    """The framework's own mock, in all four calls."""
    driver = Driver(make_llm(MockLLM(max_tokens=3), ()), is_async=is_async)
    assert (await driver.call("chat", ask())).message.content == "text text text"
    assert (await driver.call("complete", "Hi")).text == "text text text"
    for method, given in (("stream_chat", ask()), ("stream_complete", "Hi")):
        responses = await driver.stream(method, given)
        assert "".join(response.delta for response in responses) == "text text text"


# Tools and objects.


async def test_tools_reach_members_as_they_are(make_llm: Maker, is_async: bool) -> None:
    """The member's own preparation gets the tools themselves, whoever offered them and in whatever form."""
    member, offered = Scripted(), tools()
    driver = Driver(make_llm(member, ()), is_async=is_async)
    await driver.call("chat_with_tools", offered, "Hi", allow_parallel_tool_calls=True, tool_required=True)
    await driver.stream("stream_chat_with_tools", offered, "Hi")
    await driver.call("chat", ask(), tools=offered)
    for call in member.asked:
        assert all(got is given for got, given in zip(call["offered"], offered, strict=True))
    assert [(call["required"], call["parallel"]) for call in member.asked] == [
        (True, True),
        (False, False),
        (False, True),
    ]
    spec = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    await driver.call("chat", ask(), tools=[spec])
    (told,) = member.asked[-1]["offered"]
    assert (told.metadata.name, told.metadata.description) == ("f", "d")
    assert told.metadata.to_openai_tool()["function"]["parameters"] == {"type": "object"}
    with pytest.raises(NotImplementedError, match="f is known by its schema alone"):
        told("input")


@pytest.mark.parametrize(
    ("choice", "names", "required"),
    [("auto", ["add", "weather"], False), ("required", ["add", "weather"], True), ("weather", ["weather"], True)],
)
def test_tool_choices_reach_members(make_llm: Maker, choice: str, names: list[str], required: bool) -> None:
    """A class that knows no named choice is offered that tool alone."""
    member = Scripted()
    make_llm(member, ()).chat(ask(), tools=tools(), tool_choice=choice)
    (call,) = member.asked
    assert ([tool.metadata.name for tool in call["offered"]], call["required"]) == (names, required)


def test_a_choice_of_none_offers_nothing(make_llm: Maker) -> None:
    """A class that knows no such choice is asked without tools."""
    member = Scripted()
    make_llm(member, ()).chat(ask(), tools=tools(), tool_choice="none")
    assert "offered" not in member.asked[0]


def test_openai_knows_named_choices(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """A class that does is told the name, and offered everything."""
    make_llm(openai, ()).chat(ask(), tools=tools(), tool_choice="weather")
    body = sim.requests[0].body
    assert body["tool_choice"]["function"]["name"] == "weather"
    assert len(body["tools"]) == 2


async def test_a_member_without_functions_is_skipped(make_llm: Maker, is_async: bool) -> None:
    """With tools in the request, and the trail says why."""
    driver = Driver(make_llm(PromptOnly(), (MockLLM(), PRIMARY)), is_async=is_async)
    response = await driver.call("chat_with_tools", tools(), "add 1 and 2")
    (one, why), (two, why_too), (three, _) = trail(response)
    assert (one, two, three) == ("PromptOnly/default", "MockLLM/default", PRIMARY)
    assert why == why_too == "does not call tools"
    assert response.message.blocks[-1].tool_name == "add"


async def test_objects_come_from_mixed_chains(make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool) -> None:
    """`structured_predict` and its stream work with members that call functions, past those that do not."""
    sim.script(GPT, "503", "ok", "503", "ok")
    llm = make_llm(PromptOnly(), (PRIMARY, openai))
    driver = Driver(llm, is_async=is_async)
    found = await driver.call("structured_predict", Person, PromptTemplate("Who is {age}?"), age=42)
    assert found.age == 42
    llm.manager.reset()
    objects = await driver.stream("stream_structured_predict", Person, PromptTemplate("Who is {age}?"), age=42)
    assert objects[-1] == found


def test_a_schema_is_told_as_the_member_takes_it(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """OpenAI's class has a field for it; others are told in words, behind the system messages."""
    make_llm(openai, ()).chat(ask(), response_format=Person)
    assert sim.requests[0].body["response_format"]["json_schema"]["name"] == "Person"
    member = Scripted()
    llm = make_llm(member, ())
    llm.chat(ask(), response_format=Person)
    llm.chat([ChatMessage("Hi")], response_format={"type": "json_object"})
    roles = [[message.role for message in call["given"]] for call in member.asked]
    assert roles == [[MessageRole.SYSTEM, MessageRole.SYSTEM, MessageRole.USER], [MessageRole.SYSTEM, MessageRole.USER]]
    assert '"age"' in member.asked[0]["given"][1].content


# Settings.


async def test_a_member_does_not_retry(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """One attempt is one request, whatever the member's own setting, which stays as it is."""
    sim.script(GPT, "503*9")
    llm = make_llm(openai, ())
    for _ in range(2):
        with pytest.raises(ChainExhaustedError):
            llm.chat(ask())
        llm.manager.reset()
    assert len(sim.requests) == 2
    openai._get_client()
    with pytest.raises(ChainExhaustedError):
        list(llm.stream_chat(ask()))
    assert len(sim.requests) == 3
    assert openai.max_retries == 3
    assert openai._get_client().max_retries == 3


class Eager(Scripted):
    """Retries by means that nobody else knows of."""

    max_retries: int = 5
    _client: Any = PrivateAttr(default_factory=object)


def test_a_member_that_may_retry_is_named(make_llm: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """Once, when its retries cannot be switched off; not where they are off, or where there are none."""
    with caplog.at_level(logging.WARNING, "llm_failover"):
        llm = make_llm(Eager(), (Eager(max_retries=0), Scripted()))
        llm.chat(ask())
        repr(llm)
    assert [record.getMessage() for record in caplog.records] == [
        "Eager/v1 may retry by itself; make it with max_retries=0"
    ]


def test_keywords_of_a_call_reach_members(make_llm: Maker, sim: Simulator, openai: OpenAI) -> None:
    """Those of the call, not the settings of the chain; what the engine answers to stays here."""
    member = Scripted()
    llm = make_llm(member, (), temperature=0.7, max_tokens=50)
    llm.chat(ask(), top_k=4, deadline=30, stop=["x"], seed=None)
    (call,) = member.asked
    assert {name: call.get(name) for name in ("top_k", "stop", "temperature", "deadline", "seed")} == {
        "top_k": 4,
        "stop": ["x"],
        "temperature": None,
        "deadline": None,
        "seed": None,
    }
    make_llm(openai, ()).chat(ask(), temperature=0.2, stop_sequences="x", max_tokens=9)
    body = sim.requests[-1].body
    assert (body["temperature"], body["stop"], body["max_tokens"]) == (0.2, ["x"], 9)


def test_a_ceiling_is_repaired(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """`max_tokens` above a ceiling is lowered for the member, whatever its own setting says."""
    sim.script(GPT, Ceiling(16))
    openai.max_tokens = 500
    response = make_llm(openai, ()).chat(ask(), max_tokens=500)
    assert [request.body["max_tokens"] for request in sim.requests] == [500, 16]
    assert response.additional_kwargs["failover"]["trail"][-1]["max_tokens"] == 16
    assert openai.max_tokens == 500


async def test_tokens_are_counted_once(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """A counter that the chain and its member share counts what the call took; the member's own counts as well."""
    sim.script(GPT, Reply("Hello", usage={"input": 1000, "output": 500}))
    shared, own = TokenCountingHandler(tokenizer=str.split), TokenCountingHandler(tokenizer=str.split)
    openai.callback_manager = CallbackManager([shared, own])
    llm = make_llm(openai, (), callback_manager=CallbackManager([shared]))
    llm.chat(ask())
    llm.complete("Hi")
    assert (shared.prompt_llm_token_count, shared.completion_llm_token_count) == (2000, 1000)
    assert (own.prompt_llm_token_count, own.completion_llm_token_count) == (2000, 1000)
    assert openai.callback_manager.handlers == [shared, own]


def test_metadata_is_that_of_the_smallest(make_llm: Maker) -> None:
    """The smallest window that is stated; functions where any link calls them."""
    assert make_llm(PromptOnly(window=2000), (Scripted(), PRIMARY)).metadata.context_window == 2000
    assert make_llm(Scripted(), (PRIMARY,)).metadata.context_window == 5000
    assert make_llm(PromptOnly(), (PRIMARY,)).metadata.context_window > 100_000
    assert make_llm(PromptOnly(), (PRIMARY,)).metadata.is_function_calling_model
    assert not make_llm(PromptOnly(), (MockLLM(),)).metadata.is_function_calling_model
    assert make_llm(OpenAI("gpt-from-tomorrow", api_key="key-main"), ()).metadata.model_name == (
        "OpenAI/gpt-from-tomorrow"
    )


@pytest.mark.parametrize("how", ["dict", "json", "pickle", "copy", "deepcopy"])
def test_members_travel(make_llm: Maker, openai: OpenAI, sim: Simulator, how: str) -> None:
    """With their settings and without their keys; copies in the process share the objects."""
    llm = make_llm(Scripted(max_tokens=7), (openai, PRIMARY))
    match how:
        case "dict":
            made = FailoverLLM.from_dict(llm.to_dict())
        case "json":
            assert "key-main" not in llm.to_json()
            made = FailoverLLM.from_json(llm.to_json())
        case "pickle":
            data = pickle.dumps(llm)
            assert b"key-main" not in data
            made = pickle.loads(data)  # noqa: S301 - made two lines above
        case _:
            made = getattr(copy, how)(llm)
            assert (made.model, made.fallbacks[0]) == (llm.model, openai)
            assert made.fallbacks[0] is openai
    assert made.to_dict() == llm.to_dict()
    first: Any = made.model
    assert (type(first), first.max_tokens) == (Scripted, 7)
    assert isinstance(made.fallbacks[0], OpenAI)


def test_an_unknown_class_is_named() -> None:
    """A dump with an LLM whose class is not imported says which one."""
    with pytest.raises(ValueError, match="no LLM class named 'llm_of_mars' is imported"):
        FailoverLLM.from_dict({"model": {"class_name": "llm_of_mars"}, "fallbacks": []})


def test_a_chain_can_be_a_link(make_llm: Maker, sim: Simulator) -> None:
    """A chain within a chain fails over by itself first; all of it is one attempt for the outer one."""
    sim.script(GPT, "503*9")
    inner = make_llm(PRIMARY, ())
    response = make_llm(inner, (FALLBACK,)).chat(ask())
    assert trail(response) == [(f"FailoverLLM/{PRIMARY}", "transient"), (FALLBACK, None)]


# Errors.


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("openai.rate_limit", "rate_limit"),
        ("openai.invalid_key", "auth"),
        ("openai.insufficient_quota", "balance"),
        ("openai.model_not_found", "model_missing"),
        ("503", "transient"),
        ("reset", "transient"),
    ],
)
async def test_errors_of_members_are_judged(
    make_llm: Maker, openai: OpenAI, sim: Simulator, behaviour: str, kind: str
) -> None:
    """By what the SDK's exception says, as those of strings are."""
    sim.script(GPT, behaviour)
    llm = make_llm(openai, (FALLBACK,))
    assert trail(llm.chat(ask()))[0] == ("OpenAI/gpt-4.1", kind)
    llm.manager.reset()
    assert trail(list(llm.stream_chat(ask()))[-1])[0] == ("OpenAI/gpt-4.1", kind)


def test_a_refused_request_is_raised(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """What is wrong with the request is wrong everywhere."""
    sim.script(GPT, "400")
    with pytest.raises(RequestRejectedError):
        make_llm(openai, (FALLBACK,)).chat(ask())


# History.


def test_neutral_messages_pass_untouched(make_llm: Maker) -> None:
    """A conversation that nobody foreign had a hand in reaches the member as the same objects."""
    member = Scripted()
    messages = [
        *ask("First"),
        ChatMessage(role=MessageRole.ASSISTANT, content="Second"),
        ChatMessage(content="Third"),
    ]
    make_llm(member, ()).chat(messages)
    assert all(got is given for got, given in zip(member.asked[0]["given"], messages, strict=True))


def test_foreign_messages_are_made_valid(make_llm: Maker) -> None:
    """Another's reasoning is left out, arguments are read, orphans are answered; the caller's stay as they were."""
    member = Scripted()
    thought = ThinkingBlock(content="hm", additional_information={"origin": "anthropic", "signature": "sig"})
    call = ToolCallBlock(tool_call_id="call_1", tool_name="weather", tool_kwargs='{"city": "Rome"}')
    messages = [ChatMessage("Weather?"), ChatMessage(role=MessageRole.ASSISTANT, blocks=[thought, call])]
    before = [message.model_dump() for message in messages]
    make_llm(member, ()).chat([*messages, ChatMessage("Well?")])
    _, called, result, _ = member.asked[0]["given"]
    assert [block.block_type for block in called.blocks] == ["tool_call"]
    assert called.blocks[0].tool_kwargs == {"city": "Rome"}
    assert (result.role, result.additional_kwargs["tool_call_id"]) == (MessageRole.TOOL, "call_1")
    assert [message.model_dump() for message in messages] == before


def test_reasoning_says_who_made_it(make_llm: Maker, sim: Simulator) -> None:
    """The last response's reasoning is marked with its maker; no other response is."""
    claude = make_claude(sim, thinking_dict={"type": "enabled", "budget_tokens": 1024}, max_tokens=4096)
    sim.script("claude-sonnet-4-5", Reply("Yes.", reasoning="Hm."))
    *responses, last = make_llm(claude, ()).stream_chat(ask())
    thoughts = [
        [block.additional_information.get("origin") for block in response.message.blocks if _is_thought(block)]
        for response in (responses[-1], last)
    ]
    assert thoughts == [[None], ["anthropic"]]


def _is_thought(block: Any) -> bool:
    return isinstance(block, ThinkingBlock)
