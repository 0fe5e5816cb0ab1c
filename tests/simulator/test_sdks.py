"""The wires against the providers' own SDKs: what they parse and raise is what the real providers would make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from pydantic import BaseModel

from shared_core.simulator import Fault, Reply, Simulator, ToolCall

HI = [{"role": "user", "content": "add 3 and 4"}]
SUM = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
FULL = Reply(
    "Hello wörld",
    reasoning="let me think",
    tool_calls=(ToolCall("sum", {"a": 1, "b": 2}), ToolCall("name", {"of": "é"})),
    usage={"input": 20, "output": 10, "cached": 4, "reasoning": 3},
)


class Total(BaseModel):
    total: int
    unit: str


@pytest.fixture
def chatgpt(sim: Simulator, client: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=sim.base_url, api_key="key-main", max_retries=0, http_client=client)


@pytest.fixture(scope="module")
def anthropic_sdk() -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="key-main", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(sim: Simulator, anthropic_sdk: anthropic.Anthropic) -> anthropic.Anthropic:
    return anthropic_sdk.with_options(base_url=sim.url)


def test_openai_chat_streams(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """The SDK puts the stream together to the same message that the whole answer has."""
    sim.script("m", FULL)
    with chatgpt.chat.completions.stream(model="m", messages=HI, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()
    whole = chatgpt.chat.completions.create(model="m", messages=HI)
    for answer in (streamed, whole):
        choice, usage = answer.choices[0], answer.usage
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == "Hello wörld"
        assert choice.message.reasoning_content == "let me think"
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
        assert calls == [("sum", {"a": 1, "b": 2}), ("name", {"of": "é"})]
        assert len({call.id for call in choice.message.tool_calls}) == 2
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (20, 10, 30)
        assert usage.prompt_tokens_details.cached_tokens == 4
        assert usage.completion_tokens_details.reasoning_tokens == 3


def test_openai_chunks_have_the_documented_shape(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """Role first, then content, then the finish, then usage with no choices; no usage where it is not asked for."""
    asked = list(
        chatgpt.chat.completions.create(model="m", messages=HI, stream=True, stream_options={"include_usage": True})
    )
    plain = list(chatgpt.chat.completions.create(model="m", messages=HI, stream=True))
    assert [chunk.object for chunk in asked] == ["chat.completion.chunk"] * len(asked)
    assert asked[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in plain] == [None] * (len(plain) - 1) + ["stop"]
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert all(chunk.usage is None for chunk in (*asked[:-1], *plain))
    stopped = chatgpt.chat.completions.create(model="m", messages=HI, stop=" 3")
    assert stopped.choices[0].message.content == "You said: add"


def test_openai_tools_and_structured_output(chatgpt: openai.OpenAI) -> None:
    """Forced tools get arguments of their schema; a JSON schema gets JSON that pydantic accepts; so does JSON mode."""
    tools: Any = [{"type": "function", "function": {"name": "sum", "parameters": SUM}}]
    for choice in ("required", {"type": "function", "function": {"name": "sum"}}):
        answer = chatgpt.chat.completions.create(model="m", messages=HI, tools=tools, tool_choice=choice)
        assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {"a": 3, "b": 4}
    parsed = chatgpt.chat.completions.parse(model="m", messages=HI, response_format=Total)
    assert parsed.choices[0].message.parsed == Total(total=3, unit="add 3 and 4")
    mode = chatgpt.chat.completions.create(model="m", messages=HI, response_format={"type": "json_object"})
    assert json.loads(mode.choices[0].message.content) == {"answer": "add 3 and 4"}
    message = answer.choices[0].message
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "7"}
    results = [*HI, message.model_dump(), result]
    after = chatgpt.chat.completions.create(model="m", messages=results, tools=tools)
    assert after.choices[0].message.content == "The tools said: 7"


def test_openai_images_refusals_and_models(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """Images are accepted and counted, refusals stand in their own field, models are listed."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content: Any = [{"type": "text", "text": "what is this"}, image, "odd", 3]
    answer = chatgpt.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "You said: what is this\nodd"
    assert answer.usage.prompt_tokens == 4 + 85
    sim.script("m", Reply(refusal="No."))
    with chatgpt.chat.completions.stream(model="m", messages=HI) as stream:
        assert stream.get_final_completion().choices[0].message.refusal == "No."
    whole = chatgpt.chat.completions.create(model="m", messages=HI).choices[0].message
    assert (whole.content, whole.refusal) == (None, "No.")
    assert [model.id for model in chatgpt.models.list()] == ["m"]
    assert chatgpt.models.retrieve("gpt-4.1").id == "gpt-4.1"


