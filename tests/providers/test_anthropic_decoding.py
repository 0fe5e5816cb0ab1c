"""What the Anthropic Messages decoder makes of streams, whole answers, cuts and garbage."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.errors import ErrorKind
from shared_core.events import (
    Details,
    Failed,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    WireEvent,
)
from shared_core.providers.anthropic_decoding import ANSWER_TOOL
from shared_core.providers.anthropic_messages import AnthropicMessagesWire
from shared_core.providers.base import Decoder, Vendor
from shared_core.providers.sse import DEFAULT_LIMIT

VENDOR = Vendor(name="anthropic", wire="anthropic", auth="x-api-key")


def decoder(content_type: str = "text/event-stream; charset=utf-8") -> Decoder:
    return AnthropicMessagesWire().decoder(vendor=VENDOR, content_type=content_type)


def sse(*payloads: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: " + str(payload.get("type")).encode() + b"\ndata: " + json.dumps(payload).encode() + b"\n\n"
        for payload in payloads
    )


def decode(*pieces: bytes) -> list[WireEvent]:
    subject = decoder()
    events = [event for piece in pieces for event in subject.feed(piece)]
    return events + subject.end()


def start(**usage: Any) -> dict[str, Any]:
    return {
        "type": "message_start",
        "message": {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": "claude-opus-4-6",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 25, "output_tokens": 1, "service_tier": "standard", **usage},
        },
    }


def block(index: int, **content_block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content_block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **delta_fields: Any) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **delta_fields},
        "usage": {"output_tokens": 89},
    }


STOP = {"type": "message_stop"}
PING = {"type": "ping"}

RECORDED = [
    start(cache_read_input_tokens=1_000, cache_creation_input_tokens=200),
    PING,
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="The user wants "),
    delta(0, "thinking_delta", thinking="two cities."),
    delta(0, "signature_delta", signature="EqQBCgIYAhIM"),
    stop(0),
    block(1, type="redacted_thinking", data="EmwKAhgBEgy3va3pzix/"),
    stop(1),
    block(2, type="text", text=""),
    delta(2, "text_delta", text="Grüße: I look "),
    PING,
    delta(2, "text_delta", text="both up. 🙂"),
    stop(2),
    block(3, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    delta(3, "input_json_delta", partial_json='{"query": "weather"}'),
    stop(3),
    block(4, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": "web_search_result"}]),
    stop(4),
    block(5, type="tool_use", id="toolu_A", name="get_weather", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"city": "Pa'),
    delta(5, "input_json_delta", partial_json='ris"}'),
    stop(5),
    block(6, type="tool_use", id="toolu_B", name="now", input={}),
    stop(6),
    end("tool_use"),
    STOP,
]

EXPECTED = [
    Usage(input_tokens=1_225, output_tokens=1, total_tokens=1_226, cache_read_tokens=1_000, cache_write_tokens=200),
    Details({"id": "msg_01", "model": "claude-opus-4-6", "service_tier": "standard"}),
    ReasoningDelta("The user wants "),
    ReasoningDelta("two cities."),
    ReasoningDelta(signature="EqQBCgIYAhIM"),
    ReasoningDelta(index=1, data="EmwKAhgBEgy3va3pzix/"),
    TextDelta("Grüße: I look "),
    TextDelta("both up. 🙂"),
    ToolCallDelta(0, id="toolu_A", name="get_weather"),
    ToolCallDelta(0, arguments='{"city": "Pa'),
    ToolCallDelta(0, arguments='ris"}'),
    ToolCallDelta(1, id="toolu_B", name="now"),
    ToolCallDelta(1, arguments="{}"),
    Usage(input_tokens=1_225, output_tokens=89, total_tokens=1_314, cache_read_tokens=1_000, cache_write_tokens=200),
    Finish("tool_calls", "tool_use"),
]


def content(events: list[WireEvent]) -> list[WireEvent]:
    return [event for event in events if not isinstance(event, Usage | Details | Failed)]


def failure(events: list[WireEvent]) -> Any:
    assert isinstance(events[-1], Failed)
    assert sum(isinstance(event, Failed) for event in events) == 1
    return events[-1].error


def test_a_stream_with_thinking_text_and_parallel_calls() -> None:
    """Every block becomes its events; pings and server tools become none."""
    subject = decoder()
    assert not subject.is_complete
    assert subject.feed(sse(*RECORDED)) == EXPECTED
    assert subject.is_complete
    assert subject.end() == []


@pytest.mark.parametrize("stream", [sse(*RECORDED), sse(*RECORDED[-9:]).replace(b"\n", b"\r\n")])
def test_any_cut_is_a_whole_answer_or_a_failure(stream: bytes) -> None:
    """A stream cut after any byte never passes for a shorter answer."""
    whole = content(decode(stream))
    for length in range(len(stream)):
        events = decode(stream[:length])
        if isinstance(events[-1], Failed):
            assert events[-1].error.code == ("truncated" if b"data" in stream[:length] else "empty")
            assert content(events) == whole[: len(content(events))]
        else:
            assert content(events) == whole


@given(st.lists(st.integers(0, len(sse(*RECORDED))), max_size=30))
@settings(max_examples=60, deadline=None)
def test_segmentation_changes_nothing(cuts: list[int]) -> None:
    """Cut the stream anywhere, also inside a character: the events stay the same."""
    stream = sse(*RECORDED)
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert decode(*pieces) == EXPECTED


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_garbage_never_raises(data: bytes) -> None:
    """Whatever comes, the answer is a failure, not an exception and not a success."""
    assert failure(decode(data)).kind in ErrorKind
    assert isinstance(decode(b"data: " + data)[-1], Failed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def _spoil(value: Any, path: list[Any], new: Any) -> Any:
    if not path:
        return new
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _spoil(copy[path[0]], path[1:], new)
    return copy


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[list[Any]]:
    found = [list(path)] if path else []
    if isinstance(value, list | dict):
        for key, inner in enumerate(value) if isinstance(value, list) else value.items():
            found += _paths(inner, (*path, key))
    return found


@given(st.sampled_from(_paths(RECORDED)), JSON)
@settings(max_examples=250, deadline=None)
def test_wrong_types_anywhere_never_raise(path: list[Any], value: Any) -> None:
    """Any field may hold anything: the stream then ends in a finish or in one failure."""
    spoilt = [part if isinstance(part, dict) else {"type": part} for part in _spoil(RECORDED, path, value)]
    last = [event for event in decode(sse(*spoilt)) if isinstance(event, Finish | Failed)]
    assert last
    assert sum(isinstance(event, Failed) for event in last) <= 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("a_reason_of_tomorrow", "other"),
    ],
)
def test_stop_reasons(raw: str, reason: str) -> None:
    """Every documented stop reason has its word, and unknown ones are told apart from a stop."""
    events = decode(sse(start(), block(0, type="text", text="Hi"), end(raw), STOP))
    assert events[-1] == Finish(reason, raw)


def test_a_missing_message_stop_behind_a_stop_reason_is_fine() -> None:
    """The stop reason is the end; what is cut behind it loses nothing."""
    stream = sse(start(), block(0, type="text", text=""), delta(0, "text_delta", text="Hi"), end())
    subject = decoder()
    assert subject.feed(stream)[-1] == Finish("stop", "end_turn")
    assert not subject.is_complete
    assert subject.feed(b"data: garbage\n\n") == []
    assert subject.end() == []


def test_the_details_of_the_end_are_told() -> None:
    """The matched stop sequence, the reason of a refusal and citations are metadata of the answer."""
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    citation = {"type": "char_location", "cited_text": "x"}
    events = decode(
        sse(
            start(),
            block(0, type="text", text="", citations=[citation]),
            delta(0, "citations_delta", citation=citation),
            end("refusal", stop_sequence="END", stop_details=details),
            STOP,
        )
    )
    assert events[-3:] == [
        Details({"stop_sequence": "END", "stop_details": details}),
        Details({"citations": [citation, citation]}),
        Finish("refusal", "refusal"),
    ]


def test_an_answer_without_a_word_is_an_answer() -> None:
    """After a tool result the model may have nothing to add."""
    assert decode(sse(start(), end(), STOP))[-1] == Finish("stop", "end_turn")


def test_message_stop_alone_is_the_protocols_end() -> None:
    """A compatible server that states no stop reason still ends its answers."""
    text = sse(start(), block(0, type="text", text="Hi"), STOP)
    assert decode(text)[-1] == Finish("stop", "message_stop")
    call = sse(start(), block(0, type="tool_use", id="t", name="f", input={"a": 1}), end(None), STOP)
    assert decode(call)[-3:] == [
        Usage(input_tokens=25, output_tokens=89, total_tokens=114),
        ToolCallDelta(0, arguments='{"a":1}'),
        Finish("tool_calls", "message_stop"),
    ]


def test_message_stop_without_a_message_is_no_answer() -> None:
    """An end with neither a reason nor a block before it proves nothing."""
    subject = decoder()
    assert content(subject.feed(sse(start(), STOP))) == []
    assert not subject.is_complete
    assert failure(subject.end()).code == "truncated"


def test_reasoning_tokens_and_counts_that_are_left_out() -> None:
    """Counts are cumulative: a field that the last event leaves out keeps its value, a wrong one is nothing."""
    last = end()
    last["usage"] = {"input_tokens": None, "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}}
    events = decode(sse(start(cache_read_input_tokens="many"), last, STOP))
    assert events[-2] == Usage(input_tokens=25, output_tokens=40, total_tokens=65, reasoning_tokens=30)


def test_an_error_event_is_classified() -> None:
    """`overloaded_error` inside a 200 is what a 529 would have been."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = decode(sse(start(), error, end(), STOP))
    assert failure(events).kind is ErrorKind.TRANSIENT
    assert failure(events).code == "overloaded_error"
    assert failure(events).provider == "anthropic"


