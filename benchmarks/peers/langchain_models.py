"""LangChain's own: `ChatOpenAI`, and `with_fallbacks` around it."""

from __future__ import annotations

from typing import Any

from langchain_openai import ChatOpenAI

from benchmarks.peers.base import KEY, MODEL, Chain, Openers, openers
from benchmarks.peers.langchain_asking import asking, asking_sync

__all__ = ["OPENERS", "chat_openai"]


def chat_openai(chain: Chain) -> ChatOpenAI:
    """`ChatOpenAI` at the first URL."""
    return ChatOpenAI(model=MODEL, api_key=KEY, base_url=chain.urls[0])


def _with_fallbacks(chain: Chain) -> Any:
    # A chain of one gets a second link that is never asked: without one it would be no chain.
    urls = chain.urls if len(chain.urls) > 1 else chain.urls * 2
    first, *others = (chat_openai(Chain((url,))) for url in urls)
    return first.with_fallbacks(others)


OPENERS: dict[str, Openers] = {
    "ChatOpenAI": openers(chat_openai, asking, asking_sync),
    "ChatOpenAI.with_fallbacks": openers(_with_fallbacks, asking, asking_sync),
}
