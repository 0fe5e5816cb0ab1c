"""The tables, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.figures import DASH, TIMES, Spread, figure, percentile, pooled, ratio, shown
from benchmarks.imports import Import
from benchmarks.loads import LENGTHS
from benchmarks.measuring import Measured

__all__ = ["import_table", "table", "tables"]

_REFERENCES = ("raw httpx", "raw aiohttp", "raw asyncio", "ChatOpenAI", "OpenAILike", "ChatLiteLLMRouter")

_FIGURES = {
    "sequential": (
        ("call", "µs per 50-chunk call"),
        ("chunk", "µs per chunk of a burst"),
        ("whole", "µs per call answered in one piece"),
    ),
    "paced": (("chunk", "µs per chunk"), ("overall", "µs per chunk, with its share of the call")),
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(measured: Measured) -> Iterator[str]:
    """Sections of Markdown, each with a heading."""
    for load, mode in measured.rounds:
        if load == "sequential":
            yield from _sequential(measured, mode)
        elif load.startswith("paced"):
            yield _paced(measured, load)
        elif load == "failover":
            yield _failover(measured)
        elif load == "probes":
            yield _probes(measured)
        elif load == "chains":
            yield _chains(measured)


def _compared(measured: Measured, load: str, mode: str, name: str, title: str) -> str:
    """A figure of everyone, and in multiples of the references'."""
    peers = measured.rounds[load, mode]
    references = [peer for peer in _REFERENCES if peer in peers]
    rows = []
    for peer in peers:
        found = figure(measured, load, mode, peer, name)
        if found is None:
            rows.append([peer, measured.missing.get((load, mode, peer), DASH), *[""] * len(references)])
            continue
        ratios = (ratio(measured, load, mode, peer, to, name) for to in references)
        rows.append([peer, shown(found), *map(shown, ratios)])
    return table([title, "figure", *(f"{TIMES} {to}" for to in references)], rows)


def _sequential(measured: Measured, mode: str) -> Iterator[str]:
    parts = [_compared(measured, "sequential", mode, name, title) for name, title in _FIGURES["sequential"]]
    yield "\n\n".join([f"## One call after the other, {mode}", *parts])
    rows = []
    for peer in measured.rounds["sequential", mode]:
        firsts = pooled(measured, "sequential", mode, peer, "firsts")
        if firsts:
            rows.append(
                [
                    peer,
                    f"{statistics.median(firsts):.2f}",
                    f"{percentile(firsts, 0.95):.2f}",
                    shown(ratio(measured, "sequential", mode, peer, "raw httpx", "first")),
                    shown(figure(measured, "sequential", mode, peer, "first of a burst")),
                    shown(figure(measured, "sequential", mode, peer, "connections")),
                    shown(figure(measured, "sequential", mode, peer, "server")),
                ]
            )
    head = [
        "",
        "median, ms",
        "95th percentile, ms",
        f"median, {TIMES} raw httpx",
        "median where all comes at once, ms",
        "connections per 100 calls",
        "server's CPU ÷ client's",
    ]
    yield f"## Time to the first text, and connections, {mode}\n\n{table(head, rows)}"


def _paced(measured: Measured, load: str) -> str:
    streams = load.partition("-")[2]
    parts = [_compared(measured, load, "async", name, title) for name, title in _FIGURES["paced"]]
    rows = [
        [peer, *(shown(figure(measured, load, "async", peer, name)) for name in ("peak", "wall", "server"))]
        for peer in measured.rounds[load, "async"]
        if figure(measured, load, "async", peer, "peak") is not None
    ]
    held = table(["", "streams open at once", "seconds", "server's CPU ÷ client's"], rows)
    return "\n\n".join([f"## {streams} streams open at once, a chunk each 20 ms", *parts, held])


def _rows(measured: Measured, load: str, names: Sequence[str]) -> list[list[str]]:
    rows = []
    for peer in measured.rounds[load, "async"]:
        found = [figure(measured, load, "async", peer, name) for name in names]
        missing = measured.missing.get((load, "async", peer), DASH)
        rows.append([peer, *([missing, *[""] * (len(names) - 1)] if found[0] is None else map(shown, found))])
    return rows


def _failover(measured: Measured) -> str:
    head = [
        "",
        "µs per call, primary well",
        "µs per call, primary dead",
        "dead ÷ well",
        "requests to the dead one by the first call",
        "by each later call",
    ]
    names = ("sound", "broken", "ratio", "first", "each")
    return f"## The primary is dead\n\n{table(head, _rows(measured, 'failover', names))}"


def _probes(measured: Measured) -> str:
    head = ["", "calls", "requests to the dead primary", "cooldowns that passed"]
    names = ("calls", "asked", "cooldowns")
    return f"## Probes, with cooldowns of 0.5 s\n\n{table(head, _rows(measured, 'probes', names))}"


def _chains(measured: Measured) -> str:
    head = ["", *(f"µs per call, {length}" for length in LENGTHS), "µs per skipped target"]
    names = [*(f"of {length}" for length in LENGTHS), "skipped"]
    return f"## Chains of which all but the last are cooling\n\n{table(head, _rows(measured, 'chains', names))}"


def import_table(times: dict[Import, list[float]]) -> str:
    """Times of imports."""
    rows = [
        [f"`{statement}`", f"`{before}`" if before else "nothing", shown(Spread.of(figures))]
        for (statement, before), figures in times.items()
    ]
    return f"## Imports\n\n{table(['', 'after', 'ms'], rows)}"
