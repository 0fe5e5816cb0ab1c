"""The HTTP reader: requests out of bytes that are cut anywhere."""

from __future__ import annotations

import pytest

from shared_core.simulator.http import MalformedRequestError, RequestReader, chunk, head

PLAIN = b"POST /v1/x?a=1&b=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;note=1\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_requests_come_out_whole_however_they_are_cut(size: int) -> None:
    """Two pipelined requests, one by length and one in chunks, are read from pieces of any size."""
    reader, found = RequestReader(100), []
    data = PLAIN + b"\r\n" + CHUNKED
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        while request := reader.next():
            found.append(request)
    assert [(one.path, one.body) for one in found] == [("/v1/x", b"hello"), ("/c", b"hello")]
    assert found[0].query == {"a": "1", "b": "2"}
    assert found[0].headers["host"] == "h"
    assert reader.buffered == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000, 400),
        (b"x" * 70_000, 431),
    ],
)
def test_what_is_not_http_or_too_large_is_refused(data: bytes, status: int) -> None:
    """Each breach has its status."""
    reader = RequestReader(100)
    reader.feed(data)
    with pytest.raises(MalformedRequestError) as caught:
        reader.next()
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("version", "connection", "expected"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
def test_the_client_says_whether_the_connection_stays_open(version: str, connection: str, expected: bool) -> None:
    """HTTP/1.1 keeps it open and HTTP/1.0 does not, unless the header says otherwise."""
    reader = RequestReader(100)
    reader.feed(f"GET / HTTP/{version}\r\nConnection: {connection}\r\n\r\n".encode())
    request = reader.next()
    assert request is not None
    assert request.keeps_alive is expected


def test_a_client_that_waits_for_continue_is_told_once() -> None:
    """`Expect: 100-continue` is answered when the head is in and no body is."""
    reader = RequestReader(100)
    assert not reader.wants_continue
    reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next() is None
    assert reader.wants_continue
    assert not reader.wants_continue
    reader.feed(b"ok")
    request = reader.next()
    assert request is not None
    assert request.body == b"ok"


def test_heads_and_chunks_are_written_as_http_wants_them() -> None:
    """Known and unknown statuses get a phrase; a chunk states its size in hexadecimal digits."""
    assert head(200, {"a": "b"}) == b"HTTP/1.1 200 OK\r\na: b\r\n\r\n"
    assert head(529, {}).startswith(b"HTTP/1.1 529 Overloaded\r\n")
    assert head(799, {}).startswith(b"HTTP/1.1 799 Unknown\r\n")
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
