"""LiteLLM's Router as a chat model of LangChain's."""

from __future__ import annotations

from langchain_litellm import ChatLiteLLMRouter

from benchmarks.peers.base import Chain, Openers, openers
from benchmarks.peers.langchain_asking import asking, asking_sync
from benchmarks.peers.litellm_router import router

__all__ = ["OPENERS"]


def _chat_model(chain: Chain) -> ChatLiteLLMRouter:
    return ChatLiteLLMRouter(router=router(chain))


OPENERS: dict[str, Openers] = {"ChatLiteLLMRouter": openers(_chat_model, asking, asking_sync)}
