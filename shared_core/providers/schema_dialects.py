"""JSON Schema, narrowed to what a provider's constrained decoding understands.

Owns the translation of a schema into a *dialect*: the keywords that a provider documents. What the dialect lacks is not
lost: it is written into the description, where the model still reads it. Refuses to validate or to resolve references.

Invariants: the caller's schema is never changed; what is no schema (a boolean, a list) passes through as it is; the
result of narrowing is a fixed point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from shared_core.providers.json_codec import dumps
from shared_core.records import record

__all__ = ["ANTHROPIC", "GEMINI", "Dialect", "narrowed"]

_SILENT = frozenset({"$schema", "$comment", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"})
"""Keywords that constrain nothing; dropped without a word in the description."""


@record(frozen=True, slots=True)
class Dialect:
    """What one provider understands.

    Attributes:
        keywords: Keywords that may stay.
        formats: Values of `format` that may stay; None for any.
        closes_objects: Every object must say `additionalProperties: false`.
        has_const: `const` may stay; otherwise it becomes an `enum` of one.
        has_all_of: `allOf` may stay; otherwise its members are merged into the schema around them.
        has_one_of: `oneOf` may stay; otherwise it becomes `anyOf`.
        highest_min_items: Largest `minItems` that may stay; None for any.
    """

    keywords: frozenset[str]
    formats: tuple[str, ...] | None = None
    closes_objects: bool = False
    has_const: bool = True
    has_all_of: bool = True
    has_one_of: bool = True
    highest_min_items: int | None = None


_SHARED = frozenset(
    {"$defs", "$ref", "type", "title", "description", "enum", "anyOf", "properties", "required", "items"}
)

ANTHROPIC = Dialect(
    keywords=_SHARED | {"const", "allOf", "format", "minItems", "additionalProperties"},
    formats=("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
    closes_objects=True,
    has_one_of=False,
    highest_min_items=1,
)
"""Structured outputs and strict tools of the Messages API (platform.claude.com, "Structured outputs")."""

GEMINI = Dialect(
    keywords=_SHARED
    | {"$id", "$anchor", "format", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "oneOf"}
    | {"additionalProperties", "propertyOrdering"},
    has_const=False,
    has_all_of=False,
)
"""`responseJsonSchema` and `parametersJsonSchema` of generateContent (ai.google.dev, "GenerationConfig")."""


def narrowed(schema: Any, dialect: Dialect) -> Any:
    """`schema` in `dialect`, as plain dicts and lists.

    >>> narrowed({"type": "integer", "const": 3, "default": 3}, GEMINI)
    {'type': 'integer', 'enum': [3]}
    """
    if not isinstance(schema, Mapping):
        return schema
    known = _in_one_spelling(schema, dialect)
    if "$ref" in known:
        # Neither provider takes anything beside a reference but what begins with a dollar sign.
        return {
            key: _definitions(value, dialect) if key == "$defs" else value
            for key, value in known.items()
            if key.startswith("$") and key in dialect.keywords
        }
    found: dict[str, Any] = {}
    dropped: dict[str, Any] = {}
    for key, value in known.items():
        if _stays(key, value, dialect):
            found[key] = _inner(key, value, dialect)
        elif key not in _SILENT:
            dropped[key] = value
    if dialect.closes_objects and (found.get("type") == "object" or "properties" in found):
        found["additionalProperties"] = False
        dropped.pop("additionalProperties", None)
    if dropped:
        rest = ", ".join(f"{key}: {_text(value)}" for key, value in dropped.items())
        described = found.get("description")
        found["description"] = f"{described} ({rest})" if isinstance(described, str) and described else rest
    return found


def _in_one_spelling(schema: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Older and equivalent spellings become those of the dialect."""
    known = dict(schema)
    if "definitions" in known:
        known.setdefault("$defs", known.pop("definitions"))
    reference = known.get("$ref")
    if isinstance(reference, str):
        known["$ref"] = reference.replace("#/definitions/", "#/$defs/")
    if "const" in known and not dialect.has_const:
        known["enum"] = [known.pop("const")]
    if "oneOf" in known and not dialect.has_one_of:
        known.setdefault("anyOf", known.pop("oneOf"))
    parts = known.get("allOf")
    if not dialect.has_all_of and _is_list(parts) and all(isinstance(part, Mapping) for part in parts):
        del known["allOf"]
        for part in parts:
            _merge(known, _in_one_spelling(part, dialect))
    return known


def _merge(known: dict[str, Any], part: Mapping[str, Any]) -> None:
    for key, value in part.items():
        present = known.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            known[key] = {**present, **value}
        elif key == "required" and _is_list(present) and _is_list(value):
            known[key] = [*present, *(name for name in value if name not in present)]
        else:
            known.setdefault(key, value)


def _stays(key: str, value: Any, dialect: Dialect) -> bool:
    if key not in dialect.keywords:
        return False
    if key == "format":
        return dialect.formats is None or value in dialect.formats
    if key == "minItems" and dialect.highest_min_items is not None:
        return isinstance(value, int) and value <= dialect.highest_min_items
    return not (key == "additionalProperties" and dialect.closes_objects)


def _inner(key: str, value: Any, dialect: Dialect) -> Any:
    if key in {"$defs", "properties"}:
        return _definitions(value, dialect)
    if key in {"items", "additionalProperties"}:
        return narrowed(value, dialect)
    if key in {"anyOf", "oneOf", "allOf", "prefixItems"} and _is_list(value):
        return [narrowed(part, dialect) for part in value]
    return value


def _definitions(value: Any, dialect: Dialect) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: narrowed(part, dialect) for name, part in value.items()}


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _text(value: Any) -> str:
    try:
        return dumps(value).decode()
    except ValueError:
        return str(value)
