"""Ends threads that were left in the middle of a read: their socket is shut under them.

A member's blocking client cannot be told to stop, and a server that sends keepalives for ever would keep its thread for
ever. What the thread reads from stands in its own frames: the socket of an HTTP client's read is shut for both
directions, the read fails, and the client cleans up behind itself as it does when a server goes away.

Invariants: only a socket that an HTTP client reads from in that very thread is touched; a thread that is at something
else is looked at again later, less and less often; nothing here raises.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
import threading
from types import FrameType

__all__ = ["end"]

_CLIENTS = frozenset({"httpcore", "httpcore2", "urllib3", "http", "requests", "botocore"})
"""Packages that read HTTP in the caller's thread: those of the providers' SDKs, and the standard library's."""

_SOON = 0.2
_LATER = 10.0
"""Seconds until a thread is looked at again: at first, and at most."""


def end(thread: threading.Thread) -> None:
    """Sees to it that `thread`, whose work nobody wants any more, ends when it reads from the network."""
    if thread.is_alive():
        _shut(thread)
        _REAPER.watch(thread)


class _Reaper:
    """Looks after abandoned threads until they have ended; a thread of its own runs only meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[threading.Thread] = []
        self._has_news = threading.Event()

    def watch(self, thread: threading.Thread) -> None:
        with self._lock:
            self._watched = [each for each in self._watched if each.is_alive()]
            is_first = not self._watched  # in a forked child, whose parent's threads have ended here, as well
            self._watched.append(thread)
        self._has_news.set()
        if is_first:
            threading.Thread(target=self._work, name="llm-failover-reaper", daemon=True).start()

    def _work(self) -> None:
        pause = _SOON
        while True:
            if self._has_news.wait(pause):
                self._has_news.clear()
                pause = _SOON
                self._has_news.wait(pause)
            with self._lock:
                self._watched = [thread for thread in self._watched if thread.is_alive()]
                watched = list(self._watched)
                if not watched:
                    return
            for thread in watched:
                _shut(thread)
            pause = min(pause * 2, _LATER)


_REAPER = _Reaper()


def _shut(thread: threading.Thread) -> None:
    with contextlib.suppress(Exception):  # frames and their locals are other people's
        frame = _frame_of(thread)
        # An identity is used again; as long as the thread lives it is its own.
        found = _read_from(frame) if thread.is_alive() else None
        if found is not None:
            # Not `SSLSocket.shutdown`, which takes TLS off under the reader.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


_LOOKING = threading.Lock()


def _frame_of(thread: threading.Thread) -> FrameType | None:
    """What `thread` is doing.

    CPython before 3.12 may collect garbage in `sys._current_frames`, and so run anybody's code, while that holds the
    lock which a thread that begins or ends waits for with the interpreter's own lock in hand: then all threads stand
    still for ever (python/cpython#106883).
    """
    with _LOOKING:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames().get(thread.ident or 0)
        finally:
            if collects:
                gc.enable()


def _read_from(frame: FrameType | None) -> socket.socket | None:
    """The socket that the innermost read of an HTTP client is about."""
    found: socket.socket | None = None
    while frame is not None:
        found = found or _held(frame.f_locals.get("self"))
        if found is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _CLIENTS:
            return found
        frame = frame.f_back
    return None


def _held(reader: object) -> socket.socket | None:
    """The socket that a reader is or has: TLS reads are the socket's own, others a stream's.

    One that is still being connected belongs to no reader; it has its own timeout.
    """
    if isinstance(reader, socket.socket):
        return reader
    try:
        # Without asking the reader itself, which might run code of its own.
        held = object.__getattribute__(reader, "__dict__").get("_sock")
    except AttributeError:
        return None
    return held if isinstance(held, socket.socket) else None
