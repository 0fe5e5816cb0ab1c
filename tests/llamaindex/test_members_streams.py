"""Members under the engine's timers, and what happens when their answers break, stop or are left."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatResponse, ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.llms.openai import OpenAI

from llamaindex_failover.growing import RESTART
from llamaindex_failover.readings import Reading
from shared_core.errors import ChainExhaustedError, StreamInterruptedError
from shared_core.policy import FailoverPolicy
from shared_core.simulator import Fault, Reply, Simulator
from tests.llamaindex.conformance import Driver, ask
from tests.llamaindex.conftest import FALLBACK, Maker, certificates
from tests.llamaindex.homemade import PromptOnly, Scripted, Stuck, said

GPT = "gpt-4.1"
WHOLE = "The capital of France is Paris, and it lies on the Seine, a river that flows to the sea."
QUICK = FailoverPolicy(
    transient_backoffs=(),
    first_token_timeout=0.3,
    silent_first_token_timeout=0.3,
    whole_timeout=0.3,
    last_first_token_timeout=0.3,
    idle_timeout=0.3,
)


@pytest.fixture
async def openai(sim: Simulator) -> AsyncIterator[OpenAI]:
    with httpx.Client(verify=certificates()) as client:
        async with httpx.AsyncClient(verify=certificates()) as aclient:
            yield OpenAI(GPT, api_key="key-main", api_base=sim.base_url, http_client=client, async_http_client=aclient)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Whether to call the async methods."""
    return bool(request.param)


def answered_by(response: Any) -> str:
    model: str = response.additional_kwargs["failover"]["model"]
    return model


# Timers.


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_a_stuck_member_is_left(make_llm: Maker, is_async: bool, method: str) -> None:
    """After the first-token timeout, in sync code as in async code that would block the loop by itself."""
    member = Stuck()
    driver = Driver(make_llm(member, (FALLBACK,), policy=QUICK), is_async=is_async)
    given = "Hi" if "complete" in method else ask()
    began = time.monotonic()
    if method.startswith("stream"):
        response = (await driver.stream(method, given))[-1]
    else:
        response = await driver.call(method, given)
    assert time.monotonic() - began < 5
    assert answered_by(response) == FALLBACK
    assert response.additional_kwargs["failover"]["trail"][0]["code"] == "first_token_timeout"
    (thread,) = member.threads
    assert thread is not threading.current_thread()
    member.let_go()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_blocking_members_leave_the_loop_free(make_llm: Maker) -> None:
    """A hundred ticks pass while a member without async code waits."""
    member = Stuck()
    task = asyncio.create_task(make_llm(member, ()).achat(ask()))
    for _ in range(100):
        await asyncio.sleep(0)
    await asyncio.to_thread(member.begun.wait, 5)
    assert not task.done()
    member.let_go()
    assert (await task).message.content == "Too late."


async def test_a_stalled_stream_of_a_member_is_left(
    make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool
) -> None:
    """Nothing was shown yet, so the next target answers; what was shown is told by the error."""
    sim.script(GPT, Fault.stall(0), Fault.stall(2, reply=Reply("one two three")))
    llm = make_llm(openai, (FALLBACK,), policy=QUICK.replace(first_token_timeout=1.5))
    driver = Driver(llm, is_async=is_async)
    assert answered_by((await driver.stream("stream_chat", ask()))[-1]) == FALLBACK
    llm.manager.reset()
    with pytest.raises(StreamInterruptedError) as caught:
        await driver.stream("stream_chat", ask())
    assert caught.value.partial == "one two"
    assert caught.value.errors[-1].code == "idle_timeout"


def test_whole_answers_of_members_have_a_time_of_their_own(make_llm: Maker) -> None:
    """A whole answer comes in silence, so the first-token timeout of streams is too short for it."""
    member = Stuck()
    policy = FailoverPolicy(transient_backoffs=(), first_token_timeout=0.2, whole_timeout=20)
    threading.Timer(0.6, member.let_go).start()
    assert make_llm(member, (FALLBACK,), policy=policy).chat(ask()).message.content == "Too late."


# Ends.


@pytest.mark.parametrize(
    "behaviour",
    [Fault.truncated(2), Fault.cut(2), Fault.reset(3), Fault.error_event(after=2)],
    ids=["truncated", "cut", "reset", "error event"],
)
async def test_half_an_answer_is_never_a_whole_one(
    make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool, behaviour: Any
) -> None:
    """OpenAI's class hands on the finish reason, so that an end without one is seen to be none."""
    sim.script(GPT, behaviour)
    driver = Driver(make_llm(openai, (FALLBACK,)), is_async=is_async)
    with pytest.raises(StreamInterruptedError) as caught:
        await driver.stream("stream_chat", ask("one two three four"))
    assert caught.value.partial
    assert caught.value.report.attempts[0].kind == "transient"


