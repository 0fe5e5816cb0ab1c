"""The Responses decoder: what every event means, and what a broken stream ends in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import (
    Details,
    Failed,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    WireEvent,
)
from shared_core.providers.base import Decoder, Vendor
from shared_core.providers.responses import ResponsesWire

VENDOR = Vendor(name="openai-responses", wire="responses")

REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Second."}],
    "encrypted_content": "gAAA",
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Grüße, Rome", "annotations": [{"type": "url_citation", "url": "u"}]}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Rome"}',
    "status": "completed",
}
OTHER_CALL = CALL | {"id": "fc_2", "call_id": "call_2", "name": "climate", "arguments": "{}"}
FIELDS = sorted(
    {
        "type",
        "delta",
        "item",
        "response",
        "output",
        "content",
        "summary",
        "text",
        "name",
        "arguments",
        "error",
        "status",
    }
    | {"usage", "output_index", "item_id", "sequence_number", "incomplete_details"}
)
USAGE = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 32, "cache_write_tokens": 4},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 11},
    "total_tokens": 95,
}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def delta(kind: str, text: Any, index: int = 0, **fields: Any) -> dict[str, Any]:
    return event(f"{kind}.delta", delta=text, output_index=index, item_id=f"item_{index}", **fields)


def item(kind: str, value: Any, index: int = 0) -> dict[str, Any]:
    return event(f"output_item.{kind}", output_index=index, item=value)


def response(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "model": "gpt-5", "created_at": 1700000000, "tools": []}
    return head | {"status": status, "output": list(output), "usage": USAGE, "error": None} | fields


def completed(*output: Any, **fields: Any) -> dict[str, Any]:
    return event("completed", response=response(*output, **fields))


def thinking() -> list[dict[str, Any]]:
    return [
        item("added", {"type": "reasoning", "id": "rs_1", "summary": []}),
        event("reasoning_summary_part.added", output_index=0, summary_index=0, part={"type": "summary_text"}),
        delta("reasoning_summary_text", "Fir", summary_index=0),
        delta("reasoning_summary_text", "st.", summary_index=0),
        event("reasoning_summary_text.done", output_index=0, summary_index=0, text="First."),
        delta("reasoning_summary_text", "Second.", summary_index=1),
        item("done", REASONING),
    ]


def speaking(index: int) -> list[dict[str, Any]]:
    return [
        item("added", MESSAGE | {"content": []}, index),
        event("content_part.added", output_index=index, content_index=0, part={"type": "output_text", "text": ""}),
        delta("output_text", "Grü", index, content_index=0, logprobs=[]),
        delta("output_text", "ße, ", index, content_index=0),
        event("output_text.annotation.added", output_index=index, annotation={}),
        delta("output_text", "Rome", index, content_index=0),
        event("output_text.done", output_index=index, content_index=0, text="Grüße, Rome"),
        event("content_part.done", output_index=index, content_index=0, part=MESSAGE["content"]),
        item("done", MESSAGE, index),
    ]


def calling(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    whole = call["arguments"]
    return [
        item("added", call | {"arguments": ""}, index),
        delta("function_call_arguments", whole[:5], index),
        *([delta("function_call_arguments", whole[5:], index)] if whole[5:] else []),
        event("function_call_arguments.done", output_index=index, arguments=whole, name=call["name"]),
        item("done", call, index),
    ]


def beginning() -> list[dict[str, Any]]:
    began = response(status="in_progress", usage=None)
    return [event("created", response=began), event("in_progress", response=began)]


FULL = [
    *beginning(),
    *thinking(),
    *speaking(1),
    *calling(2, CALL),
    *calling(3, OTHER_CALL),
    completed(REASONING, MESSAGE, CALL, OTHER_CALL),
]


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**payload, "sequence_number": number} for number, payload in enumerate(events)]


def frame(payload: dict[str, Any] | bytes) -> bytes:
    if isinstance(payload, bytes):
        return b"event: response.output_text.delta\ndata: " + payload + b"\n\n"
    return f"event: {payload.get('type')}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def body(events: list[Any]) -> bytes:
    return b"".join(frame(payload) for payload in events)


def new_decoder(content_type: str = "text/event-stream") -> Decoder:
    return ResponsesWire().decoder(vendor=VENDOR, content_type=content_type)


def decoded(data: bytes, *cuts: int) -> list[WireEvent]:
    decoder = new_decoder()
    out: list[WireEvent] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        out += decoder.feed(data[start:end])
    return out + decoder.end()


def text_in(events: list[WireEvent]) -> str:
    return "".join(found.text for found in events if isinstance(found, TextDelta))


def thoughts_in(events: list[WireEvent]) -> dict[int, ReasoningDelta]:
    found: dict[int, ReasoningDelta] = {}
    for piece in events:
        if isinstance(piece, ReasoningDelta):
            whole = found.setdefault(piece.index, ReasoningDelta(index=piece.index))
            whole.text += piece.text
            whole.data, whole.id = piece.data or whole.data, piece.id or whole.id
    return found


def calls_in(events: list[WireEvent]) -> dict[int, tuple[str, str, str]]:
    found: dict[int, tuple[str, str, str]] = {}
    for piece in events:
        if isinstance(piece, ToolCallDelta):
            id_, name, arguments = found.get(piece.index, ("", "", ""))
            found[piece.index] = (id_ + (piece.id or ""), name + (piece.name or ""), arguments + piece.arguments)
    return found


def of_kind(events: list[WireEvent], kind: type) -> list[Any]:
    return [found for found in events if isinstance(found, kind)]


def error_of(events: list[WireEvent]) -> ProviderError:
    assert isinstance(events[-1], Failed)
    assert len(of_kind(events, Failed)) == 1
    return events[-1].error


def says_all(events: list[WireEvent]) -> bool:
    return (
        text_in(events) == "Grüße, Rome"
        and thoughts_in(events) == {0: ReasoningDelta("First.\n\nSecond.", index=0, data="gAAA", id="rs_1")}
        and calls_in(events) == {0: ("call_1", "weather", '{"city":"Rome"}'), 1: ("call_2", "climate", "{}")}
    )


class TestAnswers:
    def test_everything_in_one_stream(self) -> None:
        """Reasoning, text, two calls, usage, details and the end come out as events."""
        out = decoded(body(numbered(FULL)))
        assert says_all(out)
        assert of_kind(out, Usage) == [Usage(75, 20, 95, 32, 4, 11)]
        assert out[-1] == Finish("tool_calls", "completed")
        assert out[0] == Details({"id": "resp_1", "model": "gpt-5", "created_at": 1700000000})
        assert Details({"annotations": [{"type": "url_citation", "url": "u"}]}) in out

    def test_stream_without_numbers(self) -> None:
        """Compatible servers leave the sequence numbers out."""
        assert says_all(decoded(body(FULL)))

    def test_numbers_that_do_not_grow_prove_nothing(self) -> None:
        """Some servers send 0 every time."""
        assert says_all(decoded(body([{**payload, "sequence_number": 0} for payload in FULL])))

    def test_text_alone(self) -> None:
        """A plain answer ends with "stop", and the decoder is complete."""
        decoder = new_decoder()
        out = decoder.feed(body([*beginning(), *speaking(0)]))
        assert not decoder.is_complete
        out += decoder.feed(body([completed(MESSAGE)]))
        assert decoder.is_complete
        assert decoder.end() == []
        assert text_in(out) == "Grüße, Rome"
        assert out[-1] == Finish("stop", "completed")

    def test_events_without_content_come_before_any_content(self) -> None:
        """A response that is created, queued or in progress bears no content."""
        out = new_decoder().feed(
            body([*beginning(), event("queued", response={}), item("added", MESSAGE | {"content": []})])
        )
        assert {type(found) for found in out} == {Details}

    def test_encrypted_reasoning_waits_for_content(self) -> None:
        """A blob that nobody can read does not commit an attempt."""
        silent = REASONING | {"summary": []}
        decoder = new_decoder()
        assert decoder.feed(body([item("added", silent), item("done", silent)])) == []
        out = decoder.feed(body([delta("output_text", "Hi", 1)]))
        assert out == [ReasoningDelta(index=0, data="gAAA", id="rs_1"), TextDelta("Hi")]

    def test_encrypted_reasoning_alone_comes_at_the_end(self) -> None:
        """An answer of nothing but reasoning keeps it."""
        out = decoded(body([item("done", REASONING | {"summary": [], "id": None}), completed()]))
        assert of_kind(out, ReasoningDelta) == [ReasoningDelta(index=0, data="gAAA")]

    def test_open_reasoning_text(self) -> None:
        """Open models show what they think, not a summary of it; with both, both are told."""
        whole = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
        shown = decoded(
            body([delta("reasoning_text", "h"), delta("reasoning_text", "m"), item("done", whole), completed()])
        )
        assert thoughts_in(shown)[0].text == "hm"
        empty = REASONING | {"summary": [{"type": "summary_text", "text": ""}, *REASONING["summary"]]}
        assert thoughts_in(decoded(body([item("done", empty), completed()])))[0].text == "First.\n\nSecond."
        both = decoded(
            body([delta("reasoning_summary_text", "s"), delta("reasoning_text", "h"), delta("reasoning_text", "m")])
        )
        assert thoughts_in(both)[0].text == "s\n\nhm"

    def test_two_thoughts_have_two_indices(self) -> None:
        """Indices count the reasoning items."""
        second = REASONING | {"id": "rs_2", "encrypted_content": "gBBB"}
        out = decoded(body([item("done", REASONING, 0), item("done", second, 2), completed()]))
        assert [thought.data for thought in thoughts_in(out).values()] == ["gAAA", "gBBB"]

    def test_refusal(self) -> None:
        """A refusal is told as such and ends the answer as one."""
        content = [{"type": "refusal", "refusal": "I can't."}]
        out = decoded(body([delta("refusal", "I "), item("done", MESSAGE | {"content": content}), completed()]))
        assert [found.text for found in of_kind(out, RefusalDelta)] == ["I ", "can't."]
        assert out[-1] == Finish("refusal", "completed")

    @pytest.mark.parametrize(
        ("reason", "finish"),
        [
            ("max_output_tokens", Finish("length", "max_output_tokens")),
            ("content_filter", Finish("content_filter", "content_filter")),
            ("steered", Finish("other", "steered")),
            (None, Finish("other", "incomplete")),
        ],
    )
    @pytest.mark.parametrize("kind", ["incomplete", "completed"])
    def test_incomplete(self, kind: str, reason: str | None, finish: Finish) -> None:
        """The reason is the finish, even where a server calls a cut answer completed."""
        cut = response(MESSAGE, status="incomplete", incomplete_details={"reason": reason})
        out = decoded(body([*speaking(0)[:4], event(kind, response=cut)]))
        assert out[-1] == finish
        assert text_in(out) == "Grüße, "

    def test_incomplete_without_details(self) -> None:
        """An end without a reason is an end."""
        out = decoded(body([delta("output_text", "Hi"), event("incomplete", response=None)]))
        assert out[-1] == Finish("other", "incomplete")

    def test_done_items_tell_what_deltas_did_not(self) -> None:
        """A server that sends no deltas, or not all of them, loses nothing."""
        out = decoded(
            body([item("done", REASONING, 0), *speaking(1)[:3], item("done", MESSAGE, 1), item("done", CALL, 2)])
        )
        assert text_in(out) == "Grüße, Rome"
        assert thoughts_in(out)[0].text == "First.\n\nSecond."
        assert calls_in(out) == {0: ("call_1", "weather", '{"city":"Rome"}')}

    def test_last_event_tells_all_if_nothing_else_did(self) -> None:
        """A server that only sends the end is understood."""
        assert says_all(decoded(body([completed(REASONING, MESSAGE, CALL, OTHER_CALL)])))

    def test_last_event_repeats_nothing(self) -> None:
        """Indices of a last event that do not fit the stream's do not double the answer."""
        out = decoded(body([delta("output_text", "Grüße, Rome", 5), completed(MESSAGE)]))
        assert text_in(out) == "Grüße, Rome"

    def test_items_are_told_apart_by_their_ids_and_types(self) -> None:
        """Without an index the item's id counts, and one index for items of two types is two items."""
        first = {"type": "response.output_text.delta", "delta": "a", "item_id": "m1"}
        out = decoded(body([first, first | {"item_id": "m2"}, first | {"item_id": None}, completed()]))
        assert text_in(out) == "aaa"
        zero = [delta("reasoning_text", "hm"), *calling(0, CALL), completed()]
        out = decoded(body(zero))
        assert thoughts_in(out)[0].text == "hm"
        assert calls_in(out)[0] == ("call_1", "weather", '{"city":"Rome"}')

    def test_call_that_begins_without_its_name(self) -> None:
        """Id and name are told when they are known, and the arguments once."""
        bare = {"type": "function_call"}
        out = decoded(
            body([item("added", bare), delta("function_call_arguments", '{"city"'), item("done", CALL), completed()])
        )
        assert calls_in(out) == {0: ("call_1", "weather", '{"city":"Rome"}')}

    @pytest.mark.parametrize(("missing", "id_"), [(("call_id",), "fc_1"), (("call_id", "id"), "call_resp_1_0")])
    def test_call_without_id_gets_one(self, missing: tuple[str, ...], id_: str) -> None:
        """Every call has an id."""
        call = {key: value for key, value in CALL.items() if key not in missing}
        assert calls_in(decoded(body([*beginning(), item("done", call), completed()])))[0][0] == id_

    def test_providers_own_tools_are_details(self) -> None:
        """Items of tools that the provider ran are kept as they are, once."""
        search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
        done = item("done", search)
        out = decoded(
            body([item("added", search), event("web_search_call.searching"), done, done, *speaking(1), completed()])
        )
        assert of_kind(out, Details)[-1].values["output_items"] == [search]
        assert out[-1] == Finish("stop", "completed")

    def test_deltas_of_other_tools_are_no_content(self) -> None:
        """Code that the provider runs is not the answer."""
        out = decoded(body([delta("code_interpreter_call_code", "1+1"), *speaking(1), completed(MESSAGE)]))
        assert text_in(out) == "Grüße, Rome"

    def test_answer_of_nothing_is_a_finish(self) -> None:
        """Whether a silent turn is useful is not the wire's question."""
        assert decoded(body([*beginning(), completed()]))[-1] == Finish("stop", "completed")

    def test_details_are_told_once(self) -> None:
        """Only what is new comes again."""
        out = decoded(body([*beginning(), completed(service_tier="flex")]))
        assert [found.values for found in of_kind(out, Details)][1:] == [{"service_tier": "flex"}]


