"""Ours around a member of LangChain's."""

from __future__ import annotations

from benchmarks.peers.base import Chain, Openers, openers
from benchmarks.peers.langchain_asking import asking, asking_sync
from benchmarks.peers.langchain_models import chat_openai
from langchain_failover import ChatFailover

__all__ = ["OPENERS"]


def _around(chain: Chain) -> ChatFailover:
    return ChatFailover(model=chat_openai(chain))


OPENERS: dict[str, Openers] = {"ChatFailover(ChatOpenAI)": openers(_around, asking, asking_sync)}
