"""Answers on the OpenAI wire: every dialect reads as the same events, and nothing broken passes for whole."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_core.errors import ErrorKind
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
from shared_core.providers.openai_chat import OpenAIChatWire
from shared_core.providers.openai_reading import usage_in
from shared_core.providers.sse import DEFAULT_LIMIT

DONE = b"data: [DONE]\n\n"


def decoder(content_type: str = "text/event-stream", **quirks: Any) -> Decoder:
    return OpenAIChatWire().decoder(vendor=Vendor(name="acme", **quirks), content_type=content_type)


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events)


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}


def decoded(body: bytes, pieces: Iterable[bytes] | None = None, **quirks: Any) -> list[WireEvent]:
    wire = decoder(**quirks)
    return [event for piece in pieces or [body] for event in wire.feed(piece)] + wire.end()


def content(events: Iterable[WireEvent]) -> list[WireEvent]:
    return [event for event in events if not isinstance(event, Details)]


def failure(events: list[WireEvent]) -> Failed:
    """The one failure, which must be the last event."""
    assert [isinstance(event, Failed) for event in events] == [False] * (len(events) - 1) + [True]
    assert isinstance(events[-1], Failed)
    return events[-1]


def calls(events: Iterable[WireEvent]) -> dict[int, tuple[str | None, str | None, str]]:
    """Tool calls as a collector would put them together: id, name, arguments; told once each."""
    found: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            call = found.setdefault(event.index, [None, None, ""])
            assert not (call[0] and event.id)
            assert not (call[1] and event.name)
            call[0] = call[0] or event.id
            call[1] = call[1] or event.name
            call[2] += event.arguments
    return {index: (id_, name, arguments) for index, (id_, name, arguments) in found.items()}


def piece(arguments: Any = None, *, name: Any = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return chunk({"tool_calls": [{"type": "function", "function": function, **more}]})


FULL = (
    sse(
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "Grüß"}),
        chunk({"content": " dich 🙂"}),
        chunk({}, "stop"),
        {"id": "c-1", "model": "m-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    )
    + DONE
)


class TestText:
    def test_a_plain_stream_reads_as_its_text_finish_and_usage(self) -> None:
        """Role-only and empty deltas make no content; details come once."""
        assert decoded(FULL) == [
            Details({"id": "c-1", "model": "m-1"}),
            TextDelta("Grüß"),
            TextDelta(" dich 🙂"),
            Finish("stop", "stop"),
            Usage(input_tokens=3, output_tokens=4, total_tokens=7),
        ]

    def test_completion_is_known_at_done(self) -> None:
        """After `[DONE]` the decoder is complete and takes nothing more."""
        wire = decoder()
        wire.feed(FULL[: -len(DONE)])
        assert not wire.is_complete
        wire.feed(DONE)
        assert wire.is_complete
        assert wire.feed(sse(chunk({"content": "more"}))) == []
        assert wire.end() == []

    def test_content_may_come_as_parts(self) -> None:
        """Mistral's reasoning models send lists: thinking becomes reasoning, text text, references nothing."""
        parts = [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "x"}, "so"]},
            {"type": "thinking", "thinking": "plain"},
            {"type": "text", "text": "Hello"},
            {"type": "reference", "reference_ids": [1]},
            {"type": "text", "text": ""},
            "there",
            7,
        ]
        assert content(decoded(sse(chunk({"content": parts}), chunk({}, "stop")))) == [
            ReasoningDelta("hm"),
            ReasoningDelta("so"),
            ReasoningDelta("plain"),
            TextDelta("Hello"),
            TextDelta("there"),
            Finish("stop", "stop"),
        ]

    def test_refusals_are_told_apart_from_text(self) -> None:
        """`delta.refusal` is content of its own kind."""
        events = content(decoded(sse(chunk({"refusal": "I can't."}), chunk({}, "stop"))))
        assert events == [RefusalDelta("I can't."), Finish("stop", "stop")]

    def test_only_the_first_choice_is_read(self) -> None:
        """A second choice belongs to another answer."""
        two = {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]}
        one = {"choices": [{"index": 1, "delta": {"content": "c"}, "finish_reason": "stop"}]}
        assert content(decoded(sse(two, one, chunk({}, "stop")))) == [TextDelta("a"), Finish("stop", "stop")]

    def test_a_summary_after_the_deltas_is_not_told_again(self) -> None:
        """A last chunk with the whole message repeats what was said; beside a delta it is not read at all."""
        whole = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
        both = {"choices": [{"index": 0, "delta": {}, "message": {"content": "Hi"}}]}
        for last in ((whole,), (both, whole)):
            assert content(decoded(sse(chunk({"content": "Hi"}), *last))) == [TextDelta("Hi"), Finish("stop", "stop")]


