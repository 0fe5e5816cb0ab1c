"""On which line of a TOML text each key stands. `tomllib`, which reads the text, keeps no positions.

It owns just enough of TOML's grammar for that, and relies on the text being valid: `tomllib` has accepted it. It
refuses to read values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import TypeAlias

from shared_core.records import record

__all__ = ["Place", "find_lines"]

Place: TypeAlias = tuple[str | int, ...]
"""Keys and positions in arrays, from the outside in."""

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


@record(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


_END = _Token("end", "", 0)


def find_lines(text: str) -> dict[Place, int]:
    r"""The line, from 1, of every table, key and array item of a valid TOML text.

    >>> find_lines('[chain]\nfallbacks = [\n  "a",\n  "b",\n]')[("chain", "fallbacks", 1)]
    4
    """
    scan = _Scan(list(_tokens(text)))
    scan.document()
    return scan.lines


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")


class _Scan:
    """One pass over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.lines: dict[Place, int] = {}
        self._tokens = tokens
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _takes(self, text: str) -> bool:
        """Goes past a mark or a newline, if it is the next token."""
        is_next = self._next.text == text and self._next.kind != "text"
        self._at += is_next
        return is_next

    def document(self) -> None:
        """All statements."""
        table: Place = ()
        while self._next is not _END:
            if self._takes("\n"):
                continue
            if self._takes("["):
                self._takes("[")  # an array of tables: all of them count as its first line
                table = self._key(())
                self._takes("]")
                self._takes("]")
            else:
                self._pair(table)

    def _pair(self, table: Place) -> None:
        place = self._key(table)
        self._takes("=")
        self._value(place)

    def _key(self, place: Place) -> Place:
        """A key, perhaps with dots, below `place`."""
        while True:
            token = self._take()
            part = token.text if token.kind == "bare" else tomllib.loads(f"key = {token.text}")["key"]
            place = (*place, part)
            self.lines.setdefault(place, token.line)
            if not self._takes("."):
                return place

    def _value(self, place: Place) -> None:
        if self._takes("["):
            self._array(place)
        elif self._takes("{"):
            while not self._takes("}"):
                self._pair(place)
                self._takes(",")
        else:
            self._take()
            while self._next.kind in {"bare", "text"} or self._next.text == ".":
                self._take()

    def _array(self, place: Place) -> None:
        number = 0
        while not self._takes("]"):
            if self._takes("\n") or self._takes(","):
                continue
            item = (*place, number)
            self.lines[item] = self._next.line
            self._value(item)
            number += 1
