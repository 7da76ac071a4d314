"""Draws a measurement as SVG by hand: nanoseconds per logit against N, both axes logarithmic, a panel per dtype.

Colours follow the reader's light or dark scheme; every line also has its own mark and its name beside its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, PANEL, HEAD = 760, 400, 72
LEFT, RIGHT, TOP, BOTTOM = 78, 168, 34, 54
"""Around a panel's axes: tick labels, the lines' names, the dtype, the axis' name."""

CHAR = 7.2
"""Of the title's letters, roughly, to keep a long processor name on the page."""

NAMES = {
    "fused": "fused",
    "in place": "fused, in place",
    "eager": "torch eager",
    "compiled": "torch.compile",
    "copy": "copy (roof)",
}
"""In the order of colours and marks."""

LIGHT = ("#ffffff", "#1c2430", "#5d6875", "#e3e7ec", "#0b6bcb", "#007f6d", "#c2410c", "#8a3ffc", "#6b7280")
DARK = ("#12161c", "#e8ecf1", "#a3adb9", "#2a313a", "#6cb6ff", "#3ddbb8", "#ff9a5c", "#c9a2ff", "#a3adb9")
"""Page, ink, small print, grid, then a colour for each of NAMES."""

SHAPE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
.title { font-size: 16px; font-weight: 600 } .faint { font-size: 12px } .name { font-weight: 600 } .axis { fill: none }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round } .roof { stroke-dasharray: 6 4 } .leader { opacity: .6 }
"""

Points = list[tuple[int, float]]


def loss_chart(told: dict[str, Any]) -> str:
    """What `ganreg.bench.loss.measure` gives -> the text of an SVG file."""
    panels = list(_panels(told))
    height = HEAD + PANEL * len(panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(_title(told))}: {escape(_where(told))}</title>",
        f"<style>{SHAPE}{_colours(LIGHT)}@media (prefers-color-scheme: dark) {{\n{_colours(DARK)}}}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        _text(16, 28, _title(told), "title"),
        _text(16, 50, _shortened(_where(told)), "faint"),
    ]
    for number, (dtype, series) in enumerate(panels):
        lines.append(f'<g transform="translate(0 {HEAD + PANEL * number})">')
        lines += _panel(dtype, series)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>", ""])


def _colours(scheme: Sequence[str]) -> str:
    """Plain rules, no variables: not every viewer of pictures knows those."""
    page, ink, faint, grid, *lines = scheme
    common = f".page {{ fill: {page} }} text {{ fill: {ink} }} .faint {{ fill: {faint} }} .grid {{ stroke: {grid} }}"
    own = [f".s{i} {{ stroke: {colour} }} .m{i} {{ fill: {colour} }}\n" for i, colour in enumerate(lines)]
    return f"{common} .axis {{ stroke: {faint} }}\n{''.join(own)}"


def _title(told: dict[str, Any]) -> str:
    form = "N reals and N fakes" if told["pair"] else "N logits"
    return f"Cross-entropy, value and gradient of {form}"


def _where(told: dict[str, Any]) -> str:
    place = told["machine"]
    kernel = " ".join(filter(None, [place["kernel"]["kind"], place["kernel"]["variant"], "kernel"]))
    threads = "1 thread" if place["omp_threads"] == 1 else f"{place['omp_threads']} threads"
    return ", ".join([place["card"] or f"{place['processor']}, {threads}", kernel, f"torch {told['torch']}", told["date"][:10]])


def _shortened(text: str) -> str:
    room = int((WIDTH - 32) / (CHAR - 1))
    return text if len(text) <= room else text[: room - 1] + "…"


def _panels(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Points]]]:
    """Each dtype's lines: (N, nanoseconds per logit), N rising."""
    sides = 1 + told["pair"]
    for dtype in dict.fromkeys(row["dtype"] for row in told["rows"]):
        rows = sorted((row for row in told["rows"] if row["dtype"] == dtype), key=lambda row: int(row["num_logits"]))
        series: dict[str, Points] = {name: [] for name in NAMES}
        for row in rows:
            for name, found in row["contenders"].items():
                series[name].append((row["num_logits"], found["median"] * 1e9 / (row["num_logits"] * sides)))
        yield dtype, {name: points for name, points in series.items() if points}


