"""Who carries the bytes makes no difference: aiohttp, httpx's pools, a client of the user's."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager

import aiohttp
import httpx
import pytest

from shared_core.errors import ChainExhaustedError, ErrorKind, FailoverError, ProviderError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers import clients as room
from shared_core.providers import lanes
from shared_core.providers.aiohttp_channel import AiohttpChannel, _retrieve, _translated
from shared_core.providers.base import HTTPCall
from shared_core.providers.channels import AsyncClientChannel, AsyncTransportChannel
from shared_core.providers.clients import TRANSPORT_VARIABLE, Clients
from shared_core.simulator import Fault, Reply, Simulator
from tests.http.conftest import KEY, Maker, asking
from tests.http.test_abandoning import everywhere, is_quiet

ECHO = "You said: What stands first?"
TRANSPORTS = ("aiohttp", "httpx")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"Alpha"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in turn."""
    monkeypatch.setenv(TRANSPORT_VARIABLE, request.param)
    return request.param


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def says(*pieces: bytes, resets: bool = False) -> Play:
    """A server that reads a request, says `pieces` each in a packet of its own, and goes away."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        if resets:
            writer.transport.abort()

    return play


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a server without TLS says to a client that greets it so."""
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client has had enough


@asynccontextmanager
async def serving(play: Play) -> AsyncIterator[str]:
    """The address of a server that plays so for each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def failure(url: str, **settings: object) -> ProviderError:
    """Why an attempt at `url` failed."""
    policy = FailoverPolicy(transient_backoffs=(), patience=0.0, **settings)
    async with FailoverManager(base_urls={"a": url}, profiles={"a": {"main": KEY}}, policy=policy) as manager:
        with pytest.raises(ChainExhaustedError) as caught:
            await manager.acomplete(asking())
    return caught.value.errors[0]


BROKEN = {
    "gone before the head": says(),
    "reset before the head": says(resets=True),
    "not HTTP": says(b"SMTP ready\r\n\r\n"),
    "cut by its length": says(HEAD + b"content-length: 5000\r\n\r\n", EVENT),
    "cut in its chunks": says(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(EVENT)),
    "cut inside a chunk": says(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(EVENT)[:-9]),
    "a chunk of no length": says(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(EVENT), b"zz\r\n"),
    "reset in its chunks": says(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(EVENT), resets=True),
    "ended without an end": says(HEAD + b"connection: close\r\n\r\n", EVENT),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_exchange(name: str, transport: str) -> None:
    """However an exchange breaks, it is a passing failure of that target, and no status is made up for it."""
    async with serving(BROKEN[name]) as url:
        error = await failure(url)
    assert (error.kind, error.status, error.is_timeout) == (ErrorKind.TRANSIENT, None, False)
    link: BaseException | None = error
    while link is not None:
        assert KEY not in repr(link)
        assert not isinstance(link, aiohttp.ClientError)  # some hold the request's headers
        link = link.__cause__ or link.__context__


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/v1", "http://nobody.invalid/v1", "{tls}"],
    ids=["refused", "no such name", "no TLS there"],
)
async def test_no_connection(url: str, transport: str) -> None:
    """Neither does it matter why there is none; the words are the system's own."""
    async with serving(plain) as address:
        error = await failure(url.format(tls=address.replace("http:", "https:")))
    assert (error.kind, error.status, error.is_timeout) == (ErrorKind.TRANSIENT, None, False)
    assert "object at" not in error.message
    assert "Cannot connect to host" not in error.message


async def test_a_silent_server(transport: str) -> None:
    """The backstops behind the engine's timers hold as well."""
    async with serving(silent) as url:
        call = HTTPCall(f"{url}/chat/completions", {"accept": "*/*"}, b"{}")
        clients = Clients()
        channel = await clients.for_loop()
        with pytest.raises(httpx.ReadTimeout):
            await channel.send(call, {"connect": 1.0, "read": 0.05, "write": 1.0, "pool": 1.0})
        await clients.aclose()


