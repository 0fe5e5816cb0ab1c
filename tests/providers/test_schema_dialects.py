"""How JSON Schema is narrowed to what a provider understands."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.providers.schema_dialects import ANTHROPIC, GEMINI, Dialect, narrowed

TREE = {
    "title": "Tree",
    "type": "object",
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "definitions": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^a", "description": "A name."},
                "left": {"$ref": "#/definitions/Node", "description": "dropped"},
            },
        }
    },
    "properties": {
        "root": {"$ref": "#/definitions/Node"},
        "when": {"type": "string", "format": "date-time"},
        "who": {"type": "string", "format": "color", "default": "red"},
        "many": {"type": "array", "items": {"oneOf": [{"const": 1}, {"type": "null"}]}, "minItems": 3, "maxItems": 5},
        "some": {"type": "array", "items": True, "minItems": 1},
        "map": {"type": "object", "additionalProperties": {"type": "integer", "exclusiveMinimum": 0}},
        "both": {
            "allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["a", "b"]}]
        },
        "pair": {"prefixItems": [{"const": "a"}]},
    },
    "required": ["root"],
}


def test_the_anthropic_dialect() -> None:
    """Objects are closed, alternatives are `anyOf`, and what is unknown is told in the description."""
    found = narrowed(TREE, ANTHROPIC)
    assert found["$defs"]["Node"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": 'A name. (pattern: "^a")'},
            "left": {"$ref": "#/$defs/Node"},
        },
        "additionalProperties": False,
    }
    assert found["properties"] == {
        "root": {"$ref": "#/$defs/Node"},
        "when": {"type": "string", "format": "date-time"},
        "who": {"type": "string", "description": 'format: "color"'},
        "many": {
            "type": "array",
            "items": {"anyOf": [{"const": 1}, {"type": "null"}]},
            "description": "minItems: 3, maxItems: 5",
        },
        "some": {"type": "array", "items": True, "minItems": 1},
        "map": {"type": "object", "additionalProperties": False},
        "both": {
            "allOf": [
                {"properties": {"a": {}}, "required": ["a"], "additionalProperties": False},
                {"properties": {"b": {}}, "required": ["a", "b"], "additionalProperties": False},
            ]
        },
        "pair": {"description": 'prefixItems: [{"const":"a"}]'},
    }
    assert found.keys() == {"title", "type", "$defs", "properties", "required", "additionalProperties"}


def test_the_gemini_dialect() -> None:
    """Constants are enums, `allOf` is merged, bounds and maps stay."""
    found = narrowed(TREE, GEMINI)["properties"]
    assert found["many"] == {
        "type": "array",
        "items": {"oneOf": [{"enum": [1]}, {"type": "null"}]},
        "minItems": 3,
        "maxItems": 5,
    }
    assert found["who"] == {"type": "string", "format": "color"}
    assert found["map"]["additionalProperties"] == {"type": "integer", "description": "exclusiveMinimum: 0"}
    assert found["both"] == {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}
    assert found["pair"] == {"prefixItems": [{"enum": ["a"]}]}


def test_a_reference_at_the_root_keeps_its_definitions() -> None:
    """Only dollar keywords may stand beside a reference."""
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"const": 1}}, "title": "x", "$comment": "y"}
    assert narrowed(schema, GEMINI) == {"$ref": "#/$defs/A", "$defs": {"A": {"enum": [1]}}}


@pytest.mark.parametrize("odd", [True, None, [1], "x", 3])
def test_what_is_no_schema_passes_through(odd: Any) -> None:
    """Boolean schemas and mistakes are the provider's to judge, wherever they stand."""
    assert narrowed(odd, GEMINI) == odd
    schema = {"properties": odd, "anyOf": odd, "$ref": odd, "allOf": [odd]}
    assert narrowed({"properties": odd, "$defs": odd}, GEMINI) == {"properties": odd, "$defs": odd}
    assert narrowed(schema, GEMINI) == {"$ref": odd}
    assert narrowed({"anyOf": [odd]}, ANTHROPIC) == {"anyOf": [odd]}


def test_an_open_object_without_a_type_says_what_is_open() -> None:
    """Where a schema is no object, `additionalProperties` is only told."""
    assert narrowed({"additionalProperties": False}, ANTHROPIC) == {"description": "additionalProperties: false"}


def test_constraints_that_are_no_json_are_told_as_they_print() -> None:
    """A description can always be written."""
    assert narrowed({"multipleOf": 2j}, Dialect(frozenset({"type"}))) == {"description": "multipleOf: 2j"}


KEYS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "const", "enum", "$ref", "$defs", "definitions"),
        *("required", "minItems", "format", "pattern", "description", "additionalProperties", "default", "title"),
    ]
)
SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["object", "string", "#/definitions/A", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(SCHEMAS, st.sampled_from([ANTHROPIC, GEMINI]))
@settings(max_examples=100, deadline=None)
def test_narrowing_is_total_and_a_fixed_point(schema: Any, dialect: Dialect) -> None:
    """Anything can be narrowed, once is enough, and the caller's schema stays as it was."""
    before = copy.deepcopy(schema)
    found = narrowed(schema, dialect)
    assert schema == before
    assert narrowed(found, dialect) == found