class _Scale:
    """Numbers, by their logarithm, onto pixels."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, number: float) -> float:
        share = math.log(number / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


def _panel(dtype: str, series: dict[str, Points]) -> list[str]:
    counts = sorted({count for points in series.values() for count, _ in points})
    times = [time for points in series.values() for _, time in points]
    low, high = 10.0 ** math.floor(math.log10(min(times))), 10.0 ** math.ceil(math.log10(max(times)))
    right, bottom = WIDTH - RIGHT, PANEL - BOTTOM
    x = _Scale(counts[0] / 1.5, counts[-1] * 1.5, LEFT, right)
    y = _Scale(low, high if high > low else low * 10, bottom, TOP)
    lines = [_text(LEFT, TOP - 14, dtype, "name")]
    for power in range(round(math.log10(y.low)), round(math.log10(y.high)) + 1):
        at = y(10.0**power)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        lines.append(_text(LEFT - 8, at + 4, _tick(power), "faint", anchor="end"))
    for count in counts:
        lines.append(f'<line class="axis" x1="{x(count):.1f}" x2="{x(count):.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        lines.append(_text(x(count), bottom + 20, _count(count), "faint", anchor="middle"))
    lines.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    lines.append(_text((LEFT + right) / 2, bottom + 42, "N, logits of a side", anchor="middle"))
    middle = (TOP + bottom) / 2
    lines.append(_text(20, middle, "nanoseconds per logit", anchor="middle", more=f' transform="rotate(-90 20 {middle:.1f})"'))
    for name, points in series.items():
        lines += _line(name, [(count, time, x(count), y(time)) for count, time in points])
    ends = {name: (x(points[-1][0]), y(points[-1][1])) for name, points in series.items()}
    return [*lines, *_names(ends, right)]


def _line(name: str, points: Sequence[tuple[int, float, float, float]]) -> Iterator[str]:
    number = list(NAMES).index(name)
    path = "L".join(f"{at_x:.1f} {at_y:.1f}" for *_, at_x, at_y in points)
    yield f'<path class="line s{number}{" roof" if name == "copy" else ""}" d="M{path}"/>'
    for count, time, at_x, at_y in points:
        told = f"{NAMES[name]}, N = {count:,}: {time:.3g} ns per logit"
        yield f'<path class="m{number}" d="{_mark(number, at_x, at_y)}"><title>{told}</title></path>'


def _mark(number: int, x: float, y: float) -> str:
    """Circle, square, triangle, diamond, bar."""
    shapes = (
        f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
        f"M{x:.1f} {y - 5:.1f}l5 9h-10z",
        f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
        f"M{x - 5:.1f} {y - 1.5:.1f}h10v3h-10z",
    )
    return shapes[number]


def _names(ends: dict[str, tuple[float, float]], right: float) -> Iterator[str]:
    """Each line's name at the height of its end, pushed apart where ends meet, with a thread to its line."""
    order = sorted(ends, key=lambda name: ends[name][1])
    for name, at in zip(order, spaced([ends[name][1] for name in order], 18, TOP, PANEL - BOTTOM), strict=True):
        number = list(NAMES).index(name)
        end_x, end_y = ends[name]
        yield f'<line class="leader s{number}" x1="{end_x + 8:.1f}" y1="{end_y:.1f}" x2="{right + 14}" y2="{at:.1f}"/>'
        yield _text(right + 18, at + 4, NAMES[name], f"name m{number}")


def spaced(heights: Iterable[float], gap: float, low: float, high: float) -> list[float]:
    """Rising numbers, moved as little as two sweeps can so that neighbours are `gap` apart, within low and high."""
    found = list(heights)
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + gap)
    if found:
        found[-1] = min(found[-1], high)
    for i in range(len(found) - 2, -1, -1):
        found[i] = min(found[i], found[i + 1] - gap)
    if found and found[0] < low:
        found = [low + gap * i if height < low + gap * i else height for i, height in enumerate(found)]
    return found


def _tick(power: int) -> str:
    return f"{10.0**power:,.0f}" if power >= 0 else f"{10.0**power:g}"


def _count(count: int) -> str:
    """57,600; 2²⁴ for large powers of two."""
    power = count.bit_length() - 1
    if count >= 2**16 and count == 2**power:
        return "2" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{count:,}"


def _text(x: float, y: float, text: str, style: str = "", *, anchor: str = "", more: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}{place}{more}>{escape(text)}</text>'
