"""Lines on a terminal: styled spans, wrapped by words with a hanging indent, in plain text or in colours.

The layout is the same either way; `colour` only adds styles and a spinner, where `rich` is installed and the stream is
a terminal. Everything is appended: nothing that was read is redrawn, so a pipe or a CI log gets the same lines.

Invariants: no escape code reaches a stream that is no terminal, nor any if NO_COLOR is set; every line is flushed as
it is written.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, TextIO, TypeAlias

__all__ = ["Marks", "Screen", "Span", "Style", "choose_screen"]

Style = Literal["plain", "dim", "bold", "title", "target", "good", "bad", "wait"]

Span: TypeAlias = tuple[str, Style]
"""Text in one style."""

_WIDEST = 100
"""Columns beyond which lines are hard to follow."""

_PIECE = re.compile(r"\n|[^\S\n]+|\S+")


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs before lines, one column each."""

    ask: str = "→"
    over: str = "↪"
    again: str = "↻"
    fail: str = "✗"
    wait: str = "◷"
    skip: str = "⊘"
    note: str = "·"
    text: str = "»"
    serve: str = "✓"
    rule: str = "─"


_ASCII = Marks(ask=">", over=">", again=">", fail="x", wait="~", skip="-", note=".", text='"', serve="=", rule="-")


class Screen:
    """Plain text on a stream.

    Args:
        stream: Where it writes.

    Attributes:
        width: Columns of a line.
        marks: Signs that the stream's encoding has.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._column = 0
        self._blank = ""
        self._is_wrapped = False
        self.width = min(shutil.get_terminal_size().columns, _WIDEST)
        self.marks = Marks() if _can_encode(stream) else _ASCII

    def show(self, *spans: Span, hang: int = 0) -> None:
        """Writes one line, wrapped; what does not fit goes below, indented by `hang` columns."""
        self.end_line()
        for text, style in spans:
            self.grow(text, style, hang=hang)
        self._newline()
        self._is_wrapped = False

    def grow(self, text: str, style: Style = "plain", *, hang: int = 0) -> None:
        """Adds to the line at hand, which stays open."""
        self.rest()
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self._newline()
            elif piece.isspace():
                self._blank += piece  # written with the word behind it, so that no line ends in blanks
            else:
                self._add_word(piece, style, hang)
        self._stream.flush()

    def end_line(self) -> None:
        """Ends a line that `grow` left open."""
        self.rest()
        if self._column:
            self._newline()
        self._is_wrapped = False

    def rule(self, title: str) -> None:
        """A title with a line to the right edge."""
        self.show((f"{self.marks.rule * 2} ", "dim"), (title, "title"), (f" {self._rest_of_rule(title)}", "dim"))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Span]], *, indent: int) -> None:
        """Columns under heads; numbers to the right."""
        widths = [max(len(head), *(len(row[at][0]) for row in rows)) for at, head in enumerate(heads)]
        self.show((" " * indent + "  ".join(map(str.ljust, heads, widths)).rstrip(), "dim"))
        for row in rows:
            cells = [
                (text.rjust(width) if text.isdecimal() else text.ljust(width), style)
                for (text, style), width in zip(row, widths, strict=True)
            ]
            self.show((" " * indent, "plain"), *((f"{text}  ", style) for text, style in cells))

    def busy(self, text: str) -> None:
        """Says that something is being waited for, where that can be taken away again. Here it can't."""

    def rest(self) -> None:
        """Takes away what `busy` says."""

    def _rest_of_rule(self, title: str) -> str:
        return self.marks.rule * max(self.width - len(title) - 4, 0)

    def _add_word(self, word: str, style: Style, hang: int) -> None:
        if self._column > hang and self._column + len(self._blank) + len(word) > self.width:
            self._newline()
        if self._column == 0 and self._is_wrapped:
            self._blank = " " * hang
        text, self._blank = self._blank + word, ""
        self._column += len(text)
        self._paint(text, style)

    def _newline(self) -> None:
        self._blank = ""
        self._column = 0
        self._is_wrapped = True
        self._stream.write("\n")
        self._stream.flush()

    def _paint(self, text: str, style: Style) -> None:
        del style
        self._stream.write(text)


def choose_screen(stream: TextIO, *, plain: bool = False) -> Screen:
    """Colours if `stream` is a terminal that shows them, `rich` is installed, and nobody asked for none."""
    is_dull = plain or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    if is_dull or not stream.isatty() or find_spec("rich") is None:
        return Screen(stream)
    coloured: Screen = import_module("shared_core.cli.colour").ColourScreen(stream)
    return coloured


def _can_encode(stream: TextIO) -> bool:
    try:
        "→↪↻✗◷⊘·»✓─".encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
