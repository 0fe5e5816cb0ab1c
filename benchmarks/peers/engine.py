"""Ours: the engine by itself."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.peers.base import Chain, Client, Heard, Openers
from benchmarks.peers.chain_settings import models, settings, transports
from shared_core import FailoverManager, LLMRequest, Message
from shared_core.events import TextDelta

__all__ = ["OPENERS"]


def _engine(chain: Chain) -> tuple[FailoverManager, Callable[[str], LLMRequest]]:
    first, *others = models(chain)

    def request(prompt: str) -> LLMRequest:
        return LLMRequest(model=first, fallback_models=tuple(others), messages=(Message.of("user", prompt),))

    return FailoverManager(**settings(chain)), request


def _ready(chain: Chain) -> Client:
    manager, request = _engine(chain)

    async def stream(prompt: str) -> Heard:
        heard = Heard()
        async for event in manager.astream(request(prompt)):
            if type(event) is TextDelta:
                heard.add(event.text)
        return heard

    async def whole(prompt: str) -> int:
        return len((await manager.acomplete(request(prompt))).text)

    return Client(stream, whole)


def _ready_sync(chain: Chain) -> Client:
    manager, request = _engine(chain)

    def stream(prompt: str) -> Heard:
        heard = Heard()
        for event in manager.stream(request(prompt)):
            if type(event) is TextDelta:
                heard.add(event.text)
        return heard

    def whole(prompt: str) -> int:
        return len(manager.complete(request(prompt)).text)

    return Client(stream, whole)


OPENERS: dict[str, Openers] = transports("engine", _ready, _ready_sync)
