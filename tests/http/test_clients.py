"""HTTP clients over loops, threads, processes and lives: one for each loop, one for sync code, none left open."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from shared_core.errors import ChainExhaustedError, ConfigurationError, ErrorKind
from shared_core.manager import FailoverManager
from shared_core.providers.clients import Clients
from shared_core.simulator import Fault, Reply, Simulator
from tests.http.conftest import KEY, Maker, asking

ECHO = "You said: What stands first?"


async def ask(manager: FailoverManager) -> str:
    return (await manager.acomplete(asking())).text


HUGE = Fault.status(502, "<html><title>502 Bad Gateway</title>" + "x" * 2_000_000, {"content-type": "text/html"})


class TestReuse:
    def test_sync_streams_share_a_connection(self, sim: Simulator, manager: FailoverManager) -> None:
        """One TCP connection serves many streams, one after another."""
        for _ in range(5):
            assert [*manager.stream(asking())]
        assert sim.connections.accepted == 1

    async def test_async_streams_share_a_connection(self, sim: Simulator, manager: FailoverManager) -> None:
        """The same, async."""
        for _ in range(5):
            assert [event async for event in manager.astream(asking())]
        assert sim.connections.accepted == 1
        await manager.aclose()

    def test_an_error_answer_gives_its_connection_back(self, sim: Simulator, manager: FailoverManager) -> None:
        """The body of an error is read, so that its connection serves the next target."""
        sim.script("first", "503")
        manager.complete(asking("a/first", "b/second"))
        assert sim.connections.accepted == 1

    def test_a_huge_error_body_is_not_read_to_its_end(self, sim: Simulator, manager: FailoverManager) -> None:
        """What the classifier does not look at is not waited for."""
        sim.script("first", HUGE)
        assert manager.complete(asking("a/first", "b/second")).report.model == "b/second"

    async def test_a_huge_error_body_is_not_read_to_its_end_async(
        self, sim: Simulator, manager: FailoverManager
    ) -> None:
        """The same, async."""
        sim.script("first", HUGE)
        assert (await manager.acomplete(asking("a/first", "b/second"))).report.model == "b/second"
        await manager.aclose()


class TestLoops:
    def test_one_run_after_another(self, sim: Simulator, manager: FailoverManager) -> None:
        """Each `asyncio.run` has a client of its own, which ends with it."""
        for number in range(1, 4):
            assert asyncio.run(ask(manager)) == ECHO
            sim.wait_for(lambda: sim.connections.open == 0)
            assert sim.connections.accepted == number

    def test_loops_in_threads(self, sim: Simulator, manager: FailoverManager) -> None:
        """Loops of several threads at the same time, and sync calls beside them."""
        with ThreadPoolExecutor(8) as threads:
            loops = [threads.submit(lambda: asyncio.run(ask(manager))) for _ in range(8)]
            calls = [threads.submit(lambda: manager.complete(asking()).text) for _ in range(8)]
            assert {one.result() for one in (*loops, *calls)} == {ECHO}

    async def test_inside_a_running_loop(self, manager: FailoverManager) -> None:
        """Sync code called inside a loop works, from the loop's thread and from another, beside async calls."""
        assert await ask(manager) == ECHO
        assert manager.complete(asking()).text == ECHO
        assert (await asyncio.to_thread(manager.complete, asking())).text == ECHO
        assert await asyncio.to_thread(lambda: asyncio.run(ask(manager))) == ECHO
        assert await ask(manager) == ECHO
        await manager.aclose()

    def test_a_loop_that_was_closed_is_forgotten(self, sim: Simulator) -> None:
        """A loop that ended without closing its generators leaves no client behind in the table."""
        clients = Clients()
        loop = asyncio.new_event_loop()
        client = loop.run_until_complete(clients.for_loop())
        assert loop.run_until_complete(clients.for_loop()) is client
        life = clients._by_loop[loop][1]
        loop.close()

        async def another() -> list[asyncio.AbstractEventLoop]:
            await clients.for_loop()
            return list(clients._by_loop)

        assert loop not in asyncio.run(another())
        # The generator's own loop is gone; any loop may end it.
        asyncio.run(life.aclose())


