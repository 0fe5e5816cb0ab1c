"""Google's integration as a link of the chain: what is its own way, and nobody else's."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.exceptions import ModelRateLimitError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI

from langchain_failover import ChatFailover
from langchain_failover.google import from_part, to_part
from langchain_failover.messages import to_messages
from langchain_failover.outgoing import to_langchain
from shared_core.errors import ChainExhaustedError, RequestRejectedError
from shared_core.messages import Message, Opaque
from shared_core.providers.vendors import VENDORS
from shared_core.simulator import Fault, Reply, Simulator, ToolCall

Chain = Callable[..., ChatFailover]


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(provider: Simulator) -> Simulator:
    provider.clear()
    return provider


@pytest.fixture(scope="module")
def member(provider: Simulator) -> ChatGoogleGenerativeAI:
    """Made once, since its client takes long to make."""
    return ChatGoogleGenerativeAI(model="first", base_url=provider.url, api_key="key-main")


@pytest.fixture
def chain(sim: Simulator, member: ChatGoogleGenerativeAI) -> Iterator[Chain]:
    made: list[ChatFailover] = []

    def make(model: Any = member, **settings: Any) -> ChatFailover:
        given = {"profiles": {"openai": {"main": "key-main"}}, "base_urls": {"openai": sim.base_url}, **settings}
        made.append(ChatFailover(model, max_retries=0, **given))
        return made[-1]

    yield make
    for llm in made:
        llm.manager.close()  # type: ignore[union-attr]


def invoke(llm: Any, question: Any) -> Any:
    return llm.invoke(question)


def stream(llm: Any, question: Any) -> Any:
    first, *rest = llm.stream(question)
    return first + rest


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def sent(sim: Simulator, model: str = "first") -> dict[str, Any]:
    body: dict[str, Any] = sim.requests_for(model)[-1].body
    return body


@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize(
    ("fault", "kind", "retry_after"),
    [
        (Fault.named("gemini.rate_limit", retry_after=7), "rate_limit", 7),
        (Fault.named("gemini.invalid_key"), "auth", None),
        (Fault.named("gemini.model_not_found"), "model_missing", None),
        (Fault.named("gemini.overloaded"), "transient", None),
        (Fault.malformed(after=0), "transient", None),
        (Fault.html(), "transient", None),
        (Reply(tool_calls=[ToolCall("weather", "{broken")]), "transient", None),
    ],
    ids=["limit", "key", "missing", "overloaded", "malformed", "page", "malformed call"],
)
def test_its_failures_are_judged(
    sim: Simulator, chain: Chain, ask: Any, fault: Any, kind: str, retry_after: float | None
) -> None:
    """Whether it raises them or writes them into an answer; once, though its class would try six times."""
    sim.script("first", fault)
    with pytest.raises(ChainExhaustedError) as caught:
        ask(chain(), "x")
    (error,) = caught.value.errors
    assert (error.kind, error.retry_after) == (kind, retry_after)
    assert isinstance(caught.value, ModelRateLimitError) is (kind == "rate_limit")
    assert len(sim.requests) == 1


def told(ask: Any, answer: Any) -> Fault:
    """An answer of the API in its own words: as a stream's only event, or whole."""
    text = json.dumps(answer)
    if ask is invoke:
        return Fault.status(200, text, {"content-type": "application/json"})
    return Fault.status(200, f"data: {text}\n\n", {"content-type": "text/event-stream"})


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}


@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Reply("", chunks=(), finish="content_filter"), "SAFETY"),
        (Reply("", chunks=(), finish="IMAGE_PROHIBITED_CONTENT"), "IMAGE_PROHIBITED_CONTENT"),
        (BLOCKED, "PROHIBITED_CONTENT"),
    ],
    ids=["answer", "image", "prompt"],
)
def test_what_its_policy_blocks_is_not_asked_elsewhere(
    sim: Simulator, chain: Chain, ask: Any, behaviour: Any, code: str
) -> None:
    """Of an answer or of a prompt, which it tells without an answer."""
    sim.script("first", told(ask, behaviour) if behaviour is BLOCKED else behaviour)
    with pytest.raises(RequestRejectedError) as caught:
        ask(chain(fallbacks=["openai/second"]), "x")
    assert (caught.value.kind, caught.value.errors[0].code) == ("content_filter", code)
    assert sim.requests_for("second") == []


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [("auto", "AUTO", None), ("none", "NONE", None), ("any", "ANY", ["weather"]), ("weather", "ANY", ["weather"])],
)
def test_tool_choices(sim: Simulator, chain: Chain, choice: str, mode: str, names: list[str] | None) -> None:
    """In LangChain's words; `strict` and `parallel_tool_calls`, which it does not know, stay behind."""
    chain().bind_tools([weather], tool_choice=choice, strict=True, parallel_tool_calls=False).invoke("x")
    config = sent(sim)["toolConfig"]["functionCallingConfig"]
    assert (config["mode"], config.get("allowedFunctionNames")) == (mode, names)


def test_its_own_tools_go_to_it_alone(sim: Simulator, chain: Chain) -> None:
    """In Google's form."""
    sim.script("first", "ok", "503")
    llm = chain(fallbacks=["openai/second"]).bind_tools([weather, {"google_search": {}}])
    llm.invoke("x")
    assert sorted(name for one in sent(sim)["tools"] for name in one) == ["functionDeclarations", "googleSearch"]
    llm.invoke("x")
    assert [one["function"]["name"] for one in sent(sim, "second")["tools"]] == ["weather"]


