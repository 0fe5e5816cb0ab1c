"""Server-sent events after the WHATWG standard, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.providers.sse import EventTooLargeError, ServerSentEvent, SSEParser


def parsed(data: bytes, *cuts: int) -> list[ServerSentEvent]:
    """Events of `data`, fed in the pieces between `cuts`."""
    parser = SSEParser()
    bounds = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(bounds)]
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def datas(data: bytes) -> list[bytes]:
    return [event.data for event in parsed(data)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: one\n\n", [b"one"]),
        (b"data: one\r\n\r\n", [b"one"]),
        (b"data: one\r\r", [b"one"]),
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\r", [b"one", b"two"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"data:one\ndata:two\ndata:three\n\n", [b"one\ntwo\nthree"]),
        (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
        (b"data: \n\n", [b""]),
        (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: one\n\n", []),
        (b": a comment\n\ndata: one\n: inside\n\n:\n\n", [b"one"]),
        (b"\n\n\ndata: one\n\n\n", [b"one"]),
        (b"retry: 10\nfoo: bar\nbaz\ndata: one\n\n", [b"one"]),
        (b"DATA: one\n\n data: two\n\n", []),
        (b"event: x\n\ndata: one\n\n", [b"one"]),
        ("data: grüße 🙂\n\n".encode(), ["grüße 🙂".encode()]),
        (b"", []),
    ],
)
def test_streams_read_as_the_standard_says(stream: bytes, expected: list[bytes]) -> None:
    """Line ends, the byte order mark, comments, unknown fields and blank lines mean what the standard says."""
    assert datas(stream) == expected


def test_event_names_last_for_one_event_and_ids_until_the_next() -> None:
    """An event name belongs to its event; an id stays, and one with NUL is ignored."""
    events = parsed(
        b"event: ping\nid: 7\ndata: a\n\ndata: b\n\nid: 8\0\ndata: c\n\nevent: x\n\ndata: d\n\nid\ndata: e\n\n"
    )
    assert [(event.event, event.id, event.data) for event in events] == [
        ("ping", "7", b"a"),
        ("message", "7", b"b"),
        ("message", "7", b"c"),
        ("message", "7", b"d"),
        ("message", "", b"e"),
    ]


def test_invalid_utf8_in_names_is_replaced_and_data_is_left_alone() -> None:
    """Data stays the bytes that came; names are text."""
    (event,) = parsed(b"event: \xff\ndata: \xff\n\n")
    assert event == ServerSentEvent("�", b"\xff")


def test_a_stream_cut_off_keeps_its_last_event_for_the_end() -> None:
    """What the end of the stream left unfinished is pending, and comes out once at the end."""
    parser = SSEParser()
    assert parser.feed(b"data: one\n\ndata: two\nda") == [ServerSentEvent("message", b"one")]
    assert parser.pending
    assert parser.end() == [ServerSentEvent("message", b"two")]
    assert not parser.pending
    assert parser.end() == []


def test_the_end_takes_a_line_without_its_end() -> None:
    """The last line counts even if its line end is missing, with a byte order mark or without."""
    assert datas(b"data: one") == [b"one"]
    assert datas(b"\xef\xbb\xbfdata: one") == [b"one"]
    assert datas(b"data: one\ndata: t") == [b"one\nt"]
    assert datas(b"event: x\nda") == []


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_limit_holds_for_one_long_line(cut: int) -> None:
    """A line above the limit is an error, in one piece or many; what came before it is not lost."""
    stream = b"data: ok\n\ndata: " + b"x" * 30 + b"\n\n"
    parser = SSEParser(limit=20)
    events: list[ServerSentEvent] = []

    def feed_all() -> None:
        for piece in (stream[:cut], stream[cut:]):
            events.extend(parser.feed(piece))

    with pytest.raises(EventTooLargeError, match="larger than 20 bytes") as caught:
        feed_all()
    assert [event.data for event in (*events, *caught.value.events)] == [b"ok"]


def test_a_limit_holds_for_many_short_lines() -> None:
    """The data of one event is limited as a whole; the sum starts anew with each event."""
    parser = SSEParser(limit=13)
    for first in (b"data:12345\n", b"data: 12345\n") * 3:
        assert parser.feed(first + b"data: 1234567\n\n") == [ServerSentEvent("message", b"12345\n1234567")]
    with pytest.raises(EventTooLargeError):
        parser.feed(b"data: 12345\ndata\ndata:1234567\n\n")


def test_an_event_as_long_as_the_limit_passes() -> None:
    """The limit itself is allowed."""
    line = b"data: " + b"x" * 10
    assert SSEParser(limit=16).feed(line + b"\n\n") == [ServerSentEvent("message", b"x" * 10)]
    assert SSEParser(limit=18).feed(line + b"\n\n") == [ServerSentEvent("message", b"x" * 10)]


LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"event: e",
        b"id: 1",
        b": c",
        b"",
        b"",
        b"junk",
        "data: é🙂".encode(),
        b"\xef\xbb\xbf",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.booleans(), st.lists(st.integers(0, 200), max_size=8))
def test_any_segmentation_gives_the_same_events(
    lines: list[tuple[bytes, bytes]], is_marked: bool, cuts: list[int]
) -> None:
    """Where the network cuts the stream makes no difference, between CR and LF and inside a character included."""
    stream = b"\xef\xbb\xbf" * is_marked + b"".join(line + end for line, end in lines)
    assert parsed(stream, *(min(cut, len(stream)) for cut in cuts)) == parsed(stream)
    assert parsed(stream, *range(len(stream))) == parsed(stream)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    """Whatever bytes come, there are events or there are none."""
    assert all(isinstance(event.data, bytes) for event in parsed(data))


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=1, max_size=4))
def test_what_is_written_is_read(texts: list[str]) -> None:
    """Data of any number of lines survives the way through the format."""
    data = "\n".join(texts).encode()
    stream = b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"
    assert datas(stream) == [data]
