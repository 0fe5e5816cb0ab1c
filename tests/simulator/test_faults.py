"""Faults: what each puts on the wire, over every wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator import Fault, Reply, Simulator

TEXT = Reply("one two three")


def read(client: httpx.Client, url: str, body: dict[str, Any]) -> tuple[httpx.Response, bytes, str | None]:
    """The response, the bytes that came, and the name of the error that ended them."""
    raw = b""
    with client.stream("POST", url, json=body) as response:
        try:
            for data in response.iter_raw():
                raw += data
        except httpx.TransportError as error:
            return response, raw, type(error).__name__
    return response, raw, None


BROKEN_BODIES: list[tuple[str, Fault, str, str | None]] = [
    ("reset", Fault.reset(2, reply=TEXT), "one two", "ReadError"),
    ("reset at once", Fault.reset(0, opening=False, reply=TEXT), "", "ReadError"),
    ("cut", Fault.cut(2, reply=TEXT), "one two", "RemoteProtocolError"),
    ("cut in an event", Fault.cut(2, where="mid_event", reply=TEXT), "one two", "RemoteProtocolError"),
    ("cut at the end", Fault.cut(9, where="mid_event", reply=TEXT), "one two three", "RemoteProtocolError"),
    ("cut in ASCII", Fault.cut(1, where="mid_character", reply=TEXT), "one", "RemoteProtocolError"),
    ("truncated", Fault.truncated(2, reply=TEXT), "one two", None),
    ("truncated late", Fault.truncated(reply=TEXT), "one two three", None),
    ("role only", Fault.truncated(0, reply=TEXT), "", None),
    ("error event", Fault.error_event(after=1, reply=TEXT), "one", None),
    ("malformed", Fault.malformed(1, reply=TEXT), "one three", None),
    ("malformed in own words", Fault.malformed(1, "{]", reply=TEXT), "one three", None),
    ("empty", Fault.empty(), "", None),
    ("garbage", Fault.garbage(), "", None),
]


@pytest.mark.parametrize(("name", "fault", "text", "error"), BROKEN_BODIES, ids=[row[0] for row in BROKEN_BODIES])
def test_a_stream_breaks_where_it_is_told_to(
    sim: Simulator, client: httpx.Client, tongue: Any, name: str, fault: Fault, text: str, error: str | None
) -> None:
    """The text before the break arrives, no finish does, and the connection ends as the fault says."""
    sim.script("m", fault)
    response, raw, ended = read(client, tongue.url(sim), tongue.body())
    finishes = [b'"finish_reason":"', b"message_stop", b"response.completed", b"finishReason"]
    assert response.status_code == 200
    assert tongue.streamed_text(raw) == text
    assert ended == error
    assert any(mark in raw for mark in finishes) is (fault.kind == "malformed")
    assert sim.requests[0].finished


@pytest.mark.parametrize("fault", [Fault.reset(1), Fault.cut(1), Fault.truncated(1), Fault.garbage(), Fault.empty()])
def test_a_whole_answer_breaks_in_its_middle(sim: Simulator, client: httpx.Client, tongue: Any, fault: Fault) -> None:
    """Where no stream was asked for, the JSON body is broken."""
    sim.script("m", fault)
    _, raw, ended = read(client, tongue.url(sim, stream=False), tongue.body(stream=False))
    assert (ended is not None) is (fault.kind in {"reset", "cut"})
    with pytest.raises(ValueError, match=r"."):
        json.loads(raw)


def test_a_whole_answer_may_be_malformed_or_an_error(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """Bad JSON, an error object under a 200, or empty lines before a healthy answer."""
    sim.script("m", Fault.malformed(), Fault.error_event(), Fault.keepalive(0.02, interval=0.01))
    url, body = tongue.url(sim, stream=False), tongue.body(stream=False)
    with pytest.raises(ValueError, match=r"."):
        client.post(url, json=body).json()
    assert client.post(url, json=body).json()["error"]["message"]
    late = client.post(url, json=body)
    assert late.text.startswith("\n\n{")
    assert tongue.whole_text(late.json()) == "You said: Hi you"


def test_a_character_is_cut_in_two(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """The last byte that arrives begins a UTF-8 sequence that never ends."""
    sim.script("m", Fault.cut(1, where="mid_character", reply=Reply("one two wörld")))
    _, raw, _ = read(client, tongue.url(sim), tongue.body())
    assert raw.endswith(b"w\xc3")


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.reset(), httpx.ReadError), (Fault.close(), httpx.RemoteProtocolError)]
)
def test_a_connection_may_end_before_any_byte(
    sim: Simulator, client: httpx.Client, tongue: Any, fault: Fault, error: type[Exception]
) -> None:
    """By RST or by FIN; the server has no status to show."""
    sim.script("m", fault)
    with pytest.raises(error):
        client.post(tongue.url(sim), json=tongue.body())
    assert sim.requests[0].status is None


@pytest.mark.parametrize("fault", [Fault.silent(), Fault.stall(1)], ids=["silent", "stall"])
def test_silence_lasts_until_the_client_leaves(sim: Simulator, client: httpx.Client, tongue: Any, fault: Fault) -> None:
    """The server sees the client go and records that."""
    sim.script("m", fault)
    with pytest.raises(httpx.ReadTimeout):
        client.post(tongue.url(sim), json=tongue.body(), timeout=0.1)
    sim.wait_for(lambda: sim.requests[0].aborted)
    assert sim.requests[0].status == (None if fault.kind == "silent" else 200)


@pytest.mark.parametrize("make", [Fault.silent, lambda seconds: Fault.stall(1, seconds), Fault.slow])
def test_silence_may_end(sim: Simulator, client: httpx.Client, tongue: Any, make: Callable[[float], Any]) -> None:
    """After its time the whole answer is there."""
    sim.script("m", make(0.03))
    response = client.post(tongue.url(sim), json=tongue.body())
    record = sim.requests[0]
    assert tongue.streamed_text(response.content) == "You said: Hi you"
    assert record.ended is not None
    assert record.ended - record.time >= 0.03


def test_keepalives_come_for_a_time(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """The wire's own, or a comment of one's own, between the opening and the answer."""
    sim.script("m", Fault.keepalive(0.03, interval=0.01), Fault.keepalive(0.01, interval=0.01, comment=": wait"))
    first, second = (client.post(tongue.url(sim), json=tongue.body()) for _ in range(2))
    assert first.text.count('event: ping\ndata: {"type":"ping"}' if tongue.name == "anthropic" else ": ping") == 3
    assert second.text.count(": wait") == 1
    assert tongue.streamed_text(first.content) == tongue.streamed_text(second.content) == "You said: Hi you"


def test_keepalives_come_for_ever(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """Bytes keep coming, content does not; leaving is the client's part."""
    sim.script("m", Fault.keepalive(interval=0.001))
    with client.stream("POST", tongue.url(sim), json=tongue.body()) as response:
        raw = b""
        for data in response.iter_raw():
            raw += data
            if raw.count(b"ping") > 20:
                break
    assert tongue.streamed_text(raw) == ""
    sim.wait_for(lambda: sim.requests[0].aborted)