@pytest.mark.parametrize("ask", [invoke, stream])
def test_parallel_calls_come_with_their_signature(sim: Simulator, chain: Chain, ask: Any) -> None:
    """Google signs the first of them, under the name by which its integration finds it again."""
    cities = [{"city": "Rome"}, {"city": "Paris"}]
    sim.script("first", Reply("Wait.", reasoning="Hm.", tool_calls=[ToolCall("weather", city) for city in cities]))
    answer = ask(chain().bind_tools([weather]), "x")
    assert [call["args"] for call in answer.tool_calls] == cities
    signatures = answer.additional_kwargs["__gemini_function_call_thought_signatures__"]
    assert list(signatures) == [answer.tool_calls[0]["id"]]
    assert [block["type"] for block in answer.content_blocks][:2] == ["reasoning", "text"]
    assert answer.usage_metadata["output_token_details"] == {"reasoning": 1}


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinking_budget": 0}),
        ("gemini-2.5-pro", "low", {"thinking_budget": 1024}),
        ("gemini-3-pro-preview", "medium", {"thinking_level": "HIGH"}),
        ("gemini-2.0-flash", "low", None),
    ],
)
def test_an_effort_is_said_in_the_models_way(
    sim: Simulator, chain: Chain, model: str, effort: str, config: dict[str, Any] | None
) -> None:
    """A budget for one generation, a level for the next, and nothing for those that do not think."""
    member = ChatGoogleGenerativeAI(model=model, base_url=sim.url, api_key="key-main")
    chain(member, reasoning_effort=effort).invoke("x")
    found = sent(sim, model)["generationConfig"].get("thinkingConfig")
    assert found == config


def test_json_mode_needs_no_schema(sim: Simulator, chain: Chain) -> None:
    """Its own method wants one; the field behind it does not."""
    sim.script("first", Reply('{"a": 1}'))
    assert chain().with_structured_output(None, method="json_mode").invoke("JSON, please") == {"a": 1}
    config = sent(sim)["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert "responseJsonSchema" not in config


def test_a_string_of_init_chat_model_makes_one(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own name in the trail, with the key from the environment, and it survives a pickle without it."""
    monkeypatch.setenv("GOOGLE_API_KEY", "key-from-environment")
    llm = ChatFailover("google_genai:gemini-2.5-flash", provider_style="langchain", max_retries=0)
    (made,) = llm.members.values()
    assert llm.names == ("ChatGoogleGenerativeAI/gemini-2.5-flash",)
    assert (made.vendor, made.tells_finish, made.llm.max_retries) == ("gemini", True, 0)
    assert llm.profile["max_input_tokens"] == 1_048_576  # type: ignore[index]
    given = ChatGoogleGenerativeAI(model="gemini-2.5-flash", base_url=sim.url, api_key="key-main")
    stored = pickle.dumps(ChatFailover(given))
    assert b"key-main" not in stored
    back = pickle.loads(stored)  # noqa: S301  # made here
    assert back.invoke("Hi").text == "You said: Hi"
    assert sim.requests[0].key == "key-from-environment"


CODE = {"executableCode": {"language": "PYTHON", "code": "1 + 1"}}
RESULT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
FAILED = {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}}
IN_ITS_WAY: list[dict[str, Any]] = [
    {"type": "executable_code", "executable_code": "1 + 1", "language": "PYTHON"},
    {"type": "code_execution_result", "code_execution_result": "2", "outcome": 1},
    {"type": "code_execution_result", "code_execution_result": "no", "outcome": 2},
]


@pytest.mark.parametrize("version", [None, "v1"])
def test_code_that_it_ran_goes_home_in_the_apis_form(version: str | None) -> None:
    """In both of LangChain's forms; what Google cannot take back is left out, and nobody else gets any."""
    message = AIMessage([*IN_ITS_WAY, "Two."], response_metadata={"model_provider": "google_genai"})
    if version is not None:
        blocks = [*message.content_blocks, {"type": "server_tool_call", "name": "media_processing", "args": {}}]
        message = AIMessage(blocks, response_metadata={"model_provider": "google_genai", "output_version": version})
    (turn,) = to_messages([message])
    assert [block.value for block in turn.content if isinstance(block, Opaque)] == [CODE, RESULT, FAILED]
    (written,) = to_langchain(turn, VENDORS["gemini"])
    assert written.content == [*IN_ITS_WAY, {"type": "text", "text": "Two."}]


def test_other_parts_are_left_as_they_are() -> None:
    """A part of the API is one already, and what is none becomes none."""
    part = {"fileData": {"fileUri": "https://example.com/a.pdf"}}
    raw: list[str | dict[Any, Any]] = [part]
    (turn,) = to_messages([AIMessage(raw, response_metadata={"model_provider": "google_genai"})])
    assert turn == Message("assistant", (Opaque(part, "gemini"),))
    assert from_part(part) == part
    assert to_part({"type": "function_call_signature", "signature": "c2ln"}) is None


@pytest.mark.parametrize("ask", [invoke, stream])
def test_a_signed_answer_without_text_is_an_answer(sim: Simulator, chain: Chain, ask: Any) -> None:
    """Google signs an empty part behind a text; here nothing came before it."""
    part = {"text": "", "thoughtSignature": "c2lnbg=="}
    event = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}], "modelVersion": "gemini-3-pro"}
    sim.script("first", told(ask, event))
    history: list[BaseMessage] = [HumanMessage("x")]
    answer = ask(chain(), history)
    place = {"index": 0} if ask is stream else {}
    assert answer.content == [{"type": "text", "text": "", "extras": {"signature": "c2lnbg=="}, **place}]
