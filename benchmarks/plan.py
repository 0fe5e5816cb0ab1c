"""Which peers carry which load, how often and for how long: the full plan and the quick one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.peers import PEERS, Mode

__all__ = ["Cell", "Load", "plan"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One process: a peer under a load."""

    peer: str
    mode: Mode
    load: str
    budget: float
    chunks: int


@dataclass(frozen=True, slots=True)
class Load:
    """A load and who carries it.

    Attributes:
        name: Its name in `loads.LOADS`.
        mode: Sync or async.
        peers: Who carries it, in the order of a round.
        rounds: How often each does.
        budget: CPU seconds of each measured stretch.
        chunks: Chunks of each paced stream.
    """

    name: str
    mode: Mode
    peers: tuple[str, ...]
    rounds: int
    budget: float
    chunks: int = 0

    def cells(self) -> Iterator[Cell]:
        """The cells of one round."""
        for peer in self.peers:
            yield Cell(peer, self.mode, self.name, self.budget, self.chunks)


_REFERENCES = ("raw httpx", "raw aiohttp", "ChatOpenAI", "OpenAILike", "ChatLiteLLMRouter")
"""The floors and those that ratios refer to."""

_IN_FRAMEWORKS = ("raw aiohttp in LangChain", "raw aiohttp in LlamaIndex")
"""The floors of the frameworks."""

_MEMBERS = ("ChatOpenAI", "ChatFailover(ChatOpenAI)", "LlamaIndex OpenAI", "FailoverLLM(OpenAI)")
"""Ours around members, and the members asked without us."""


def plan(*, quick: bool, rounds: int | None) -> tuple[Load, ...]:
    """All loads.

    Args:
        quick: Shorter stretches, fewer rounds, and only ours and those that ratios refer to.
        rounds: Rounds of every load, instead of the plan's own.
    """
    ours = [name for name, peer in PEERS.items() if peer.role == "ours"]
    plain = [name for name in ours if "sync" in PEERS[name].modes]
    chained = [name for name, peer in PEERS.items() if peer.has_chain]
    few = [*_REFERENCES, *_IN_FRAMEWORKS, *ours]
    everyone = [*few, *_MEMBERS] if quick else [name for name in PEERS if name != "raw asyncio"]
    many = [*few, "raw asyncio"]
    streaming = many if quick else [name for name in PEERS if name == "ChatOpenAI" or name not in _MEMBERS]

    def load(name: str, mode: Mode, peers: Iterable[str], usual: int, chunks: int = 0) -> Load:
        # In the order of the registry, each once.
        carrying = tuple(peer for peer in PEERS if peer in set(peers) and mode in PEERS[peer].modes)
        return Load(name, mode, carrying, rounds or usual, _BUDGET[quick], chunks)

    wide = () if quick else (load("paced-200", "async", many, 1, 25), load("paced-1000", "async", many, 1, 10))
    return (
        load("sequential", "async", everyone, 2 if quick else 3),
        load("sequential", "sync", few if quick else [*few, *_MEMBERS, "openai SDK"], 1 if quick else 3),
        load("paced-100", "async", streaming, 1 if quick else 3, 25 if quick else 50),
        *wide,
        load("failover", "async", plain if quick else chained, 1),
        load("probes", "async", plain[:1] if quick else plain, 1),
        load("chains", "async", plain if quick else ours, 1 if quick else 2),
    )


_BUDGET = {True: 0.15, False: 0.3}
"""CPU seconds of each measured stretch, quick or not."""
