"""`python -m benchmarks`: measures and prints the tables; `--write FILE` writes them as well. See README.md."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.facts import machine, packages
from benchmarks.imports import OURS, Import, times
from benchmarks.loads import LOADS
from benchmarks.measuring import measure, serving
from benchmarks.peers import PEERS
from benchmarks.plan import Cell, Load, plan
from benchmarks.profiles import PROFILED, owners, profile
from benchmarks.reach import beside_floors, claims, reach_table
from benchmarks.tables import import_table, tables

_OTHERS = ("imports", "profiles")
"""What is done beside loads, and chosen as they are."""


def _options(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What failing over costs.")
    parser.add_argument("--quick", action="store_true", help="less of everything: a first impression")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables to FILE as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round to FILE")
    parser.add_argument("--loads", type=_names, metavar="NAMES", help=f"only these: {', '.join([*LOADS, *_OTHERS])}")
    parser.add_argument(
        "--peers", type=_names, metavar="NAMES", help="only these peers, or those whose names contain one of these"
    )
    parser.add_argument("--mode", choices=("async", "sync"), help="only async or only sync calls")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every load, instead of the plan's own")
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="CPU time of each measured stretch")
    parser.add_argument("--chunks", type=int, metavar="N", help="chunks of each of the streams that are open at once")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter that runs the clients")
    parser.add_argument(
        "--profile", metavar="PEER", choices=PEERS, help="show where this peer's time goes, under --loads"
    )
    parser.add_argument("--list", action="store_true", help="list peers and loads")
    options = parser.parse_args(given)
    known = [*LOADS, *_OTHERS]
    unknown = [name for name in options.loads or () if name not in known]
    if unknown:
        parser.error(f"no load is called {unknown[0]!r}; there are {', '.join(known)}")
    if options.peers and not any(_is_among(peer, options.peers) for peer in PEERS):
        parser.error("no peer is called so; --list names all")
    return options


def _names(text: str) -> list[str]:
    # The names of some peers have commas in them.
    return [name.strip() for name in text.split(";" if ";" in text or text in PEERS else ",")]


def _is_among(peer: str, given: list[str]) -> bool:
    return any(peer == name if name in PEERS else name in peer for name in given)


def _chosen(options: argparse.Namespace) -> tuple[Load, ...]:
    found = []
    for load in plan(quick=options.quick, rounds=options.rounds):
        if options.loads and load.name not in options.loads:
            continue
        if options.mode and load.mode != options.mode:
            continue
        peers = tuple(peer for peer in load.peers if not options.peers or _is_among(peer, options.peers))
        changed = {"peers": peers, "budget": options.budget or load.budget, "chunks": options.chunks or load.chunks}
        if peers:
            found.append(replace(load, **changed))
    return tuple(found)


def _profile(options: argparse.Namespace) -> int:
    mode, chunks, budget = options.mode or "async", options.chunks or 50, options.budget or 2.0
    with serving() as port:
        for load in options.loads or ["sequential"]:
            found = profile(Cell(options.profile, mode, load, budget, chunks), port, options.python)
            print(found or f"{options.profile} cannot be measured under {load}", end="\n\n")
            if found is None:
                return 1
    return 0


def _owners(options: argparse.Namespace, port: int) -> list[str]:
    if options.quick or (options.loads and "profiles" not in options.loads):
        return []
    found = []
    for load, peers in PROFILED.items():
        chosen = [peer for peer in peers if not options.peers or _is_among(peer, options.peers)]
        found.append(owners(chosen, Cell("", "async", load, options.budget or 0.5, 50), port, options.python))
    return found


def _command(given: list[str]) -> str:
    """What was typed, without the paths of this machine."""
    return shlex.join(["python", "-m", "benchmarks", *(re.sub(r"(^|=)/.*/", r"\1", word) for word in given)])


def main(given: list[str]) -> int:
    """Runs what is asked for; 1 if a cell failed."""
    options = _options(given)
    if options.list:
        print("\n".join([*PEERS, "", *LOADS, *_OTHERS]))
        return 0
    if options.profile:
        return _profile(options)
    begun = time.perf_counter()
    with serving() as port:
        measured = measure(_chosen(options), port, options.python, lambda line: print(line, file=sys.stderr))
        shares = _owners(options, port)
    imports: dict[Import, list[float]] = {}
    if not options.loads or "imports" in options.loads:
        imports = times(options.python, 2, OURS) if options.quick else times(options.python, 3)
    minutes = (time.perf_counter() - begun) / 60
    head = [
        "# Results",
        f"Made by `{_command(given)}` on {datetime.now(UTC).date()}, in {minutes:.0f} minutes. README.md says how.",
        f"- Machine: {machine(options.python)}\n- Packages: {packages(options.python)}",
    ]
    sections = [*head, reach_table(list(claims(measured, imports))), beside_floors(measured), *tables(measured)]
    sections += [*([import_table(imports)] if imports else []), *shares]
    text = "\n\n".join(section for section in sections if section) + "\n"
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    if options.json:
        raw = {f"{load} {mode}": peers for (load, mode), peers in measured.rounds.items()}
        options.json.write_text(json.dumps(raw, indent=1), encoding="utf-8")
    return int(bool(measured.failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
