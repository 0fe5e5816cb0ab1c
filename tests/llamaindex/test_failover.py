"""What the primary's troubles look like through LlamaIndex: not at all, or as one error that tells everything."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ImageBlock
from llama_index.core.callbacks import CallbackManager, EventPayload
from llama_index.core.llms import ChatMessage
from llama_index.core.rate_limiter import BaseRateLimiter

from llamaindex_failover import FailoverLLM
from shared_core.errors import ChainExhaustedError, ErrorKind, RequestRejectedError, StreamInterruptedError
from shared_core.manager import FailoverManager
from shared_core.simulator import Behaviour, Fault, Reply, Simulator, ToolCall
from shared_core.simulator.wires.conversation import SIGNATURE
from tests.llamaindex.conformance import PIXEL, Callbacks, Driver, ask, tools
from tests.llamaindex.conftest import FALLBACK, PRIMARY, Maker

MODELS = [PRIMARY, FALLBACK, "gemini/gemini-2.5-flash"]
BEFORE_CONTENT: list[Behaviour] = [
    Fault.status(503),
    Fault.status(401),
    Fault.named("openai.rate_limit", retry_after=60),
    Fault.named("openai.insufficient_quota"),
    Fault.named("openai.model_not_found"),
    Fault.reset(),
    Fault.close(),
    Fault.html(),
    Fault.empty(),
    Fault.only_done(),
    Fault.truncated(0),
    Fault.error_event(),
    Fault.garbage(),
]
# What comes in one read with the fault behind it is not shown: so that it comes in a read of its own.
PACED = Reply(delay_chunk=0.03)
BROKEN: list[Behaviour] = [
    Fault.cut(2, reply=PACED),
    Fault.reset(2, reply=PACED),
    Fault.truncated(2, reply=PACED),
    Fault.error_event(after=2, reply=PACED),
    Fault.malformed(2, reply=PACED),
]


def named(behaviour: Behaviour) -> str:
    return getattr(behaviour, "name", None) or f"{getattr(behaviour, 'kind', 'reply')}"


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def driver(llm: FailoverLLM, request: pytest.FixtureRequest) -> Driver:
    return Driver(llm, is_async=request.param)


async def texts(driver: Driver) -> list[tuple[str, dict[str, Any]]]:
    """Text and trail of one answer by each of the four methods, none of which knows of the others' troubles."""
    found = []
    for method, argument in (("chat", ask()), ("complete", "Hi"), ("stream_chat", ask()), ("stream_complete", "Hi")):
        driver.llm.manager.reset()
        if method.startswith("stream"):
            responses = await driver.stream(method, argument)
            text = "".join(response.delta for response in responses)
        else:
            responses = [await driver.call(method, argument)]
            text = responses[0].text if method == "complete" else responses[0].message.content
        found.append((text, responses[-1].additional_kwargs["failover"]))
    return found


@pytest.mark.parametrize("fault", BEFORE_CONTENT, ids=named)
async def test_trouble_before_content_is_not_seen(driver: Driver, sim: Simulator, fault: Behaviour) -> None:
    """Whatever happens before the first content, the answer is the fallback's and the trail tells why."""
    sim.script("gpt-4.1", fault)
    sim.script("claude-sonnet-4-5", Reply("From the fallback"))
    for text, trail in await texts(driver):
        assert text == "From the fallback"
        assert (trail["model"], trail["profile"]) == (FALLBACK, "main")
        assert [step["model"] for step in trail["trail"]] == [PRIMARY, FALLBACK]
    assert len(sim.requests_for("gpt-4.1")) == 4


@pytest.mark.parametrize("fault", BROKEN, ids=named)
async def test_a_broken_answer_is_asked_for_again(driver: Driver, sim: Simulator, fault: Behaviour) -> None:
    """`chat` and `complete` have shown nothing yet, so an answer that breaks is replaced as a whole."""
    sim.script("gpt-4.1", fault)
    sim.script("claude-sonnet-4-5", Reply("From the fallback"))
    for method, argument in (("chat", ask()), ("complete", "Hi")):
        response = await driver.call(method, argument)
        assert str(response).endswith("From the fallback")
        assert "You said" not in str(response)
        driver.llm.manager.reset()


@pytest.mark.parametrize("fault", BROKEN, ids=named)
async def test_a_broken_stream_says_so(driver: Driver, sim: Simulator, fault: Behaviour) -> None:
    """Once text was shown, a broken stream raises, with the partial text and the trail, and nobody else is asked."""
    seen = Callbacks()
    driver.llm.callback_manager = CallbackManager([seen])
    sim.script("gpt-4.1", fault)
    with pytest.raises(StreamInterruptedError) as caught:
        await driver.stream("stream_chat", [ChatMessage(content="one two three")])
    assert caught.value.partial == "You said:"
    assert [attempt.outcome for attempt in caught.value.report.attempts] == ["failed"]
    assert seen.ended[0][EventPayload.EXCEPTION] is caught.value
    assert sim.requests_for("claude-sonnet-4-5") == []