async def test_an_empty_stream_is_no_answer(make_llm: Maker, is_async: bool) -> None:
    """Nor is one of responses without content."""
    for script in ([said("", "")], [said("", "")] * 3):
        driver = Driver(make_llm(Scripted(script=script), (FALLBACK,)), is_async=is_async)
        assert answered_by((await driver.stream("stream_chat", ask()))[-1]) == FALLBACK


async def test_an_error_after_responses_without_content_fails_over(make_llm: Maker, is_async: bool) -> None:
    """They are held, and thrown away with the attempt."""
    script = [said("", ""), said("", ""), ConnectionError("gone")]
    driver = Driver(make_llm(Scripted(script=script), (FALLBACK,)), is_async=is_async)
    responses = await driver.stream("stream_chat", ask())
    assert answered_by(responses[-1]) == FALLBACK
    assert "".join(response.delta for response in responses) == "You said: Hi"


async def test_a_broken_answer_goes_on(make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool) -> None:
    """With mid_stream="continue", from a member to a string and from a string to a member: one seamless answer."""
    begun, rest = Reply(WHOLE), Reply(WHOLE[WHOLE.index("France") :])
    sim.script(GPT, Fault.cut(8, reply=begun))
    sim.script("claude-sonnet-4-5", rest)
    driver = Driver(make_llm(openai, (FALLBACK,), mid_stream="continue"), is_async=is_async)
    responses = await driver.stream("stream_chat", ask())
    assert "".join(response.delta or "" for response in responses) == WHOLE
    assert responses[-1].message.content == WHOLE
    assert responses[-1].additional_kwargs["failover"]["continued"] is True

    sim.script(GPT, rest)
    sim.script("claude-sonnet-4-5", Fault.cut(8, reply=begun))
    llm = make_llm(FALLBACK, (openai,), mid_stream="continue")
    driver = Driver(llm, is_async=is_async)
    for method, given in (("stream_chat", ask()), ("stream_complete", "Hi")):
        responses = await driver.stream(method, given)
        assert "".join(response.delta or "" for response in responses) == WHOLE
        assert answered_by(responses[-1]) == "OpenAI/gpt-4.1"
        llm.manager.reset()
        sim.script(GPT, rest)
        sim.script("claude-sonnet-4-5", Fault.cut(8, reply=begun))


async def test_a_broken_answer_starts_again(make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool) -> None:
    """With mid_stream="restart" a mark comes, and then the member's own responses."""
    sim.script(GPT, Fault.cut(3, reply=Reply(WHOLE)))
    script = [said("It is", "It is"), said("It is Paris.", " Paris.")]
    driver = Driver(make_llm(openai, (Scripted(script=script),), mid_stream="restart"), is_async=is_async)
    responses = await driver.stream("stream_chat", ask())
    (mark,) = [number for number, response in enumerate(responses) if RESTART in response.additional_kwargs]
    assert [response.delta for response in responses[mark + 1 :]] == ["It is", " Paris.", ""]
    assert responses[-1].message.content == "It is Paris."


async def test_reasoning_of_two_targets_stays_apart(make_llm: Maker, is_async: bool) -> None:
    """A member that took over after reasoning alone was shown gives its own answer behind that reasoning."""

    def thought(text: str, said_too: str = "") -> ChatResponse:
        message = ChatMessage(role=MessageRole.ASSISTANT, content=said_too or None)
        message.blocks = [ThinkingBlock(content=text), *message.blocks]
        return ChatResponse(message=message, delta=said_too, additional_kwargs={"thinking_delta": text})

    first = Scripted(script=[thought("Hm."), ConnectionError("gone")])
    second = Scripted(script=[thought("Ah."), thought("Ah.", "Yes.")])
    driver = Driver(make_llm(first, (second,), mid_stream="continue"), is_async=is_async)
    *_, last = await driver.stream("stream_chat", ask())
    assert last.message.content == "Yes."
    assert [block.content for block in last.message.blocks if isinstance(block, ThinkingBlock)] == ["Ah."]
    assert "thinking_delta" not in last.additional_kwargs


# Going away.


async def test_a_stream_that_is_left_is_closed(make_llm: Maker, openai: OpenAI, sim: Simulator, is_async: bool) -> None:
    """The socket is closed, nobody is blamed, and no other target is asked."""
    sim.script(GPT, Reply("one two three four five six", delay_chunk=0.05))
    llm = make_llm(openai, (FALLBACK,))
    if is_async:
        astream = await llm.astream_chat(ask())
        await anext(astream)
        await astream.aclose()
    else:
        stream = llm.stream_chat(ask())
        next(stream)
        stream.close()
    await asyncio.to_thread(sim.wait_for, lambda: sim.connections.open == 0)
    assert len(sim.requests) == 1
    (state,) = [model for model in llm.manager.health().models if model.model == "OpenAI/gpt-4.1"]
    assert state.state == "open"