@pytest.mark.parametrize(
    "body",
    [
        b'event: error\ndata: {"error": {"type": "rate_limit_error", "message": "slow down"}}\n\n',
        b'event: error\ndata: {"type": "rate_limit_error: slow down\n\n',
        b'{"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}',
        b'event: ping\ndata: {"type": "ping"}\n\n{"error": {"type": "rate_limit_error", "message": "slow down"}}',
        b'event: ping\ndata: {"type": "ping"}\n\n[{"error": {"type": "rate_limit_error", "message": "slow down"}}]\n',
    ],
)
def test_errors_in_unusual_dress(body: bytes) -> None:
    """Without a type, as broken JSON under an error event, whole, or bare behind events: an error is an error."""
    subject = decoder()
    events = subject.feed(body) + subject.end()
    assert failure(events).kind is ErrorKind.RATE_LIMIT
    assert subject.is_complete
    assert subject.feed(sse(*RECORDED)) == []
    assert subject.end() == []


@pytest.mark.parametrize("rest", [b'{"no": "end"', b'{"no": "error"}', b"[1]"])
def test_bare_json_that_states_no_error_is_a_cut(rest: bytes) -> None:
    """What follows the last event without being one explains nothing: the stream is truncated."""
    assert failure(decode(sse(start()) + rest)).code == "truncated"