class TestWholeAnswers:
    @pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
    def test_whole_json_answer(self, content_type: str) -> None:
        """A JSON document in place of a stream is the same answer."""
        decoder = new_decoder(content_type)
        out = decoder.feed(json.dumps(response(REASONING, MESSAGE, CALL, OTHER_CALL)).encode()) + decoder.end()
        assert says_all(out)
        assert out[-1] == Finish("tool_calls", "completed")

    def test_status_may_be_left_out(self) -> None:
        """An answer with its output is whole."""
        assert decoded(json.dumps({"output": [MESSAGE]}).encode())[-1] == Finish("stop", "completed")

    @pytest.mark.parametrize(
        ("document", "code"),
        [
            (response(status="in_progress"), "truncated"),
            ({"id": "resp_1"}, "truncated"),
            (response(5), "malformed"),
            (response({"type": 5}), "malformed"),
            (response(CALL | {"name": ""}), "malformed"),
            (response(CALL | {"arguments": None}), "malformed"),
            (response(MESSAGE | {"content": "Hi"}), "malformed"),
            (response(MESSAGE | {"content": ["Hi"]}), "malformed"),
            (response(MESSAGE | {"content": [{"type": "output_text", "text": 5}]}), "malformed"),
            (response(REASONING | {"summary": 5}), "malformed"),
            ([], "empty"),
            ([5], "malformed"),
        ],
    )
    def test_documents_that_are_no_answer(self, document: Any, code: str) -> None:
        """What cannot be read is never a success."""
        error = error_of(decoded(json.dumps(document).encode()))
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, code)

    def test_cut_document_is_truncated(self) -> None:
        """JSON tells by itself that it is not whole."""
        assert error_of(decoded(json.dumps(response(MESSAGE)).encode()[:-3])).code == "truncated"

    @pytest.mark.parametrize(
        "document",
        [
            {"error": {"code": "rate_limit_exceeded", "message": "Slow down"}},
            response(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down"},
        ],
    )
    def test_error_documents(self, document: dict[str, Any]) -> None:
        """An error inside a successful response is classified."""
        assert error_of(decoded(json.dumps(document).encode())).kind is ErrorKind.RATE_LIMIT


class TestErrors:
    @pytest.mark.parametrize(
        "broken",
        [
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None},
            {"type": "error", "error": {"type": "requests", "code": "rate_limit_exceeded", "message": "Slow down"}},
            {"type": "response.error", "error": {"code": "rate_limit_exceeded", "message": "Slow down"}},
            {"error": {"code": "rate_limit_exceeded", "message": "Slow down"}},
            event(
                "failed",
                response=response(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
            ),
        ],
    )
    @pytest.mark.parametrize("before", [[], [*beginning(), *speaking(0)[:4]]])
    def test_error_events(self, before: list[dict[str, Any]], broken: dict[str, Any]) -> None:
        """Errors in all their forms are classified, and nothing follows them."""
        out = decoded(body([*before, broken, *speaking(0), completed(MESSAGE)]))
        error = error_of(out)
        assert (error.kind, error.provider) == (ErrorKind.RATE_LIMIT, "openai-responses")
        assert "Slow down" in error.message

    def test_server_error(self) -> None:
        """The provider's own trouble is likely to pass."""
        failure = response(status="failed", error={"code": "server_error", "message": "Oops"}, usage=USAGE)
        out = decoded(body([event("failed", response=failure)]))
        assert error_of(out).kind is ErrorKind.TRANSIENT
        assert of_kind(out, Usage)

    @pytest.mark.parametrize("kind", ["failed", "cancelled"])
    def test_failure_without_a_word(self, kind: str) -> None:
        """An end that is no success is a failure, whatever it says of itself."""
        assert error_of(decoded(body([*speaking(0), event(kind, response={})]))).code == kind

    def test_error_after_the_end_still_counts(self) -> None:
        """What the provider states is believed; what else follows the end is not looked at."""
        rest = [{"no": "type"}, event("created", response={"id": "other"}), b"{garbage"]
        out = decoded(body([*speaking(0), completed(MESSAGE), *rest]))
        assert out[-1] == Finish("stop", "completed")
        broken = {"type": "error", "code": "server_error", "message": "Oops"}
        assert error_of(decoded(body([*speaking(0), completed(MESSAGE), broken]))).kind is ErrorKind.TRANSIENT


class TestBrokenStreams:
    @pytest.mark.parametrize("data", [b"", b"\n\n", b": ping\n\n", b"data: [DONE]\n\n"])
    def test_empty(self, data: bytes) -> None:
        """A stream without an event is empty."""
        error = error_of(decoded(data))
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "empty")

    @pytest.mark.parametrize("count", range(1, len(FULL)))
    def test_truncated(self, count: int) -> None:
        """Whatever is missing at the end, the answer is not whole; [DONE] proves nothing."""
        data = body(numbered(FULL)[:count])
        for end in (b"", b"data: [DONE]\n\n"):
            error = error_of(decoded(data + end))
            assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "truncated")

    @pytest.mark.parametrize("lost", range(1, len(FULL) - 1))
    def test_lost_event_is_made_good_by_the_last(self, lost: int) -> None:
        """A gap in the numbers proves a loss, and the last event says all that was lost."""
        events = numbered(FULL)
        out = decoded(body(events[:lost] + events[lost + 1 :]))
        assert says_all(out)
        assert len([found for found in of_kind(out, ReasoningDelta) if found.data]) == 1
        assert [len(found.values.get("annotations", ())) for found in of_kind(out, Details)][-1] == 1
        assert out[-1] == Finish("tool_calls", "completed")

    @pytest.mark.parametrize("garbled", range(1, len(FULL) - 1))
    @pytest.mark.parametrize("garbage", [b'{"type": "response.outp', b"[]", b'{"delta": "Hi"}'])
    def test_garbled_event_is_made_good_by_the_last(self, garbled: int, garbage: bytes) -> None:
        """The same holds for an event that cannot be read, with numbers or without."""
        for events in (numbered(FULL), FULL):
            out = decoded(body([*events[:garbled], garbage, *events[garbled + 1 :]]))
            assert says_all(out)
            assert out[-1] == Finish("tool_calls", "completed")

    @pytest.mark.parametrize(
        "output",
        [
            None,
            [],
            [MESSAGE],
            [REASONING, CALL],
            [REASONING, 5],
            [REASONING, MESSAGE | {"content": 5}],
        ],
    )
    def test_lost_event_that_nothing_makes_good(self, output: Any) -> None:
        """A last event that does not hold every item that has begun proves nothing."""
        events = numbered([*thinking(), *speaking(1), event("completed", response=response() | {"output": output})])
        out = decoded(body(events[:10] + events[11:]))
        error = error_of(out)
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "malformed")

    def test_torn_stream_has_no_hole(self) -> None:
        """After a loss the text stops, and goes on only with what a whole item says."""
        events = numbered(speaking(0))
        decoder = new_decoder()
        assert text_in(decoder.feed(body([*events[:2], *events[3:-1]]))) == ""
        assert text_in(decoder.feed(body([events[-1]]))) == "Grüße, Rome"
        assert error_of(decoder.end()).code == "malformed"

    @pytest.mark.parametrize("garbage", [b"<html>", b"{", b"[1]", b'"x"', b"{}", b'{"type": ["x"]}'])
    def test_garbage_from_the_start(self, garbage: bytes) -> None:
        """Before anything was understood, garbage breaks the stream at once."""
        out = new_decoder().feed(frame(garbage))
        assert error_of(out).code == "malformed"

    @pytest.mark.parametrize("wrong", [5, ["x"], {"text": "x"}, True])
    @pytest.mark.parametrize(
        "kind", ["output_text", "refusal", "reasoning_text", "reasoning_summary_text", "function_call_arguments"]
    )
    def test_delta_of_a_wrong_type_may_hide_content(self, kind: str, wrong: Any) -> None:
        """What cannot be read is never passed over in silence."""
        assert error_of(decoded(body([delta(kind, wrong), completed()]))).code == "malformed"

    @pytest.mark.parametrize("kind", ["added", "done"])
    def test_item_of_a_wrong_type(self, kind: str) -> None:
        """An item that is no object is a loss, too."""
        assert error_of(decoded(body([*speaking(0), item(kind, 5, 1), completed()]))).code == "malformed"

    def test_call_that_never_gets_its_name(self) -> None:
        """A call that nobody can make is no answer."""
        assert error_of(decoded(body([delta("function_call_arguments", "{}"), completed()]))).code == "malformed"

    def test_empty_deltas_are_no_content(self) -> None:
        """Nothing is told of a delta that says nothing."""
        assert new_decoder().feed(body([delta("output_text", ""), delta("refusal", None)])) == []

    def test_begun_call_in_a_torn_stream_waits_for_its_whole(self) -> None:
        """After a loss nothing but wholes is told, calls included."""
        decoder = new_decoder()
        assert decoder.feed(body([*beginning(), b"{"]))[1:] == []
        assert decoder.feed(body(calling(0, CALL)[:-1])) == []
        assert calls_in(decoder.feed(body([completed(CALL)]))) == {0: ("call_1", "weather", '{"city":"Rome"}')}


