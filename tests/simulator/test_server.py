"""The server: connections, what it records, how it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from typing import Any

import httpx
import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator import Connections, Fault, Reply, Simulator

QUESTION = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def chat(sim: Simulator) -> str:
    return sim.base_url + "/chat/completions"


def talk(sim: Simulator, data: bytes, *, end: bytes | None = None) -> bytes:
    """Sends raw bytes and reads until `end`, or until the server closes."""
    host, port = sim.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(data)
        found = b""
        while end is None or end not in found:
            more = raw.recv(65536)
            if not more:
                break
            found += more
        return found


def raw_post(body: bytes, *headers: str) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_one_connection_serves_many_streams(sim: Simulator) -> None:
    """Streams and whole answers follow one another on one TCP connection."""
    with httpx.Client() as client:
        for stream in (True, False) * 5:
            assert client.post(chat(sim), json={**QUESTION, "stream": stream}).status_code == 200
        assert sim.connections == Connections(1, 1)
    sim.wait_for(lambda: sim.connections.open == 0)
    assert {record.connection for record in sim.requests} == {1}


def test_a_client_may_ask_for_the_connection_to_close(sim: Simulator) -> None:
    """The server says so in its head and closes after the answer."""
    answer = talk(sim, raw_post(json.dumps(QUESTION).encode(), "Connection: close"))
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"0\r\n\r\n")


def test_requests_may_be_pipelined(sim: Simulator) -> None:
    """Two requests in one packet get two answers in order."""
    body = json.dumps({**QUESTION, "stream": False}).encode()
    answer = talk(sim, raw_post(body) + raw_post(body, "Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [record.number for record in sim.requests] == [1, 2]


def test_a_body_may_come_in_chunks_and_wait_for_continue(sim: Simulator) -> None:
    """Generators are sent chunked by clients; curl waits for "100 Continue"."""
    body = json.dumps(QUESTION).encode()
    answer = httpx.post(chat(sim), content=iter([body[:9], body[9:]]), headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert sim.requests[0].headers["transfer-encoding"] == "chunked"
    head = raw_post(body, "Expect: 100-continue").removesuffix(body)
    assert talk(sim, head, end=b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_what_is_too_large_or_no_http_is_refused() -> None:
    """With 413 or 400, while the client is still sending."""
    with Simulator(largest_body=1000) as sim:
        with httpx.Client() as client:
            assert client.post(chat(sim), content=b"x" * 1001).status_code == 413
        assert talk(sim, b"\x16\x03\x01 not HTTP\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert sim.requests == []


def test_bytes_after_a_refusal_are_dropped() -> None:
    """A client that goes on sending after its refusal still reads it."""
    with Simulator(largest_body=10) as sim:
        host, port = sim.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(raw_post(b"x" * 20))
            assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
            raw.sendall(b"more")


def test_endless_pipelining_is_cut_off() -> None:
    """Bytes that pile up behind an answer are bounded."""
    with Simulator(largest_body=1000) as sim:
        sim.script("m", Fault.silent())
        body = json.dumps(QUESTION).encode()
        assert len(body) < 1000
        with contextlib.suppress(ConnectionResetError):
            talk(sim, raw_post(body) + b"x" * 100_000)
        sim.wait_for(lambda: sim.connections.open == 0)
        assert sim.connections.accepted == 1


@pytest.mark.parametrize(
    ("header", "query"),
    [
        ({"authorization": "Bearer key-a"}, ""),
        ({"x-api-key": "key-a"}, ""),
        ({"api-key": "key-a"}, ""),
        ({"x-goog-api-key": "key-a"}, ""),
        ({}, "?key=key-a"),
    ],
)
def test_requests_are_recorded(sim: Simulator, header: dict[str, str], query: str) -> None:
    """With everything that a test may want to know, and the key from wherever it came."""
    before = time.monotonic()
    httpx.post(chat(sim) + query, json=QUESTION, headers={"X-Mine": "1", **header})
    record = sim.requests_for("m")[0]
    assert (record.number, record.wire, record.method, record.path) == (1, "openai", "POST", "/v1/chat/completions")
    assert (record.key, record.body, record.status, record.headers["x-mine"]) == ("key-a", QUESTION, 200, "1")
    assert record.ended is not None
    assert before <= record.time <= record.ended
    assert record.behaviour == Reply()
    assert record.asked is not None
    assert (record.asked.prompt, record.asked.stream) == ("Hi", True)
    assert sim.requests_for("other") == []
    sim.clear()
    assert sim.requests == []


def test_no_key_is_no_key(sim: Simulator) -> None:
    """A local server takes requests without any."""
    httpx.post(chat(sim), json=QUESTION)
    assert sim.requests[0].key is None


@pytest.mark.parametrize(
    ("method", "path", "status", "needle"),
    [
        ("GET", "/v1/models", 200, '"data":[{"id":"m"'),
        ("GET", "/models/gpt%2F4", 200, '"id":"gpt/4"'),
        ("GET", "/v1beta/models", 200, '"name":"models/m"'),
        ("GET", "/v1/chat/completions", 404, "Invalid URL (GET /v1/chat/completions)"),
        ("POST", "/v1/embeddings", 404, "Invalid URL"),
        ("DELETE", "/v1/models", 404, "Invalid URL"),
    ],
)
def test_other_paths(sim: Simulator, client: httpx.Client, method: str, path: str, status: int, needle: str) -> None:
    """Models are listed, everything else is not there; both are recorded."""
    sim.script("m", "ok")
    answer = client.request(method, sim.url + path)
    assert answer.status_code == status
    assert needle in answer.text
    assert sim.requests[0].wire is None


def test_without_scripts_one_model_is_listed(sim: Simulator, client: httpx.Client) -> None:
    """Clients that ask for models find one."""
    assert [one["id"] for one in client.get(sim.base_url + "/models").json()["data"]] == ["simulated"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 99_999])
def test_a_body_that_is_no_json_object_is_a_400(
    sim: Simulator, client: httpx.Client, tongue: Any, content: bytes
) -> None:
    """In the wire's own error form."""
    answer = client.post(tongue.url(sim), content=content)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content", ["é", {"a": {1, 2}}], ids=["header", "body"])
