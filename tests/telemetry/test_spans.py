"""Spans: one for the call, one for each attempt below it, each ended once, with nothing secret in them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from shared_core.errors import ChainExhaustedError, ErrorKind, ProviderError, RequestRejectedError
from shared_core.events import End, Finish, StreamEvent, TextDelta, Usage, WireEvent
from shared_core.manager import FailoverManager
from shared_core.providers.base import Attempted, Guard
from shared_core.request import JSONObject, LLMRequest
from shared_core.simulator import Fault, Reply, Simulator
from tests.telemetry.conftest import KEY, QUESTION, Telescope, asking

Maker = Callable[..., FailoverManager]
FLAVOURS = ("sync", "async")
BOTH = pytest.mark.parametrize("flavour", FLAVOURS)


async def play(manager: FailoverManager, asked: LLMRequest, flavour: str, *, hold: bool = False) -> list[StreamEvent]:
    """All events of a call."""
    if flavour == "sync":
        return list(manager.stream(asked, hold=hold))
    try:
        return [event async for event in manager.astream(asked, hold=hold)]
    finally:
        await manager.aclose()


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


@BOTH
async def test_a_call_is_a_span_and_its_attempt_one_below_it(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """Named and described as the conventions want it; tokens are on the attempt alone."""
    sim.script("first", Reply("Hello!"))
    asked = asking(max_tokens=50, temperature=0.5, seed=4, response_format=JSONObject())
    end = (await play(make(), asked, flavour))[-1]
    (attempt,), call = scope.attempts, scope.call
    assert (call.name, call.kind, call.status.status_code) == ("failover first", SpanKind.INTERNAL, StatusCode.UNSET)
    assert (attempt.name, attempt.kind, attempt.status.status_code) == (
        "chat first",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert parent(attempt) == call.context.span_id
    assert parent(call) is None
    shared = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "a",
        "gen_ai.request.model": "first",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 4,
        "gen_ai.output.type": "json",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.model": "first",
        "failover.profile": "main",
    }
    for span in (attempt, call):
        assert span.attributes.items() >= shared.items()
        assert span.attributes["gen_ai.response.id"]
    assert attempt.attributes["failover.outcome"] == "succeeded"
    assert attempt.attributes["failover.attempt"] == 1
    assert attempt.attributes["server.address"] == "127.0.0.1"
    assert f":{attempt.attributes['server.port']}/" in sim.base_url
    assert attempt.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert call.attributes.items() >= {
        "failover.outcome": "answered", "failover.attempts": 1, "failover.model": "a/first",
        "failover.hedged": False, "failover.continued": False,
    }.items()  # fmt: skip
    usage = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    assert [attempt.attributes[name] for name in usage] == [end.usage.input_tokens, end.usage.output_tokens]
    assert not call.attributes.keys() & set(usage)


@BOTH
async def test_a_failover_is_two_attempts_and_an_event(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """The failed one has the error's kind and status; the call tells of cooldown and failover, and is no error."""
    sim.script("first", Fault.status(429, headers={"retry-after": "30"}))
    await play(make(), asking("a/first", "b/second"), flavour)
    failed, succeeded = scope.attempts
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes.items() >= {
        "error.type": "rate_limit", "http.response.status_code": 429, "failover.retry_after": 30.0,
        "failover.outcome": "failed", "failover.attempt": 1,
    }.items()  # fmt: skip
    assert succeeded.attributes.items() >= {"failover.attempt": 2, "failover.profile": "default"}.items()
    assert scope.call.attributes["failover.model"] == "b/second"
    assert scope.call.attributes["gen_ai.provider.name"] == "b"
    assert scope.call.status.status_code is StatusCode.UNSET
    events = {event.name: event.attributes for event in scope.call.events}
    assert list(events) == ["failover.cooldown", "failover.failover"]
    assert events["failover.failover"]["failover.next_model"] == "b/second"
    assert events["failover.failover"]["failover.attempt"] == 1
    assert events["failover.cooldown"]["failover.seconds"] == pytest.approx(30, abs=0.1)


REFUSED = Fault.status(400, {"error": {"message": "max_tokens is too large for this model", "param": "max_tokens"}})


