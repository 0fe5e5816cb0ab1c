"""A provider that tells how each attempt goes, while it goes.

The engine's hooks say when an attempt begins and when another target is next; a failure after which the same target
is asked again is in the report alone, and that comes at the end. Whoever draws the walk live wants it when it happens.

Invariant: nothing is changed, caught or kept; what the engine sees is what the provider gave.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import closing
from typing import Protocol

from shared_core.errors import ProviderError
from shared_core.events import Failed, Finish, WireEvent
from shared_core.providers.base import Attempted, Guard, Provider
from shared_core.timers import SyncGuard

__all__ = ["Watched", "Watcher"]


class Watcher(Protocol):
    """Who is told. It must not raise: that would count as the provider's failure."""

    def sent(self, attempted: Attempted) -> None:
        """A request is about to be sent."""

    def broke(self, error: ProviderError) -> None:
        """The provider failed."""


class Watched:
    """A provider under watch.

    Args:
        provider: The one that does the work.
        watcher: Who is told.
    """

    def __init__(self, provider: Provider, watcher: Watcher) -> None:
        self._provider = provider
        self._watcher = watcher

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._provider.name

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        """The provider's stream.

        Raises:
            ProviderError: The provider's own.
        """
        self._watcher.sent(attempted)
        is_whole = False
        try:
            with closing(self._provider.stream(attempted, guard)) as batches:
                for batch in batches:
                    if batch and isinstance(batch[-1], Failed):
                        self._watcher.broke(batch[-1].error)
                    is_whole = is_whole or any(isinstance(event, Finish) for event in batch)
                    yield batch
        except ProviderError as error:
            # What breaks behind a whole answer takes nothing away; and a timer that ran out breaks the connection to
            # end the read, for which the engine has words of its own.
            if not is_whole and not (isinstance(guard, SyncGuard) and guard.has_fired):
                self._watcher.broke(error)
            raise

    def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The provider's async stream, unwatched: the command line asks in sync code."""
        return self._provider.astream(attempted)
