"""What every LlamaIndex LLM with function calling owes its callers, as one class of tests.

A subclass gives the fixture `llm`, an LLM whose model `gpt-4.1` is served by the fixture `sim`, and says with class
attributes where it differs. Each promise is played through the sync and the async methods by the same test.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.llms import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from shared_core.simulator import Fault, Reply, Simulator, ToolCall

MODEL = "gpt-4.1"
PIXEL = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"Sunny in {city}"


def tools() -> list[FunctionTool]:
    return [FunctionTool.from_defaults(add), FunctionTool.from_defaults(weather)]


class Driver:
    """The LLM's methods under one name each, sync or async; streams come as lists."""

    def __init__(self, llm: FunctionCallingLLM, *, is_async: bool) -> None:
        self.llm = llm
        self.is_async = is_async

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a method, by the name of its sync form."""
        if self.is_async:
            return await getattr(self.llm, f"a{method}")(*args, **kwargs)
        return await asyncio.to_thread(getattr(self.llm, method), *args, **kwargs)

    async def stream(self, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """All that a streaming method yields."""
        if self.is_async:
            return [item async for item in await getattr(self.llm, f"a{method}")(*args, **kwargs)]
        return await asyncio.to_thread(lambda: list(getattr(self.llm, method)(*args, **kwargs)))


class Callbacks(BaseCallbackHandler):
    """Remembers the events of the older callback system."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.started: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []

    def on_event_start(
        self, event_type: CBEventType, payload: dict[str, Any] | None = None, event_id: str = "", **_kwargs: Any
    ) -> str:
        if event_type == CBEventType.LLM:
            self.started.append(payload or {})
        return event_id

    def on_event_end(
        self, event_type: CBEventType, payload: dict[str, Any] | None = None, event_id: str = "", **_kwargs: Any
    ) -> None:
        if event_type == CBEventType.LLM:
            self.ended.append(payload or {})

    def start_trace(self, trace_id: str | None = None) -> None:
        pass

    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None:
        pass


class Events(BaseEventHandler):
    """Remembers the events of the instrumentation."""

    seen: list[BaseEvent] = []  # noqa: RUF012 - a pydantic field, copied for each instance

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: BaseEvent, **_kwargs: Any) -> None:
        self.seen.append(event)

    @property
    def names(self) -> list[str]:
        return [event.class_name() for event in self.seen]


def ask(text: str = "Hi") -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.SYSTEM, content="Be brief."), ChatMessage(content=text)]


