"""What is imported when it is first used, so that a program starts with what it needs and no more.

`import langchain_failover` is the first line of many programs that may never make a call, and of every command line
that only wants to say `--help`; and a call that goes well needs nothing of what judges errors, joins broken answers or
races two targets. Two forms, both typed, for checkers read an ordinary import beside them:

    __getattr__, __dir__ = lazily(__name__, {"Name": "package.room"})    a package's names (PEP 562)
    race = deferred("shared_core.race")                                  a module, used as `race.race(…)`

A package with the first form needs no second: `from shared_core import classify` imports nothing but its table, and
`classify.classify_error(…)` the rest. Whatever is imported is imported once, under Python's own import locks; so that
nobody waits for those with another lock in hand, a name is looked up before a lock of ours is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["deferred", "lazily"]


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


def deferred(name: str) -> Any:
    """A stand-in for the module of that name, which is imported when an attribute of it is first asked for."""
    return _Deferred(name)


class _Deferred:
    """A stand-in for a module. It takes no lock of its own: threads that come first together all import."""

    __slots__ = ("__dict__", "_module")

    def __init__(self, name: str) -> None:
        self._module = name

    def __getattr__(self, name: str) -> Any:
        module = import_module(self._module)
        self.__dict__ = vars(module)  # from now on its names are found without coming here, as they are then
        return getattr(module, name)

    def __repr__(self) -> str:
        return f"<deferred {self._module}>"
