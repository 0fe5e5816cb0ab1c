"""Calls that nobody observes are not told of, and otherwise the same as those that somebody does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.llms import MockLLM
from llama_index.core.rate_limiter import TokenBucketRateLimiter
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.span import active_span_id
from pydantic import PrivateAttr

from llamaindex_failover import FailoverLLM
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Details, Finish, ReasoningDelta, TextDelta, ToolCallDelta, Usage, WireEvent
from shared_core.manager import FailoverManager
from shared_core.providers.base import Attempted, Guard
from tests.llamaindex.conformance import Driver, ask

WAYS = ("chat", "complete", "stream_chat", "stream_complete")
DISPATCHERS = (
    "root",
    "llama_index.core.llms.callbacks",
    "llamaindex_failover.llm",
    "llamaindex_failover.instrumentation",
)


class Provider:
    """Answers in process, and remembers in which span it was asked."""

    name = "own"

    def __init__(self) -> None:
        self.spans: list[str | None] = []
        self.fails = False

    def _batches(self) -> Iterator[Sequence[WireEvent]]:
        self.spans.append(active_span_id.get())
        if self.fails:
            raise ProviderError("no", kind=ErrorKind.BAD_REQUEST)
        yield [Details({"id": "x"}), ReasoningDelta("Hm")]
        yield [TextDelta("Hello"), TextDelta(" there")]
        yield [ToolCallDelta(0, "call_1", "add", '{"a": 1}'), Finish("stop", "stop"), Usage(3, 2, 5)]

    def stream(self, _attempted: Attempted, _guard: Guard) -> Iterator[Sequence[WireEvent]]:
        yield from self._batches()

    async def astream(self, _attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        for batch in self._batches():
            yield batch


class Listener(BaseEventHandler):
    """Hears events."""

    _seen: list[str] = PrivateAttr(default_factory=list)

    def handle(self, event: Any, **_kwargs: Any) -> None:
        self._seen.append(event.class_name())


class Spans(BaseSpanHandler[BaseSpan]):
    """Hears spans."""

    _seen: list[tuple[str, dict[str, Any]]] = PrivateAttr(default_factory=list)

    def new_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **_kwargs: Any,
    ) -> BaseSpan:
        self._seen.append((id_.partition("-")[0], {"instance": instance, **bound_args.arguments}))
        return BaseSpan(id_=id_, parent_id=parent_span_id)

    def prepare_to_exit_span(self, id_: str, *_args: Any, **_kwargs: Any) -> BaseSpan | None:
        return self.open_spans[id_]

    def prepare_to_drop_span(self, id_: str, *_args: Any, **_kwargs: Any) -> BaseSpan | None:
        return self.open_spans[id_]


@contextmanager
def listening(handler: BaseEventHandler | BaseSpanHandler[Any], name: str = "root") -> Iterator[None]:
    """A handler at a dispatcher, taken away afterwards."""
    dispatcher: Dispatcher = get_dispatcher(name)
    handlers: list[Any] = (
        dispatcher.event_handlers if isinstance(handler, BaseEventHandler) else dispatcher.span_handlers
    )
    handlers.append(handler)
    try:
        yield
    finally:
        handlers.remove(handler)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def llm(provider: Provider) -> FailoverLLM:
    """An LLM whose chain is strings, and that nobody observes."""
    return made(provider)


def made(provider: Provider, **settings: Any) -> FailoverLLM:
    manager = FailoverManager()
    manager.registry.add(provider)
    return FailoverLLM("own/one", ["own/two"], manager=manager, **settings)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def driver(llm: FailoverLLM, request: pytest.FixtureRequest) -> Driver:
    return Driver(llm, is_async=request.param)


async def answers(driver: Driver, way: str, **kwargs: Any) -> list[Any]:
    """All responses of a call."""
    given = ask() if way.endswith("chat") else "Hi"
    if way.startswith("stream"):
        return await driver.stream(way, given, **kwargs)
    return [await driver.call(way, given, **kwargs)]


def timeless(responses: list[Any]) -> list[dict[str, Any]]:
    """Responses as plain values, without how long they took."""
    found = [response.model_dump() for response in responses]
    for response in found:
        for step in response["additional_kwargs"].get("failover", {}).get("trail", ()):
            for name in ("started", "seconds", "first_token"):
                step.pop(name, None)
        response["additional_kwargs"].get("failover", {}).pop("seconds", None)
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_answers_are_the_same(driver: Driver, provider: Provider, way: str) -> None:
    """Responses do not tell whether somebody observes them; only a call that is observed has a span."""
    alone = await answers(driver, way)
    with listening(Listener()):
        observed = await answers(driver, way)
    assert timeless(alone) == timeless(observed)
    assert [response.model_fields_set for response in alone] == [response.model_fields_set for response in observed]
    assert provider.spans[0] is None


@pytest.mark.parametrize("name", DISPATCHERS)
@pytest.mark.parametrize("handler", [Listener, Spans])
async def test_any_handler_observes(
    driver: Driver, provider: Provider, name: str, handler: Callable[[], BaseEventHandler]
) -> None:
    """Whatever a call is told to counts, be it told events or spans."""
    with listening(handler(), name):
        await answers(driver, "chat")
    await answers(driver, "chat")
    assert [span is None for span in provider.spans] == [False, True]


async def test_a_callback_observes(driver: Driver, provider: Provider) -> None:
    """A handler of the older callbacks is told of the call, and so is a manager with ways of its own."""

    class Managing(CallbackManager):
        """Might tell anybody."""

    for manager in (CallbackManager([LlamaDebugHandler(print_trace_on_end=False)]), Managing(), CallbackManager()):
        driver.llm.callback_manager = manager
        await answers(driver, "chat")
    assert [span is None for span in provider.spans] == [False, False, True]


@pytest.mark.parametrize("way", WAYS)
async def test_a_limited_rate_is_kept(driver: Driver, way: str) -> None:
    """A call asks the rate limiter for its turn, observed or not."""

    class Limiter(TokenBucketRateLimiter):
        """Counts turns."""

        _turns: int = PrivateAttr(default=0)

        def acquire(self, *_args: Any, **_kwargs: Any) -> None:
            self._turns += 1

        async def async_acquire(self, *_args: Any, **_kwargs: Any) -> None:
            self._turns += 1

    driver.llm.rate_limiter = limiter = Limiter(requests_per_minute=60)
    await answers(driver, way)
    assert limiter._turns == 1


@pytest.mark.parametrize("where", ["model", "fallbacks", "call", "call's fallbacks", "style"])
async def test_members_are_asked_within_the_call(provider: Provider, where: str) -> None:
    """One with handlers tells of its own calls, so the call that they belong to has its span and its trace."""
    spans: list[str | None] = []

    class Member(MockLLM):
        def chat(self, messages: Any, **kwargs: Any) -> Any:
            spans.append(active_span_id.get())
            return super().chat(messages, **kwargs)

    member = Member(callback_manager=CallbackManager([LlamaDebugHandler(print_trace_on_end=False)]))
    llm, kwargs = made(provider), {}
    match where:
        case "model":
            llm.model = member
        case "fallbacks":
            llm.fallbacks = ["own/two", member]
        case "call":
            kwargs = {"model": member}
        case "call's fallbacks":
            kwargs = {"fallbacks": ["own/two", member]}
        case _:
            llm.provider_style = "llamaindex"
    for is_async in (False, True):
        await answers(Driver(llm, is_async=is_async), "chat", **kwargs)
    assert len(found := spans + provider.spans) == 2
    assert None not in found
    for last in ("own/four", Member()):  # nor is one with a member that has none observed
        await answers(Driver(made(provider), is_async=False), "chat", model="own/three", fallbacks=[last])
        assert provider.spans[-1] is None


@pytest.mark.parametrize("way", WAYS)
async def test_spans_are_the_frameworks(driver: Driver, way: str) -> None:
    """One span a call, with the method's name and arguments."""
    spans = Spans()
    with listening(spans):
        await answers(driver, way, seed=7)
    ((name, arguments),) = spans._seen
    assert name == f"FailoverLLM.{'a' * driver.is_async}{way}"
    assert arguments["instance"] is driver.llm
    assert arguments["kwargs"] == {"seed": 7}
    assert not spans.open_spans


