"""Where the time goes: shares of CPU time by package and by function, of one peer or of several side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmarks.measuring import run_cell
from benchmarks.plan import Cell
from benchmarks.tables import table

__all__ = ["PROFILED", "owners", "profile"]

_FAST = tuple(f"{name}, fast transport" for name in ("engine", "ChatFailover", "FailoverLLM"))

PROFILED = {"sequential": ("engine", "ChatFailover", "FailoverLLM", *_FAST), "paced-100": _FAST}
"""Those whose shares stand in the results, by load."""

_SHOWN = 0.02
"""Least share that is named."""


def profile(cell: Cell, port: int, python: str) -> str | None:
    """Shares of one peer, by package and by function; None if it cannot be measured."""
    found = run_cell(cell, port, python, profile=True).get("profile")
    if found is None:
        return None
    parts = [
        table([what, "share of CPU time"], [[f"`{name}`", f"{share:.1%}"] for name, share in found[what][:30]])
        for what in ("owners", "functions")
    ]
    return "\n\n".join([f"## {cell.peer}, {cell.load}, {cell.mode}", *parts])


def owners(peers: Iterable[str], cell: Cell, port: int, python: str) -> str:
    """The packages that own the time of each peer."""
    rows = []
    for peer in peers:
        found = run_cell(replace(cell, peer=peer), port, python, profile=True)
        shares = found["profile"]["owners"] if "profile" in found else []
        named = [f"{name} {share:.0%}" for name, share in shares if share >= _SHOWN]
        rows.append([peer, ", ".join(named) or found.get("skipped", "failed")])
    head = f"## Who owns the time: {cell.load}, {cell.mode}"
    return f"{head}\n\n| | packages, by their share of CPU time |\n| --- | --- |\n" + "\n".join(
        f"| {peer} | {shares} |" for peer, shares in rows
    )
