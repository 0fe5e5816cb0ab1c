"""The listener when the system has no socket to give."""

from __future__ import annotations

import asyncio

import pytest

from shared_core.simulator.listener import Listener


class NoneLeft:
    """A listening socket whose process has no file descriptor left."""

    is_closed = False

    def accept(self) -> None:
        raise OSError(24, "Too many open files")

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.is_closed = True


async def test_closing_ends_the_pause_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would listen again in a moment; closed meanwhile, it does not."""
    listener = Listener("127.0.0.1", 0, asyncio.Protocol)
    loop = asyncio.get_running_loop()
    real, none_left = listener._socket, NoneLeft()
    loop.remove_reader(real)
    real.close()
    monkeypatch.setattr(loop, "remove_reader", lambda _socket: True)
    listener._socket = none_left  # type: ignore[assignment]
    listener._accept()
    retry = listener._retry
    assert retry is not None
    assert not retry.cancelled()
    await listener.close()
    assert retry.cancelled()
    assert none_left.is_closed
