"""LLMs without async code of their own, in async code: they are read in a thread, so that the event loop stays free.

`CustomLLM` gives each subclass async methods that call the sync ones where they stand. Whoever awaits them holds up the
whole loop, timers included.

Invariants: one thread an answer, which ends with it; whoever goes away waits for nobody: a step that is under way ends
in its thread, and closes the answer there.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM

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
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    lock = threading.Lock()
    has_left = False

    def step() -> _Item | None:
        with lock:
            item = None if has_left else next(items, None)
            if has_left:
                items.close()
            return item

    pool = ThreadPoolExecutor(1, thread_name_prefix="llm-failover-blocking")
    try:
        while (item := await loop.run_in_executor(pool, context.run, step)) is not None:
            yield item
    finally:
        has_left = True
        if lock.acquire(blocking=False):
            try:
                items.close()
            finally:
                lock.release()
        pool.shutdown(wait=False)
