"""The lines of keys, in every form that TOML has for them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from shared_core.configuration.places import Place, find_lines

TEXT = r"""
top = "@" # = "not this"
"quoted key" = '@'
'single' = "@"

[a]  # [not.this]
b = "@"
c.d = "@"
c . "e.f" = "@"
list = [
  "@", "@",
  # "comment", ]
  "@",
  [ "@",
    "@" ],
]
inline = { x = "@", y = { z = "@" }, w = ["@",
  "@"] }
text = TTT@\
   [not.a.table]
   key = "no" \TTT TTT
raw = TTT@"" '#' TTT
more = TTT@TTTQQ
literal = '''@
x = '''
empty = [
]
number = 1.5e3
when = 1979-05-27 07:32:00Z
flag = true
last = "@"

["b.c".d]
e = "@"
[ a . c . g ]
h = "@"
""".replace("TTT", '"""').replace("Q", '"')
"""In it `@` stands for the number of the line."""


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """All strings with their places."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from leaves(inner, (*place, name))
    if isinstance(value, str):
        yield place, value


def test_every_key_and_item_is_found_on_its_line() -> None:
    """Through comments, dotted and quoted keys, arrays over lines, inline tables and strings that look like TOML."""
    text = "\n".join(line.replace("@", str(number)) for number, line in enumerate(TEXT.split("\n"), 1))
    lines = find_lines(text)
    found = dict(leaves(tomllib.loads(text)))
    assert len(found) == 22
    assert {place: lines.get(place) for place in found} == {
        place: int(re.match(r"\d+", value)[0]) for place, value in found.items()
    }
    assert lines["a", "empty"] < lines["a", "number"] < lines["a", "when"] < lines["a", "flag"]


def test_the_line_ends_of_windows_count_once() -> None:
    """As editors count them."""
    assert find_lines("a = 1\r\n[b]\r\nc = [\r\n 1,\r\n 2]\r\n")["b", "c", 1] == 5


def test_tables_of_an_array_count_as_their_keys() -> None:
    """No setting is such an array, so that the first line is enough to find it."""
    lines = find_lines('[[vendors]]\nname = "a"\n[[vendors]]\nname = "b"\n')
    assert lines == {("vendors",): 1, ("vendors", "name"): 2}
