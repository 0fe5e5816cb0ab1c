"""LLMs without async code of their own, in async code: they are read in a thread, so that the event loop stays free.

`CustomLLM` gives each subclass async methods that call the sync ones where they stand. Whoever awaits them holds up the
whole loop, timers included.

Invariants: one daemon thread an answer, which ends with it; whoever goes away waits for nobody: a step that is under
way ends in its thread, at its next read from the network at the latest, and the answer is closed there. What it raises
then is nobody's failure.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM

from shared_core.providers import reaper

__all__ = ["beside", "is_blocking"]

_Item = TypeVar("_Item")


def is_blocking(llm: LLM, method: str, *, is_whole: bool) -> bool:
    """Whether the async form of `method` is the one that runs sync code in the event loop."""
    if not isinstance(llm, CustomLLM):
        return False
    name = f"a{method}" if is_whole else f"astream_{method}"
    return next((cls for cls in type(llm).__mro__ if name in vars(cls)), None) is CustomLLM


async def beside(items: Generator[_Item, None, None]) -> AsyncGenerator[_Item, None]:
    """The items of a blocking generator, each step of it in a thread."""
    hand = _Hand(items)
    try:
        while (item := await hand.next()) is not None:
            yield item
    finally:
        hand.leave()


class _Hand(Generic[_Item]):
    """Takes the steps of a generator, one at a time, in a daemon thread: Python's end does not wait for it."""

    def __init__(self, items: Generator[_Item, None, None]) -> None:
        self._items = items
        self._loop = asyncio.get_running_loop()
        self._wanted: SimpleQueue[asyncio.Future[_Item | None] | None] = SimpleQueue()
        self._is_busy = False
        context = contextvars.copy_context()
        name = "llm-failover-blocking"
        self._thread = threading.Thread(target=context.run, args=(self._work,), name=name, daemon=True)
        self._thread.start()

    def next(self) -> asyncio.Future[_Item | None]:
        """The next item; None at the end."""
        future: asyncio.Future[_Item | None] = self._loop.create_future()
        self._is_busy = True
        self._wanted.put(future)
        return future

    def leave(self) -> None:
        """Nobody reads on: the generator is closed in its thread, behind the step that is under way."""
        self._wanted.put(None)
        if self._is_busy:
            reaper.end(self._thread)

    def _work(self) -> None:
        with suppress(Exception), closing(self._items):
            while (future := self._wanted.get()) is not None:
                item, raised = None, None
                try:
                    item = next(self._items, None)
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it was asked for
                    raised = error
                self._is_busy = False
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(_tell, future, item, raised)


def _tell(future: asyncio.Future[_Item | None], item: _Item | None, raised: BaseException | None) -> None:
    if future.done():  # whoever asked is gone
        return
    if raised is None:
        future.set_result(item)
    else:
        future.set_exception(raised)