def test_an_error_page_inside_a_200() -> None:
    """A proxy's HTML page is no answer."""
    error = failure(decode(b"\n<html><body>502 Bad Gateway</body></html>"))
    assert error.kind is ErrorKind.TRANSIENT


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b": keepalive\n\n", b"data: [DONE]\n\n", b"event: ping\ndata: -\n\n", b"[]"]
)
def test_nothing_is_empty(body: bytes) -> None:
    """A body without a single payload has its own code."""
    error = failure(decode(body))
    assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "empty")


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b"[1]",
        b"null",
        json.dumps(delta(0, "text_delta", text=["a"])).encode(),
        json.dumps(delta(0, "thinking_delta", thinking=1)).encode(),
        json.dumps(delta(7, "input_json_delta", partial_json="{}")).encode(),
        json.dumps({"type": "content_block_delta", "index": 0, "delta": "text"}).encode(),
        json.dumps(block(0, type="tool_use", id="t", name=None)).encode(),
        json.dumps({"type": "content_block_start", "index": "0", "content_block": {"type": "text"}}).encode(),
    ],
)
def test_what_may_hide_text_breaks_the_stream(payload: bytes) -> None:
    """An event that cannot be read may have carried content: a failure that is likely to pass."""
    events = decode(sse(start()) + b"data: " + payload + b"\n\n" + sse(end(), STOP))
    error = failure(events)
    assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "malformed")


def test_an_endless_event_is_malformed() -> None:
    """An event above the limit breaks the stream after the events before it; behind the end it is forgiven."""
    flood = b"data: " + b"x" * (DEFAULT_LIMIT + 1)
    events = decode(sse(start(), block(0, type="text", text="Hi")) + flood)
    assert TextDelta("Hi") in events
    assert failure(events).code == "malformed"
    assert decode(sse(start(), end()) + flood)[-1] == Finish("stop", "end_turn")
    assert failure(decode(sse(start()) + b"data: x\n\n" + flood)).code == "malformed"