def test_the_mark_after_the_finish_may_be_missing(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """All text and the finish reason are there; wires without such a mark answer healthily."""
    sim.script("m", Fault.no_done())
    raw = client.post(tongue.url(sim), json=tongue.body()).text
    finish = {"openai": '"stop"', "anthropic": "end_turn", "responses": "response.completed", "gemini": "STOP"}
    assert finish[tongue.name] in raw
    assert "[DONE]" not in raw
    assert "message_stop" not in raw


def test_a_stream_may_be_nothing_but_its_end(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """`[DONE]` or `message_stop` alone; nothing at all in wires that have no such mark."""
    sim.script("m", Fault.only_done())
    raw = client.post(tongue.url(sim), json=tongue.body()).text
    marks = {"openai": "data: [DONE]\n\n", "anthropic": 'event: message_stop\ndata: {"type":"message_stop"}\n\n'}
    assert raw == marks.get(tongue.name, "")


def test_an_error_inside_a_stream_has_the_wires_form(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """The wire's overload error, a named one, a given one; before the opening too."""
    own = {"error": {"message": "mine", "code": "odd"}}
    sim.script(
        "m", Fault.error_event(), Fault.error_event("openai.rate_limit", 1), Fault.error_event(own, opening=False)
    )
    url, body = tongue.url(sim), tongue.body()
    first, second, third = (tongue.events(client.post(url, json=body).content) for _ in range(3))
    errors = [next(event["error"] for event in some if "error" in event) for some in (first, second, third)]
    assert "overloaded" in errors[0]["message"]
    assert "Rate limit reached for m " in errors[1]["message"]
    assert errors[2] == own["error"]
    assert "error" in third[0]
    if tongue.name == "responses":
        assert [event["sequence_number"] for event in second] == list(range(len(second)))
        assert second[-1]["response"]["error"]["code"] == "rate_limit_exceeded"


def test_a_named_page_becomes_an_error_event(sim: Simulator, client: httpx.Client) -> None:
    """A named error whose body is no object is wrapped, since an event must be JSON."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    sim.script("m", Fault.error_event("gateway.bad_gateway"))
    assert "502 Bad Gateway" in client.post(sim.base_url + "/chat/completions", json=body).text


def test_a_documented_error_event_goes_out_as_it_is(sim: Simulator, client: httpx.Client) -> None:
    """The Responses API documents an `error` event whose fields are not nested."""
    sim.script("m", Fault.error_event({"type": "error", "code": "server_error", "message": "mine", "param": None}))
    raw = client.post(sim.base_url + "/responses", json={"model": "m", "input": "x", "stream": True}).text
    assert raw.endswith('{"type":"error","sequence_number":2,"code":"server_error","message":"mine","param":null}\n\n')


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 429, 500, 502, 503, 504, 529])
def test_a_bare_status_has_the_providers_error_body(
    sim: Simulator, client: httpx.Client, tongue: Any, status: int
) -> None:
    """Without a body it is the wire's own error object."""
    sim.script("m", Fault.status(status, headers={"Retry-After": "2"}))
    answer = client.post(tongue.url(sim), json=tongue.body())
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fault", "content_type", "text"),
    [
        (Fault.status(503, {"detail": "dé"}), "application/json", '{"detail":"dé"}'),
        (Fault.status(503, "plain"), "text/plain; charset=utf-8", "plain"),
        (Fault.status(200, "<p>"), "text/html", "<p>"),
        (Fault.status(500, ""), "text/plain; charset=utf-8", ""),
        (Fault.status(500, [], {"content-type": "odd/one"}, delay=0.01), "odd/one", "[]"),
        (Fault.redirect("/login"), "text/plain", ""),
        (Fault.named("gateway.unavailable"), "text/plain; charset=utf-8", "upstream connect error or"),
        (Fault.named("gateway.timeout"), "text/html", "<html><head><title>504"),
        (Fault.html(), "text/html; charset=utf-8", "<!DOCTYPE html>"),
    ],
)
def test_a_status_has_any_body(
    sim: Simulator, client: httpx.Client, tongue: Any, fault: Fault, content_type: str, text: str
) -> None:
    """JSON values, text and pages, with the content type that fits or the one that is given."""
    sim.script("m", fault)
    answer = client.post(tongue.url(sim), json=tongue.body())
    assert answer.headers["content-type"] == content_type
    assert answer.text.startswith(text)


def test_the_answer_may_come_in_the_wrong_form(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """A whole JSON answer to a streaming request, and a stream under another content type."""
    sim.script("m", Fault.whole(), Fault.content_type("text/plain"))
    whole, typed = (client.post(tongue.url(sim), json=tongue.body()) for _ in range(2))
    assert whole.headers["content-type"] == "application/json"
    assert tongue.whole_text(whole.json()) == "You said: Hi you"
    assert typed.headers["content-type"] == "text/plain"
    assert tongue.streamed_text(typed.content) == "You said: Hi you"


@pytest.mark.parametrize("make", [lambda: Fault.cut(-1), lambda: Fault.keepalive(1, interval=0)])
def test_impossible_faults_are_refused(make: Callable[[], Fault]) -> None:
    """Less than no chunk, or keepalives without a pause."""
    with pytest.raises(ConfigurationError, match="interval must be above 0"):
        make()


def test_a_line_may_be_huge(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """Two megabytes in one event arrive whole, through a socket buffer that is smaller."""
    sim.script("m", Fault.huge_line(2_000_000))
    assert len(tongue.streamed_text(client.post(tongue.url(sim), json=tongue.body()).content)) == 2_000_000