@pytest.mark.parametrize("method", ["chat", "complete", "stream_chat", "stream_complete"])
async def test_an_exhausted_chain_tells_everything(driver: Driver, sim: Simulator, method: str) -> None:
    """When nobody answers, the engine's own error arrives, with every attempt, its cause and when to come back."""
    sim.script("*", Fault.status(429, headers={"retry-after": "60"}))
    play = driver.stream if method.startswith("stream") else driver.call
    with pytest.raises(ChainExhaustedError) as caught:
        await play(method, ask() if method.endswith("chat") else "Hi")
    error = caught.value
    assert error.kind is ErrorKind.RATE_LIMIT
    assert error.retry_after is not None
    assert error.__cause__ in error.errors
    assert [step.model for step in error.report.attempts] == [PRIMARY, FALLBACK]


async def test_the_callers_mistake_is_raised_at_once(driver: Driver, sim: Simulator) -> None:
    """A request that is wrong anywhere is not tried elsewhere."""
    sim.script(
        "gpt-4.1", Fault.status(400, {"error": {"message": "Invalid value for 'seed'.", "code": "invalid_value"}})
    )
    with pytest.raises(RequestRejectedError, match="Invalid value"):
        await driver.call("chat", ask())
    assert len(sim.requests) == 1


async def test_the_next_profile_comes_before_the_next_model(make_llm: Maker, sim: Simulator) -> None:
    """A dead key fails over to the next key of the same model."""
    llm = make_llm(
        profiles={"openai": {"main": "key-main", "backup": "key-backup"}, "anthropic": {"main": "key-claude"}}
    )
    sim.script("*", Fault.status(401), key="key-main")
    response = await llm.achat(ask())
    assert response.additional_kwargs["failover"]["profile"] == "backup"
    assert response.additional_kwargs["failover"]["model"] == PRIMARY


async def test_one_manager_is_one_memory(engine_settings: dict[str, Any], make_llm: Maker, sim: Simulator) -> None:
    """What one LLM learns of an outage, another with the same manager knows."""
    manager = FailoverManager(**engine_settings)
    first, second = make_llm(manager=manager), make_llm(manager=manager)
    sim.script("gpt-4.1", Fault.status(503))
    await first.achat(ask())
    response = await second.achat(ask())
    assert response.additional_kwargs["failover"]["model"] == FALLBACK
    assert len(sim.requests_for("gpt-4.1")) == 1


async def test_each_llm_has_a_memory_of_its_own(make_llm: Maker, sim: Simulator) -> None:
    """Without a shared manager, each LLM finds out for itself."""
    sim.script("gpt-4.1", Fault.status(503))
    await make_llm().achat(ask())
    await make_llm().achat(ask())
    assert len(sim.requests_for("gpt-4.1")) == 2


async def test_settings_reach_the_provider(driver: Driver, sim: Simulator, make_llm: Maker) -> None:
    """Settings of the LLM, further keyword arguments and headers are sent; those of a call win."""
    llm = make_llm(
        temperature=0.25,
        max_tokens=100,
        stop=["END"],
        additional_kwargs={"seed": 7},
        extra_body={"metadata": {"a": "b"}},
        extra_headers={"x-team": "blue"},
    )
    await Driver(llm, is_async=driver.is_async).call("chat", ask(), max_tokens=50, logit_bias={"5": 1})
    (request,) = sim.requests
    body = request.body
    assert (body["temperature"], body["max_completion_tokens"], body["stop"]) == (0.25, 50, ["END"])
    assert (body["seed"], body["metadata"], body["logit_bias"]) == (7, {"a": "b"}, {"5": 1})
    assert request.headers["x-team"] == "blue"


async def test_a_call_can_name_its_own_models(driver: Driver, sim: Simulator) -> None:
    """`model` and `fallbacks` of a call replace those of the LLM."""
    sim.script("gpt-4.1-mini", Fault.status(503))
    response = await driver.call("chat", ask(), model="openai/gpt-4.1-mini", fallbacks=["openai/gpt-4.1-nano"])
    assert response.additional_kwargs["failover"]["model"] == "openai/gpt-4.1-nano"


