"""`llm-failover explain`: what a chain would try, in what order, and what it would skip and why. Asks nobody."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict

from shared_core.cli.advice import in_options
from shared_core.cli.chains import configured, make_manager, make_request, say
from shared_core.cli.results import print_json
from shared_core.cli.screen import choose_screen
from shared_core.errors import ConfigurationError
from shared_core.views import Candidate

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Explains the chain.

    Returns:
        0 if some target would be tried, 1 if none would, 2 if a setting is wrong.
    """
    try:
        chain = configured(options)
        with make_manager(chain) as manager:
            candidates = manager.explain(make_request(chain, "")).candidates
    except ConfigurationError as error:
        say(error)
        return 2
    if options.json:
        print_json({"candidates": [asdict(candidate) for candidate in candidates]})
    else:
        _draw(candidates)
    return 0 if any(candidate.skip is None for candidate in candidates) else 1


def _draw(candidates: tuple[Candidate, ...]) -> None:
    screen = choose_screen(sys.stdout)
    names = [
        candidate.model if candidate.profile is None else f"{candidate.model} [{candidate.profile}]"
        for candidate in candidates
    ]
    width = max(map(len, names))
    for number, (name, candidate) in enumerate(zip(names, candidates, strict=True), 1):
        mark = screen.marks.ask if candidate.skip is None else screen.marks.skip
        screen.show(
            (f"{number:>3}  {mark}  ", "dim"),
            (name.ljust(width + 2), "target" if candidate.skip is None else "dim"),
            ("would be tried", "good")
            if candidate.skip is None
            else (f"skipped: {in_options(candidate.skip)}", "wait"),
            hang=8,
        )