async def test_a_server_that_falls_silent_in_its_answer(transport: str) -> None:
    """A read has its time from its own beginning, however long the reader was busy before it."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(HEAD + b"content-length: 999\r\n\r\n" + EVENT)(reader, writer)
        await reader.read()

    async with serving(play) as url:
        call = HTTPCall(f"{url}/chat/completions", {"accept": "*/*"}, b"{}")
        clients = Clients()
        channel = await clients.for_loop()
        answer = await channel.send(call, {"connect": 1.0, "read": 0.1, "write": 1.0, "pool": 1.0})
        await asyncio.sleep(0.25)
        assert await answer.read() == EVENT
        with pytest.raises(httpx.ReadTimeout):
            await answer.read()
        await answer.aclose()
        await clients.aclose()


async def test_a_long_head_and_a_compressed_body(transport: str) -> None:
    """Proxies add policies of many KiB, and some servers compress what nobody asked them to."""
    body = gzip.compress(EVENT + LAST)
    head = HEAD + b"x-policy: " + b"p" * 20_000 + b"\r\ncontent-encoding: gzip\r\n"
    play = says(head + b"content-length: %d\r\n\r\n" % len(body), body[:20], body[20:])
    async with serving(play) as url, FailoverManager(base_urls={"a": url}) as manager:
        assert (await manager.acomplete(asking())).text == "Alpha"


async def test_an_answer_that_waits_for_its_reader(transport: str) -> None:
    """What has come is read, even when the connection is long gone."""
    async with serving(says(HEAD + b"connection: close\r\n\r\n", EVENT, LAST)) as url:
        clients = Clients()
        channel = await clients.for_loop()
        call = HTTPCall(f"{url}/chat/completions", {"accept": "*/*"}, b"{}")
        answer = await channel.send(call, {"connect": 1.0, "read": 5.0, "write": 1.0, "pool": 1.0})
        await asyncio.sleep(0.1)
        body = b""
        while piece := await answer.read():
            body += piece
        await answer.aclose()
        assert body == EVENT + LAST
        await clients.aclose()


async def test_a_name_and_a_password_in_the_address(transport: str, sim: Simulator, make: Maker) -> None:
    """They become a header, sync and async."""
    manager = make(base_urls={"a": sim.base_url.replace("//", "//me:pass%20word@")}, profiles={})
    assert (await manager.acomplete(asking())).text == ECHO
    assert (await asyncio.to_thread(manager.complete, asking())).text == ECHO
    assert {record.headers["authorization"] for record in sim.requests} == {"Basic bWU6cGFzcyB3b3Jk"}
    await manager.aclose()


async def test_nothing_is_left_behind(transport: str, sim: Simulator, make: Maker) -> None:
    """Answers, refusals, broken streams and callers who leave: afterwards no socket, task, timer or warning is left."""
    loop = asyncio.get_running_loop()
    sim.script("cut", Fault.cut(1))
    sim.script("slow", Reply("Alpha beta gamma", delay_chunk=0.05))
    sim.script("full", "429")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with make() as manager:

            async def left() -> None:
                async for _ in manager.astream(asking("a/slow")):
                    break

            async def broken(model: str) -> None:
                with pytest.raises(FailoverError):
                    await manager.acomplete(asking(model))

            for _ in range(3):
                await asyncio.gather(manager.acomplete(asking()), left(), broken("a/cut"), broken("a/full"))
        gc.collect()
        await sim.await_for(lambda: sim.connections.open == 0)
        await asyncio.sleep(0)
    assert [str(warning.message) for warning in caught] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [handle for handle in loop._scheduled if not handle.cancelled()] == []


async def test_cancelled_at_every_suspension(sim: Simulator, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over httpx, too, the server sees each caller leave, and the next call is served."""
    monkeypatch.setenv(TRANSPORT_VARIABLE, "httpx")
    sim.script("first", Reply("Alpha beta", delay_headers=0.002, delay_chunk=0.002))
    manager = make()

    async def story() -> None:
        assert (await manager.acomplete(asking())).text == "Alpha beta"

    async def check() -> None:
        await sim.await_for(lambda: is_quiet(sim))
        assert manager.health().models[0].failures == 0

    assert await everywhere(story, check) > 5
    await manager.aclose()
    await sim.await_for(lambda: sim.connections.open == 0)


