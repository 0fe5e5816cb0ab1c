"""What the server saw: every request, and how many connections were opened and are open.

Written by the server's thread, read by any other; every change wakes those who wait for one.

Invariants: a request is recorded when its body is complete, in order of arrival; it ends exactly once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from shared_core.simulator.asked import Asked

__all__ = ["Connections", "Recorder", "RequestRecord", "RequestState"]

RequestState = Literal["open", "finished", "aborted", "stopped"]


class Connections(NamedTuple):
    """TCP connections: how many were accepted in all, how many are open now."""

    accepted: int
    open: int


@dataclass(slots=True, eq=False)
class RequestRecord:
    """One request as the server read it.

    Attributes:
        number: Counts from 1 in order of arrival.
        wire: "openai", "anthropic", "gemini", "responses"; None for what is no call of a model (a list of models, 404).
        method: HTTP method.
        path: Path without the query.
        query: Query parameters.
        headers: Headers, names in lower case.
        body: Decoded JSON body; None if there was none or it was no JSON.
        raw: The body's bytes.
        model: Model that was asked for.
        asked: What it asks for, in a form that belongs to no wire; None if it could not be read.
        key: The API key that came with it, from whichever header.
        time: `time.monotonic()` at its arrival.
        connection: Number of its TCP connection, from 1.
        behaviour: What was played.
        status: HTTP status that was sent; None before that.
        state: "open" while it is being answered; "finished" when everything that the behaviour says was sent;
            "aborted" when the client left before; "stopped" when the simulator was closed before.
        ended: `time.monotonic()` at its end.
    """

    number: int
    wire: str | None
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    raw: bytes = field(repr=False)
    model: str | None
    key: str | None
    time: float
    connection: int
    asked: Asked | None = field(default=None, repr=False)
    behaviour: Any = None
    status: int | None = None
    state: RequestState = "open"
    ended: float | None = None

    @property
    def finished(self) -> bool:
        """Everything was sent that was to be sent, intended faults included."""
        return self.state == "finished"

    @property
    def aborted(self) -> bool:
        """The client closed the connection before that."""
        return self.state == "aborted"


class Recorder:
    """Thread-safe memory of requests and connections."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._requests: list[RequestRecord] = []
        self._accepted = 0
        self._open = 0

    @property
    def requests(self) -> list[RequestRecord]:
        """All requests so far, in order of arrival; a copy."""
        with self._changed:
            return list(self._requests)

    @property
    def connections(self) -> Connections:
        """Connections accepted and open."""
        with self._changed:
            return Connections(self._accepted, self._open)

    def connected(self) -> int:
        """A connection was accepted; returns its number."""
        with self._changed:
            self._accepted += 1
            self._open += 1
            self._changed.notify_all()
            return self._accepted

    def disconnected(self) -> None:
        """A connection is gone."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def arrived(self, **fields: Any) -> RequestRecord:
        """A request is complete; `fields` are those of its record."""
        with self._changed:
            record = RequestRecord(number=len(self._requests) + 1, time=time.monotonic(), **fields)
            self._requests.append(record)
            self._changed.notify_all()
            return record

    def ended(self, record: RequestRecord, state: RequestState) -> None:
        """A request ended."""
        with self._changed:
            record.state = state
            record.ended = time.monotonic()
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[], Any], timeout: float) -> None:
        """Returns as soon as `predicate` holds; it is asked again after every change.

        Raises:
            TimeoutError: It did not hold within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(predicate, timeout):
                raise TimeoutError(f"not true within {timeout} s; seen: {self.connections}, {self._requests}")

    def clear(self) -> None:
        """Forgets the requests; connections are still counted."""
        with self._changed:
            self._requests.clear()
