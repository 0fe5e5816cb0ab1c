"""The timers over real sockets: they end silence wherever it is, and nothing else."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_core.errors import ChainExhaustedError, ErrorKind, StreamInterruptedError
from shared_core.events import TextDelta
from shared_core.manager import FailoverManager
from shared_core.simulator import Fault, Reply, Simulator
from shared_core.timers import AsyncGuard, Progress, SyncGuard, Watchdog
from tests.http.conftest import Maker, asking

PROMPT = 2.0
"""Seconds that no time-out of these tests takes, and that the ones that must not be waited for last at least."""


@contextmanager
def at_once() -> Iterator[None]:
    """What stands inside takes less than `PROMPT`."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PROMPT


@contextmanager
def listening(serve: Callable[[socket.socket], Any]) -> Iterator[str]:
    """A server for one connection at a time; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def until_closed(connection: socket.socket) -> None:
    """Reads and says nothing."""
    with connection:
        try:
            while connection.recv(65536):
                pass
        except OSError:
            return


class TestSilence:
    def test_before_the_headers_of_a_reused_connection(self, sim: Simulator, make: Maker) -> None:
        """A connection that was opened by an earlier call is interrupted as well: its socket is not known by then."""
        manager = make(first_token_timeout=0.1)
        sim.script("first", "ok", "silent")
        manager.complete(asking())
        with at_once():
            assert manager.complete(asking("a/first", "b/second")).report.model == "b/second"
        assert sim.requests[1].connection == sim.requests[0].connection

    def test_before_the_headers_within_a_deadline(self, sim: Simulator, make: Maker) -> None:
        """The deadline of a call counts on a reused connection too."""
        manager = make()
        sim.script("first", "ok", "silent")
        manager.complete(asking())
        with at_once(), pytest.raises(ChainExhaustedError) as caught:
            manager.complete(asking(deadline=0.2))
        assert caught.value.errors[0].is_timeout

    def test_a_body_may_pause_longer_than_its_first_token_took(self, sim: Simulator, make: Maker) -> None:
        """The bound on the headers does not bound the reads of the body."""
        manager = make(first_token_timeout=0.15, last_first_token_timeout=0.15, idle_timeout=5)
        sim.script("first", Reply("Alpha beta", delay_chunk=0.3))
        assert manager.complete(asking()).text == "Alpha beta"

    def test_inside_the_tcp_connection_of_a_full_backlog(self, make: Maker) -> None:
        """A server that accepts nobody is left after the connect timeout."""
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            with socket.create_connection(address):  # takes the only place
                manager = make(base_urls={"a": f"http://{address[0]}:{address[1]}"}, connect_timeout=0.1)
                with at_once(), pytest.raises(ChainExhaustedError) as caught:
                    manager.complete(asking())
        assert caught.value.errors[0].is_timeout

    def test_inside_tls(self, make: Maker, tmp_path: Path) -> None:
        """Silence behind a TLS handshake, before and after the headers, is interrupted in sync code."""
        certificate, key = _self_signed(tmp_path)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
        trusting = ssl.create_default_context(cafile=str(certificate))
        says = [b"", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"]

        def serve(connection: socket.socket) -> None:
            with server.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(says.pop(0))
                until_closed(secure)

        with listening(serve) as address, httpx.Client(verify=trusting) as client:
            url = f"https://localhost:{address.rpartition(':')[2]}"
            manager = make(
                base_urls={"a": url}, http_client=client, first_token_timeout=0.2, last_first_token_timeout=0.2
            )
            for _ in range(2):
                with at_once(), pytest.raises(ChainExhaustedError) as caught:
                    manager.complete(asking())
                assert caught.value.errors[0].is_timeout
                assert caught.value.errors[0].code == "first_token_timeout"
                manager.reset()


def _self_signed(place: Path) -> tuple[Path, Path]:
    """A certificate of localhost and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, so there is no certificate to serve")
    certificate, key = place / "certificate.pem", place / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [openssl, "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class TestSlowConsumer:
    def test_sync(self, sim: Simulator, make: Maker) -> None:
        """Time that the caller spends between two pulls is not the provider's silence."""
        manager = make(idle_timeout=0.1, first_token_timeout=0.5)
        sim.script("first", Reply("Alpha beta gamma", delay_chunk=0.02))
        shown = []
        for event in manager.stream(asking()):
            shown.append(event)
            time.sleep(0.15)
        assert "".join(event.text for event in shown if isinstance(event, TextDelta)) == "Alpha beta gamma"

    async def test_async(self, sim: Simulator, make: Maker) -> None:
        """The same, async."""
        manager = make(idle_timeout=0.1, first_token_timeout=0.5)
        sim.script("first", Reply("Alpha beta gamma", delay_chunk=0.02))
        shown = []
        async for event in manager.astream(asking()):
            shown.append(event)
            await asyncio.sleep(0.15)
        assert "".join(event.text for event in shown if isinstance(event, TextDelta)) == "Alpha beta gamma"
        await manager.aclose()

    def test_a_pause_of_the_consumer_does_not_hide_a_stall(self, sim: Simulator, make: Maker) -> None:
        """After a slow pull the provider's own silence is still ended."""
        manager = make(idle_timeout=0.1, first_token_timeout=0.5)
        sim.script("first", Fault.stall(1, reply=Reply("Alpha beta")))

        def read_slowly() -> None:
            for _ in manager.stream(asking()):
                time.sleep(0.15)

        with at_once(), pytest.raises(StreamInterruptedError) as caught:
            read_slowly()
        assert caught.value.errors[0].code == "idle_timeout"


class TestProgress:
    def test_only_content_restarts_it(self) -> None:
        """Reads without content use up the time for the first token; content begins the idle timeout."""
        progress = Progress(first_token=10, idle=4, deadline=None)
        assert progress.limit(0) == 10
        progress.read(7, has_moved=False)
        assert progress.limit(7) == 10
        progress.read(1, has_moved=True)
        assert progress.limit(8) == 12
        progress.linger(1)
        assert progress.limit(9) == 10

    def test_the_deadline_is_the_last_limit(self) -> None:
        """No read lasts beyond the deadline, and an error there says so."""
        progress = Progress(first_token=10, idle=4, deadline=6)
        assert progress.limit(0) == 6
        assert progress.error(6).code == "deadline"
        assert progress.error(5).code == "first_token_timeout"

    def test_its_error_is_a_passing_timeout(self) -> None:
        """The message tells the time in words that a person reads."""
        error = Progress(first_token=0.149974, idle=4, deadline=None).error(1)
        assert (error.kind, error.is_timeout, error.message) == (ErrorKind.TRANSIENT, True, "no content for 0.15 s")


class TestWatchdog:
    @staticmethod
    def guard(watchdog: Watchdog, seconds: float, interrupt: Callable[[], object]) -> SyncGuard:
        guard = SyncGuard(time.monotonic() + seconds)
        guard.on_interrupt(interrupt)
        watchdog.watch(guard)
        return guard

    def test_many_at_once(self) -> None:
        """A hundred guards with limits of their own are interrupted, each once, none before its time."""
        watchdog = Watchdog(rest=0.01)
        fired: list[tuple[int, float]] = []
        done = threading.Semaphore(0)
        guards = {}

        def interrupt(number: int) -> None:
            fired.append((number, time.monotonic()))
            done.release()

        for number in range(100):
            guards[number] = self.guard(watchdog, 0.1 - number / 1000, lambda number=number: interrupt(number))
        for _ in range(100):
            assert done.acquire(timeout=PROMPT)
        assert sorted(number for number, _ in fired) == list(range(100))
        assert all(instant >= guards[number].limit for number, instant in fired)
        for guard in guards.values():
            watchdog.release(guard)

    def test_a_limit_that_moves_on_is_kept_to(self) -> None:
        """A guard whose limit was put off is not interrupted at the old one."""
        watchdog = Watchdog(interval=0.01, rest=0.01)
        fired = threading.Event()
        guard = self.guard(watchdog, 0.05, fired.set)
        guard.limit += 0.2
        assert fired.wait(PROMPT)
        assert time.monotonic() >= guard.limit
        watchdog.release(guard)

    def test_a_limit_that_comes_closer_is_seen(self) -> None:
        """A guard whose limit was brought forward is interrupted at the next look."""
        watchdog = Watchdog(interval=0.01, rest=0.01)
        fired = threading.Event()
        guard = self.guard(watchdog, 3600, fired.set)
        guard.limit = time.monotonic()
        assert fired.wait(PROMPT)
        watchdog.release(guard)

    def test_an_interrupt_that_comes_late_is_done_at_once(self) -> None:
        """What is registered after the limit has passed is called there and then, and its own failure is nobody's."""
        guard = SyncGuard(0)
        guard.fire()
        calls = []
        guard.on_interrupt(lambda: calls.append(1))
        guard.on_interrupt(lambda: 1 / 0)
        assert calls == [1]

    def test_a_guard_that_was_released_is_left_alone(self) -> None:
        """Its connection may serve another call by then."""
        watchdog = Watchdog(interval=0.02, rest=0.02)
        guards = [SyncGuard(time.monotonic() + 0.05) for _ in range(2)]
        fired = threading.Semaphore(0)

        def interrupt(other: SyncGuard) -> None:
            watchdog.release(other)
            fired.release()

        for guard, other in zip(guards, reversed(guards), strict=True):
            guard.on_interrupt(lambda other=other: interrupt(other))
            watchdog.watch(guard)
        assert fired.acquire(timeout=PROMPT)
        self.rested(watchdog, guards)
        assert sum(guard.has_fired for guard in guards) == 1

    @staticmethod
    def rested(watchdog: Watchdog, guards: list[SyncGuard]) -> None:
        """Releases all, and waits for the end of the thread."""
        thread = watchdog._thread
        for guard in guards:
            watchdog.release(guard)
        assert thread is not None
        thread.join(PROMPT)
        assert not thread.is_alive()

    def test_its_thread_ends_after_a_rest(self) -> None:
        """Nothing runs while there is nothing to watch, and the next guard starts it again."""
        watchdog = Watchdog(interval=0.02, rest=0.02)
        for _ in range(2):
            fired = threading.Event()
            guard = self.guard(watchdog, 0.01, fired.set)
            assert fired.wait(PROMPT)
            self.rested(watchdog, [guard])

    def test_a_forked_child_starts_its_own(self) -> None:
        """The thread of the parent does not exist in the child."""
        watchdog = Watchdog(interval=0.02, rest=0.02)
        of_parent = SyncGuard(0)
        watchdog._guards.add(of_parent)
        watchdog._thread = threading.Thread()  # was never started here, as in a child
        watchdog._pid = -1
        fired = threading.Event()
        guard = self.guard(watchdog, 0.01, fired.set)
        assert fired.wait(PROMPT)
        assert not of_parent.has_fired
        self.rested(watchdog, [guard])


class TestAsyncGuard:
    async def test_it_ends_a_read_at_its_limit(self) -> None:
        """A read that takes too long raises `TimeoutError`; the task itself is not cancelled."""

        async def forever() -> Any:
            await asyncio.Event().wait()
            yield ()

        guard = AsyncGuard(time.monotonic)
        with at_once(), pytest.raises(TimeoutError):
            await guard.read(forever(), time.monotonic() + 0.05)
        assert guard.has_fired
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        guard.close()
        guard.close()

    async def test_a_cancel_from_outside_stays_one(self) -> None:
        """A caller who cancels just as the timer fires gets a cancellation, not a time-out."""

        async def forever() -> Any:
            await asyncio.Event().wait()
            yield ()

        guard = AsyncGuard(time.monotonic)
        task = asyncio.create_task(guard.read(forever(), time.monotonic() + 3600))
        await asyncio.sleep(0)
        guard._limit = 0
        guard._look()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        guard.close()

    async def test_an_earlier_limit_is_kept_to(self) -> None:
        """A second read with an earlier limit than the timer was set for is ended by then."""

        async def one_then_silence() -> Any:
            yield ()
            await asyncio.Event().wait()

        guard = AsyncGuard(time.monotonic)
        batches = one_then_silence()
        assert await guard.read(batches, time.monotonic() + 3600) == ()
        with at_once(), pytest.raises(TimeoutError):
            await guard.read(batches, time.monotonic() + 0.05)
        guard.close()

    async def test_a_timer_that_finds_nobody_reading_waits_for_the_next_read(self) -> None:
        """Time between two reads is the consumer's."""

        async def twice() -> Any:
            yield ()
            yield (1,)

        guard = AsyncGuard(time.monotonic)
        batches = twice()
        assert await guard.read(batches, time.monotonic() + 0.01) == ()
        guard._look()
        assert await guard.read(batches, time.monotonic() + 10) == (1,)
        assert not guard.has_fired
        guard.close()
        await batches.aclose()

    def test_it_needs_a_task(self) -> None:
        """Outside of one there is nothing to interrupt."""
        loop = asyncio.new_event_loop()
        caught: list[BaseException] = []

        async def guarded() -> None:
            async def nothing() -> Any:
                yield ()

            await AsyncGuard(time.monotonic).read(nothing(), 0)

        def step() -> None:
            try:
                guarded().send(None)
            except RuntimeError as error:
                caught.append(error)
            loop.stop()

        loop.call_soon(step)
        with closing(loop):
            loop.run_forever()
        assert "not inside a task" in str(caught[0])


def test_an_answer_that_is_whole_outlives_its_deadline(sim: Simulator, manager: FailoverManager) -> None:
    """Silence behind the mark of the end takes nothing from the answer: it is given after the linger time."""
    end = 'data: {"choices": [{"index": 0, "delta": {"content": "Alpha"}, "finish_reason": "stop"}]}\n\n'

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + end.encode())
        until_closed(connection)

    with listening(serve) as address:
        policy = manager.policy.replace(linger=0.05)
        own = FailoverManager(base_urls={"a": f"http://{address}"}, policy=policy)
        with own, at_once():
            assert own.complete(asking()).text == "Alpha"

        async def ask() -> str:
            return (await own.acomplete(asking())).text

        with at_once():
            assert asyncio.run(ask()) == "Alpha"