class TestReasoning:
    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    def test_reasoning_has_two_names(self, field: str) -> None:
        """Vendors write reasoning beside the content, under either name; it comes before the text."""
        events = content(decoded(sse(chunk({"content": "x", field: "hm"}), chunk({}, "stop"))))
        assert events == [ReasoningDelta("hm"), TextDelta("x"), Finish("stop", "stop")]

    def test_reasoning_said_in_several_fields_is_told_once(self) -> None:
        """The form with signatures wins over its plain copies."""
        details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "id": "r", "index": 2}]
        delta = {"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": details}
        events = content(decoded(sse(chunk(delta), chunk({}, "stop"))))
        assert events[0] == ReasoningDelta("hm", index=2, signature="s", id="r")
        assert len(events) == 2
        plain = content(decoded(sse(chunk({"reasoning": "hm", "reasoning_content": "hm"}), chunk({}, "stop"))))
        assert plain[:-1] == [ReasoningDelta("hm")]

    def test_summaries_and_encrypted_reasoning_are_read(self) -> None:
        """OpenRouter's other kinds of details; empty and odd ones say nothing."""
        details: list[Any] = [
            {"type": "reasoning.summary", "summary": "short"},
            {"type": "reasoning.encrypted", "data": "xyz", "index": "?"},
            {"type": "reasoning.text", "text": ""},
            {"type": "reasoning.text", "text": 5},
            "odd",
        ]
        events = content(decoded(sse(chunk({"reasoning_details": details}), chunk({}, "stop"))))
        assert events[:-1] == [ReasoningDelta("short"), ReasoningDelta(data="xyz")]

    def test_empty_reasoning_is_no_content(self) -> None:
        """A field that is there and says nothing makes no event."""
        delta = {"content": "x", "reasoning_content": None, "reasoning": "", "reasoning_details": []}
        assert content(decoded(sse(chunk(delta), chunk({}, "stop"))))[0] == TextDelta("x")