async def test_streams_share_a_connection(transport: str, sim: Simulator, manager: FailoverManager) -> None:
    """One TCP connection serves many streams, one after another, and a refusal between them."""
    sim.script("first", "ok", "503", "ok")
    for _ in range(3):
        await manager.acomplete(asking("a/first", "b/second"))
    assert sim.connections.accepted == 1
    await manager.aclose()


# Which one it is


def test_who_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is aiohttp where that is installed, unless the environment says otherwise or names a proxy."""

    async def kind() -> type:
        clients = Clients()
        found = type(await clients.for_loop())
        await clients.aclose()
        return found

    monkeypatch.delenv(TRANSPORT_VARIABLE, raising=False)
    assert asyncio.run(kind()) is AiohttpChannel
    monkeypatch.setenv(TRANSPORT_VARIABLE, "httpx")
    assert asyncio.run(kind()) is AsyncTransportChannel
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert asyncio.run(kind()) is AsyncClientChannel
    monkeypatch.delenv(TRANSPORT_VARIABLE)
    assert asyncio.run(kind()) is AsyncClientChannel


@pytest.mark.parametrize("version", [None, "3.11.18"], ids=["not installed", "too old"])
def test_without_aiohttp(version: str | None, sim: Simulator, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none that serves, nothing is missed."""
    if version is None:
        monkeypatch.setitem(sys.modules, "aiohttp", None)
    else:
        monkeypatch.setattr("aiohttp.__version__", version)
    monkeypatch.delitem(sys.modules, room._FAST)
    monkeypatch.setattr(room, "_IMPORTED", [])
    manager = make()

    async def ask() -> str:
        assert type(await manager._clients.for_loop()) is AsyncTransportChannel
        return (await manager.acomplete(asking())).text

    assert asyncio.run(ask()) == ECHO


