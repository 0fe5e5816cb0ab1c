"""How fields are left out, renamed and laid over each other in nested bodies."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core.messages import Block, Image, Text, ToolResult
from shared_core.providers.bodies import merged, named, spoken

BODY = {"a": 1, "b": {"c": {"d": 2, "e": 3}, "f": 4}, "g": {"type": "x", "h": 5}}


@pytest.mark.parametrize(
    ("omit", "left"),
    [
        ({"a"}, {"b": {"c": {"d": 2, "e": 3}, "f": 4}, "g": {"type": "x", "h": 5}}),
        ({"a", "g", "b.f"}, {"b": {"c": {"d": 2, "e": 3}}}),
        ({"a", "g", "b.c.d"}, {"b": {"c": {"e": 3}, "f": 4}}),
        ({"a", "g", "b.c.d", "b.c.e"}, {"b": {"f": 4}}),
        ({"a", "g", "b.c", "b.f"}, {}),
        ({"a", "b", "g.type"}, {}),
        ({"a", "b", "g.type.x"}, {}),
        ({"a.x", "b.unknown", "g.h"}, {"g": {"type": "x"}}),
    ],
)
def test_omitted_paths(omit: set[str], left: dict[str, Any]) -> None:
    """A path leaves out the inner field; one that leads nowhere, or to a type, leaves out the outer one."""
    before = repr(BODY)
    assert named(BODY, frozenset(omit), {}, required=()) == left
    assert repr(BODY) == before


def test_a_path_into_a_list_leaves_out_nothing() -> None:
    """One tool's field is no reason to take all tools away."""
    body = {"tools": [{"name": "f", "strict": True}], "a": {"b": (1, 2)}}
    assert named(body, frozenset({"tools.0.strict", "a.b.0"}), {}, required=()) == body


def test_renamed_fields_are_omitted_by_either_name() -> None:
    """A refusal quotes the name that was sent; what the protocol demands is renamed and stays."""
    for omit in ({"a"}, {"z"}):
        assert "z" not in named(BODY, frozenset(omit), {"a": "z"}, required=())
    assert named(BODY, frozenset({"y.f"}), {"b": "y"}, required=())["y"] == {"c": {"d": 2, "e": 3}}
    assert named({"a": 1}, frozenset({"a", "z"}), {"a": "z"}, required=("a",)) == {"z": 1}


def test_merging_keeps_both_sides_as_they_were() -> None:
    """Objects are merged at every depth; anything else replaces what was there."""
    extra = {"b": {"c": {"d": 9}, "f": [1]}, "a": {"x": 1}}
    before = repr((BODY, extra))
    assert merged(BODY, extra) == {
        "a": {"x": 1},
        "b": {"c": {"d": 9, "e": 3}, "f": [1]},
        "g": {"type": "x", "h": 5},
    }
    assert repr((BODY, extra)) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ((Text("down"), Text("again")), (Text("Error: down"), Text("again"))),
        ((Text(" ERROR 503"),), (Text(" ERROR 503"),)),
        ((), (Text("Error"),)),
        ((Image(data="aGk="),), (Text("Error"), Image(data="aGk="))),
    ],
    ids=["text", "text that says so", "nothing", "image"],
)
def test_a_failure_is_spoken_once(content: tuple[Block, ...], said: tuple[Block, ...]) -> None:
    """Where the wire has no field for it; a result that is none stays as it is."""
    assert tuple(spoken(ToolResult("call", content, is_error=True))) == said
    assert spoken(ToolResult("call", content)) == content
