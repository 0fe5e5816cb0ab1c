"""JSON made from JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator.schema import example


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "add 3 and 4.5 to 12"),
        ({"type": "string", "maxLength": 5}, "add 3"),
        ({"type": "string", "minLength": 21}, "add 3 and 4.5 to 12xx"),
        ({"type": "string", "format": "date"}, "2024-01-01"),
        ({"type": "string", "enum": ["sub", "add"]}, "add"),
        ({"enum": [7, "none of them"]}, 7),
        ({"const": 42}, 42),
        ({"type": "integer"}, 3),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMaximum": 2}, 1),
        ({"type": "integer", "exclusiveMinimum": 9}, 10),
        ({"type": "number", "maximum": 2}, 2),
        ({"type": "integer", "multipleOf": 5}, 5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 3),
        ({"type": ["null"]}, None),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 2}, [3, 4]),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [3, 4.5]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"type": "integer"}]}, [None, 3]),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 3),
        ({"oneOf": [{"type": "null"}]}, None),
        ({}, "add 3 and 4.5 to 12"),
        (True, {}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 3}),
    ],
)
def test_a_schema_gets_a_value_that_satisfies_it(schema: Any, expected: Any) -> None:
    """Values come from the prompt where the schema leaves the choice."""
    assert example(schema, "add 3 and 4.5 to 12") == expected


def test_objects_have_what_is_required_and_what_has_no_default() -> None:
    """Optional parts with a default or null are left out; required ones are made even if they are not described."""
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "integer"},
            "c": {"type": "integer", "default": 1},
            "d": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "e": True,
        },
        "required": ["a", "d", "f"],
    }
    assert example(schema, "1 2 3") == {"a": 1, "b": 2, "d": 3, "e": {}, "f": "1 2 3"}


def test_references_and_parts_are_put_together() -> None:
    """`$ref` is followed, `allOf` merged, and a broken reference counts as any value."""
    schema = {
        "$defs": {
            "point": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
            "loop": {"$ref": "#/$defs/loop"},
        },
        "type": "object",
        "properties": {
            "one": {"$ref": "#/$defs/point"},
            "two": {"allOf": [{"$ref": "#/$defs/point"}, {"properties": {"y": {"type": "null"}}}]},
            "three": {"$ref": "#/nowhere/at/all"},
            "four": {"$ref": "#/$defs/loop"},
            "five": {"allOf": [{"type": "integer"}]},
        },
    }
    made = example(schema, "5 6 7")
    assert made == {"one": {"x": 5}, "two": {"x": 6, "y": None}, "three": "5 6 7", "four": "5 6 7", "five": 7}
    assert example({"type": "object", "properties": {"me": {"$ref": "#/"}}}, "t")["me"]
    assert example({"$ref": "#/type/x", "type": "string"}, "t") == "t"


def test_recursive_schemas_end() -> None:
    """A tree whose nodes hold nodes is cut off at some depth, whichever way it recurses."""
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "side": {"$ref": "#/$defs/node"},
                },
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/node",
    }
    made = example(schema)
    depth = 0
    while made:
        made, depth = made["next"], depth + 1
    assert 3 < depth < 10


@pytest.mark.parametrize(
    "schema", [{"type": "integer", "minimum": "x"}, {"properties": 3}, {"enum": 3}, {"type": "string", "format": {}}]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    """With a message that says so; providers answer it with a 400."""
    with pytest.raises(ConfigurationError, match="Invalid schema"):
        example(schema, "1")


def test_without_a_prompt_values_are_plain() -> None:
    """Numbers are 1 and strings say "value"."""
    schema = {"type": "object", "properties": {"n": {"type": "number"}, "s": {"type": "string"}}}
    assert example(schema) == {"n": 1, "s": "value"}