def test_azure_names_the_deployment_in_the_path(sim: Simulator) -> None:
    """And sends the key in its own header."""
    with openai.AzureOpenAI(azure_endpoint=sim.url, api_key="key-azure", api_version="2024-10-21") as client:
        answer = client.chat.completions.create(model="my-deployment", messages=HI)
    record = sim.requests_for("my-deployment")[0]
    assert answer.choices[0].message.content == "You said: add 3 and 4"
    assert record.path == "/openai/deployments/my-deployment/chat/completions"
    assert record.key == "key-azure"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("openai.invalid_key", openai.AuthenticationError),
        ("openai.rate_limit", openai.RateLimitError),
        ("openai.model_not_found", openai.NotFoundError),
        ("openai.max_tokens", openai.BadRequestError),
        ("openai.region", openai.PermissionDeniedError),
        ("gateway.bad_gateway", openai.InternalServerError),
    ],
)
def test_openai_errors(sim: Simulator, chatgpt: openai.OpenAI, name: str, error: type[Exception]) -> None:
    """Named errors raise the SDK's exception, with code and parameter."""
    sim.script("m", name)
    with pytest.raises(error) as caught:
        chatgpt.chat.completions.create(model="m", messages=HI, max_tokens=99_999)
    if name == "openai.max_tokens":
        assert (caught.value.code, caught.value.param) == ("invalid_value", "max_tokens")
        assert "supports at most 16384 completion tokens, whereas you provided 99999" in str(caught.value)


