"""Ours: the LangChain chat model."""

from __future__ import annotations

from benchmarks.peers.base import Chain, Openers
from benchmarks.peers.chain_settings import models, settings, transports
from benchmarks.peers.langchain_asking import asking, asking_sync
from langchain_failover import ChatFailover

__all__ = ["OPENERS"]


def _chat_failover(chain: Chain) -> ChatFailover:
    first, *others = models(chain)
    return ChatFailover(model=first, fallbacks=others, **settings(chain))


OPENERS: dict[str, Openers] = transports(
    "ChatFailover", lambda chain: asking(_chat_failover(chain)), lambda chain: asking_sync(_chat_failover(chain))
)
