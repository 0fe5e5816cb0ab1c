"""Ours: the LlamaIndex LLM."""

from __future__ import annotations

from benchmarks.peers.base import Chain, Openers
from benchmarks.peers.chain_settings import models, settings, transports
from benchmarks.peers.llamaindex_asking import asking, asking_sync
from llamaindex_failover import FailoverLLM

__all__ = ["OPENERS"]


def _failover_llm(chain: Chain) -> FailoverLLM:
    first, *others = models(chain)
    return FailoverLLM(model=first, fallbacks=others, **settings(chain))


OPENERS: dict[str, Openers] = transports(
    "FailoverLLM", lambda chain: asking(_failover_llm(chain)), lambda chain: asking_sync(_failover_llm(chain))
)