class TestToolCalls:
    def test_parallel_calls_grow_side_by_side(self) -> None:
        """The standard form: index in each piece, id and name in the first."""
        events = decoded(
            sse(
                piece("", index=0, id="a", name="f"),
                piece('{"x"', index=0),
                piece("", index=1, id="b", name="g"),
                piece(": 1}", index=0),
                piece("{}", index=1),
                piece("", index=1),
                chunk({}, "tool_calls"),
            )
        )
        assert calls(events) == {0: ("a", "f", '{"x": 1}'), 1: ("b", "g", "{}")}
        assert content(events)[-1] == Finish("tool_calls", "tool_calls")
        assert len([event for event in events if isinstance(event, ToolCallDelta)]) == 5

    def test_id_and_name_repeated_in_each_piece_are_told_once(self) -> None:
        """Some servers repeat both; with an index or without."""
        for more in ({"index": 0}, {}):
            pieces = [piece(part, id="a", name="f", **more) for part in ('{"x"', ": 1}")]
            assert calls(decoded(sse(*pieces, chunk({}, "tool_calls")))) == {0: ("a", "f", '{"x": 1}')}

    def test_a_new_id_in_each_piece_does_not_split_the_call(self) -> None:
        """Without a name, a further id for the same index is noise."""
        events = decoded(sse(piece("{", index=0, id="a", name="f"), piece("}", index=0, id="z"), chunk({}, "stop")))
        assert calls(events) == {0: ("a", "f", "{}")}

    def test_one_index_for_all_calls_is_told_apart_by_ids(self) -> None:
        """Whole calls that all say index 0, as Gemini's compatible API sends them."""
        events = decoded(
            sse(piece("{}", index=0, id="a", name="f"), piece("{}", index=0, id="b", name="f"), chunk({}, "tool_calls"))
        )
        assert calls(events) == {0: ("a", "f", "{}"), 1: ("b", "f", "{}")}

    def test_calls_without_an_index_are_told_apart_by_ids(self) -> None:
        """Whole calls in one chunk, with ids alone."""
        both = [{"id": id_, "function": {"name": "f", "arguments": "{}"}} for id_ in ("a", "b")]
        assert calls(decoded(sse(chunk({"tool_calls": both}), chunk({}, "tool_calls")))) == {
            0: ("a", "f", "{}"),
            1: ("b", "f", "{}"),
        }

    def test_calls_without_index_and_id_are_told_apart_by_completeness(self) -> None:
        """A name begins a new call if it is another one or if the last call's arguments are whole."""
        events = decoded(
            sse(
                piece("{", name="f"),
                piece('"x": 1}', name="f"),
                piece("{}", name="f"),
                piece(name="g"),
                piece("{}"),
                chunk({}, "tool_calls"),
            )
        )
        assert [call[1:] for call in calls(events).values()] == [("f", '{"x": 1}'), ("f", "{}"), ("g", "{}")]

    def test_every_call_has_an_id_in_the_end(self) -> None:
        """Calls without one are given ids that differ, and are the same for the same answer."""
        stream = sse(piece("{}", index=0, id="", name="f"), piece("{}", index=1, name="f"), chunk({}, "stop"))
        found = calls(decoded(stream))
        ids = [id_ for id_, _, _ in found.values()]
        assert len(set(ids)) == 2
        assert all(id_ is not None and id_.startswith("call_") for id_ in ids)
        assert calls(decoded(stream)) == found

    def test_an_id_that_comes_late_is_taken(self) -> None:
        """The first id that comes for a call is its id; a name may come after the arguments began."""
        events = decoded(sse(piece("{", index=3), piece("}", index=3, id="a", name="f"), chunk({}, "tool_calls")))
        assert calls(events) == {0: ("a", "f", "{}")}

    def test_arguments_may_come_as_an_object(self) -> None:
        """Arguments that are not text are written as JSON."""
        events = decoded(sse(piece({"x": [1]}, index=0, id="a", name="f"), chunk({}, "tool_calls")))
        assert calls(events) == {0: ("a", "f", '{"x":[1]}')}

    def test_the_old_function_call_is_a_tool_call(self) -> None:
        """`function_call` grows like a tool call of index 0."""
        events = decoded(
            sse(
                chunk({"function_call": {"name": "f", "arguments": "{"}}),
                chunk({"function_call": {"arguments": "}"}}),
                chunk({}, "function_call"),
            )
        )
        ((_, name, arguments),) = calls(events).values()
        assert (name, arguments) == ("f", "{}")
        assert content(events)[-1] == Finish("tool_calls", "function_call")

    def test_stop_after_a_tool_call_means_tool_calls(self) -> None:
        """Servers that know one end only, and calls that were forced, end in "stop"."""
        events = decoded(sse(piece("{}", index=0, id="a", name="f"), chunk({}, "stop")))
        assert content(events)[-1] == Finish("tool_calls", "stop")

    def test_odd_pieces_are_passed_over(self) -> None:
        """A piece that is no object, or says nothing, makes no event."""
        odd: list[Any] = [None, 3, {}, {"function": "f"}, {"index": True, "id": 5, "function": {"name": 1}}]
        events = content(decoded(sse(chunk({"tool_calls": odd, "content": "x"}), chunk({}, "length"))))
        assert events[0] == TextDelta("x")
        assert events[-1] == Finish("length", "length")