class TestAnyBytes:
    def test_cut_after_every_byte(self) -> None:
        """A cut anywhere is truncated or empty before the last event is whole, and a success after."""
        data = body(numbered([*beginning(), *thinking()[-2:], *speaking(1), completed(REASONING, MESSAGE)]))
        whole = data.rindex(b"data: ")
        for cut in range(len(data)):
            out = decoded(data[:cut])
            failed = isinstance(out[-1], Failed)
            assert "Grüße, Rome".startswith(text_in(out))
            if failed:
                assert error_of(out).code in {"truncated", "empty"}
                assert cut < len(data) - 2
            else:
                assert cut > whole
                assert out[-1] == Finish("stop", "completed")

    @given(st.lists(st.integers(0, len(body(numbered(FULL)))), max_size=12).map(sorted))
    @settings(max_examples=40, deadline=None)
    def test_any_segmentation_says_the_same(self, cuts: list[int]) -> None:
        """Where the network cuts does not matter."""
        data = body(numbered(FULL))
        assert decoded(data, *cuts) == decoded(data)

    @given(st.binary(max_size=200), st.integers(0, len(FULL)))
    @settings(max_examples=80, deadline=None)
    def test_garbage_never_raises(self, garbage: bytes, place: int) -> None:
        """Whatever comes, there is one end, and it is the last event."""
        out = decoded(body(FULL[:place]) + garbage + body(FULL[place:]))
        ends = of_kind(out, Failed) + of_kind(out, Finish)
        assert ends
        assert out[-1] is ends[0] or isinstance(out[-1], Failed)

    @given(
        st.recursive(
            st.one_of(
                st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.sampled_from(["message", "completed"])
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(FIELDS),
                    inner,
                    max_size=4,
                ),
            ),
            max_leaves=8,
        ),
        st.sampled_from(sorted({payload["type"] for payload in FULL} | {"error", "response.refusal.delta"})),
        st.integers(0, len(FULL)),
    )
    @settings(max_examples=200, deadline=None)
    def test_wrong_types_never_raise(self, value: Any, kind: str, place: int) -> None:
        """Any JSON in any event is taken in without an exception, and no text is invented."""
        payload = (
            value | {"type": kind} if isinstance(value, dict) else {"type": kind, "item": value, "response": value}
        )
        out = decoded(body([*FULL[:place], payload, *FULL[place:]]))
        assert isinstance(out[-1], Failed | Finish)
        document = decoded(json.dumps(value if isinstance(value, dict) else {"output": value}).encode())
        assert isinstance(document[-1], Failed | Finish)