class TestLives:
    def test_close_and_use_again(self, sim: Simulator, manager: FailoverManager) -> None:
        """A closed manager opens new connections when it is asked again."""
        manager.close()
        assert manager.complete(asking()).text == ECHO
        manager.close()
        sim.wait_for(lambda: sim.connections.open == 0)
        assert manager.complete(asking()).text == ECHO
        assert sim.connections.accepted == 2

    async def test_aclose_and_use_again(self, sim: Simulator, make: Maker) -> None:
        """The same, async; `aclose` closes the sync client as well."""
        async with make() as manager:
            await manager.aclose()
            assert await ask(manager) == ECHO
            assert manager.complete(asking()).text == ECHO
            await manager.aclose()
            await sim.await_for(lambda: sim.connections.open == 0)
            assert await ask(manager) == ECHO
        await sim.await_for(lambda: sim.connections.open == 0)

    def test_the_client_ends_with_its_manager(self, sim: Simulator) -> None:
        """A manager that nobody closed closes its sync client when it is collected."""
        manager = FailoverManager(base_urls={"a": sim.base_url})
        manager.complete(asking())
        del manager
        sim.wait_for(lambda: sim.connections.open == 0)

    def test_a_child_leaves_its_parents_connections_alone(self, sim: Simulator) -> None:
        """What was opened before a fork is neither used nor closed behind it."""
        clients = Clients()
        before = clients.sync()
        clients._pid = -1  # what a child sees
        assert clients.sync() is not before
        clients._pid = -1
        clients.close()
        before.close()

    async def test_a_child_leaves_its_parents_loops_alone(self) -> None:
        """The same for the clients of loops."""
        clients = Clients()
        before = await clients.for_loop()
        life = clients._by_loop[asyncio.get_running_loop()][1]
        clients._pid = -1
        after = await clients.for_loop()
        assert after is not before
        await clients.aclose()
        await life.aclose()

    def test_sync_clients_made_at_the_same_moment_are_one(self) -> None:
        """Threads that come first together get the same client."""
        clients = Clients()
        barrier = threading.Barrier(8)

        def first() -> httpx.Client:
            barrier.wait()
            return clients.sync()

        with ThreadPoolExecutor(8) as threads:
            found = {id(one.result()) for one in [threads.submit(first) for _ in range(8)]}
        assert len(found) == 1
        clients.close()