class TestFinish:
    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            ("stop", "stop"),
            ("STOP", "stop"),
            ("eos", "stop"),
            ("end_turn", "stop"),
            ("length", "length"),
            ("model_length", "length"),
            ("MAX_TOKENS", "length"),
            ("tool_calls", "tool_calls"),
            ("content_filter", "content_filter"),
            ("sensitive", "content_filter"),
            ("network_error", "error"),
            ("insufficient_system_resource", "error"),
            ("error", "error"),
            ("abort", "error"),
            ("refusal", "refusal"),
            ("pause_turn", "pause"),
            ("something_new", "other"),
        ],
    )
    def test_every_word_for_the_end_has_a_meaning(self, raw: str, reason: str) -> None:
        """The provider's word is kept beside what it means."""
        (finish,) = (event for event in decoded(sse(chunk({"content": "x"}, raw))) if isinstance(event, Finish))
        assert (finish.reason, finish.raw) == (reason, raw)

    def test_a_finish_reason_ends_the_answer_without_done(self) -> None:
        """A missing `[DONE]` after the finish reason is fine, and so is a cut or garbled rest."""
        body = sse(chunk({"content": "x"}), chunk({}, "stop"))
        for rest in (b"", b"data: [DON", b'data: {"usage": {"pro', b"data: {]\n\n", b": ping\n\n", DONE):
            assert content(decoded(body + rest)) == [TextDelta("x"), Finish("stop", "stop")]

    def test_a_finish_reason_is_told_once(self) -> None:
        """Repeated in the usage chunk, it is no second end."""
        body = sse(chunk({"content": "x"}, "stop"), chunk({}, "stop", usage={"total_tokens": 5}))
        assert content(decoded(body)) == [TextDelta("x"), Finish("stop", "stop"), Usage(total_tokens=5)]

    @pytest.mark.parametrize("nothing", [None, "", "null", 0, False, 7, {}])
    def test_words_that_are_no_finish_reason(self, nothing: Any) -> None:
        """Empty, "null" and wrong types do not end an answer."""
        assert failure(decoded(sse(chunk({"content": "x"}, nothing)) + DONE)).error.code == "truncated"

    def test_the_last_event_may_lack_its_blank_line(self) -> None:
        """A server that ends right after its last event is read to the end."""
        body = sse(chunk({"content": "x"}), chunk({}, "stop"))
        assert content(decoded(body.rstrip(b"\n"))) == [TextDelta("x"), Finish("stop", "stop")]
        assert content(decoded((body + DONE).rstrip(b"\n"))) == [TextDelta("x"), Finish("stop", "stop")]

    def test_a_vendor_may_end_with_done_alone(self) -> None:
        """Only where the vendor's row says so, and only after something came."""
        body = sse(chunk({"content": "x"})) + DONE
        assert content(decoded(body, ends_with_done=True)) == [TextDelta("x"), Finish("stop", "stop")]
        assert failure(decoded(DONE, ends_with_done=True)).error.code == "empty"
        assert failure(decoded(sse(chunk({"content": "x"})), ends_with_done=True)).error.code == "truncated"


