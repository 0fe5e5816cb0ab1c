"""What the Gemini decoder makes of streams, whole answers, arrays, cuts and garbage."""

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
from shared_core.providers.base import Decoder, Vendor
from shared_core.providers.gemini_generate import GeminiGenerateWire

VENDOR = Vendor(name="gemini", wire="gemini", auth="x-goog-api-key")


def decoder(content_type: str = "text/event-stream") -> Decoder:
    return GeminiGenerateWire().decoder(vendor=VENDOR, content_type=content_type)


def sse(*payloads: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(payload).encode() + b"\r\n\r\n" for payload in payloads)


def decode(*pieces: bytes) -> list[WireEvent]:
    subject = decoder()
    events = [event for piece in pieces for event in subject.feed(piece)]
    return events + subject.end()


def chunk(*parts: Any, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10},
        "modelVersion": "gemini-3.8-flash",
        "responseId": "resp_1",
        **fields,
    }


def call(name: str, args: Any = None, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args}), **fields}}


TOTALS = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 64,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "toolUsePromptTokenCount": 7,
    "totalTokenCount": 157,
    "promptTokensDetails": [None, {"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
}

RECORDED = [
    chunk({"text": "**Two cities**", "thought": True}),
    chunk({"text": " to look up.", "thought": True}),
    chunk({"text": "Grüße: I look "}),
    chunk({"text": "both up. 🙂", "thoughtSignature": "c2ln"}),
    chunk({"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"output": "1"}}),
    chunk({"text": "Now.", "thought": True}),
    chunk(call("get_weather", {"city": "Paris"}, id="fc_1") | {"thoughtSignature": "Y2FsbA=="}, call("now")),
    chunk({"text": ""}, finish="STOP", usageMetadata=TOTALS),
]

EXPECTED = [
    Details({"id": "resp_1", "model": "gemini-3.8-flash"}),
    ReasoningDelta("**Two cities**"),
    ReasoningDelta(" to look up."),
    TextDelta("Grüße: I look "),
    TextDelta("both up. 🙂", "c2ln"),
    ReasoningDelta("Now.", index=1),
    ToolCallDelta(0, id="fc_1", name="get_weather", arguments='{"city":"Paris"}', signature="Y2FsbA=="),
    ToolCallDelta(1, id="call_resp_1_1", name="now", arguments="{}"),
    Usage(107, 50, 157, cache_read_tokens=64, reasoning_tokens=30, audio_input_tokens=40),
    Finish("tool_calls", "STOP"),
]


def content(events: list[WireEvent]) -> list[WireEvent]:
    return [event for event in events if not isinstance(event, Usage | Details | Failed)]


def failure(events: list[WireEvent]) -> Any:
    assert isinstance(events[-1], Failed)
    assert sum(isinstance(event, Failed) for event in events) == 1
    return events[-1].error


def test_a_stream_with_thoughts_text_and_parallel_calls() -> None:
    """Every part becomes its event with its signature; code and its results become none."""
    subject = decoder()
    assert subject.feed(sse(*RECORDED)) == EXPECTED
    assert not subject.is_complete
    assert subject.end() == []


def test_any_cut_is_a_whole_answer_or_a_failure() -> None:
    """A stream cut after any byte never passes for a shorter answer."""
    stream = sse(*RECORDED)
    for length in range(len(stream)):
        events = decode(stream[:length])
        if isinstance(events[-1], Failed):
            assert events[-1].error.code == ("truncated" if b"data" in stream[:length] else "empty")
            assert content(events) == content(EXPECTED)[: len(content(events))]
        else:
            assert events == EXPECTED


@given(st.lists(st.integers(0, len(sse(*RECORDED))), max_size=30))
@settings(max_examples=60, deadline=None)
def test_segmentation_changes_nothing(cuts: list[int]) -> None:
    """Cut the stream anywhere, also inside a character: the events stay the same."""
    stream = sse(*RECORDED)
    edges = [0, *sorted(cuts), len(stream)]
    assert decode(*(stream[a:b] for a, b in pairwise(edges))) == EXPECTED


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
    last = [event for event in decode(sse(*_spoil(RECORDED, path, value))) if isinstance(event, Finish | Failed)]
    assert last
    assert sum(isinstance(event, Failed) for event in last) <= 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("LANGUAGE", "other"),
        ("OTHER", "other"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("TOO_MANY_TOOL_CALLS", "error"),
        ("A_REASON_OF_TOMORROW", "other"),
    ],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    """Every documented finish reason has its word, and unknown ones are told apart from a stop."""
    events = decode(sse(chunk({"text": "Hi"}), chunk(finish=raw)))
    assert events[-1] == Finish(reason, raw)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"])
def test_a_blocked_prompt_fails_as_filtered(reason: str) -> None:
    """A prompt that the provider blocks has no answer, and another target is not asked either."""
    usage = {"promptTokenCount": 4, "totalTokenCount": 4}
    events = decode(sse({"promptFeedback": {"blockReason": reason}, "usageMetadata": usage}))
    error = failure(events)
    assert (error.kind, error.code, error.provider) == (ErrorKind.CONTENT_FILTER, reason, "gemini")
    assert events[0] == Usage(input_tokens=4, total_tokens=4)


def test_feedback_without_a_block_is_nothing() -> None:
    """Safety ratings of the prompt alone say nothing."""
    events = decode(sse({"promptFeedback": {"safetyRatings": []}}, {"promptFeedback": None}, chunk(finish="STOP")))
    assert events[-1] == Finish("stop", "STOP")


OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "body",
    [
        sse(chunk({"text": "Hi"}), OVERLOADED),
        sse(chunk({"text": "Hi"})) + json.dumps(OVERLOADED, indent=2).encode(),
        sse(chunk({"text": "Hi"})) + json.dumps([OVERLOADED], indent=2).encode() + b"\n",
        json.dumps(OVERLOADED).encode(),
        json.dumps([chunk({"text": "Hi"}), OVERLOADED, chunk(finish="STOP")], indent=2).encode(),
    ],
)
def test_an_error_inside_a_200_is_classified(body: bytes) -> None:
    """As an event, as bare JSON behind the events, whole, or in an array: an error is an error."""
    events = decode(body)
    error = failure(events)
    assert error.kind is ErrorKind.TRANSIENT
    assert error.status == 503
    assert not any(isinstance(event, Finish) for event in events)


def test_a_bare_error_is_found_however_it_is_cut() -> None:
    """The bytes behind the last event are remembered across reads."""
    body = sse(chunk({"text": "Hi"})) + json.dumps(OVERLOADED, indent=2).encode()
    for cut in range(len(body)):
        assert failure(decode(body[:cut], body[cut:])).status == 503


def test_a_limit_says_when_to_come_back() -> None:
    """RetryInfo inside the stream is read as it is outside of one; an error without a status has none."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
    error = failure(decode(sse({"error": {"status": "RESOURCE_EXHAUSTED", "message": "Quota", "details": [info]}})))
    assert (error.kind, error.retry_after, error.status) == (ErrorKind.RATE_LIMIT, 17.0, None)
    assert failure(decode(sse({"error": "no"}))).status is None


@pytest.mark.parametrize("body", [b"", b"\r\n\r\n", b": keepalive\n\n", b"[]"])
def test_nothing_is_empty(body: bytes) -> None:
    """A body without a single payload has its own code."""
    error = failure(decode(body))
    assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "empty")


@pytest.mark.parametrize(
    "payload",
    [
        [1],
        {"candidates": "none"},
        {"candidates": [1]},
        {"candidates": [{"content": "text"}]},
        {"candidates": [{"content": {"parts": {"text": "a"}}}]},
        chunk("text"),
        chunk({"text": 1}, {"text": "a"}),
        chunk(call("f", [1])),
        chunk(call("")),
        chunk({"functionCall": None}),
    ],
)
def test_what_may_hide_content_breaks_the_stream(payload: Any) -> None:
    """A chunk that cannot be read may have carried content: a failure that is likely to pass."""
    error = failure(decode(sse(chunk({"text": "Hi"}), payload, chunk(finish="STOP"))))
    assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "malformed")


def test_a_broken_stream_tells_its_usage() -> None:
    """Tokens of a failed attempt were paid for all the same."""
    events = decode(sse(chunk({"text": "Hi"})))
    assert events[-2] == Usage(input_tokens=10, total_tokens=10)
    assert failure(events).code == "truncated"


def test_finish_reasons_that_repeat_and_counts_that_follow() -> None:
    """Older models repeat STOP in every chunk: no text is lost, one finish is told, later counts are told again."""
    more = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}
    events = decode(
        sse(
            chunk({"text": "Hel"}, finish="STOP"),
            chunk({"text": "lo"}, finish="STOP"),
            {"usageMetadata": more},
            {"usageMetadata": "none"},
        )
    )
    assert events[1:] == [
        TextDelta("Hel"),
        Usage(input_tokens=10, total_tokens=10),
        Finish("stop", "STOP"),
        TextDelta("lo"),
        Usage(input_tokens=10, output_tokens=3, total_tokens=13),
    ]


def test_the_first_candidate_alone_is_read() -> None:
    """Further candidates are no part of the answer, in whatever order they come."""
    second = {"content": {"parts": [{"text": "No"}]}, "index": 1, "finishReason": "STOP"}
    first = {"content": {"parts": [{"text": "Yes"}]}, "finishReason": "STOP"}
    events = decode(sse({"candidates": [second]}, {"candidates": [second, 1, first]}))
    assert events == [TextDelta("Yes"), Finish("stop", "STOP")]


def test_signatures_that_come_alone() -> None:
    """A signature behind the last text, or behind a thought, belongs to it; one of a wrong type is none."""
    events = decode(
        sse(
            chunk({"text": "Hm.", "thought": True, "thoughtSignature": 7}),
            chunk({"thought": True, "thoughtSignature": "a"}),
            chunk({"text": "", "thought": True}),
            chunk({"text": "Hi"}),
            chunk({"text": "", "thoughtSignature": "b"}, {"inlineData": {"mimeType": "image/png", "data": "x"}}),
            chunk(finish="STOP"),
        )
    )
    assert content(events)[:-1] == [
        ReasoningDelta("Hm."),
        ReasoningDelta(signature="a"),
        TextDelta("Hi"),
        TextDelta("", "b"),
    ]


def test_metadata_of_the_answer() -> None:
    """Grounding, citations and the reason in words are told as details."""
    last = chunk(finish="SAFETY")
    last["candidates"][0] |= {"finishMessage": "Blocked.", "groundingMetadata": {"webSearchQueries": ["x"]}}
    last["candidates"][0]["content"] = None
    events = decode(sse(last | {"responseId": None}))
    assert events == [
        Details({"model": "gemini-3.8-flash"}),
        Details({"finish_message": "Blocked.", "grounding_metadata": {"webSearchQueries": ["x"]}}),
        Usage(input_tokens=10, total_tokens=10),
        Finish("content_filter", "SAFETY"),
    ]


def test_calls_without_ids_get_one_each() -> None:
    """Ids are made where the server sends none, unique also where it names no response."""
    body = sse({"candidates": [{"content": {"parts": [call("f"), call("f")]}, "finishReason": "STOP"}]})
    ids = [event.id for run in (1, 2) for event in decode(body) if isinstance(event, ToolCallDelta)]
    assert len(ids) == 4
    assert len(set(ids)) == 4
    assert all(ids)


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "text/event-stream"])
def test_whole_answers_become_the_same_events(content_type: str) -> None:
    """One JSON document, or an array of chunks (without `alt=sse`), is read as the stream would be."""
    for document in (RECORDED, [RECORDED[0], *RECORDED[1:]]):
        subject = decoder(content_type)
        body = json.dumps(document, indent=2).encode()
        assert subject.feed(body[:100]) + subject.feed(body[100:]) == []
        assert subject.end() == EXPECTED
    whole = json.dumps(chunk({"text": "Hi"}, finish="STOP")).encode()
    assert content(decode(whole)) == [TextDelta("Hi"), Finish("stop", "STOP")]
    for length in range(1, len(whole)):
        assert failure(decode(whole[:length])).code == "truncated"


def test_content_without_parts_is_nothing() -> None:
    """The last chunk of an answer may hold its role alone, or null for its parts."""
    for content in ({"role": "model"}, {"role": "model", "parts": None}):
        last = {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}
        events = decode(sse(chunk({"text": "Hi"}), last))
        assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]
        assert not any(isinstance(event, Failed) for event in events)
