"""Makes a JSON value that satisfies a JSON schema: for tool arguments and structured output.

Deterministic. Numbers are taken, in order, from the prompt where the schema allows them, so that "add 3 and 4" calls
`add(a=3, b=4)`; strings say the prompt. Covers what tools and structured outputs use: types, enum, const, default
objects, arrays with bounds, anyOf/oneOf/allOf, `$ref`, nullable, bounds of numbers and lengths, common formats.
It does not try to satisfy `pattern`, `not` or conditional schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared_core.errors import ConfigurationError

__all__ = ["example"]

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_DEEPEST = 4  # recursive schemas: beyond this, optional parts are left out

_FORMATS = {
    "date-time": "2024-01-01T00:00:00Z",
    "date": "2024-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def example(schema: Mapping[str, Any], prompt: str = "") -> Any:
    """A value that satisfies `schema`, made from `prompt` as far as it can be.

    Raises:
        ConfigurationError: `schema` is no JSON schema.
    """
    try:
        return _Maker(schema, prompt).make(schema, 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigurationError(f"Invalid schema: {error}") from error


class _Maker:
    def __init__(self, root: Mapping[str, Any], prompt: str) -> None:
        self._root = root
        self._prompt = prompt
        self._numbers = self._found_numbers(prompt)

    @staticmethod
    def _found_numbers(prompt: str) -> Iterator[float]:
        return (float(found) for found in _NUMBER.findall(prompt))

    def make(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return {}
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._chosen(list(schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.make(self._branch(schema[key], depth), depth)
        return self._typed(schema, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        seen: set[str] = set()
        while isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._target(schema["$ref"]), **rest}
        if schema.get("allOf"):
            schema = self._merged(schema)
        return schema

    def _target(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                found = found.get(part, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def _merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            resolved = self._resolved(part)
            properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
            required = [*merged.get("required", ()), *resolved.get("required", ())]
            merged = {**merged, **resolved}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """The first branch that says something; null where a recursive schema would never end."""
        plain = [branch for branch in branches if isinstance(branch, Mapping) and branch.get("type") != "null"]
        return branches[-1] if not plain or (depth > _DEEPEST and len(plain) < len(branches)) else plain[0]

    def _chosen(self, options: list[Any]) -> Any:
        """The option that the prompt mentions, else the first."""
        lowered = self._prompt.lower()
        return next((one for one in options if isinstance(one, str) and one and one.lower() in lowered), options[0])

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        # Gemini writes types in capitals.
        match str(kind).lower() if kind else "object" if "properties" in schema else "":
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number" as number:
                return self._number(schema, is_integer=number == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case "string":
                return self._string(schema)
            case _:
                return self._prompt or "value"

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = set(schema.get("required", ()))
        made = {}
        for name, part in properties.items():
            if name not in required and (depth >= _DEEPEST or _may_be_left_out(part)):
                continue
            made[name] = self.make(part, depth + 1)
        for name in schema.get("required", ()):
            made.setdefault(name, self._prompt or "value")
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        if schema.get("prefixItems"):
            return [self.make(part, depth + 1) for part in schema["prefixItems"]]
        least = int(schema.get("minItems", 0 if depth >= _DEEPEST else 1))
        most = int(schema.get("maxItems", max(least, 1)))
        return [self.make(schema.get("items", {"type": "string"}), depth + 1) for _ in range(min(least, most))]

    def _number(self, schema: Mapping[str, Any], *, is_integer: bool) -> float:
        step = 1 if is_integer else 0.5
        low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
        high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
        value = next(self._numbers, 1.0)
        if low is not None and value < low:
            value = low
        if high is not None and value > high:
            value = high
        multiple = schema.get("multipleOf")
        if multiple:
            value = -(-value // multiple) * multiple
        return int(value) if is_integer or float(value).is_integer() else value

    def _string(self, schema: Mapping[str, Any]) -> str:
        text = _FORMATS.get(schema.get("format", ""), self._prompt or "value")
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        text = text if len(text) >= least else text + "x" * (least - len(text))
        return text if most is None else text[:most]


def _may_be_left_out(schema: Any) -> bool:
    """Optional parts that have a default, or may be null, are left out, as models do."""
    if not isinstance(schema, Mapping):
        return False
    branches = schema.get("anyOf") or ()
    return "default" in schema or any(isinstance(one, Mapping) and one.get("type") == "null" for one in branches)