def test_openai_errors_inside_a_stream(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """The SDK raises while it is iterated."""
    sim.script("m", Fault.error_event(after=1))
    stream = chatgpt.chat.completions.create(model="m", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)


def test_responses_stream(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """Events are numbered without a gap, and the last holds what the whole answer has."""
    sim.script("m", FULL)
    with chatgpt.responses.stream(model="m", input="add 3 and 4") as stream:
        numbers = [event.sequence_number for event in stream]
        streamed = stream.get_final_response()
    assert numbers == list(range(len(numbers)))
    for answer in (streamed, chatgpt.responses.create(model="m", input=HI)):
        assert answer.status == "completed"
        assert answer.output_text == "Hello wörld"
        assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
        assert answer.output[0].summary[0].text == "let me think"
        assert json.loads(answer.output[3].arguments) == {"of": "é"}
        assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (20, 10, 30)


def test_responses_tools_and_structured_output(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """As in chat completions; results come back as items."""
    tools: Any = [{"type": "function", "name": "sum", "parameters": SUM}, {"type": "web_search"}]
    for choice in ("required", {"type": "function", "name": "sum"}):
        answer = chatgpt.responses.create(model="m", input="add 3 and 4", tools=tools, tool_choice=choice)
        assert json.loads(answer.output[0].arguments) == {"a": 3, "b": 4}
    call = answer.output[0]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    after = chatgpt.responses.create(model="m", input=[*HI, call.to_dict(), result], tools=tools)
    assert after.output_text == "The tools said: 7"
    parsed = chatgpt.responses.parse(model="m", input="add 3 and 4", text_format=Total)
    assert parsed.output_parsed == Total(total=3, unit="add 3 and 4")
    sim.script(
        "m", Reply(refusal="No."), Reply("a", refusal="No."), Reply("a b c"), Reply(tool_calls=(ToolCall("f", ""),))
    )
    for place in (0, 1):
        with chatgpt.responses.stream(model="m", input="x") as stream:
            assert stream.get_final_response().output[0].content[place].refusal == "No."
    short = chatgpt.responses.create(model="m", input="x", max_output_tokens=2, instructions="be short")
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert chatgpt.responses.create(model="m", input="x").output[0].arguments == ""


def test_responses_errors(sim: Simulator, chatgpt: openai.OpenAI) -> None:
    """A status, and an error inside a stream."""
    sim.script("m", "openai.rate_limit", Fault.error_event(after=1))
    with pytest.raises(openai.RateLimitError):
        chatgpt.responses.create(model="m", input="x")
    with pytest.raises(openai.APIError, match="overloaded"):
        list(chatgpt.responses.create(model="m", input="x", stream=True))


def test_anthropic_streams(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """The SDK puts the events together to the same message that the whole answer has."""
    sim.script("m", FULL)
    with claude.messages.stream(model="m", max_tokens=99, messages=HI) as stream:
        streamed = stream.get_final_message()
    for answer in (streamed, claude.messages.create(model="m", max_tokens=99, messages=HI)):
        assert [block.type for block in answer.content] == ["thinking", "text", "tool_use", "tool_use"]
        assert answer.content[0].thinking == "let me think"
        assert answer.content[0].signature
        assert answer.content[1].text == "Hello wörld"
        assert answer.content[3].input == {"of": "é"}
        assert answer.stop_reason == "tool_use"
        usage = answer.usage
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (16, 4, 10)


def test_anthropic_events_have_the_documented_order(claude: anthropic.Anthropic) -> None:
    """From message_start to message_stop."""
    events = list(claude.messages.create(model="m", max_tokens=99, messages=HI, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert events[0].message.content == []


def test_anthropic_tools_and_structured_output(claude: anthropic.Anthropic) -> None:
    """Forced tools, results (also with an error), and a JSON schema."""
    tools: Any = [{"name": "sum", "input_schema": SUM}, {"type": "web_search_20250305", "name": "web_search"}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "sum"}):
        answer = claude.messages.create(model="m", max_tokens=99, messages=HI, tools=tools, tool_choice=choice)
        assert answer.content[0].input == {"a": 3, "b": 4}
    result = {"type": "tool_result", "tool_use_id": answer.content[0].id, "content": [{"type": "text", "text": "7"}]}
    history = [*HI, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    after = claude.messages.create(model="m", max_tokens=99, messages=history, tools=tools, system="Be kind.")
    assert after.content[0].text == "The tools said: 7"
    none = claude.messages.create(model="m", max_tokens=99, messages=HI, tools=tools, tool_choice={"type": "none"})
    assert none.content[0].text == "You said: add 3 and 4"
    form: Any = {"format": {"type": "json_schema", "schema": Total.model_json_schema()}}
    parsed = claude.messages.create(model="m", max_tokens=99, messages=HI, extra_body={"output_config": form})
    assert Total.model_validate_json(parsed.content[0].text) == Total(total=3, unit="add 3 and 4")


def test_anthropic_stops(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """Stop sequences are named, refusals and raw reasons are stated, broken arguments are an empty input."""
    stopped = claude.messages.create(model="m", max_tokens=99, messages=HI, stop_sequences=["3"])
    assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == (
        "stop_sequence",
        "3",
        "You said: add ",
    )
    sim.script("m", Reply(refusal="No."), Reply("x", finish="pause_turn"), Reply(tool_calls=(ToolCall("f", "{"),)))
    refused, paused, broken = (claude.messages.create(model="m", max_tokens=99, messages=HI) for _ in range(3))
    assert (refused.stop_reason, refused.content[0].text) == ("refusal", "No.")
    assert paused.stop_reason == "pause_turn"
    assert broken.content[0].input == {}
    sim.script("m", Reply(refusal="No."))
    with claude.messages.stream(model="m", max_tokens=99, messages=HI) as stream:
        assert stream.get_final_message().content[0].text == "No."


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("anthropic.invalid_key", anthropic.AuthenticationError),
        ("anthropic.rate_limit", anthropic.RateLimitError),
        ("anthropic.model_not_found", anthropic.NotFoundError),
        ("anthropic.overloaded", anthropic.InternalServerError),
        ("error_event@1", anthropic.APIStatusError),
    ],
)
def test_anthropic_errors(sim: Simulator, claude: anthropic.Anthropic, name: str, error: type[Exception]) -> None:
    """As a status and as an event."""
    sim.script("m", name)
    with pytest.raises(error), claude.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
        stream.get_final_message()


async def test_async_clients(sim: Simulator) -> None:
    """Both SDKs, without a thread."""
    async with openai.AsyncOpenAI(base_url=sim.base_url, api_key="key-main") as chatgpt:
        stream = await chatgpt.chat.completions.create(model="m", messages=HI, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    async with (
        anthropic.AsyncAnthropic(base_url=sim.url, api_key="key-main") as claude,
        claude.messages.stream(model="m", max_tokens=99, messages=HI) as events,
    ):
        said = await events.get_final_text()
    assert text == said == "You said: add 3 and 4"


def gemini(sim: Simulator, client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    return client.post(sim.url + "/v1beta/models/m:generateContent", json=body).json()


def test_gemini_answers(sim: Simulator, client: httpx.Client) -> None:
    """Thoughts, text, function calls with their signature, and usage have the documented fields."""
    sim.script("m", FULL)
    question = {"contents": [{"parts": [{"text": "Hi"}]}]}
    whole = gemini(sim, client, question)
    raw = client.post(sim.url + "/v1beta/models/m:streamGenerateContent?alt=sse", json=question).text
    parts = whole["candidates"][0]["content"]["parts"]
    assert parts[0] == {"text": "let me think", "thought": True}
    assert parts[1] == {"text": "Hello wörld"}
    assert parts[3]["functionCall"] == {"name": "name", "args": {"of": "é"}}
    assert ("thoughtSignature" in parts[2], "thoughtSignature" in parts[3]) == (True, False)
    assert whole["usageMetadata"] == {
        "promptTokenCount": 20,
        "candidatesTokenCount": 7,
        "totalTokenCount": 30,
        "cachedContentTokenCount": 4,
        "thoughtsTokenCount": 3,
    }
    last = json.loads(raw.split("\r\n\r\n")[-2].removeprefix("data: "))
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"] == whole["usageMetadata"]
    assert raw.count("finishReason") == 1


def test_gemini_reads_what_it_documents(sim: Simulator, client: httpx.Client) -> None:
    """Tools, modes, results, images, system text and JSON schema, in either spelling."""
    tools = [{"functionDeclarations": [{"name": "sum", "parameters": SUM}]}]
    question = {
        "contents": [{"role": "user", "parts": [{"text": "add 3 and 4"}, {"inlineData": {"data": "AA"}}]}],
        "system_instruction": {"parts": [{"text": "Be kind."}]},
        "tools": tools,
    }
    forced = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["sum"]}}
    for config in (forced, {"function_calling_config": {"mode": "any"}}):
        answer = gemini(sim, client, question | {"toolConfig": config})
        call = answer["candidates"][0]["content"]["parts"][0]["functionCall"]
        assert call == {"name": "sum", "args": {"a": 3, "b": 4}}
    assert answer["usageMetadata"]["promptTokenCount"] == 6 + 85
    result = {"functionResponse": {"name": "sum", "response": {"result": 7}}}
    history = [*question["contents"], answer["candidates"][0]["content"], {"role": "user", "parts": [result]}]
    after = gemini(sim, client, {"contents": history, "tools": tools})
    assert after["candidates"][0]["content"]["parts"] == [{"text": 'The tools said: {"result": 7}'}]
    settings = {"responseMimeType": "application/json", "responseSchema": Total.model_json_schema()}
    made = gemini(sim, client, {"contents": question["contents"], "generationConfig": settings})
    text = made["candidates"][0]["content"]["parts"][0]["text"]
    assert Total.model_validate_json(text) == Total(total=3, unit="add 3 and 4")


@pytest.mark.parametrize("arguments", ["{", "[]"])
def test_gemini_has_a_reason_for_broken_calls(sim: Simulator, client: httpx.Client, arguments: str) -> None:
    """It sends no call whose arguments are no object, but a finish reason of its own."""
    sim.script("m", Reply("x", tool_calls=(ToolCall("f", arguments),)), Reply(tool_calls=(ToolCall("f", id="call-1"),)))
    broken, fine = (gemini(sim, client, {"contents": [{"parts": [{"text": "x"}]}]}) for _ in range(2))
    assert broken["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert fine["candidates"][0]["content"]["parts"] == [{"functionCall": {"name": "f", "args": {}, "id": "call-1"}}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": HI}),
        ("/v1/chat/completions", {"model": "m"}),
        ("/v1/messages", {"model": "m", "messages": HI}),
        ("/v1/responses", {"model": "m"}),
        ("/v1/responses", {"input": "x"}),
        ("/v1beta/models/m:generateContent", {}),
    ],
)
def test_requests_without_their_essentials_are_refused(
    sim: Simulator, client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    """As the providers refuse them: with a 400 that names what is missing."""
    answer = client.post(sim.url + path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