class TestUsage:
    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            (
                {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "total_tokens": 15,
                    "prompt_tokens_details": {"cached_tokens": 8},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                },
                Usage(10, 5, 15, cache_read_tokens=8, reasoning_tokens=2),
            ),
            ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4}, Usage(10, 0, 10, cache_read_tokens=4)),
            ({"prompt_tokens": 10, "cached_tokens": 4}, Usage(10, 0, 10, cache_read_tokens=4)),
            (
                {"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 3, "audio_tokens": 2}},
                Usage(9, 0, 9, cache_write_tokens=3, audio_input_tokens=2),
            ),
            ({"input_tokens": 1, "output_tokens": 2.0}, Usage(1, 2, 3)),
            (
                {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22, "reasoning_tokens": 7},
                Usage(10, 12, 22, reasoning_tokens=7),
            ),
            ({"prompt_tokens": "9", "completion_tokens": -1, "total_tokens": True}, None),
            ({"prompt_tokens": 1, "prompt_tokens_details": [], "completion_tokens_details": None}, Usage(1, 0, 1)),
            ({}, None),
        ],
    )
    def test_usage_is_read_in_every_dialect(self, usage: dict[str, Any], expected: Usage | None) -> None:
        """Cached and reasoning tokens stand in different places; output counts reasoning."""
        assert usage_in(usage) == expected

    def test_usage_in_every_chunk_is_told_at_the_end(self) -> None:
        """Counts that grow with each chunk make one event."""
        body = sse(*(chunk({"content": "x"}, usage={"total_tokens": n}) for n in (1, 2)))
        events = decoded(body + sse(chunk({}, "stop", usage={"total_tokens": 3})) + DONE)
        assert [event for event in events if isinstance(event, Usage)] == [Usage(total_tokens=3)]

    def test_usage_may_hide_in_the_choice_or_in_a_vendors_own_field(self) -> None:
        """Moonshot puts it into the choice, Groq into `x_groq`."""
        moonshot = chunk({}, "stop")
        moonshot["choices"][0]["usage"] = {"total_tokens": 3}
        groq = chunk({}, "stop", x_groq={"id": "r", "usage": {"total_tokens": 3}})
        for last in (moonshot, groq):
            assert Usage(total_tokens=3) in decoded(sse(chunk({"content": "x"}), last))

    def test_a_broken_stream_still_tells_what_it_cost(self) -> None:
        """Usage that came before the break stands before the failure."""
        events = decoded(sse(chunk({"content": "x"}, usage={"total_tokens": 9})))
        assert events[-2] == Usage(total_tokens=9)
        assert failure(events).error.code == "truncated"

    def test_odd_usage_is_passed_over(self) -> None:
        """Wrong types are no usage."""
        for odd in ([1], {"prompt_tokens": "x"}):
            assert content(decoded(sse(chunk({}, "stop", usage=odd, x_groq="?")))) == [Finish("stop", "stop")]