def test_a_script_that_cannot_be_sent_ends_the_connection(
    sim: Simulator, client: httpx.Client, caplog: pytest.LogCaptureFixture, content: Any
) -> None:
    """And the log says why."""
    fault = Fault.status(500, content) if isinstance(content, dict) else Fault.status(500, "", {"x": "日"})
    sim.script("m", fault)
    with caplog.at_level(logging.ERROR), pytest.raises(httpx.TransportError):
        client.post(chat(sim), json=QUESTION)
    sim.wait_for(lambda: sim.requests[0].state == "stopped")
    assert "could not be answered as scripted" in caplog.text


def test_a_slow_reader_is_waited_for(sim: Simulator) -> None:
    """A client that reads late gets all, and the server holds its bytes back until then."""
    sim.script("m", Reply(chunks=["x" * 100_000] * 200))
    with httpx.Client() as client, client.stream("POST", chat(sim), json=QUESTION) as response:
        assert sim.requests[0].state == "open"
        assert len(response.read()) > 20_000_000
    assert sim.requests[0].finished


async def test_a_thousand_streams_are_open_at_once(sim: Simulator) -> None:
    """Each has had its first chunk and waits for the next; all end when the clients leave."""
    sim.script("m", Fault.stall(1, reply=Reply("first second")))
    host, port = sim.url.removeprefix("http://").split(":")
    data = raw_post(json.dumps(QUESTION).encode())

    async def begin() -> tuple[bytes, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        return await reader.readuntil(b'"first"'), writer

    begun = await asyncio.gather(*(begin() for _ in range(1000)))
    assert sim.connections == Connections(1000, 1000)
    assert len({answer.partition(b"chatcmpl-")[2][:8] for answer, _ in begun}) == 1000
    for _, writer in begun:
        writer.close()
        await writer.wait_closed()
    await sim.await_for(lambda: sim.connections.open == 0)
    assert all(record.aborted for record in sim.requests)


def test_closing_is_quick_and_leaves_nothing() -> None:
    """With silent, stalled, idle and refused connections open; threads and sockets are gone afterwards."""
    before = threading.active_count()
    sim = Simulator({"silent": Fault.silent(), "m": ["stall@1"]})
    clients = [httpx.Client(timeout=5) for _ in range(3)]
    with sim:
        threads = [
            threading.Thread(target=swallow, args=(client, chat(sim), {**QUESTION, "model": model}))
            for client, model in zip(clients, ("silent", "m", "other"), strict=True)
        ]
        for thread in threads:
            thread.start()
        sim.wait_for(lambda: len(sim.requests) == 3 and sim.requests_for("other")[0].finished)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    for thread in threads:
        thread.join(5)
    for client in clients:
        client.close()
    assert sorted(record.state for record in sim.requests) == ["finished", "stopped", "stopped"]
    assert sim.connections == Connections(3, 0)
    assert threading.active_count() == before
    sim.close()


def swallow(client: httpx.Client, url: str, body: Any) -> None:
    """A client that does not mind how its request ends."""
    try:
        client.post(url, json=body)
    except httpx.TransportError:
        return


@pytest.mark.parametrize("is_closed_meanwhile", [False, True])
def test_a_shortage_of_file_descriptors_passes(is_closed_meanwhile: bool) -> None:
    """A client that can't be accepted for now is served as soon as it can be; closing does not wait for that."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Simulator() as sim, socket.socket() as client:
        address = (sim.url.removeprefix("http://").split(":")[0], int(sim.url.rpartition(":")[2]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            client.connect(address)
            client.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                sim.wait_for(lambda: sim.requests, timeout=0.1)
            if is_closed_meanwhile:
                sim.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if not is_closed_meanwhile:
            client.settimeout(5)
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert sim.connections == Connections(int(not is_closed_meanwhile), 0)


def test_closing_while_clients_connect_leaves_no_connection() -> None:
    """Also those that were accepted at the very last moment."""
    for _ in range(20):
        clients: list[socket.socket] = []
        sim = Simulator().start()
        host, port = sim.url.removeprefix("http://").split(":")

        def connect(address: tuple[str, int] = (host, int(port)), into: list[socket.socket] = clients) -> None:
            with contextlib.suppress(OSError):
                while len(into) < 100:
                    into.append(socket.create_connection(address, timeout=1))

        thread = threading.Thread(target=connect)
        thread.start()
        sim.wait_for(lambda recorder=sim: recorder.connections.accepted > 10)
        sim.close()
        thread.join(5)
        for client in clients:
            client.close()
        assert sim.connections.open == 0


async def test_it_works_in_an_event_loop() -> None:
    """`async with`, an async client, and waiting without blocking the loop."""
    async with Simulator({"m": Reply("a b c", delay_chunk=5)}) as sim, httpx.AsyncClient() as client:
        async with client.stream("POST", chat(sim), json=QUESTION) as response:
            async for _ in response.aiter_raw():
                break
        await sim.await_for(lambda: sim.requests[0].aborted)


def test_waiting_has_an_end(sim: Simulator) -> None:
    """The error tells what was seen."""
    with pytest.raises(TimeoutError, match="accepted=0"):
        sim.wait_for(lambda: False, timeout=0.01)


def test_it_can_be_started_again() -> None:
    """At the same port, with the same scripts; but not twice at once, nor where another listens."""
    sim = Simulator({"m": "503"})
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = sim.url
    for _ in range(2):
        with sim:
            assert httpx.post(chat(sim), json=QUESTION).status_code == 503
            with pytest.raises(RuntimeError, match="runs already"):
                sim.start()
            with pytest.raises(OSError, match="in use"):
                Simulator(port=int(sim.url.rpartition(":")[2])).start()
    assert len(sim.requests) == 2


def test_scenarios_are_loaded(sim: Simulator, client: httpx.Client) -> None:
    """As from a file."""
    sim.load({"models": {"m": "503"}})
    assert client.post(chat(sim), json=QUESTION).status_code == 503
    with pytest.raises(ConfigurationError):
        sim.load({"models": {"m": {"nonsense": 1}}})
