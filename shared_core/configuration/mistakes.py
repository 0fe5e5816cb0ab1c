"""What is wrong with a file: every mistake with its place, all of them in one error.

Invariants: a message names a key of the file and what was expected, and never repeats a value; whatever looks like a
key is taken out of names as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from shared_core.configuration.places import Place, find_lines
from shared_core.errors import ConfigurationError
from shared_core.records import record
from shared_core.scrub import scrub

__all__ = ["ConfigurationFileError", "Mistake", "Mistakes", "suggestion"]


@record(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        path: The key, as in `policy.deadline`; empty for the file as a whole.
        message: What was expected there.
        line: Line in the file, from 1; None if it is not known.
    """

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = [f"line {self.line}"] if self.line is not None else []
        return ": ".join([*place, *([self.path] if self.path else []), self.message])


class ConfigurationFileError(ConfigurationError):
    """A file cannot be used.

    Attributes:
        source: Name of the file.
        mistakes: All that is wrong with it, in the order of its lines.
    """

    def __init__(self, source: str, mistakes: Iterable[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        if len(self.mistakes) == 1:
            text = f"{source}: {self.mistakes[0]}"
        else:
            text = "\n  ".join([f"{source}: {len(self.mistakes)} mistakes", *map(str, self.mistakes)])
        super().__init__(text)


class Mistakes:
    """Collects what is wrong with one file.

    Args:
        source: Name of the file.
        text: What is in it.
    """

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._text = text
        self._found: dict[Place, str] = {}

    def add(self, place: Place, message: str) -> None:
        """Notes a mistake; of several at the same place the first says enough."""
        self._found.setdefault(place, message)

    def check(self) -> None:
        """Ends the reading.

        Raises:
            ConfigurationFileError: There were mistakes.
        """
        if self._found:
            lines = find_lines(self._text)
            made = [
                Mistake(scrub(_written(place)), scrub(message), _line(place, lines))
                for place, message in self._found.items()
            ]
            raise ConfigurationFileError(self._source, sorted(made, key=lambda each: (each.line or 0, each.path)))


def suggestion(name: object, known: Iterable[str]) -> str:
    """Words for the known name that is meant, to put behind a message; empty if none is close.

    >>> suggestion("deadlin", ["deadline", "patience"])
    "; did you mean 'deadline'?"
    """
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _written(place: Place) -> str:
    """A place as one writes it: `models."openai/gpt-4.1".efforts[0]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if re.fullmatch(r"[\w-]+", part) else json.dumps(part, ensure_ascii=False))
    return text


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    """The line of a place, or of the nearest thing around it that the file has: what is missing has none."""
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
