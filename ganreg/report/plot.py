"""Draws lines over steps as inline SVG: no styles inside, only classes and attributes, as the page's policy wants it.

Colours and dashes come from the page's style sheet by a line's number: `s0` to `s7`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import quantiles

from ganreg.errors import printable
from ganreg.report.series import Point, smoothed, thinned, window
from ganreg.report.wording import shown

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 506, 14, 214
"""The axes' frame; right of it stand the names of level lines."""
GAP = 14
"""Pixels between two such names, at least."""
MOST_STYLES = 8
SPIKE = 3.0
"""A highest value this many times beyond the 98th percentile is left above the frame, and said to be."""


@dataclass(frozen=True)
class Line:
    """What was logged under a name, drawn in a style."""

    name: str
    points: Sequence[Point]
    style: int

    def drawn(self) -> list[Point]:
        """The points of the bold line."""
        return thinned(smoothed(self.points, window(len(self.points))))


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with: a short name beside it, and what it means."""

    value: float
    label: str
    meaning: str
    style: int | None = None


@dataclass
class Plot:
    """One frame: lines over steps 0 to `last_step`.  Its `name` is a word of ours, for the page's references."""

    name: str
    title: str
    lines: list[Line]
    last_step: float
    levels: list[Level] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    is_log: bool = False
    unit: str = ""

    def __post_init__(self) -> None:
        """Find the range of the upright axis."""
        values = [value for line in self.lines for _, value in line.points if value is not None]
        self.is_log = self.is_log and any(value > 0 for value in values)
        values = [value for value in values if value > 0 or not self.is_log]
        shown_values = values + [level.value for level in self.levels]
        low, high = (min(shown_values), max(shown_values)) if shown_values else (0.0, 1.0)
        self.cut = 0
        if not self.is_log and self.high is None and len(values) >= 20:
            cuts = quantiles(values, n=50)
            middle = (cuts[0] + cuts[-1]) / 2
            reach = SPIKE * max(cuts[-1] - middle, 1e-12)
            levels = [level.value for level in self.levels]
            if high > middle + reach:
                high = max([cuts[-1] + 0.1 * (cuts[-1] - cuts[0]), *levels])
            if low < middle - reach:
                low = min([cuts[0] - 0.1 * (cuts[-1] - cuts[0]), *levels])
            self.cut = sum(not low <= value <= high for value in values)
        self._round(low if self.low is None else self.low, high if self.high is None else self.high)

    def _round(self, low: float, high: float) -> None:
        if self.is_log:
            first, last = max(math.floor(math.log10(low)), -307), math.ceil(math.log10(high))
            last = max(last, first + 1)
            every = max(1, math.ceil((last - first) / 5))
            self.ticks = [10.0**power for power in range(first, last + 1, every)]
            self.bottom, self.top = 10.0**first, 10.0**last
            return
        self.ticks = ticks(low, high)
        self.bottom, self.top = min(low, self.ticks[0]), max(high, self.ticks[-1])

    def x(self, step: float) -> float:
        """Step -> pixels."""
        return LEFT + (RIGHT - LEFT) * step / max(self.last_step, 1)

    def y(self, value: float) -> float:
        """Value -> pixels, at most at the frame's edge."""
        if self.is_log:
            value = max(value, self.bottom)
            share = math.log10(value) - math.log10(self.bottom)
            share /= math.log10(self.top) - math.log10(self.bottom)
        else:
            share = (value - self.bottom) / (self.top - self.bottom)
        return BOTTOM - (BOTTOM - TOP) * min(max(share, 0.0), 1.0)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers, `about` so many, from at or below `low` to at or above `high`."""
    if not high > low:
        spread = abs(low) * 0.5 or 1.0
        low, high = low - spread, high + spread
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * index, 12) for index in range(first, last + 1)]


def draw(plot: Plot) -> str:
    """The SVG element; its name and description are the elements `NAME-title` and `NAME-note` of the page."""
    parts = [
        f'<svg class="plot" id="{plot.name}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="-1" '
        f'aria-labelledby="{plot.name}-title" aria-describedby="{plot.name}-about">'
    ]
    parts += _axes(plot)
    for line in plot.lines:
        parts += _line(plot, line)
    parts += _levels(plot)
    parts.append(f'<line class="now" x1="{RIGHT}" x2="{RIGHT}" y1="{TOP}" y2="{BOTTOM}"/></svg>')
    return "".join(parts)


def swatch(style: int) -> str:
    """A piece of a line, for the legend."""
    return f'<svg class="swatch" viewBox="0 0 34 8" aria-hidden="true"><path class="line s{style}" d="M1 4H33"/></svg>'


def about(plot: Plot) -> str:
    """The plot in a sentence, for whoever does not see it."""
    told = []
    for line in plot.lines:
        values = [(step, value) for step, value in line.points if value is not None]
        if values:
            low, high = min(value for _, value in values), max(value for _, value in values)
            last = f"{shown(values[-1][1])} at step {values[-1][0]:,.0f}"
            told.append(f"{line.name}: from {shown(low)} to {shown(high)}, last {last}")
    return "; ".join(told) + "."


def _axes(plot: Plot) -> list[str]:
    parts = []
    for value in plot.ticks:
        at = plot.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{RIGHT}"/>')
        parts.append(_text(LEFT - 8, at + 4, _tick(value), "end"))
    steps = [step for step in ticks(0, plot.last_step, 5) if step <= plot.last_step]
    for index, step in enumerate(steps):
        at = plot.x(step)
        parts.append(f'<path class="axis" d="M{at:.1f} {BOTTOM}v5"/>')
        parts.append(_text(at, BOTTOM + 20, _tick(step), "middle", "minor" if index % 2 else ""))
    parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>')
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 34, "step", "middle", "name"))
    return parts


def _line(plot: Plot, line: Line) -> list[str]:
    style = f"s{line.style % MOST_STYLES}"
    points = [(step, value if value is None or value > 0 or not plot.is_log else None) for step, value in line.points]
    width = window(len(points))
    parts = []
    if width > 1:
        parts.append(f'<path class="raw {style}" d="{_path(plot, thinned(points))}"/>')
    parts.append(f'<path class="line {style}" d="{_path(plot, line.drawn())}"/>')
    if len(points) <= 12:
        parts += [
            f'<circle class="dot {style}" cx="{plot.x(step):.1f}" cy="{plot.y(value):.1f}" r="3"/>'
            for step, value in points
            if value is not None
        ]
    return parts


def _path(plot: Plot, points: Sequence[Point]) -> str:
    """A point on its own, with a gap on either side, is a dot: a line of no length, with round ends."""
    pieces, pen = [], "M"
    for step, value in points:
        if value is None or (plot.is_log and value <= 0):
            pen = "M"
            continue
        pieces.append(f"{pen}{plot.x(step):.1f} {plot.y(value):.1f}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return "".join(pieces)


def _levels(plot: Plot) -> list[str]:
    """Each with its name right of the frame; names that would touch are moved apart, upwards."""
    parts = []
    free = float(HEIGHT)
    for level in sorted(plot.levels, key=lambda one: one.value):
        at = plot.y(level.value)
        free = min(at, free - GAP)
        style = "" if level.style is None else f" t{level.style % MOST_STYLES}"
        parts.append(f'<path class="level" d="M{LEFT} {at:.1f}H{RIGHT}"/>')
        parts.append(_text(RIGHT + 7, free + 4, level.label, "start", f"label{style}"))
    return parts


def _tick(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.10g}" if abs(value) < 10_000 else f"{value:,.0f}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    whole = mantissa.rstrip("0").rstrip(".")
    return f"{whole}e{int(exponent)}"


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(printable(text))}</text>'
