"""A picture as plain shapes, and its two ways onto a surface: SVG by hand, PNG by matplotlib where it is installed.

Invariants: units are pixels, the origin is the upper left corner; both ways draw the same shapes; text is escaped; no
global state of matplotlib's is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias, assert_never

from shared_core.errors import ConfigurationError

__all__ = ["Box", "Cross", "Label", "Line", "Picture", "Ring", "Shape", "require_format"]

_FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; `hint` is shown where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x: float
    y: float
    to_x: float
    to_y: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Cross:
    """Two strokes, `size` pixels wide, around a point."""

    x: float
    y: float
    size: float
    colour: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle around a point."""

    x: float
    y: float
    radius: float
    edge: str
    fill: str = "none"


@dataclass(frozen=True, slots=True)
class Label:
    """Text on a base line."""

    x: float
    y: float
    text: str
    colour: str
    size: float = 11.0
    anchor: Literal["start", "middle", "end"] = "start"
    is_bold: bool = False


Shape: TypeAlias = Box | Line | Cross | Ring | Label


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes on a white ground, drawn in order."""

    width: float
    height: float
    shapes: tuple[Shape, ...]

    def svg(self) -> str:
        """The picture as one SVG element."""
        width, height = f"{self.width:g}", f"{self.height:g}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="{_FONT}" style="max-width:100%;height:auto">'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>{"".join(map(_svg, self.shapes))}</svg>\n'
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the name says how: `.svg`, or `.png` with matplotlib.

        Raises:
            ConfigurationError: The name says neither, or matplotlib is not installed.
            OSError: The file cannot be written.
        """
        if require_format(path) == ".svg":
            Path(path).write_text(self.svg(), encoding="utf-8")
        else:
            self._save_png(Path(path))

    def _save_png(self, path: Path) -> None:
        figures: Any = import_module("matplotlib.figure")
        patches: Any = import_module("matplotlib.patches")
        figure = figures.Figure(figsize=(self.width / 100, self.height / 100), dpi=200)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        for shape in self.shapes:
            _plot(shape, axes, patches)
        figure.savefig(path, metadata={"Software": None})


def require_format(path: str | os.PathLike[str]) -> str:
    """The end of a picture's name, which says how it is written.

    Raises:
        ConfigurationError: It is neither `.svg` nor `.png`, or matplotlib is not installed for the latter.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in {".svg", ".png"}:
        raise ConfigurationError("a picture's name ends in .svg or .png")
    if suffix == ".png" and find_spec("matplotlib") is None:
        raise ConfigurationError("a PNG needs matplotlib (the extra `notebooks` brings it); an .svg needs nothing")
    return suffix


def _svg(shape: Shape) -> str:
    match shape:
        case Box():
            edge = f' stroke="{shape.edge}" stroke-width="0.6"' if shape.edge else ""
            hint = f"<title>{escape(shape.hint)}</title>" if shape.hint else ""
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
            return f'<rect {place} rx="1.5" fill="{shape.fill}"{edge}>{hint}</rect>'
        case Line():
            ends = f'x1="{shape.x:.1f}" y1="{shape.y:.1f}" x2="{shape.to_x:.1f}" y2="{shape.to_y:.1f}"'
            return f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width:g}"/>'
        case Cross():
            return "".join(map(_svg, _strokes(shape)))
        case Ring():
            place = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
            return f'<circle {place} fill="{shape.fill}" stroke="{shape.edge}" stroke-width="1.2"/>'
        case Label():
            weight = ' font-weight="600"' if shape.is_bold else ""
            look = f'font-size="{shape.size:g}" fill="{shape.colour}" text-anchor="{shape.anchor}"{weight}'
            return f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" {look}>{escape(shape.text)}</text>'
        case _:
            assert_never(shape)


def _plot(shape: Shape, axes: Any, patches: Any) -> None:
    match shape:
        case Box():
            edge = {"edgecolor": shape.edge or "none", "linewidth": 0.45}
            axes.add_patch(
                patches.Rectangle((shape.x, shape.y), shape.width, shape.height, facecolor=shape.fill, **edge)
            )
        case Line():
            width = shape.width * 0.72  # points, of which there are 72 where there are 100 pixels
            axes.plot((shape.x, shape.to_x), (shape.y, shape.to_y), color=shape.colour, linewidth=width)
        case Cross():
            for stroke in _strokes(shape):
                _plot(stroke, axes, patches)
        case Ring():
            place = (shape.x, shape.y)
            axes.add_patch(
                patches.Circle(place, shape.radius, facecolor=shape.fill, edgecolor=shape.edge, linewidth=0.86)
            )
        case Label():
            anchor = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            weight = "bold" if shape.is_bold else "normal"
            look = {"color": shape.colour, "fontsize": shape.size * 0.72, "weight": weight, "parse_math": False}
            axes.text(shape.x, shape.y, shape.text, ha=anchor, va="baseline", **look)
        case _:
            assert_never(shape)


def _strokes(cross: Cross) -> Iterable[Line]:
    x, y, half = cross.x, cross.y, cross.size / 2
    yield Line(x - half, y - half, x + half, y + half, cross.colour, 1.8)
    yield Line(x - half, y + half, x + half, y - half, cross.colour, 1.8)
