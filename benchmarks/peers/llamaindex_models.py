"""LlamaIndex's own: `OpenAI` and `OpenAILike`."""

from __future__ import annotations

from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike

from benchmarks.peers.base import KEY, MODEL, Chain, Openers, openers
from benchmarks.peers.llamaindex_asking import asking, asking_sync

__all__ = ["OPENERS", "openai"]


def openai(chain: Chain) -> OpenAI:
    """`OpenAI` at the first URL."""
    return OpenAI(model=MODEL, api_base=chain.urls[0], api_key=KEY)


def _openai_like(chain: Chain) -> OpenAILike:
    return OpenAILike(model=MODEL, api_base=chain.urls[0], api_key=KEY, is_chat_model=True)


OPENERS: dict[str, Openers] = {
    "OpenAILike": openers(_openai_like, asking, asking_sync),
    "LlamaIndex OpenAI": openers(openai, asking, asking_sync),
}
