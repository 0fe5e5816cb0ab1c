"""Ours around a member of LlamaIndex's."""

from __future__ import annotations

from benchmarks.peers.base import Chain, Openers, openers
from benchmarks.peers.llamaindex_asking import asking, asking_sync
from benchmarks.peers.llamaindex_models import openai
from llamaindex_failover import FailoverLLM

__all__ = ["OPENERS"]


def _around(chain: Chain) -> FailoverLLM:
    return FailoverLLM(model=openai(chain))


OPENERS: dict[str, Openers] = {"FailoverLLM(OpenAI)": openers(_around, asking, asking_sync)}
