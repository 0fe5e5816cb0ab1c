"""The local provider itself: a server thread with its own event loop, and the few calls that steer it.

It listens on loopback only unless told otherwise, answers what `script` says, and remembers what it was asked.

Invariants: `close` returns when the thread, all sockets and all pauses have ended; every method may be called from any
thread, before the start too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, Self

from shared_core.simulator.connection import Connection
from shared_core.simulator.desk import Desk
from shared_core.simulator.listener import Listener
from shared_core.simulator.recorder import Connections, RequestRecord
from shared_core.simulator.script import Scripted

__all__ = ["Simulator"]


class Simulator:
    """A local LLM provider that misbehaves on request.

    Example:
        >>> import httpx
        >>> with Simulator() as sim:
        ...     sim.script("gpt-4.1", "503", Reply("Hello there"))
        ...     question = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}
        ...     answers = [httpx.post(f"{sim.base_url}/chat/completions", json=question) for _ in range(2)]
        >>> [answer.status_code for answer in answers]
        [503, 200]
        >>> answers[1].json()["choices"][0]["message"]["content"]
        'Hello there'
        >>> [request.model for request in sim.requests]
        ['gpt-4.1', 'gpt-4.1']

    Args:
        scripts: Behaviours by model name, as for `script`; a sequence as a list.
        host: IPv4 address to listen on.
        port: Port to listen on; 0 takes a free one.
        largest_body: Requests with a larger body get a 413.
        strict: Refuse conversations that the providers refuse: unpaired tool calls, foreign signatures, empty text …
    """

    def __init__(
        self,
        scripts: Mapping[str, Scripted | list[Scripted]] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        largest_body: int = 32 * 1024 * 1024,
        strict: bool = True,
    ) -> None:
        self._host = host
        self._port = port
        self._desk = Desk(largest_body, is_strict=strict)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] | None = None
        for model, steps in (scripts or {}).items():
            self.script(model, *(steps if isinstance(steps, list) else [steps]))

    def script(self, model: str | None, *steps: Scripted, key: str | None = None, once: bool = False) -> None:
        """Says how requests for `model` are answered: each takes the next step, the last one repeats.

        Args:
            model: Model name; "*" or None for any.
            steps: Behaviours, their notation ("503*2,ok"), or callables from a `RequestRecord` to either.
            key: Only requests with this API key. A script for model and key goes before one for the key, that before
                one for the model.
            once: Forget the script after its last step, instead of repeating that.

        Raises:
            ConfigurationError: There is no step, or one can't be read.
        """
        self._desk.script.set(model, steps, key=key, once=once)

    def load(self, scenario: Mapping[str, Any]) -> None:
        """Takes the scripts of a scenario file: `{"models": {name: …}, "keys": {key: …}, "default": …}`.

        Each value is the notation, a behaviour as a JSON object, or a list of them (see `notation`).

        Raises:
            ConfigurationError: Something in it can't be read.
        """
        self._desk.script.load(scenario)

    @property
    def url(self) -> str:
        """Where it listens, without a path: `http://127.0.0.1:54321`."""
        if not self._port:
            raise RuntimeError("the simulator has no address before it is started")
        return f"http://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        """Base URL as OpenAI clients want it: `url` and `/v1`."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[RequestRecord]:
        """All requests so far, in order of arrival; a copy of the list."""
        return self._desk.recorder.requests

    def requests_for(self, model: str) -> list[RequestRecord]:
        """The requests for one model (without what stands after a tilde)."""
        return [record for record in self.requests if (record.model or "").partition("~")[0] == model]

    @property
    def connections(self) -> Connections:
        """TCP connections accepted in all and open now."""
        return self._desk.recorder.connections

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 5.0) -> None:
        """Returns as soon as `predicate` holds; it is asked after each change of a request or connection.

        In an event loop use `await_for`, since this blocks.

        Raises:
            TimeoutError: It did not hold within `timeout` seconds.
        """
        self._desk.recorder.wait_for(predicate, timeout)

    def await_for(self, predicate: Callable[[], Any], timeout: float = 5.0) -> Awaitable[None]:
        """`wait_for` without blocking the event loop: `await sim.await_for(…)`."""
        return asyncio.to_thread(self.wait_for, predicate, timeout)

    def clear(self) -> None:
        """Forgets all scripts, what the rules remember, and all requests; connections stay open and counted."""
        self._desk.script.clear()
        self._desk.recorder.clear()

    def start(self) -> Self:
        """Starts the server; returns when it listens.

        Raises:
            OSError: The address is taken.
            RuntimeError: It runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the simulator runs already")
        listening: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="simulator", daemon=True)
        self._thread.start()
        try:
            listening.result()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Ends all connections and the server; returns when its thread has ended. Harmless if it does not run."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._stop is not None:
            self._stop()
        thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Starting and stopping take about a millisecond, so they may run in the caller's loop.
    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, listening: Future[None]) -> None:
        try:
            asyncio.run(self._listen(listening))
        except (OSError, OverflowError) as error:  # the address is taken, or none
            listening.set_exception(error)

    async def _listen(self, listening: Future[None]) -> None:
        stopping = asyncio.Event()
        listener = Listener(self._host, self._port, lambda: Connection(self._desk))
        self._port = listener.port
        self._stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set)
        listening.set_result(None)
        await stopping.wait()
        self._stop = None
        await listener.close()
        for connection in list(self._desk.connections):
            connection.stop()
            await connection.lost.wait()
