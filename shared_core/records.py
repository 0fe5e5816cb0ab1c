"""`record`: a dataclass that costs less to define. Checkers read it as `dataclasses.dataclass`, and it makes one.

A dataclass writes the source of its comparison, hash and repr anew for every class, and compiles it: two fifths of the
half a millisecond that a class costs, and a start needs some fifty. Few of these methods are ever called, so here they
are written once for all. All else (fields, `replace`, slots, frozenness, patterns) is the standard library's, and so is
what they do: records of one class are equal if the fields that count for it are, frozen ones are hashed by these, and a
repr shows what the fields say that it shows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["record"]


def _compared(made: Any) -> tuple[Any, ...]:
    return tuple(getattr(made, field.name) for field in dataclasses.fields(made) if field.compare)


def _eq(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (field.name for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(**options: bool) -> Callable[[type], type]:
        """Makes a dataclass; options that are given are those of `dataclasses.dataclass`."""
        compared, shown = options.pop("eq", True), options.pop("repr", True)

        def made(cls: type) -> type:
            if compared:
                cls.__eq__, cls.__hash__ = _eq, _hash if options.get("frozen") else None
            if shown:
                cls.__repr__ = _repr
            return dataclasses.dataclass(eq=False, repr=False, **options)(cls)

        return made