@BOTH
@pytest.mark.parametrize(
    ("trouble", "sent"), [(Fault.named("openai.max_tokens", limit=100), 100), (REFUSED, None)], ids=["lower", "none"]
)
async def test_a_repetition_in_place_is_an_attempt_of_its_own(
    flavour: str, trouble: Fault, sent: int | None, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """With its own number, and what it asked for otherwise."""
    sim.script("first", trouble, "ok")
    await play(make(), asking(max_tokens=500), flavour)
    first, second = scope.attempts
    assert first.attributes["gen_ai.request.max_tokens"] == 500
    assert second.attributes.get("gen_ai.request.max_tokens") == sent
    assert [span.attributes["failover.attempt"] for span in (first, second)] == [1, 2]
    assert [event.name for event in scope.call.events] == ["failover.retry"]


def test_a_probe_is_marked_and_a_recovery_told(sim: Simulator, make: Maker, scope: Telescope) -> None:
    """The first attempt after a cooldown."""
    now = 0.0
    sim.script("first", "503", "ok")
    manager = make(clock=lambda: now)
    manager.complete(asking("a/first", "b/second"))
    now = 60.0
    manager.complete(asking("a/first", "b/second"))
    assert [span.attributes.get("failover.probe") for span in scope.attempts] == [None, None, True]
    assert [event.name for event in scope.spans[-1].events] == ["failover.recovery"]


@BOTH
async def test_a_chain_that_gives_up_is_an_error(flavour: str, sim: Simulator, make: Maker, scope: Telescope) -> None:
    """The call's span names the error's class and kind, and why targets were skipped."""
    sim.script("first", "401")
    manager = make()
    manager.disable("b/second", "being repaired")
    with pytest.raises(ChainExhaustedError):
        await play(manager, asking("a/first", "b/second"), flavour)
    call = scope.call
    assert call.status.status_code is StatusCode.ERROR
    assert call.status.description
    assert call.attributes.items() >= {
        "error.type": "ChainExhaustedError", "failover.kind": "auth", "failover.outcome": "failed",
    }.items()  # fmt: skip
    assert call.attributes["failover.skips"] == ("b/second: disabled: being repaired",)
    assert not any(event.name == "exception" for event in call.events)


@BOTH
async def test_a_hedge_is_two_attempts_side_by_side(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """Both below the call; the loser is abandoned and has no status."""
    sim.script("first", Reply("late", delay_first=60.0))
    await play(make(hedge_after=0.05, hedge_budget=1.0), asking("a/first", "b/second"), flavour)
    late, soon = scope.attempts
    assert {parent(span) for span in (late, soon)} == {scope.call.context.span_id}
    assert late.attributes["failover.outcome"] == "abandoned"
    assert late.status.status_code is StatusCode.UNSET
    assert "error.type" not in late.attributes
    assert soon.attributes["failover.hedge"] is True
    assert [span.attributes["failover.attempt"] for span in (late, soon)] == [1, 2]
    assert late.start_time < soon.start_time < late.end_time <= scope.call.end_time
    assert scope.call.attributes["failover.hedged"] is True
    assert len(scope.spans) == 3


@BOTH
async def test_a_continued_answer_says_where_it_was_taken_up(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """The first attempt is an error, the second took over behind what was shown, and the call is one span."""
    whole = "The capital of France is Paris, and it lies on the Seine."
    sim.script("first", Fault.cut(8, reply=Reply(whole)))
    sim.script("second", Reply(whole))
    events = await play(make(mid_stream="continue"), asking("a/first", "b/second"), flavour)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == whole
    broken, second = scope.attempts
    assert broken.attributes["failover.outcome"] == "failed"
    assert second.attributes["failover.resumed_at"] > 0
    assert scope.call.attributes["failover.continued"] is True


async def take_one(manager: FailoverManager, flavour: str, leaving: str) -> None:
    """Takes one event of a call and goes away."""
    if flavour == "sync":
        events = manager.stream(asking())
        next(events)
        if leaving == "close":
            events.close()
        return
    stream = manager.astream(asking())
    await anext(stream)
    if leaving == "close":
        await stream.aclose()
        return
    del stream


@BOTH
@pytest.mark.parametrize("leaving", ["close", "garbage"])
async def test_an_abandoned_stream_ends_its_spans(
    flavour: str, leaving: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """Closed or dropped: both spans end, without a status, and say so."""
    sim.script("first", Reply("a long answer", delay_chunk=60.0))
    manager = make()
    await take_one(manager, flavour, leaving)
    gc.collect()
    for _ in range(50):
        if len(scope.spans) == 2:
            break
        await asyncio.sleep(0.01)
    assert [span.attributes["failover.outcome"] for span in scope.spans] == ["abandoned"] * 2
    assert {span.status.status_code for span in scope.spans} == {StatusCode.UNSET}
    await manager.aclose()


async def test_a_cancelled_call_is_abandoned(sim: Simulator, make: Maker, scope: Telescope) -> None:
    """Nobody's error."""
    sim.script("first", Reply("late", delay_first=60.0))
    manager = make()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await manager.acomplete(asking())
    assert [span.attributes["failover.outcome"] for span in scope.spans] == ["abandoned"] * 2
    await manager.aclose()


class Endless:
    """A provider that says one word and waits for ever."""

    name = "own"

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        raise NotImplementedError

    async def astream(self, attempted: Attempted) -> Any:
        yield [TextDelta("Well")]
        await asyncio.sleep(60)


def test_a_stream_that_outlives_its_loop_ends_with_its_last_reference(make: Maker, scope: Telescope) -> None:
    """No loop is left that could close it."""
    manager = make()
    manager.registry.add(Endless())
    loop = asyncio.new_event_loop()
    stream = manager.astream(asking("own/any"))
    loop.run_until_complete(anext(stream))
    loop.close()
    assert scope.spans == ()
    del stream
    gc.collect()
    assert [span.attributes["failover.outcome"] for span in scope.spans] == ["abandoned"] * 2


def test_a_task_that_is_dropped_with_its_loop_abandons_its_call(make: Maker, scope: Telescope) -> None:
    """Unfinished, in the middle of a read; OpenTelemetry's context is not touched where it no longer runs."""
    manager = make()
    manager.registry.add(Endless())

    async def ask() -> None:
        async for _ in manager.astream(asking("own/any")):
            pass

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says that a task was destroyed, as it was
    task = loop.create_task(ask())
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    del task
    gc.collect()
    assert [span.attributes["failover.outcome"] for span in scope.spans] == ["abandoned"] * 2


async def test_what_is_thrown_into_a_stream_ends_its_call(make: Maker, scope: Telescope) -> None:
    """As with any async generator."""
    manager = make()
    stream = manager.astream(asking())
    assert await stream.asend(None)
    with pytest.raises(ZeroDivisionError):
        await stream.athrow(ZeroDivisionError())
    assert scope.call.attributes["error.type"] == "ZeroDivisionError"
    assert scope.attempts[0].attributes["failover.outcome"] == "abandoned"
    await manager.aclose()


def test_a_stream_that_nobody_reads_is_no_call(make: Maker, scope: Telescope) -> None:
    """Nothing was sent, and nothing is told."""
    make().stream(asking()).close()
    assert scope.spans == ()


# Context


@BOTH
async def test_spans_belong_to_the_span_of_the_caller_and_are_never_current_in_its_code(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """The parent is what was current where the call was made, not where the stream is read."""
    sim.script("first", Reply("one two three four", chunks=["one ", "two ", "three ", "four"]))
    manager = make()
    seen: set[Any] = set()
    with scope.tracer.start_as_current_span("caller") as caller:
        stream = manager.stream(asking()) if flavour == "sync" else manager.astream(asking())
    with scope.tracer.start_as_current_span("reader") as reader:
        if flavour == "sync":
            seen = {trace.get_current_span() for _ in stream}
        else:
            seen = {trace.get_current_span() async for _ in stream}
        assert trace.get_current_span() is reader
    assert seen == {reader}
    assert parent(scope.call) == caller.get_span_context().span_id
    await manager.aclose()


class Instrumented:
    """A provider that makes spans of its own, as an instrumented SDK does."""

    name = "own"

    def __init__(self, scope: Telescope) -> None:
        self._tracer = scope.tracer

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        with self._tracer.start_as_current_span("POST"):
            pass
        if attempted.request.model == "broken":
            raise ProviderError("no", kind=ErrorKind.TRANSIENT)
        yield [TextDelta("Hi")]
        with self._tracer.start_as_current_span("read"):
            pass
        yield [Finish("stop", "stop"), Usage(1, 2, 3, 1, None, 1)]

    async def astream(self, attempted: Attempted) -> Any:
        for batch in self.stream(attempted, None):
            await asyncio.sleep(0)
            yield batch


@BOTH
@pytest.mark.parametrize("hedge_after", [None, 30.0], ids=["plain", "hedged"])
async def test_spans_of_what_an_attempt_calls_nest_below_it(
    flavour: str, hedge_after: float | None, make: Maker, scope: Telescope
) -> None:
    """In the caller's thread and in a hedge's, at the first read and at later ones."""
    manager = make(hedge_after=hedge_after)
    manager.registry.add(Instrumented(scope))
    await play(manager, asking("own/broken", "own/sound"), flavour)
    first, second = scope.attempts
    inner = [(span.name, parent(span)) for span in scope.spans if span.name in {"POST", "read"}]
    one, two = first.context.span_id, second.context.span_id
    assert inner == [("POST", one), ("POST", two), ("read", two)]
    assert "server.address" not in second.attributes
    assert second.attributes["gen_ai.usage.cache_read.input_tokens"] == 1
    assert not trace.get_current_span().get_span_context().is_valid


async def test_calls_side_by_side_keep_to_themselves(make: Maker, scope: Telescope) -> None:
    """Twenty at once in one loop: each attempt below its own call, each call below its own caller."""
    manager = make()

    async def ask(number: int) -> int:
        with scope.tracer.start_as_current_span(f"caller {number}") as caller:
            await manager.acomplete(asking(f"a/m{number}"))
        return caller.get_span_context().span_id

    callers = await asyncio.gather(*map(ask, range(20)))
    calls = {span.context.span_id: span for span in scope.spans if span.name.startswith("failover")}
    assert sorted(parent(span) for span in calls.values()) == sorted(callers)
    assert {span.name.split()[1] == calls[parent(span)].name.split()[1] for span in scope.attempts} == {True}
    await manager.aclose()


# What is never told


@BOTH
async def test_no_content_and_no_key_leaves_the_process(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """Neither question nor answer, neither stop sequences nor headers, nor a key that a provider repeats."""
    sim.script("first", Fault.status(401, {"error": {"message": f"Incorrect API key provided: {KEY}9f8e7d6c"}}))
    sim.script("second", Reply("On the lake."))
    asked = asking("a/first", "b/second", stop=("Enough!",), extra_headers={"x-tenant": "acme"}, user="user-7")
    events = await play(make(), asked, flavour)
    assert isinstance(events[-1], End)
    told = scope.everything()
    for secret in (QUESTION, "On the lake", KEY, "Enough!", "acme", "user-7"):
        assert secret not in told


@BOTH
async def test_what_telemetry_raises_breaks_no_call(
    flavour: str, make: Maker, scope: Telescope, caplog: pytest.LogCaptureFixture
) -> None:
    """A processor of somebody else's that fails is logged."""

    class Broken:
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise ZeroDivisionError

        def __getattr__(self, name: str) -> Any:
            return lambda *_args, **_kwargs: None

    scope.tracers.add_span_processor(Broken())
    events = await play(make(), asking(), flavour)
    assert isinstance(events[-1], End)
    assert "telemetry failed" in caplog.text


@BOTH
async def test_a_refused_request_is_one_failed_attempt(
    flavour: str, sim: Simulator, make: Maker, scope: Telescope
) -> None:
    """The caller's own mistake, named as such."""
    sim.script("first", "400")
    with pytest.raises(RequestRejectedError):
        await play(make(), asking("a/first", "b/second"), flavour, hold=True)
    (attempt,) = scope.attempts
    assert attempt.attributes["error.type"] == "bad_request"
    assert scope.call.attributes["error.type"] == "RequestRejectedError"
