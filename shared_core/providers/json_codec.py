"""JSON as bytes, in and out.

`orjson` where it is installed (one chunk of a stream: 0.9 µs, against 1.3 µs for pydantic's parser and 3.3 µs for the
standard library's), else what pydantic brings along.

Invariants, with either: a document that is no JSON (`NaN` and an unpaired surrogate included), is nested too deep or
is not UTF-8 ends in ValueError, whatever the reason; `NaN` is refused on the way out as well, where orjson would
write `null` in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic_core import from_json

__all__ = ["dumps", "loads"]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _careful_dumps(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":")).encode("ascii")
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not expressible in JSON: {error}") from error


loads: Callable[[bytes], Any]
"""The value that a document says; raises ValueError where it is not JSON."""

_quick_dumps: Callable[[Any], bytes]

try:
    import orjson
except ImportError:
    loads = partial(from_json, allow_inf_nan=False, cache_strings="keys")
    _quick_dumps = _careful_dumps
else:
    loads = orjson.loads
    _quick_dumps = partial(orjson.dumps, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def dumps(value: Any) -> bytes:
    """`value` as JSON in UTF-8; mappings of any type are objects, tuples are arrays.

    Raises:
        ValueError: It has no form in JSON.
    """
    try:
        body = _quick_dumps(value)
    except TypeError:  # orjson on integers above 64 bits and on unpaired surrogates, which the other one can write
        return _careful_dumps(value)
    if b"null" in body:  # this may be orjson's word for NaN
        return _careful_dumps(value)
    return body