def test_a_proxy_of_the_environment(sim: Simulator, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables are honoured in async code as well."""
    monkeypatch.setenv("HTTP_PROXY", sim.url)
    manager = make(base_urls={"a": "http://provider.invalid/v1"})
    assert asyncio.run(manager.acomplete(asking())).text == ECHO


async def test_first_calls_of_a_loop_share_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that come first together, and wait together for what must be loaded, get the same channel."""
    monkeypatch.setattr(room, "_IMPORTED", [])
    clients = Clients()
    assert len({id(channel) for channel in await asyncio.gather(*(clients.for_loop() for _ in range(8)))}) == 1
    await clients.aclose()


def test_loops_of_a_parent_are_not_closed_by_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child inherits is held on to, and left alone."""
    monkeypatch.setattr(room, "_INHERITED", [])
    table: dict[asyncio.AbstractEventLoop, object] = {}
    room._drop_closed(table, -1)
    assert room._INHERITED[0] is table


async def test_an_empty_piece_is_not_the_end() -> None:
    """What decompression makes of a first piece may be nothing."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"", EVENT, b"", LAST):
            yield piece

    channel = AsyncTransportChannel(httpx.MockTransport(lambda _: httpx.Response(200, content=pieces())))
    answer = await channel.send(HTTPCall("http://here/", {}, b""), {})
    assert [await answer.read() for _ in range(3)] == [EVENT, LAST, b""]
    await answer.aclose()


PROGRAM = """
import asyncio, os
from shared_core import FailoverManager, LLMRequest, Message

manager = FailoverManager(base_urls={"a": os.environ["ADDRESS"]})
request = LLMRequest(model="a/first", messages=(Message.of("user", "Hi"),))

async def ask():
    return (await manager.acomplete(request)).text

for _ in range(2):
    loop = asyncio.new_event_loop()
    print(loop.run_until_complete(ask()))
    loop.close()
"""


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_loop_closed_without_a_word(name: str, sim: Simulator) -> None:
    """A program that closes its loops under open connections ends in silence."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "ADDRESS": sim.base_url, TRANSPORT_VARIABLE: name},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    sim.wait_for(lambda: sim.connections.open == 0)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (aiohttp.ConnectionTimeoutError(), httpx.ConnectTimeout),
        (aiohttp.SocketTimeoutError(), httpx.ReadTimeout),
        (aiohttp.ClientConnectionResetError("closing"), httpx.WriteError),
        (aiohttp.ClientOSError(104, "reset"), httpx.ReadError),
        (aiohttp.ServerDisconnectedError(), httpx.RemoteProtocolError),
        (aiohttp.NonHttpUrlClientError("ftp://x"), httpx.UnsupportedProtocol),
        (aiohttp.ClientError(), httpx.RemoteProtocolError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_errors_are_httpx_s(raised: Exception, told: type[httpx.TransportError]) -> None:
    """Each error of aiohttp has the class that httpx gives to it."""
    assert type(_translated(raised)) is told


async def test_a_close_that_is_cancelled_is_no_error() -> None:
    """Whoever is cancelled while it closes the connections cancels what tells of their end."""
    closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    closed.add_done_callback(_retrieve)
    closed.cancel()
    await asyncio.sleep(0)
    assert closed.cancelled()


async def test_an_address_that_is_none() -> None:
    """It is not quoted: it may hold a password."""
    async with aclosing(AiohttpChannel(httpx.create_ssl_context())) as channel:
        with pytest.raises(httpx.InvalidURL, match="the address is not a URL"):
            await channel.send(HTTPCall("http://me:secret@host:port/", {}, b""), {"connect": 1.0, "read": 1.0})


# httpx's pools


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lanes of two, of which one stays."""
    monkeypatch.setenv(TRANSPORT_VARIABLE, "httpx")
    monkeypatch.setattr(lanes, "_WIDTH", 2)
    monkeypatch.setattr(lanes, "_KEPT", 1)
    monkeypatch.setattr(lanes, "_LIMITS", httpx.Limits(max_connections=None, max_keepalive_connections=2))
    return


@pytest.mark.usefixtures("narrow")
async def test_a_rush_leaves_few_connections(sim: Simulator, make: Maker) -> None:
    """Answers at the same time wait for none of the others; behind them only the first lane stays open."""
    sim.script("first", Reply("Alpha", delay_headers=0.05))
    manager = make()
    answers = await asyncio.gather(*(manager.acomplete(asking()) for _ in range(7)))
    assert {answer.text for answer in answers} == {"Alpha"}
    assert sim.connections.accepted == 7
    await sim.await_for(lambda: sim.connections.open == 2)
    await manager.acomplete(asking())
    assert sim.connections.accepted == 7
    await manager.aclose()


@pytest.mark.usefixtures("narrow")
def test_a_rush_of_threads_leaves_few_connections(sim: Simulator, make: Maker) -> None:
    """The same for sync calls."""
    sim.script("first", Reply("Alpha", delay_headers=0.1))
    manager = make()
    with ThreadPoolExecutor(5) as threads:
        calls = [threads.submit(manager.complete, asking()) for _ in range(5)]
        assert {call.result().text for call in calls} == {"Alpha"}
    sim.wait_for(lambda: sim.connections.open <= 2)
    manager.complete(asking())


def test_a_body_that_is_closed_twice(sim: Simulator) -> None:
    """It leaves its lane once."""
    row = lanes.Lanes(httpx.create_ssl_context())
    with httpx.Client(transport=row) as client, client.stream("GET", sim.url) as response:
        response.read()
        response.stream.close()
        assert [lane.busy for lane in row._row._lanes] == [0]


async def test_a_body_that_is_closed_twice_async(sim: Simulator) -> None:
    """The same, async."""
    async_row = lanes.AsyncLanes(httpx.create_ssl_context())
    async with httpx.AsyncClient(transport=async_row) as client, client.stream("GET", sim.url) as response:
        await response.aread()
        await response.stream.aclose()
        assert [lane.busy for lane in async_row._row._lanes] == [0]
    await sim.await_for(lambda: sim.connections.open == 0)


@pytest.mark.usefixtures("narrow")
async def test_what_cannot_be_sent_leaves_its_lane(make: Maker) -> None:
    """A refused connection takes no room afterwards, sync and async."""
    manager = make(base_urls={"a": "http://127.0.0.1:1"})
    for _ in range(3):
        with pytest.raises(ChainExhaustedError):
            manager.complete(asking())
        manager.reset()
        with pytest.raises(ChainExhaustedError):
            await manager.acomplete(asking())
        manager.reset()
    channel = await manager._clients.for_loop()
    assert [lane.busy for lane in channel._transport._row._lanes] == [0]
    assert [lane.busy for lane in manager._clients.sync()._transport._row._lanes] == [0]
    await manager.aclose()
