"""What is meant to be reached, as claims over the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Spread, figure, ratio
from benchmarks.imports import Import
from benchmarks.measuring import Measured
from benchmarks.tables import table

__all__ = ["Claim", "beside_floors", "claims", "reach_table"]

_FAST = ", fast transport"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something of ours, at most so much."""

    text: str
    found: Spread | None
    most: float

    @property
    def verdict(self) -> str:
        """Whether the median keeps to it."""
        return "reached" if self.found is not None and self.found.median <= self.most else "**missed**"


def claims(measured: Measured, imports: dict[Import, list[float]]) -> Iterator[Claim]:
    """All of them."""
    yield from _engine(measured)
    yield from _face(measured, "ChatFailover", "ChatOpenAI")
    yield from _face(measured, "FailoverLLM", "OpenAILike")
    yield from _members(measured)
    yield from _failing(measured)
    yield from _first_text(measured)
    yield from _imports(imports)


def _ratio(measured: Measured, load: str, mode: str, peer: str, to: str, name: str, most: float) -> Claim:
    what = _WHAT[name]
    shape = mode if load == "sequential" else f"{load.partition('-')[2]} streams"
    return Claim(f"{peer} ÷ {to}: {what}, {shape}", ratio(measured, load, mode, peer, to, name), most)


_WHAT = {
    "call": "a call",
    "chunk": "a chunk",
    "overall": "a chunk with its share of the call",
    "whole": "a call in one piece",
    "first": "first text",
    "first of a burst": "first text of an answer that comes at once",
}


def _engine(measured: Measured) -> Iterator[Claim]:
    for peer, floor, mode in (
        ("engine", "raw httpx", "async"),
        ("engine" + _FAST, "raw aiohttp", "async"),
        ("engine", "raw httpx", "sync"),
    ):
        yield _ratio(measured, "sequential", mode, peer, floor, "chunk", 1.6)
        yield _ratio(measured, "sequential", mode, peer, floor, "call", 2.0)


def _face(measured: Measured, face: str, peer: str) -> Iterator[Claim]:
    for mode in ("async", "sync"):
        for name in ("call", "chunk"):
            yield _ratio(measured, "sequential", mode, face, peer, name, 0.33)
    yield _ratio(measured, "sequential", "async", face + _FAST, peer, "call", 0.2)
    for load in ("paced-100", "paced-200", "paced-1000"):
        yield _ratio(measured, load, "async", face + _FAST, peer, "chunk", 0.2)
    yield _ratio(measured, "paced-100", "async", face + _FAST, peer, "overall", 0.2)
    router = "ChatLiteLLMRouter"
    for name in ("call", "chunk"):
        yield _ratio(measured, "sequential", "async", face, router, name, 0.1)
        yield _ratio(measured, "sequential", "sync", face, router, name, 0.1)
        yield _ratio(measured, "sequential", "async", face + _FAST, router, name, 0.1)
    for load in ("paced-100", "paced-200", "paced-1000"):
        yield _ratio(measured, load, "async", face + _FAST, router, "chunk", 0.1)


def _members(measured: Measured) -> Iterator[Claim]:
    pairs = (("ChatFailover(ChatOpenAI)", "ChatOpenAI"), ("FailoverLLM(OpenAI)", "LlamaIndex OpenAI"))
    for around, member in pairs:
        for mode in ("async", "sync"):
            for name in ("call", "chunk", "whole"):
                yield _ratio(measured, "sequential", mode, around, member, name, 1.1)


_OURS = tuple(face + transport for face in ("engine", "ChatFailover", "FailoverLLM") for transport in ("", _FAST))


def _failing(measured: Measured) -> Iterator[Claim]:
    for peer in _OURS:
        found = figure(measured, "failover", "async", peer, "ratio")
        yield Claim(f"{peer}: a call while the primary is dead ÷ one while it is well", found, 1.05)
        found = figure(measured, "probes", "async", peer, "per cooldown")
        yield Claim(f"{peer}: requests to the dead primary for each cooldown that ends", found, 1.0)
        found = figure(measured, "chains", "async", peer, "skipped")
        yield Claim(f"{peer}: µs for each skipped target of a chain of 20", found, 10.0)
        found = figure(measured, "sequential", "async", peer, "connections")
        yield Claim(f"{peer}: new connections for 100 calls", found, 0.0)


def _first_text(measured: Measured) -> Iterator[Claim]:
    for peer in _OURS:
        floor = "raw aiohttp" if peer.endswith(_FAST) else "raw httpx"
        for name in ("first", "first of a burst"):
            yield _ratio(measured, "sequential", "async", peer, floor, name, 1.5)


def _imports(imports: dict[Import, list[float]]) -> Iterator[Claim]:
    bounds = {"shared_core": 80.0, "langchain_failover": 60.0}
    for (statement, before), figures in imports.items():
        package = statement.split()[1]
        if package in bounds:
            yield Claim(f"`{statement}` after `{before}`, ms", Spread.of(figures), bounds[package])


def beside_floors(measured: Measured) -> str:
    """What our faces cost in multiples of the thinnest model that their framework takes; empty without figures."""
    rows = []
    for face, framework in (("ChatFailover", "LangChain"), ("FailoverLLM", "LlamaIndex")):
        floor = f"raw aiohttp in {framework}"
        for load, names in (
            ("sequential", ("call", "chunk", "whole", "first")),
            *((f"paced-{streams}", ("chunk",)) for streams in (100, 200, 1000)),
        ):
            for name in names:
                claim = _ratio(measured, load, "async", face + _FAST, floor, name, 0.0)
                if claim.found is not None:
                    rows.append([claim.text, str(claim.found)])
    return f"## Beside the floors of the frameworks\n\n{table(['', 'found'], rows)}" if rows else ""


def reach_table(found: list[Claim]) -> str:
    """The claims, what was found, and whether it is enough."""
    rows = [
        [claim.text, str(claim.found), f"{claim.most:g}", claim.verdict] for claim in found if claim.found is not None
    ]
    if not rows:
        return "No claim has figures in this run."
    missing = len(found) - len(rows)
    left = f"\n\n{missing} more have no figures in this run." if missing else ""
    return f"## Reach\n\n{table(['', 'found', 'at most', ''], rows)}{left}"
