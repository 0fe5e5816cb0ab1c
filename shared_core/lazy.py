"""Names of a package that are imported when they are first asked for (PEP 562).

`import langchain_failover` is the first line of many programs that may never make a call, and of every command line
that only wants to say `--help`. What a name needs is imported with it, once, under Python's own import locks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazily"]


def lazily(package: str, rooms: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package.

    Args:
        package: Its name.
        rooms: The module of each name that it offers.
    """

    def get(name: str) -> Any:
        room = rooms.get(name)
        if room is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(room), name)
        setattr(sys.modules[package], name, found)  # the next look-up finds it without coming here
        return found

    return get, lambda: sorted({*vars(sys.modules[package]), *rooms})
