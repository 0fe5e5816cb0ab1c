"""Everyone who is measured: a row each, with the room that opens it.

Every opener gives the same two things: `stream` asks once and reads the text of every chunk, `whole` asks for the
answer in one piece. Settings are everyone's own defaults, but for what it takes to reach the server and to hold many
streams at once. A room is imported when its peer is opened, so that each process holds one peer, and one that is not
installed is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from benchmarks.peers.base import Chain, Client, Heard, Mode

__all__ = ["PEERS", "Chain", "Client", "Heard", "Mode", "Peer", "Unavailable"]

_BOTH: tuple[Mode, ...] = ("async", "sync")

Role = Literal["floor", "peer", "ours", "member"]


class Unavailable(Exception):  # noqa: N818  # it is no error: the peer is left out, and the table says why
    """The peer cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One who is measured.

    Attributes:
        name: What it is called in tables and options.
        room: Module that opens it.
        role: A floor; someone else's; ours; or ours around someone else's object.
        modes: How it can be called.
        has_chain: Whether it goes to the next model by itself.
        needs: Modules that its room does not import by itself.
    """

    name: str
    room: str
    role: Role = "peer"
    modes: tuple[Mode, ...] = _BOTH
    has_chain: bool = False
    needs: tuple[str, ...] = ()

    def open(self, mode: Mode, chain: Chain) -> Any:
        """A context manager that gives a `Client`; an async one in async mode.

        Raises:
            Unavailable: Something that it needs is not installed.
        """
        try:
            for module in self.needs:
                import_module(module)
            room = import_module(f"benchmarks.peers.{self.room}")
        except ModuleNotFoundError as missing:
            raise Unavailable(f"{missing.name} is not installed") from missing
        return room.OPENERS[self.name][mode](chain)


# In the order of a round: what is compared most closely comes one after the other.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("raw httpx", "raw_httpx", "floor"),
        Peer("raw aiohttp", "raw_aiohttp", "floor", ("async",)),
        Peer("raw asyncio", "raw_asyncio", "floor", ("async",)),
        Peer("raw aiohttp in LangChain", "raw_in_frameworks", "floor", ("async",), needs=("langchain_core",)),
        Peer("raw aiohttp in LlamaIndex", "raw_in_frameworks", "floor", ("async",), needs=("llama_index.core",)),
        Peer("openai SDK", "openai_sdk"),
        Peer("ChatOpenAI", "langchain_models"),
        Peer("ChatFailover(ChatOpenAI)", "langchain_member", "member"),
        Peer("ChatOpenAI.with_fallbacks", "langchain_models", has_chain=True),
        Peer("LiteLLM Router", "litellm_router", has_chain=True),
        Peer("ChatLiteLLMRouter", "langchain_litellm_router", has_chain=True),
        Peer("OpenAILike", "llamaindex_models"),
        Peer("LlamaIndex OpenAI", "llamaindex_models"),
        Peer("FailoverLLM(OpenAI)", "llamaindex_member", "member"),
        Peer("engine", "engine", "ours", has_chain=True),
        Peer("engine, fast transport", "engine", "ours", ("async",), has_chain=True, needs=("aiohttp",)),
        Peer("ChatFailover", "chat_failover", "ours", has_chain=True),
        Peer("ChatFailover, fast transport", "chat_failover", "ours", ("async",), has_chain=True, needs=("aiohttp",)),
        Peer("FailoverLLM", "failover_llm", "ours", has_chain=True),
        Peer("FailoverLLM, fast transport", "failover_llm", "ours", ("async",), has_chain=True, needs=("aiohttp",)),
    )
}
