"""Runs cells, each in a process of its own, against a server in another one, and keeps what they say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from subprocess import PIPE
from typing import Any

from benchmarks.plan import Cell, Load
from benchmarks.processes import ROOT, environment

__all__ = ["Measured", "Rounds", "measure", "run_cell", "serving"]

_LONGEST = 300
"""Seconds after which a cell is given up."""

Rounds = list[dict[str, Any] | None]
"""Figures of a peer under a load, by round; None where there are none."""


@dataclass(slots=True)
class Measured:
    """All that was measured.

    Attributes:
        rounds: By load and mode, then by peer.
        missing: Why figures of a peer are missing, by load, mode and peer.
        failed: Where that is a failure; what is not installed is none.
    """

    rounds: dict[tuple[str, str], dict[str, Rounds]] = field(default_factory=dict)
    missing: dict[tuple[str, str, str], str] = field(default_factory=dict)
    failed: set[tuple[str, str, str]] = field(default_factory=set)


@contextmanager
def serving() -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT, env=environment()) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def run_cell(cell: Cell, port: int, python: str, *, profile: bool = False) -> dict[str, Any]:
    """What a client process says: `{"figures": …}`, `{"skipped": why}` or `{"failed": why}`."""
    asked = json.dumps({**asdict(cell), "port": port, "profile": profile})
    command = [python, "-m", "benchmarks.client", asked]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment(), timeout=_LONGEST
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {_LONGEST} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(loads: Sequence[Load], port: int, python: str, say: Callable[[str], None]) -> Measured:
    """Runs all loads: within each, round after round, peer after peer."""
    measured, begun = Measured(), time.perf_counter()
    for load in loads:
        key = (load.name, load.mode)
        rounds: dict[str, Rounds] = measured.rounds.setdefault(key, {peer: [] for peer in load.peers})
        for turn in range(load.rounds):
            for cell in load.cells():
                where = (*key, cell.peer)
                if where in measured.missing and where not in measured.failed:
                    continue
                say(f"{time.perf_counter() - begun:5.0f} s  {load.name} {load.mode}, round {turn + 1}: {cell.peer}")
                found = run_cell(cell, port, python)
                rounds[cell.peer].append(found.get("figures"))
                if "figures" not in found:
                    measured.missing[where] = found.get("skipped") or f"failed: {found['failed']}"
                    if "failed" in found:
                        measured.failed.add(where)
                    say(f"         {cell.peer}: {measured.missing[where]}")
    return measured