def test_an_endless_document_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer above the limit is not kept."""
    monkeypatch.setattr("shared_core.providers.payload_decoder._DOCUMENT_LIMIT", 10)
    subject = decoder("application/json")
    assert failure(subject.feed(b'{"type": "message"')).code == "malformed"
    assert subject.end() == []


def test_null_text_and_unknown_events_are_nothing() -> None:
    """Null holds no text, and events and deltas of tomorrow break nothing."""
    events = decode(
        sse(
            start(),
            {"type": "message_start"},
            {"type": "event_of_tomorrow"},
            block(0, type="text", text=None),
            delta(0, "text_delta", text=None),
            delta(0, "delta_of_tomorrow", data="x"),
            block(1, type="thinking"),
            delta(1, "thinking_delta", thinking=None),
            block(2, type="redacted_thinking"),
            block(3, type="tool_use", id="", name="f", input={}),
            delta(3, "input_json_delta", partial_json=None),
            stop(3),
            stop(3),
            stop(9),
            {"type": "message_delta", "delta": None},
            end("tool_use"),
            STOP,
        )
    )
    assert content(events) == [
        ToolCallDelta(0, id="toolu_msg_01_0", name="f"),
        ToolCallDelta(0, arguments="{}"),
        Finish("tool_calls", "tool_use"),
    ]


def test_calls_without_ids_get_one_each() -> None:
    """Ids that a compatible server leaves out are made, unique also where it names no message."""
    stream = sse(block(0, type="tool_use", name="f", input={}), block(1, type="tool_use", name="f", input={}), end())
    ids = [event.id for run in (1, 2) for event in decode(stream) if isinstance(event, ToolCallDelta) and event.name]
    assert len(ids) == 4
    assert len(set(ids)) == 4
    assert all(ids)


def test_a_structured_answer_arrives_as_text() -> None:
    """The arguments of the answer tool are the text, and being its only call is a stop."""
    events = decode(
        sse(
            start(),
            block(0, type="tool_use", id="t", name=ANSWER_TOOL, input={}),
            delta(0, "input_json_delta", partial_json='{"a"'),
            delta(0, "input_json_delta", partial_json=": 1}"),
            stop(0),
            end("tool_use"),
            STOP,
        )
    )
    assert content(events) == [TextDelta('{"a"'), TextDelta(": 1}"), Finish("stop", "tool_use")]
    whole = {"type": "message", "content": [{"type": "tool_use", "name": ANSWER_TOOL, "input": {"a": 1}}]}
    events = decode(json.dumps(whole | {"stop_reason": "tool_use"}).encode())
    assert content(events) == [TextDelta('{"a":1}'), Finish("stop", "tool_use")]


WHOLE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-6",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Hello", "citations": None},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "tool_use", "id": "toolu_A", "name": "f", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "toolu_B", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 5, "service_tier": "standard"},
}


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_a_whole_answer_becomes_the_same_events(content_type: str) -> None:
    """JSON in place of a stream is read as one, whatever the header says."""
    subject = decoder(content_type)
    body = json.dumps(WHOLE, indent=1).encode()
    assert subject.feed(b"\xef\xbb\xbf" + body[:40]) == subject.feed(body[40:] + b"\n") == []
    assert subject.end() == [
        Usage(input_tokens=10, output_tokens=5, total_tokens=15),
        Details({"id": "msg_01", "model": "claude-opus-4-6", "service_tier": "standard"}),
        ReasoningDelta("Hm.", signature="sig"),
        ReasoningDelta(index=1, data="xyz"),
        TextDelta("Hello"),
        ToolCallDelta(0, id="toolu_A", name="f"),
        ToolCallDelta(0, arguments='{"city":"Paris"}'),
        ToolCallDelta(1, id="toolu_B", name="g"),
        ToolCallDelta(1, arguments="{}"),
        Finish("tool_calls", "tool_use"),
    ]
    assert subject.is_complete
    assert subject.end() == []


def test_a_cut_whole_answer_is_truncated() -> None:
    """JSON proves that it is whole: any shorter body is a failure."""
    body = json.dumps(WHOLE).encode()
    for length in range(1, len(body)):
        assert failure(decode(body[:length])).code == "truncated"
    assert failure(decode(json.dumps(WHOLE | {"stop_reason": None}).encode())).code == "truncated"
    assert failure(decode(json.dumps(WHOLE | {"content": [1, 2]}).encode())).code == "malformed"
    assert failure(decode(json.dumps([1, WHOLE]).encode())).code == "malformed"
    assert decode(json.dumps(WHOLE | {"content": None}).encode())[-1] == Finish("stop", "tool_use")


def test_a_long_event_is_not_kept_twice() -> None:
    """Of an event in progress only a bounded part is remembered besides the parser's own copy."""
    subject = decoder()
    subject.feed(b"data: " + b"x" * 50_000)
    subject.feed(b"x" * 50_000)
    subject.feed(b"x" * 50_000)
    assert failure(subject.end()).code == "truncated"
