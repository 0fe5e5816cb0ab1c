"""The last steps that turn the fields of a request body into bytes, and what the wires say alike in one.

Owns leaving out and renaming what a target refuses, and laying the caller's `extra_body` over the rest. Refuses to know
what a field means.

Invariants: what is omitted is gone under its old and its new name; a field that the protocol cannot do without stays;
`extra_body` has the last word; nothing that was given is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared_core.errors import ErrorKind, ProviderError
from shared_core.messages import Block, Text, ToolResult
from shared_core.providers import json_codec

__all__ = ["encoded", "merged", "named", "spoken"]


def named(
    body: Mapping[str, Any], omit: frozenset[str], renames: Mapping[str, str], *, required: Collection[str]
) -> dict[str, Any]:
    """`body` under the target's names, without what it refuses.

    Names may be paths with dots, as refusals quote them: `output_config.effort` leaves out the inner field, or the
    outer one where there is no such inner field (`thinking.type.enabled`). A path into a list (`tools.0.strict`) leaves
    out nothing: the rest of the list is what was asked for.

    >>> named({"a": 1, "b": {"c": 2, "d": 3}}, frozenset({"a", "b.c"}), {}, required=())
    {'b': {'d': 3}}
    """
    out: dict[str, Any] = {}
    for name, value in body.items():
        renamed = renames.get(name, name)
        if name in required:
            out[renamed] = value
        elif name not in omit and renamed not in omit:
            kept = _without(
                value, [path.partition(".")[2] for path in omit if path.startswith((f"{name}.", f"{renamed}."))]
            )
            if kept is not None:
                out[renamed] = kept
    return out


def _without(value: Any, paths: list[str]) -> Any:
    """`value` without the inner fields at `paths`; None if nothing is left or a path leads to no field."""
    for path in paths:
        if isinstance(value, list | tuple):
            return value
        name, _, rest = path.partition(".")
        if not isinstance(value, Mapping) or name not in value or name == "type":
            return None
        inner = _without(value[name], [rest]) if rest else None
        value = {key: kept for key, kept in value.items() if key != name} | ({} if inner is None else {name: inner})
        if not value:
            return None
    return value


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` laid over `body`: objects are merged, anything else replaces what was there."""
    out = dict(body)
    for name, value in extra.items():
        there = out.get(name)
        out[name] = merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return out


def encoded(body: Mapping[str, Any], *, provider: str) -> bytes:
    """`body` as JSON.

    Raises:
        ProviderError: It has no form in JSON (kind `bad_request`, code "not_json").
    """
    try:
        return json_codec.dumps(body)
    except ValueError as error:
        raise ProviderError(str(error), kind=ErrorKind.BAD_REQUEST, code="not_json", provider=provider) from error


def spoken(result: ToolResult) -> Sequence[Block]:
    """The blocks of a tool's result, for a wire that has no field for its failure: the text says so."""
    content = result.content
    if not result.is_error:
        return content
    match content:
        case (Text(text=text), *_) if text.lstrip()[:5].lower() == "error":
            return content
        case (Text() as first, *rest):
            return [replace(first, text=f"Error: {first.text}"), *rest]
        case _:
            return [Text("Error"), *content]
