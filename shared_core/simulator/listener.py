"""The listening socket: accepts connections and hands them to the event loop.

asyncio's own server is not used: what it has accepted but not yet announced when it is closed would stay open.

Invariants: once `close` has returned, every connection that was accepted has been announced to its protocol; running
out of file descriptors delays clients and loses none.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

__all__ = ["Listener"]

_BACKLOG = 2048  # a thousand clients may connect at the same moment
_BREATHER = 0.05  # seconds until another try, when the system has no socket to give


class Listener:
    """Listens from its construction on; lives in a running event loop."""

    def __init__(self, host: str, port: int, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._arriving: set[asyncio.Task[Any]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._listen()

    def _listen(self) -> None:
        self._retry = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(_BREATHER, self._listen)
                return
            accepted.setblocking(False)
            # asyncio does so only where a socket knows its protocol: an accepted one doesn't, and would hold back a
            # small chunk until the client's kernel has acknowledged the one before, 40 ms later.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._announce(accepted))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _announce(self, accepted: socket.socket) -> None:
        await self._loop.connect_accepted_socket(self._protocol, accepted)

    async def close(self) -> None:
        """Accepts no more; returns when those that were accepted have been announced."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        await asyncio.gather(*self._arriving)