class TestOwnClients:
    def test_they_are_used_and_not_closed(self, sim: Simulator, make: Maker) -> None:
        """A client that the user brought is used as it is, and stays open."""
        with httpx.Client(headers={"x-mine": "yes"}) as client:
            with make(http_client=client) as manager:
                assert manager.complete(asking()).text == ECHO
            assert not client.is_closed
            assert sim.requests[0].headers["x-mine"] == "yes"

    async def test_they_are_used_and_not_closed_async(self, sim: Simulator, make: Maker) -> None:
        """The same, async."""
        async with httpx.AsyncClient(headers={"x-mine": "yes"}) as client:
            async with make(http_async_client=client) as manager:
                assert await ask(manager) == ECHO
            assert not client.is_closed
            assert sim.requests[0].headers["x-mine"] == "yes"

    def test_a_transport_of_ones_own(self, make: Maker) -> None:
        """`httpx.MockTransport` and its like stand in for the network."""
        chunk = (
            'data: {"choices":[{"index":0,"delta":{"content":"Mocked"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )

        def answer(request: httpx.Request) -> httpx.Response:
            assert request.headers["authorization"] == f"Bearer {KEY}"
            return httpx.Response(200, text=chunk, headers={"content-type": "text/event-stream"})

        transport = httpx.MockTransport(answer)
        with httpx.Client(transport=transport) as client:
            assert make(http_client=client).complete(asking()).text == "Mocked"

        async def ask_async() -> str:
            async with httpx.AsyncClient(transport=transport) as client:
                return await ask(make(http_async_client=client))

        assert asyncio.run(ask_async()) == "Mocked"

    def test_a_proxy(self, sim: Simulator, make: Maker) -> None:
        """Requests go where the client's proxy says: to a name that only the proxy knows."""
        with httpx.Client(proxy=sim.url) as client:
            manager = make(http_client=client, base_urls={"a": "http://provider.invalid/v1"})
            assert manager.complete(asking()).text == ECHO
        assert sim.requests[0].headers["host"] == "provider.invalid"

    def test_a_proxy_of_the_environment(self, sim: Simulator, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        """The usual variables are honoured."""
        monkeypatch.setenv("HTTP_PROXY", sim.url)
        manager = make(base_urls={"a": "http://provider.invalid/v1"})
        assert manager.complete(asking()).text == ECHO

    def test_a_compressed_answer(self, make: Maker) -> None:
        """Nobody asks for compression; a server that does it all the same is understood, sync and async."""
        chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Small"},"finish_reason":"stop"}]}\n\n'
        headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}

        def answer(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=httpx.ByteStream(gzip.compress(chunk)), headers=headers)

        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            assert make(http_client=client).complete(asking()).text == "Small"

        async def ask_async() -> str:
            async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
                return await ask(make(http_async_client=client))

        assert asyncio.run(ask_async()) == "Small"


BEFORE = """
import asyncio, logging, os
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.request import LLMRequest

manager = FailoverManager(base_urls={"a": os.environ["ADDRESS"]})
request = LLMRequest(model="a/first", messages=(Message.of("user", "Hi"),))

# Development mode also tells of slow steps, as the first one with its imports is.
logging.getLogger("asyncio").setLevel(logging.ERROR)

async def ask():
    return (await manager.acomplete(request)).text

async def first_text():
    async for event in manager.astream(request):
        if hasattr(event, "text"):
            return event.text
"""

PROGRAMS = {
    "sync, never closed": "print(manager.complete(request).text)",
    "several runs, never closed": "for _ in range(3): print(asyncio.run(ask()))",
    "a stream that is left": "print(next(event.text for event in manager.stream(request) if hasattr(event, 'text')))",
    "an async stream that is left": "print(asyncio.run(first_text()))",
    "a loop of its own, closed in order": """
        loop = asyncio.new_event_loop()
        print(loop.run_until_complete(ask()))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    """,
    "fork": """
        first = manager.complete(request).text
        asyncio.run(ask())
        child = os.fork()
        if child == 0:
            assert manager.complete(request).text == first
            assert asyncio.run(ask()) == first
            manager.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert manager.complete(request).text == first
        print(first)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_without_a_word(name: str, sim: Simulator) -> None:
    """A whole program in development mode, where every warning is an error, ends without any."""
    sim.script("first", Reply("Alpha beta gamma"))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", BEFORE + textwrap.dedent(PROGRAMS[name])],
        env={**os.environ, "ADDRESS": sim.base_url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Alpha" in done.stdout
    sim.wait_for(lambda: sim.connections.open == 0)


class TestAddresses:
    def test_an_address_that_is_none(self, sim: Simulator, make: Maker) -> None:
        """A base URL that is no URL is told of where it is set, and never stops a chain."""
        with pytest.raises(ConfigurationError, match="the address of provider 'a' is not a URL"):
            make(base_urls={"a": "http://[nonsense"}, fallbacks=["a/first"])
        manager = make(base_urls={"a": "http://[nonsense", "b": sim.base_url})
        answer = manager.complete(asking("a/first", "b/second"))
        assert answer.report.skips[0].reason == "the address of provider 'a' is not a URL"

    def test_nobody_lives_there(self, make: Maker) -> None:
        """A refused connection is a passing failure of that target."""
        manager = make(base_urls={"a": "http://127.0.0.1:1"})
        with pytest.raises(ChainExhaustedError) as caught:
            manager.complete(asking())
        assert caught.value.kind is ErrorKind.TRANSIENT

    def test_the_environment_names_the_address(
        self, sim: Simulator, make: Maker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A vendor's own variable for its base URL is read."""
        monkeypatch.setenv("OPENAI_BASE_URL", sim.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-environment")
        manager = make(base_urls={}, profiles={})
        assert manager.complete(asking("openai/gpt-4.1")).text == ECHO
        assert sim.requests[0].key == "key-of-the-environment"

    def test_azure(self, sim: Simulator, make: Maker) -> None:
        """Azure has the deployment in the path, a version in the query, and the key in a header of its own."""
        manager = make(base_urls={"azure": sim.url}, profiles={"azure": {"main": "key-azure"}})
        answer = manager.complete(asking("azure/my-deployment"))
        assert answer.text == ECHO
        (record,) = sim.requests
        assert record.headers["api-key"] == "key-azure"
        assert "authorization" not in record.headers
        assert record.model == "my-deployment"