async def test_a_cancelled_call_is_abandoned(make_llm: Maker, openai: OpenAI, sim: Simulator) -> None:
    """Cancelling the task closes the member's socket."""
    sim.script(GPT, Fault.silent(10))
    task = asyncio.create_task(make_llm(openai, (FALLBACK,)).achat(ask()))
    await asyncio.to_thread(sim.wait_for, lambda: sim.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(sim.wait_for, lambda: sim.connections.open == 0)
    assert len(sim.requests) == 1


async def test_a_blocking_member_can_be_left(make_llm: Maker) -> None:
    """Its thread ends with its own work, and what it says then is nobody's."""
    member = Stuck()
    task = asyncio.create_task(make_llm(member, ()).achat(ask()))
    await asyncio.to_thread(member.begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    member.let_go()
    await asyncio.to_thread(member.threads[0].join, 5)
    assert not member.threads[0].is_alive()


def test_members_leave_no_threads(make_llm: Maker) -> None:
    """A hundred calls of members, whole and streamed, left and finished, leave as many threads as there were."""
    llm = make_llm(Scripted(script=[said("a", "a"), said("ab", "b")]), (PromptOnly(),))
    list(llm.stream_chat(ask()))
    before = set(threading.enumerate())
    for _ in range(25):
        llm.chat(ask())
        list(llm.stream_chat(ask()))
        left = llm.stream_chat(ask())
        next(left)
        left.close()
        list(llm.stream_complete("Hi"))
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before


async def test_everybody_failed(make_llm: Maker, is_async: bool) -> None:
    """The error names every member, in order, and keeps the exceptions themselves."""
    gone = ConnectionError("gone")
    driver = Driver(make_llm(Scripted(script=[gone]), (Scripted(script=[ValueError("odd")]),)), is_async=is_async)
    with pytest.raises(ChainExhaustedError) as caught:
        await driver.call("chat", ask())
    assert [attempt.model for attempt in caught.value.report.attempts] == ["Scripted/v1", "Scripted#2/v1"]
    assert caught.value.errors[0].__cause__ is gone


# What the engine sees.


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        (said("a", raw={"choices": [{"finish_reason": "length"}]}), "length"),
        (said("a", raw={"stop_reason": "tool_use"}), "tool_calls"),
        (said("a", raw={"candidates": [{"finish_reason": "MAX_TOKENS"}]}), "length"),
        (said("a", raw={"done_reason": "stop"}), "stop"),
        (said("a", additional_kwargs={"finish_reason": "content_filter"}), "content_filter"),
        (said("a", raw={"choices": [{"finish_reason": None}]}), None),
        (said("a", raw=42), None),
    ],
    ids=str,
)
def test_finishes_are_found(response: ChatResponse, finish: str | None) -> None:
    """Wherever the classes of the framework keep them."""
    reading = Reading(None)
    reading.of(response)
    seen = reading.end()
    assert (seen.finish.reason if seen.finish else None) == finish


@pytest.mark.parametrize(
    ("response", "tokens"),
    [
        (said("a", raw={"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 6}}), (3, 2, 6)),
        (said("a", raw={"usage_metadata": {"prompt_token_count": 3, "candidates_token_count": 2}}), (3, 2, 5)),
        (said("a", additional_kwargs={"prompt_tokens": 3}), (3, 0, 3)),
        (said("a", raw={"usage": {"prompt_tokens": True}}), None),
    ],
    ids=str,
)
def test_usage_is_found(response: ChatResponse, tokens: tuple[int, int, int] | None) -> None:
    """Under the names that the framework's token counter knows."""
    reading = Reading(None)
    reading.of(response)
    usage = reading.end().usage
    assert (None if usage is None else (usage.input_tokens, usage.output_tokens, usage.total_tokens)) == tokens


def test_only_what_is_new_counts() -> None:
    """Repeated text, thoughts and calls are no progress; grown ones are."""
    reading = Reading(None)
    call = ToolCallBlock(tool_name="f", tool_kwargs={"a": 1})
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[ThinkingBlock(content="Hm."), call])
    response = ChatResponse(message=message, delta="")
    first, again = reading.of(response), reading.of(response)
    assert (first.has_content, first.has_tool_call) == (True, True)
    assert (again.has_content, again.has_tool_call) == (False, False)
    assert isinstance(call.tool_kwargs, dict)
    call.tool_kwargs["b"] = 2
    assert reading.of(response).has_tool_call
    assert [reading.of(said(text)).text for text in ("He", "Hello", "Hello")] == ["He", "llo", ""]