class TestDetails:
    def test_details_come_once_and_lists_may_grow(self) -> None:
        """Words are told once; citations again when there are more of them."""
        events = decoded(
            sse(
                chunk({"content": "x"}, system_fingerprint="fp", citations=["a"], service_tier=None, obfuscation="zz"),
                chunk({"content": "y"}, system_fingerprint="fp", citations=["a"], service_tier=None, obfuscation="z"),
                chunk({}, "stop", system_fingerprint="other", citations=["a", "b"], service_tier="flex"),
            )
        )
        assert [event.values for event in events if isinstance(event, Details)] == [
            {"id": "c-1", "model": "m-1", "system_fingerprint": "fp", "citations": ["a"]},
            {"citations": ["a", "b"], "service_tier": "flex"},
        ]

    def test_annotations_of_the_message_are_details(self) -> None:
        """Web citations beside the content add up."""
        events = decoded(
            sse(
                chunk({"annotations": [1]}), chunk({"annotations": [2]}), chunk({"annotations": "?"}), chunk({}, "stop")
            )
        )
        assert Details({"annotations": [1, 2]}) in events

    def test_a_first_chunk_without_choices_is_no_error(self) -> None:
        """Azure begins with the verdict on the prompt, and empty names."""
        azure = {"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]}
        events = decoded(sse(azure, chunk({"content": "x"}), chunk({}, "stop")))
        assert events[0] == Details({"prompt_filter_results": [{"prompt_index": 0}]})
        assert events[-1] == Finish("stop", "stop")


class TestFailures:
    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ({"error": {"message": "Rate limit reached", "type": "rate_limit", "code": 429}}, ErrorKind.RATE_LIMIT),
            ({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMIT),
            ({"error": {"message": "Overloaded", "code": 503}, "choices": [{"delta": {}}]}, ErrorKind.TRANSIENT),
            ({"error": "The server is overloaded", "status_code": 503}, ErrorKind.TRANSIENT),
            ({"object": "error", "message": "Internal server error", "code": 500}, ErrorKind.TRANSIENT),
            ({"code": 503, "message": "The service is unavailable"}, ErrorKind.TRANSIENT),
            ({"code": "503", "message": "Try later"}, ErrorKind.TRANSIENT),
            ([{"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}}], None),
            ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, None),
            ({"type": "error", "msg": "boom"}, None),
            ({"success": False, "detail": "boom"}, None),
            ({"error_code": 336003, "error_msg": "boom"}, None),
        ],
    )
    def test_error_events_fail_with_their_own_meaning(self, event: Any, kind: ErrorKind | None) -> None:
        """An error inside a 200 is classified as if it had been a response."""
        for before in (b"", sse(chunk({"role": "assistant"})), sse(chunk({"content": "x"}))):
            wire = decoder()
            events = wire.feed(before + sse(event, chunk({"content": "more"}, "stop")))
            error = failure(events).error
            assert error.provider == "acme"
            assert kind is None or error.kind is kind
            assert wire.is_complete
            assert wire.end() == []

    def test_an_event_named_error_fails_whatever_it_holds(self) -> None:
        """`event: error` with words, or with JSON that looks like none."""
        for data in (b"overloaded", b'{"x": 1}', b'"boom"'):
            failure(decoded(b"event: error\ndata: " + data + b"\n\n"))

    def test_minimax_states_errors_beside_choices(self) -> None:
        """Status 0 is none; another one fails, wherever it stands."""
        good, bad = ({"status_code": code, "status_msg": "x"} for code in (0, 1002))
        start = chunk({"content": "x"}, base_resp=good)
        assert content(decoded(sse(start, chunk({}, "stop", base_resp=good))))[-1] == Finish("stop", "stop")
        failure(decoded(sse(start, chunk({}, "stop", base_resp=bad))))
        failure(decoded(sse(chunk({"content": "x"}, base_resp=bad))))

    def test_an_error_after_the_finish_reason_still_fails(self) -> None:
        """A provider that says that something went wrong is believed."""
        failure(decoded(sse(chunk({"content": "x"}, "stop"), {"error": {"message": "boom"}})))

    @pytest.mark.parametrize(
        "garbage",
        [
            b"data: {]\n\n",
            b"data: hello\n\n",
            b"data: 7\n\n",
            b"data: []\n\n",
            b'data: ["x"]\n\n',
            b"data: null\n\n",
            sse({"choices": "x"}),
            sse({"choices": {"a": 1}}),
            sse({"choices": ["x"]}),
            sse(chunk("text")),
            sse(chunk([1])),
            sse(chunk({"content": {"a": 1}})),
            sse(chunk({"content": 7})),
            sse(chunk({"tool_calls": "x"})),
            b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
            b"data: " + b"[" * 100_000 + b"\n\n",
        ],
    )
    def test_garbage_breaks_the_stream(self, garbage: bytes) -> None:
        """An event that cannot be read may have carried text."""
        error = failure(decoded(sse(chunk({"content": "x"})) + garbage + sse(chunk({}, "stop")))).error
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "malformed")

    def test_keepalives_are_not_garbage(self) -> None:
        """Comments, pings and empty data say nothing."""
        noise = b": OPENROUTER PROCESSING\n\nevent: ping\ndata: ping\n\ndata:\n\ndata: {}\n\n" + sse({"type": "ping"})
        assert content(decoded(noise + sse(chunk({"content": "x"}, "stop")))) == [
            TextDelta("x"),
            Finish("stop", "stop"),
        ]

    def test_a_stream_that_stops_is_truncated(self) -> None:
        """Text without a finish reason is never a success, with `[DONE]` or without."""
        for body in (
            sse(chunk({"role": "assistant"})),
            sse(chunk({"content": "x"})),
            sse(chunk({"content": "x"})) + DONE,
        ):
            error = failure(decoded(body)).error
            assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "truncated")

    @pytest.mark.parametrize("body", [b"", b"\n\n", b": ping\n\n", DONE, b"event: x\n\n", b'data: {"ch'])
    def test_a_stream_of_nothing_is_empty(self, body: bytes) -> None:
        """Nothing but noise, or `[DONE]` alone, is a failure of its own code."""
        error = failure(decoded(body)).error
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, "empty")

    def test_an_event_without_measure_breaks_the_stream(self) -> None:
        """Memory is bounded; what came before the event is still told."""
        body = sse(chunk({"content": "x"})) + b"data: " + b"x" * DEFAULT_LIMIT
        events = decoded(body)
        assert events[1] == TextDelta("x")
        assert failure(events).error.code == "malformed"


