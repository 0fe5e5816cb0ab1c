"""What a peer is to the loads: how it is asked, and what is heard of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, Literal, TypeAlias

__all__ = ["KEY", "MODEL", "Chain", "Client", "Heard", "Mode", "Openers", "openers"]

Mode = Literal["async", "sync"]

MODEL = "gpt-4.1"
KEY = "key-main"


@dataclass(slots=True)
class Heard:
    """What came of a stream: its number of characters, and the time and CPU time at which its first text was there."""

    size: int = 0
    first: float = 0.0
    first_cpu: float = 0.0

    def add(self, text: str | None) -> None:
        """Reads the text of a chunk."""
        if text:
            if not self.size:
                self.first, self.first_cpu = perf_counter(), process_time()
            self.size += len(text)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where to send a call.

    Attributes:
        urls: Base URLs, in the order in which they are tried.
        cooldown: Seconds for which one that fails is left alone, where a peer can be told; None for its default.
        in_place: Whether the same one may be asked again after a failure, where a peer can be told.
    """

    urls: tuple[str, ...]
    cooldown: float | None = None
    in_place: bool = True


@dataclass(frozen=True, slots=True)
class Client:
    """A peer that is ready. Both take a prompt, and are coroutine functions in async mode."""

    stream: Callable[[str], Any]
    """Asks, and gives a `Heard`."""
    whole: Callable[[str], Any] | None = None
    """Asks for the answer in one piece, and gives the number of its characters."""


Opener: TypeAlias = Callable[[Chain], AbstractAsyncContextManager[Client] | AbstractContextManager[Client]]
Openers: TypeAlias = Mapping[Mode, Opener]
"""How to open a peer, by mode; an async context manager in async mode."""


def openers(
    make: Callable[[Chain], Any], asking: Callable[[Any], Client], asking_sync: Callable[[Any], Client]
) -> Openers:
    """Openers of a peer that needs no closing.

    Args:
        make: Makes its object.
        asking: How the object is asked, async.
        asking_sync: The same, sync.
    """

    @asynccontextmanager
    async def opening(chain: Chain) -> AsyncIterator[Client]:
        yield asking(make(chain))

    @contextmanager
    def opening_sync(chain: Chain) -> Iterator[Client]:
        yield asking_sync(make(chain))

    return {"async": opening, "sync": opening_sync}
