"""Mutation testing of the rooms that decide: `python -m tests.mutation walk policy`. See README.md beside it."""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time
from collections.abc import Sequence

from tests.mutation.rooms import ROOMS
from tests.mutation.trial import Room, Suite, Trial

LEAST = 0.9
"""Share of the mutants that has to be killed, of all that were tried."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes survivors as they are found, then a line for each room; 0 if enough were killed and all were tried."""
    given = _parser().parse_args(arguments)
    until = time.monotonic() + 60 * given.minutes
    groups: dict[tuple[str, ...], list[Room]] = {}
    for name in given.rooms or ROOMS:
        groups.setdefault(tuple(given.tests or ROOMS[name]), []).append(
            Room.of(name, every=given.every, lines=given.lines)
        )
    rooms = [room for group in groups.values() for room in group]
    total = sum(len(room.mutants) for room in rooms)
    trials: list[Trial] = []
    for files, group in groups.items():
        suite = Suite(files, group, given.jobs)
        suite.check()
        for trial in suite.trials(until):
            trials.append(trial)
            if not trial.is_killed:
                _say(f"survived {trial.room.name}:{trial.mutant.line} {trial.mutant.what}")
            if len(trials) % 100 == 0:
                _say(f"… {len(trials)} of {total}")
    _sum_up(rooms, trials)
    if len(trials) < total:
        _say(f"{total - len(trials)} were not tried: the time was up")
    return int(len(trials) < total or sum(trial.is_killed for trial in trials) < LEAST * total)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", type=_room, help=f"all by default: {', '.join(ROOMS)}")
    parser.add_argument("--tests", nargs="+", metavar="FILE", help="other tests than those that belong to the room")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="trials at once")
    parser.add_argument("--minutes", type=float, default=60.0, metavar="N", help="stop after so many (60)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only every Nth mutant of a room")
    parser.add_argument("--lines", type=int, nargs=2, metavar=("FIRST", "LAST"), help="try only those of these lines")
    return parser


def _room(name: str) -> str:
    if name not in ROOMS:
        raise argparse.ArgumentTypeError(f"no such room: {name}")
    return name


def _sum_up(rooms: Sequence[Room], trials: Sequence[Trial]) -> None:
    tried = collections.Counter(trial.room.name for trial in trials)
    killed = collections.Counter(trial.room.name for trial in trials if trial.is_killed)
    _say(f"{'room':24} {'mutants':>8} {'killed':>8} {'survived':>8} {'share':>7}")
    for name, all_tried, all_killed in (
        *((room.name, tried[room.name], killed[room.name]) for room in rooms),
        ("all", tried.total(), killed.total()),
    ):
        share = all_killed / all_tried if all_tried else 1.0
        _say(f"{name:24} {all_tried:8} {all_killed:8} {all_tried - all_killed:8} {share:7.1%}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
