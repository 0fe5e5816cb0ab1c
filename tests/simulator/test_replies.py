"""Healthy replies: what they say, and how they obey the request."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator import Reply, Simulator, ToolCall
from shared_core.simulator.asked import Asked, AskedTool, compose

SUM = AskedTool("sum", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}})
NAME = AskedTool("name", {"type": "object", "properties": {"of": {"type": "string"}}})


def asked(**more: Any) -> Asked:
    return Asked(**{"model": "m", "prompt": "3 and 4", **more})


def test_without_a_script_every_wire_echoes(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """The last user message comes back, streamed word by word and as a whole."""
    streamed = client.post(tongue.url(sim), json=tongue.body())
    whole = client.post(tongue.url(sim, stream=False), json=tongue.body(stream=False))
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert [text for text in map(tongue.text, tongue.events(streamed.content)) if text] == [
        "You",
        " said:",
        " Hi",
        " you",
    ]
    assert whole.headers["content-type"] == "application/json"
    assert tongue.whole_text(whole.json()) == "You said: Hi you"


def test_every_wire_says_all_that_a_reply_holds(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """Reasoning, text, parallel tool calls and usage are in the stream and in the whole answer."""
    calls = (ToolCall("sum", {"a": 1}, id="call-1"), ToolCall("name", {}))
    sim.script("m", Reply("Töxt", reasoning="I think", tool_calls=calls, usage={"input": 70, "output": 30}))
    streamed = client.post(tongue.url(sim), json=tongue.body(stream_options={"include_usage": True})).text
    whole = client.post(tongue.url(sim, stream=False), json=tongue.body(stream=False)).text
    for answer in (streamed, whole):
        for needle in ("Töxt", "think", '"sum"', '"name"', "70"):
            assert needle in answer


@pytest.mark.parametrize("is_stream", [True, False])
def test_max_tokens_ends_with_length(sim: Simulator, client: httpx.Client, tongue: Any, is_stream: bool) -> None:
    """One word is one token; the finish says why it ended."""
    sim.script("m", Reply("one two three"))
    limit = {
        "openai": {"max_completion_tokens": 2},
        "anthropic": {"max_tokens": 2},
        "responses": {"max_output_tokens": 2},
        "gemini": {"generationConfig": {"maxOutputTokens": 2}},
    }[tongue.name]
    body = tongue.body(stream=is_stream) | limit
    answer = client.post(tongue.url(sim, stream=is_stream), json=body)
    text = tongue.streamed_text(answer.content) if is_stream else tongue.whole_text(answer.json())
    word = {"openai": "length", "anthropic": "max_tokens", "responses": "max_output_tokens", "gemini": "MAX_TOKENS"}
    assert text == "one two"
    assert f'"{word[tongue.name]}"' in answer.text


def test_a_stop_sequence_cuts_the_text() -> None:
    """The earliest of the sequences ends the text before itself, also across pieces; tool calls fall away."""
    reply = Reply("one two three", tool_calls=(ToolCall("f"),))
    answer = compose(reply, asked(stop=("e t", "w", "")), 1)
    assert (answer.text, answer.stopped_by, answer.finish, answer.calls) == ("on", "e t", "stop", ())
    assert compose(Reply("one two"), asked(stop=("zzz",)), 1).text == "one two"
    assert compose(Reply("one two"), asked(stop=("o",)), 1).text == ""
    assert compose(Reply("one two"), asked(stop=("wo",)), 1).text == "one t"


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"tool_choice": "required"}, ["sum"]),
        ({"tool_choice": "name"}, ["name"]),
        ({"tool_choice": "name", "results": "7"}, ["name"]),
        ({"tool_choice": "auto"}, []),
        ({"tool_choice": "none", "prompt": "use sum"}, []),
        ({"prompt": "use sum and name"}, ["sum", "name"]),
        ({"prompt": "use sum and name", "parallel": False}, ["sum"]),
        ({"prompt": "use sum", "results": "7"}, []),
    ],
)
def test_tools_are_called_when_the_request_makes_it_plain(more: dict[str, Any], names: list[str]) -> None:
    """A forced tool, or one that the user mentions; not again once its result is in."""
    answer = compose(Reply(), asked(tools=(SUM, NAME), **more), 1)
    assert [call.name for call in answer.calls] == names
    assert answer.finish == ("tool_calls" if names else "stop")


def test_arguments_come_from_the_prompt() -> None:
    """Numbers of the prompt fill numeric parameters in order."""
    answer = compose(Reply(), asked(tools=(SUM,), tool_choice="sum"), 1)
    assert json.loads(answer.calls[0].arguments) == {"a": 3, "b": 4}
    bare = compose(Reply(), asked(tools=(AskedTool("now", {}),), tool_choice="now"), 1)
    assert bare.calls[0].arguments == "{}"


@pytest.mark.parametrize(
    ("reply", "more", "text"),
    [
        (Reply(), {}, "You said: 3 and 4"),
        (Reply(), {"prompt": ""}, "Hello."),
        (Reply(), {"results": "7"}, "The tools said: 7"),
        (Reply(), {"json_schema": {}}, '{"answer": "3 and 4"}'),
        (Reply(), {"json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}, '{"n": 3}'),
        (Reply(chunks=("a", " b", "")), {}, "a b"),
        (Reply("  spaced \n"), {}, "  spaced \n"),
        (Reply(""), {}, ""),
        (Reply(refusal="No."), {}, ""),
    ],
)
def test_what_is_left_out_is_made_up_from_the_request(reply: Reply, more: dict[str, Any], text: str) -> None:
    """What a reply states is said as it is; the rest follows from the request."""
    assert compose(reply, asked(**more), 1).text == text


def test_usage_counts_words_and_images_unless_it_is_stated() -> None:
    """Stated counts win one by one."""
    reply = Reply("a b", reasoning="c", refusal="d e", tool_calls=(ToolCall("f", '{"x": 1}'),), usage={"input": 9})
    answer = compose(reply, asked(all_text="one two three", images=1), 1)
    assert (answer.tokens.input, answer.tokens.output, answer.tokens.reasoning) == (9, 2 + 1 + 2 + 3, 1)
    assert compose(Reply("a"), asked(all_text="one two", images=2), 1).tokens.input == 2 + 2 * 85


@pytest.mark.parametrize("is_stream", [True, False])
def test_usage_has_the_details_that_the_wire_knows(
    sim: Simulator, client: httpx.Client, tongue: Any, is_stream: bool
) -> None:
    """Under its own names, and nothing of what it doesn't know."""
    counts = {"input": 90, "output": 9, "cached": 20, "cache_written": 5, "reasoning": 4, "audio": 60}
    sim.script("m", Reply("a", usage=counts))
    more = {"stream_options": {"include_usage": True}} if tongue.name == "openai" and is_stream else {}
    raw = client.post(tongue.url(sim, stream=is_stream), json=tongue.body(stream=is_stream, **more)).text
    told = {
        "openai": ('"cached_tokens":20', '"audio_tokens":60', '"cache_write_tokens":5', '"reasoning_tokens":4'),
        "responses": ('"cached_tokens":20', '"cache_write_tokens":5', '"reasoning_tokens":4'),
        "anthropic": (
            '"input_tokens":65',
            '"cache_read_input_tokens":20',
            '"cache_creation_input_tokens":5',
            '"thinking_tokens":4',
        ),
        "gemini": (
            '"cachedContentTokenCount":20',
            '"thoughtsTokenCount":4',
            '{"modality":"TEXT","tokenCount":30},{"modality":"AUDIO","tokenCount":60}',
        ),
    }
    assert [one for one in told[tongue.name] if one not in raw] == []