@pytest.mark.parametrize("where", ["llm", "call"])
async def test_a_deadline_holds_for_the_whole_call(driver: Driver, sim: Simulator, make_llm: Maker, where: str) -> None:
    """A provider that stays silent costs no more than the deadline, of the LLM or of the call."""
    sim.script("*", Fault.silent())
    of_llm, of_call = ({"deadline": 0.3}, {}) if where == "llm" else ({}, {"deadline": 0.3})
    driver = Driver(make_llm(**of_llm), is_async=driver.is_async)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ChainExhaustedError):
        await driver.call("chat", ask(), **of_call)
    assert loop.time() - began < 2


async def test_a_file_is_read_and_sent(driver: Driver, sim: Simulator, tmp_path: Path) -> None:
    """A block that names a file arrives with its content, by sync and by async calls."""
    path = tmp_path / "pixel.png"
    path.write_bytes(PIXEL)
    await driver.call("chat", [ChatMessage(blocks=[ImageBlock(path=path)])], temperature=0.25)
    (part,) = sim.requests[0].body["messages"][0]["content"]
    assert sim.requests[0].body["temperature"] == 0.25
    assert part["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PIXEL).decode()


async def test_without_tools_none_are_mentioned(driver: Driver, sim: Simulator) -> None:
    """An agent without tools asks as a chat does."""
    response = await driver.call("chat_with_tools", [], user_msg=ChatMessage(content="Hi"), tool_required=True)
    assert response.message.content == "You said: Hi"
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sim.requests[0].body)


async def test_sync_calls_work_inside_a_running_loop(llm: FailoverLLM, sim: Simulator) -> None:
    """As in a notebook: a sync method needs no loop, so a running one is not in its way."""
    sim.script("gpt-4.1", Fault.status(503))
    assert llm.chat(ask()).message.content == "You said: Hi"
    assert "".join(response.delta for response in llm.stream_chat(ask())) == "You said: Hi"


def test_one_event_loop_after_another_works(llm: FailoverLLM, sim: Simulator) -> None:
    """An LLM outlives the loops in which it is called."""
    for _ in range(3):
        assert asyncio.run(llm.achat(ask())).message.content == "You said: Hi"


async def test_a_rate_limiter_is_asked_once_for_each_call(driver: Driver, sim: Simulator) -> None:
    """The framework's rate limiter is asked by every method, in its own way, and not once for each attempt."""

    class Limiter(BaseRateLimiter):
        asked: list[bool]

        def __init__(self) -> None:
            self.asked = []

        def acquire(self, num_tokens: int = 0) -> None:
            self.asked.append(False)

        async def async_acquire(self, num_tokens: int = 0) -> None:
            self.asked.append(True)

    limiter = Limiter()
    driver.llm.rate_limiter = limiter
    sim.script("gpt-4.1", Fault.status(503))
    await texts(driver)
    assert limiter.asked == [driver.is_async] * 4


@pytest.mark.parametrize("first", MODELS)
@pytest.mark.parametrize("second", MODELS)
async def test_a_conversation_may_cross_providers_and_return(
    make_llm: Maker, sim: Simulator, first: str, second: str
) -> None:
    """Turns with thinking and tool calls are history for any other provider, and for their maker again.

    The local provider refuses what the real ones refuse: unknown signatures, ids, and calls without results.
    """
    llm = make_llm("", (first,))
    call = ToolCall("add", {"a": 3, "b": 4})
    sim.script("*", *[Reply(tool_calls=[call], reasoning="Let me think")] * 3, Reply("Done"))
    history = ask("3 and 4")
    for model in (first, second, first):
        response = await llm.achat_with_tools(tools(), chat_history=history, model=model, fallbacks=[])
        assert response.additional_kwargs["failover"]["model"] == model
        (called,) = llm.get_tool_calls_from_response(response)
        result = ChatMessage(role="tool", content="7", additional_kwargs={"tool_call_id": called.tool_id})
        stored = ChatMessage.model_validate_json(response.message.model_dump_json())
        history += [stored, result]
    assert (await llm.achat(history, model=second)).message.content == "Done"
    is_signed = first != PRIMARY  # OpenAI's protocol has no signatures
    assert (SIGNATURE.encode() in sim.requests[2].raw) is is_signed


async def test_no_key_is_told(llm: FailoverLLM, sim: Simulator) -> None:
    """Errors, trails, reprs and health name profiles and never keys, even where a provider repeats one."""
    for model, key in (("gpt-4.1", "key-main"), ("claude-sonnet-4-5", "key-claude")):
        sim.script(model, Fault.status(401, {"error": {"message": f"Incorrect API key provided: {key}"}}))
    with pytest.raises(ChainExhaustedError) as caught:
        await llm.achat(ask())
    told = [str(caught.value), repr(caught.value.report), repr(llm), str(llm.manager.health())]
    assert not [text for text in told if "key-main" in text or "key-claude" in text]
