"""The same lines in colours, by `rich`, and a spinner while something is waited for. Imported only where both help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from shared_core.cli.screen import Screen, Style

__all__ = ["ColourScreen"]

_STYLES: Mapping[Style, str] = {
    "plain": "",
    "dim": "dim",
    "bold": "bold",
    "title": "bold cyan",
    "target": "cyan",
    "good": "green",
    "bad": "red",
    "wait": "yellow",
}
"""Named colours, so that the terminal's own palette decides what they look like, on dark and on light."""


class ColourScreen(Screen):
    """Coloured text on a terminal.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._console = Console(file=stream, highlight=False, force_terminal=True, width=self.width)
        self._status: Status | None = None

    def busy(self, text: str) -> None:
        """Turns a spinner until something is written."""
        self.end_line()
        self._status = self._console.status(Text(text, style="dim"), spinner="dots", spinner_style="dim")
        self._status.start()

    def rest(self) -> None:
        """Takes the spinner away."""
        if self._status is not None:
            status, self._status = self._status, None
            status.stop()

    def _paint(self, text: str, style: Style) -> None:
        self._console.print(Text(text, style=_STYLES[style]), end="", soft_wrap=True)