async def test_a_subclass_has_spans_of_its_own(provider: Provider) -> None:
    """A method that is overridden is observed as any other; what it calls is nested."""

    class Louder(FailoverLLM):
        async def achat(self, messages: Any, **kwargs: Any) -> Any:
            return await super().achat(messages, **kwargs)

    manager = FailoverManager()
    manager.registry.add(provider)
    spans = Spans()
    with listening(spans):
        await Louder("own/one", manager=manager).achat(ask())
    assert [name for name, _ in spans._seen] == ["Louder.achat", "Louder.achat"]


@pytest.mark.parametrize("way", WAYS)
def test_methods_look_like_methods(way: str) -> None:
    """Names, arguments and kinds are those of the class's own text."""
    for name, is_async in ((way, False), (f"a{way}", True)):
        method = getattr(FailoverLLM, name)
        assert method.__name__ == name
        assert method.__doc__
        assert list(inspect.signature(method).parameters)[:2] == [
            "self",
            "messages" if way.endswith("chat") else "prompt",
        ]
        assert inspect.iscoroutinefunction(method) is is_async
        assert inspect.unwrap(method) is method


async def test_an_error_is_told_as_often_as_before(driver: Driver, provider: Provider) -> None:
    """A trace around a call is silent about an error that the call's own trace had, even if nobody heard that."""
    provider.fails = True
    debug = LlamaDebugHandler(print_trace_on_end=False)
    with pytest.raises(Exception, match="no"), CallbackManager([debug]).as_trace("query"):
        await answers(driver, "chat")
    assert debug.get_events(CBEventType.EXCEPTION) == []


async def test_who_listens_is_asked_when_a_call_begins(driver: Driver) -> None:
    """A handler that comes later hears of the calls after it, each of them whole."""
    stream: Any = driver.llm.stream_chat(ask()) if not driver.is_async else await driver.llm.astream_chat(ask())
    listener = Listener()
    with listening(listener):
        if driver.is_async:
            [_ async for _ in stream]
        else:
            list(stream)
        assert listener._seen == []
        await answers(driver, "stream_chat")
    assert listener._seen[0] == "LLMChatStartEvent"
    assert listener._seen[-1] == "LLMChatEndEvent"


async def test_many_calls_are_observed_each_for_itself(driver: Driver) -> None:
    """Calls at the same time, of one LLM, do not see each other's spans."""
    spans = Spans()
    with listening(spans):
        await asyncio.gather(*(answers(driver, way) for way in WAYS * 3))
    assert len(spans._seen) == 12