class LLMConformance:
    """The promises. Override what a class of LLMs does differently."""

    streams_usage = True
    """The last response of a stream states the usage."""
    keeps_keys_out = True
    """Dumps hold no key."""
    can_be_copied_deeply = True
    """`copy.deepcopy` gives an LLM that works."""

    @pytest.fixture
    def llm(self, sim: Simulator) -> FunctionCallingLLM:
        raise NotImplementedError

    @pytest.fixture(params=[False, True], ids=["sync", "async"])
    def driver(self, llm: FunctionCallingLLM, request: pytest.FixtureRequest) -> Driver:
        return Driver(llm, is_async=request.param)

    @pytest.fixture
    def events(self) -> Any:
        handler = Events()
        dispatcher = get_dispatcher()
        dispatcher.add_event_handler(handler)
        yield handler
        dispatcher.event_handlers.remove(handler)

    # Answers.

    async def test_a_chat_answers(self, driver: Driver, sim: Simulator) -> None:
        """A chat gives an assistant's message, a raw answer and the usage."""
        sim.script(MODEL, Reply("Hello there, friend", usage={"input": 11, "output": 3}))
        response = await driver.call("chat", ask())
        assert isinstance(response, ChatResponse)
        assert response.message.role == MessageRole.ASSISTANT
        assert response.message.content == "Hello there, friend"
        assert response.raw is not None
        counts = {
            key: response.additional_kwargs[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")
        }
        assert counts == {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}

    async def test_a_completion_answers(self, driver: Driver, sim: Simulator) -> None:
        """A completion sends one user message and gives text."""
        sim.script(MODEL, Reply("Hello there"))
        response = await driver.call("complete", "Hi")
        assert isinstance(response, CompletionResponse)
        assert response.text == "Hello there"
        assert [(message["role"], message["content"]) for message in sim.requests[0].body["messages"]] == [
            ("user", "Hi")
        ]

    async def test_a_streamed_chat_grows(self, driver: Driver, sim: Simulator) -> None:
        """Deltas join to the text, and each message holds all text so far."""
        sim.script(MODEL, Reply("Hello there, dear friend"))
        responses = await driver.stream("stream_chat", ask())
        text = ""
        for response in responses:
            assert isinstance(response, ChatResponse)
            assert response.message.role == MessageRole.ASSISTANT
            text += response.delta or ""
            assert (response.message.content or "") == text
        assert text == "Hello there, dear friend"
        assert len(responses) >= 4

    async def test_a_streamed_completion_grows(self, driver: Driver, sim: Simulator) -> None:
        """Deltas join to the text, and each response holds all text so far."""
        sim.script(MODEL, Reply("Hello there, dear friend"))
        text = ""
        for response in await driver.stream("stream_complete", "Hi"):
            assert isinstance(response, CompletionResponse)
            text += response.delta or ""
            assert response.text == text
        assert text == "Hello there, dear friend"

    async def test_a_stream_ends_with_its_usage(self, driver: Driver, sim: Simulator) -> None:
        """The last response of a stream states the usage."""
        if not self.streams_usage:
            pytest.skip("this LLM asks for no usage in streams")
        sim.script(MODEL, Reply("Hello there", usage={"input": 11, "output": 3}))
        for method, argument in (("stream_chat", ask()), ("stream_complete", "Hi")):
            last = (await driver.stream(method, argument))[-1]
            assert last.additional_kwargs["prompt_tokens"] == 11
            assert last.additional_kwargs["completion_tokens"] == 3

    async def test_prompts_are_predicted(self, driver: Driver, sim: Simulator) -> None:
        """`predict` and `stream` fill a template in."""
        prompt = PromptTemplate("Tell me of {topic}")
        assert await driver.call("predict", prompt, topic="cats") == "You said: Tell me of cats"
        assert "".join(await driver.stream("stream", prompt, topic="cats")) == "You said: Tell me of cats"

    async def test_a_conversation_is_sent_in_order(self, driver: Driver, sim: Simulator) -> None:
        """Roles and texts of a conversation arrive as they were given, and the messages stay as they were."""
        messages = [
            *ask("First"),
            ChatMessage(role=MessageRole.ASSISTANT, content="Second"),
            ChatMessage(role=MessageRole.USER, content="Third"),
        ]
        before = [message.model_dump() for message in messages]
        await driver.call("chat", messages)
        sent = sim.requests[0].body["messages"]
        assert [(message["role"], message["content"]) for message in sent] == [
            ("system", "Be brief."),
            ("user", "First"),
            ("assistant", "Second"),
            ("user", "Third"),
        ]
        assert [message.model_dump() for message in messages] == before

    async def test_an_image_is_sent(self, driver: Driver, sim: Simulator) -> None:
        """An image block arrives as a data URL beside the text."""
        message = ChatMessage(
            blocks=[TextBlock(text="What is this?"), ImageBlock(image=PIXEL, image_mimetype="image/png")]
        )
        await driver.call("chat", [message])
        text, image = sim.requests[0].body["messages"][0]["content"]
        assert text["text"] == "What is this?"
        assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PIXEL).decode()

    async def test_settings_of_a_call_win(self, driver: Driver, sim: Simulator) -> None:
        """Keyword arguments of a call are sent."""
        await driver.call("chat", ask(), temperature=0.25, seed=7)
        body = sim.requests[0].body
        assert (body["temperature"], body["seed"]) == (0.25, 7)

    # Tools.

    async def test_a_required_tool_is_called(self, driver: Driver, sim: Simulator) -> None:
        """A required tool comes back as a block and as a selection with its arguments."""
        response = await driver.call("chat_with_tools", tools(), user_msg="3 and 4", tool_required=True)
        (call,) = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        (selection,) = driver.llm.get_tool_calls_from_response(response)
        assert (selection.tool_name, selection.tool_kwargs) == ("add", {"a": 3, "b": 4})
        assert (selection.tool_id, selection.tool_name) == (call.tool_call_id, call.tool_name)
        assert sim.requests[0].body["tool_choice"] == "required"

    async def test_parallel_calls_come_only_where_they_are_allowed(self, driver: Driver, sim: Simulator) -> None:
        """Several calls are kept where they are allowed, and cut to the first where a model makes them all the same."""
        calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("weather", {"city": "Oslo"})]
        sim.script(MODEL, Reply(tool_calls=calls))
        both = await driver.call("chat_with_tools", tools(), user_msg="Hi", allow_parallel_tool_calls=True)
        one = await driver.call("chat_with_tools", tools(), user_msg="Hi")
        names = [[call.tool_name for call in driver.llm.get_tool_calls_from_response(found)] for found in (both, one)]
        assert names == [["add", "weather"], ["add"]]
        assert [request.body["parallel_tool_calls"] for request in sim.requests] == [True, False]

    async def test_no_call_is_an_error_only_where_one_is_expected(self, driver: Driver, sim: Simulator) -> None:
        """An answer without a call raises, or gives no selection, as the caller wants."""
        sim.script(MODEL, Reply("No need"))
        response = await driver.call("chat_with_tools", tools(), user_msg="Hi")
        assert driver.llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="at least one tool call"):
            driver.llm.get_tool_calls_from_response(response)

    async def test_a_call_can_be_read_while_it_grows(self, driver: Driver, sim: Simulator) -> None:
        """Each response of a stream can be asked for its calls; the last one has them whole."""
        sim.script(MODEL, Reply(tool_calls=[ToolCall("weather", {"city": "Oslo in Norway"})]))
        responses = await driver.stream("stream_chat_with_tools", tools(), user_msg="Hi")
        found = [driver.llm.get_tool_calls_from_response(one, error_on_no_tool_call=False) for one in responses]
        (last,) = found[-1]
        assert (last.tool_name, last.tool_kwargs) == ("weather", {"city": "Oslo in Norway"})
        assert responses[-1].message.additional_kwargs["tool_calls"]

    async def test_a_tool_result_goes_back(self, driver: Driver, sim: Simulator) -> None:
        """The answer's message and a tool message make a history that the provider takes."""
        asked = [ChatMessage(content="3 and 4")]
        response = await driver.call("chat_with_tools", tools(), chat_history=asked, tool_required=True)
        (call,) = driver.llm.get_tool_calls_from_response(response)
        result = ChatMessage(role=MessageRole.TOOL, content="7", additional_kwargs={"tool_call_id": call.tool_id})
        sim.script(MODEL, Reply("It is 7"))
        last = await driver.call("chat_with_tools", tools(), chat_history=[*asked, response.message, result])
        assert last.message.content == "It is 7"
        _, assistant, tool = sim.requests[1].body["messages"]
        assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"] == call.tool_id
        assert assistant["tool_calls"][0]["function"]["name"] == "add"
        assert (tool["role"], tool["content"]) == ("tool", "7")

    async def test_a_tool_is_predicted_and_called(self, driver: Driver, sim: Simulator) -> None:
        """`predict_and_call` runs the tool and gives its output."""
        response = await driver.call("predict_and_call", tools(), user_msg="add 3 and 4")
        assert str(response) == "7"
        assert response.sources[0].tool_name == "add"

    # Structured output.

    async def test_an_object_is_predicted(self, driver: Driver, sim: Simulator) -> None:
        """`structured_predict` gives an object of the class."""
        found = await driver.call("structured_predict", Person, PromptTemplate("Who is {age}?"), age=42)
        assert isinstance(found, Person)
        assert found.age == 42

    async def test_an_object_is_streamed(self, driver: Driver, sim: Simulator) -> None:
        """`stream_structured_predict` gives partial objects and in the end the whole one."""
        objects = await driver.stream("stream_structured_predict", Person, PromptTemplate("Who is {age}?"), age=42)
        assert isinstance(objects[-1], Person)
        assert objects[-1].age == 42

    @pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # the framework's own use of it
    async def test_a_structured_llm_answers_with_objects(self, driver: Driver, sim: Simulator) -> None:
        """`as_structured_llm` gives an LLM whose answers are objects."""
        structured = Driver(driver.llm.as_structured_llm(Person), is_async=driver.is_async)
        response = await structured.call("chat", [ChatMessage(content="Who is 42?")])
        assert isinstance(response.raw, Person)
        assert Person.model_validate_json(response.message.content or "") == response.raw
        last = (await structured.stream("stream_chat", [ChatMessage(content="Who is 42?")]))[-1]
        assert last.raw == response.raw

    # Events.

    async def test_callbacks_begin_and_end(self, driver: Driver, sim: Simulator) -> None:
        """The older callbacks see each call begin and end, with its answer."""
        seen = Callbacks()
        driver.llm.callback_manager = CallbackManager([seen])
        sim.script(MODEL, Reply("Hello there"))
        await driver.call("chat", ask())
        await driver.stream("stream_chat", ask())
        await driver.call("complete", "Hi")
        await driver.stream("stream_complete", "Hi")
        assert len(seen.started) == len(seen.ended) == 4
        assert [payload[EventPayload.RESPONSE].message.content for payload in seen.ended[:2]] == ["Hello there"] * 2
        assert [payload[EventPayload.COMPLETION].text for payload in seen.ended[2:]] == ["Hello there"] * 2

    async def test_callbacks_see_the_error(self, driver: Driver, sim: Simulator) -> None:
        """A failed call ends for the older callbacks too, with its exception."""
        seen = Callbacks()
        driver.llm.callback_manager = CallbackManager([seen])
        sim.script(MODEL, Fault.status(400))
        for call in (driver.call("chat", ask()), driver.stream("stream_chat", ask())):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - the classes of errors are the LLM's own
                await call
            assert seen.ended[-1][EventPayload.EXCEPTION] is caught.value
        assert len(seen.started) == len(seen.ended) == 2

    async def test_instrumentation_sees_a_chat(self, driver: Driver, sim: Simulator, events: Events) -> None:
        """Start and end of a chat are told, and each response of a stream between them."""
        sim.script(MODEL, Reply("Hello there"))
        await driver.call("chat", ask())
        assert events.names == ["LLMChatStartEvent", "LLMChatEndEvent"]
        del events.seen[:]
        responses = await driver.stream("stream_chat", ask())
        assert events.names == [
            "LLMChatStartEvent",
            *["LLMChatInProgressEvent"] * len(responses),
            "LLMChatEndEvent",
        ]
        assert len({event.span_id for event in events.seen}) == 1
        for event in events.seen:
            event.model_dump()  # as exporters do

    async def test_instrumentation_sees_a_completion(self, driver: Driver, sim: Simulator, events: Events) -> None:
        """Start and end of a completion are told once, and no chat beside them."""
        sim.script(MODEL, Reply("Hello there"))
        await driver.call("complete", "Hi")
        assert events.names == ["LLMCompletionStartEvent", "LLMCompletionEndEvent"]
        del events.seen[:]
        responses = await driver.stream("stream_complete", "Hi")
        assert events.names == [
            "LLMCompletionStartEvent",
            *["LLMCompletionInProgressEvent"] * len(responses),
            "LLMCompletionEndEvent",
        ]

    async def test_the_token_counter_counts(self, driver: Driver, sim: Simulator) -> None:
        """The framework's token counter takes the counts that the provider states."""
        counter = TokenCountingHandler(tokenizer=str.split)
        driver.llm.callback_manager = CallbackManager([counter])
        sim.script(MODEL, Reply("Hello", usage={"input": 1000, "output": 500}))
        await driver.call("chat", ask())
        await driver.call("complete", "Hi")
        if self.streams_usage:
            await driver.stream("stream_chat", ask())
            await driver.stream("stream_complete", "Hi")
        calls = 4 if self.streams_usage else 2
        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1000 * calls, 500 * calls)

    # The rest.

    async def test_many_calls_share_one_event_loop(self, llm: FunctionCallingLLM, sim: Simulator) -> None:
        """Async calls wait at the same time, none of them in the loop's way."""
        sim.script(MODEL, Reply("Hello", delay_first=0.2))
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(llm.achat(ask()) for _ in range(20)))
        assert loop.time() - began < 2
        assert {answer.message.content for answer in answers} == {"Hello"}

    async def test_a_stream_can_be_left_early(self, driver: Driver, sim: Simulator) -> None:
        """Closing a stream ends it without an error and without another request."""
        sim.script(MODEL, Reply("one two three four", delay_chunk=0.05))
        if driver.is_async:
            stream = await driver.llm.astream_chat(ask())
            await anext(stream)
            await stream.aclose()
        else:
            stream = driver.llm.stream_chat(ask())
            next(stream)
            stream.close()
        assert len(sim.requests) == 1

    def test_metadata_describes_the_model(self, llm: FunctionCallingLLM) -> None:
        """The framework finds what it plans with."""
        metadata = llm.metadata
        assert metadata.is_chat_model
        assert metadata.is_function_calling_model
        assert metadata.context_window > 100_000
        assert metadata.model_name.endswith(MODEL)

    def test_it_can_be_dumped_and_loaded(self, llm: FunctionCallingLLM) -> None:
        """A dump has the class's name, and makes an equal LLM; it holds no key."""
        dump = llm.to_dict()
        assert dump["class_name"] == llm.class_name()
        if self.keeps_keys_out:
            assert "key-main" not in llm.to_json()
        loaded = type(llm).from_dict(dump)
        assert loaded.to_dict() == dump
        assert type(llm).from_json(llm.to_json()).to_dict() == dump

    def test_it_can_be_pickled(self, llm: FunctionCallingLLM) -> None:
        """A pickle makes an equal LLM."""
        data = pickle.dumps(llm)
        if self.keeps_keys_out:
            assert b"key-main" not in data
        assert pickle.loads(data).to_dict() == llm.to_dict()  # noqa: S301 - made three lines above

    def test_the_payload_of_events_holds_no_key(self, llm: FunctionCallingLLM) -> None:
        """What traces are told of the LLM names it and holds no key."""
        payload = llm.to_payload()
        assert payload["class_name"] == llm.class_name()
        assert "key-main" not in str(payload)

    @pytest.mark.parametrize("copier", ["copy", "deepcopy", "model_copy"])
    async def test_a_copy_works(self, llm: FunctionCallingLLM, sim: Simulator, copier: str) -> None:
        """Copies answer like the original."""
        make: Callable[[Any], Any] = getattr(copy, copier, None) or (lambda original: original.model_copy())
        if copier == "deepcopy" and not self.can_be_copied_deeply:
            pytest.skip("this LLM holds clients that cannot be copied")
        assert (await make(llm).achat(ask())).message.content == "You said: Hi"
