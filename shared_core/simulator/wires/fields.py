"""Reading a request's fields, which may be missing or of any type: a wrong one counts as missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["listed", "mapped", "mappings", "picked", "texts", "whole_number"]


def mapped(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of an array."""
    return [one for one in listed(value) if isinstance(one, Mapping)]


def picked(value: Any, *names: str) -> Any:
    """The first of these fields that is there."""
    found = mapped(value)
    return next((found[name] for name in names if found.get(name) is not None), None)


def whole_number(value: Any) -> int | None:
    """`value` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(value: Any) -> tuple[str, ...]:
    """A string, or the strings of an array."""
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in listed(value) if isinstance(one, str))