class TestDocuments:
    ANSWER: ClassVar[dict[str, Any]] = {
        "id": "c-1",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "reasoning_content": "hm",
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }

    @pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", ""])
    def test_a_whole_answer_reads_like_a_stream(self, content_type: str) -> None:
        """JSON in place of a stream is read whatever the content type says, in any segmentation."""
        body = b" \n" + json.dumps(self.ANSWER).encode()
        for size in (1, 7, len(body)):
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            events = decoded(body, pieces, content_type=content_type)
            assert events == [
                Details({"id": "c-1", "model": "m-1"}),
                ReasoningDelta("hm"),
                TextDelta("Hi"),
                ToolCallDelta(0, "a", "f", "{}"),
                ToolCallDelta(1, "b", "f", "{}"),
                Finish("tool_calls", "tool_calls"),
                Usage(1, 2, 3),
            ]

    def test_a_whole_answer_needs_no_finish_reason(self) -> None:
        """That the document parses proves that nothing is missing."""
        answer = {"choices": [{"message": {"content": "Hi"}}], "usage": {"total_tokens": 3}}
        events = decoded(json.dumps(answer).encode())
        assert events == [TextDelta("Hi"), Finish("stop", "stop"), Usage(total_tokens=3)]

    def test_a_stream_under_a_wrong_content_type_is_a_stream(self) -> None:
        """Servers that call their event stream JSON or plain text are read all the same."""
        for content_type in ("application/json", "text/plain; charset=utf-8", "text/html"):
            assert decoded(FULL, content_type=content_type) == decoded(FULL)
            assert decoded(FULL, [FULL[:1], FULL[1:]], content_type=content_type) == decoded(FULL)
            assert content(decoded(b": hi\n\n" + FULL, content_type=content_type)) == content(decoded(FULL))

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}', ""),
            (b'{"code": 500, "msg": "boom", "success": false}', "application/json"),
            (b'[{"error": {"code": 400, "message": "boom"}}]', "application/json"),
            (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "text/html"),
            (b"<html>", "text/event-stream"),
            (b"upstream connect error or disconnect", "text/plain"),
            (b"no healthy upstream\n" * 500, ""),
        ],
    )
    def test_errors_and_pages_with_status_200_fail(self, body: bytes, content_type: str) -> None:
        """What is no answer is classified by what it says."""
        assert failure(decoded(body, content_type=content_type)).error.provider == "acme"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b'{"choices": [{"message": {"content": "Hi"', "truncated"),
            (b'{"choices": []}', "truncated"),
            (b'{"choices": [{"message": {}}]}', "truncated"),
            (b'{"choices": [{"message": {"content": 7}}]}', "malformed"),
            (b"[1]", "malformed"),
            (b"{}", "truncated"),
            (b"{" + b" " * DEFAULT_LIMIT, "malformed"),
        ],
    )
    def test_what_is_no_whole_answer_fails(self, body: bytes, code: str) -> None:
        """Cut, empty, odd and boundless documents are transient failures."""
        error = failure(decoded(body)).error
        assert (error.kind, error.code) == (ErrorKind.TRANSIENT, code)

    def test_a_document_without_measure_is_dropped(self) -> None:
        """Once too large, it fails at once and takes nothing more."""
        wire = decoder()
        wire.feed(b"{")
        failure(wire.feed(b" " * DEFAULT_LIMIT))
        assert wire.is_complete
        assert wire.feed(b"}") == []
        assert wire.end() == []