def test_a_reply_may_be_worked_out_from_the_body(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """`answer` sees the body; around a fault it makes the text that breaks."""

    def answer(body: dict[str, Any]) -> Reply:
        return Reply(f"fields: {len(body)}")

    sim.script("m", Reply(answer=answer))
    body = tongue.body()
    assert tongue.streamed_text(client.post(tongue.url(sim), json=body).content) == f"fields: {len(body)}"


def test_the_model_that_answers_may_be_another_one(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """`model` is stated in every wire's answer; a notation in the asked name is not."""
    sim.script("m", Reply("x", model="m-2024-01-01"))
    whole = client.post(tongue.url(sim, stream=False), json=tongue.body(stream=False)).text
    assert '"m-2024-01-01"' in whole
    carried = client.post(tongue.url(sim, "n~ok", stream=False), json=tongue.body(model="n~ok", stream=False)).text
    assert '"n"' in carried
    assert "~" not in carried


def test_delays_are_kept(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """The head, the first chunk and each further chunk wait as long as they were told to."""
    sim.script("m", Reply("a b c", delay_headers=0.02, delay_first=0.03, delay_chunk=0.04))
    assert client.post(tongue.url(sim), json=tongue.body()).status_code == 200
    record = sim.requests[0]
    assert record.ended is not None
    assert 0.13 <= record.ended - record.time < 1


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_segments_may_be_of_any_size(sim: Simulator, client: httpx.Client, tongue: Any, size: int) -> None:
    """Cut into small writes, the same bytes arrive."""
    sim.script("m", Reply("wörld 日本", split=size), Reply("wörld 日本"))
    first, second = (client.post(tongue.url(sim), json=tongue.body()).text for _ in range(2))
    assert first.replace("00000001", "00000002") == second


def test_segments_have_at_least_one_byte() -> None:
    """A size of zero would never end."""
    with pytest.raises(ConfigurationError, match="at least 1 byte"):
        Reply(split=0)