def told(events: Iterable[WireEvent]) -> tuple[str, str, bool]:
    """Text, reasoning, and whether it failed."""
    events = list(events)
    return (
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        any(isinstance(event, Failed) for event in events),
    )


LONG = (
    sse(
        chunk({"role": "assistant", "content": None, "reasoning_content": "Denk"}),
        chunk({"content": None, "reasoning_content": "en…"}),
    )
    + b": ping\r\n\r\n"
    + sse(
        chunk({"content": "Grüß"}),
        chunk({"content": " dich 🙂"}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
    )
    + DONE
)
FINISHED = LONG.index(b'"tool_calls"}]') + len(b'"tool_calls"}]')


def test_a_cut_anywhere_gives_all_or_a_failure() -> None:
    """Cut after every byte, the answer is complete or has failed; never is less of it a success."""
    whole = told(decoded(LONG))
    assert whole == ("Grüß dich 🙂", "Denken…", False)
    succeeded = []
    for cut in range(len(LONG)):
        events = decoded(LONG[:cut])
        if told(events)[-1]:
            failure(events)
        else:
            assert told(events) == whole
            succeeded.append(cut)
    assert succeeded
    assert min(succeeded) > FINISHED


@settings(deadline=None)
@given(st.lists(st.integers(0, len(LONG)), max_size=10))
def test_any_segmentation_gives_the_same_answer(cuts: list[int]) -> None:
    """Where the network cuts makes no difference."""
    bounds = [0, *sorted(cuts), len(LONG)]
    pieces = [LONG[start:end] for start, end in pairwise(bounds)]
    assert decoded(LONG, pieces) == decoded(LONG)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "reasoning_content", "reasoning", "reasoning_details"),
        *("refusal", "tool_calls", "function_call", "index", "function", "name", "arguments", "id", "model"),
        *("usage", "finish_reason", "error", "code", "base_resp", "status_code", "x_groq", "annotations"),
        *("type", "text", "thinking", "prompt_tokens", "total_tokens", "completion_tokens_details"),
        *("citations"),
    ]
)
SHAPES = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SHAPES | st.builds(chunk, SHAPES, SHAPES), max_size=5), st.booleans())
def test_wrong_types_anywhere_never_raise(shapes: list[Any], is_document: bool) -> None:
    """Whatever a server puts into the fields, there are events, and a failure is the last of them."""
    body = json.dumps(shapes[0] if shapes else {}).encode() if is_document else sse(*shapes) + DONE
    events = decoded(body)
    failures = [event for event in events if isinstance(event, Failed)]
    assert failures in ([], events[-1:])
    assert failures or any(isinstance(event, Finish) for event in events)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from(["", "text/plain", "application/json"]))
def test_random_bytes_end_in_a_failure(pieces: list[bytes], content_type: str) -> None:
    """Noise is never an answer."""
    failure(decoded(b"", pieces or [b""], content_type=content_type))
