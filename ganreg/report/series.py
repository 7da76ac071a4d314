"""Points of a line: thinned so that no peak is lost, smoothed so that a trend is seen; both are said where they are done."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float | None]
"""(step, value); a value that is None breaks the line."""

MOST_POINTS = 400
"""Of a drawn line: more than half a point for each pixel of a plot."""
SMOOTH_FROM = 60
"""Points from which a line is drawn smoothed, with what was logged faint behind it."""


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points: of each stretch the lowest and the highest, in their order, and the very first and last.

    A stretch that holds a gap keeps one.
    """
    if len(points) <= most:
        return list(points)
    stretches = most // 2
    kept: list[Point] = [points[0]]
    inner = points[1:-1]
    for index in range(stretches):
        stretch = inner[index * len(inner) // stretches : (index + 1) * len(inner) // stretches]
        values = [(value, place) for place, (_, value) in enumerate(stretch) if value is not None]
        places = {min(values)[1], max(values)[1]} if values else set()
        gap = next((place for place, (_, value) in enumerate(stretch) if value is None), None)
        kept += [stretch[place] for place in sorted(places | ({gap} if gap is not None else set()))]
    return [*kept, points[-1]]


def window(count: int) -> int:
    """Points that a smoothed line is the mean of; 1 where so few points need none."""
    return max(3, count // 40 | 1) if count >= SMOOTH_FROM else 1


def smoothed(points: Sequence[Point], width: int) -> list[Point]:
    """The mean of the `width` points around each, fewer at both ends; a gap stays a gap and joins no mean."""
    half = width // 2
    sums, counts = [0.0], [0]
    for _, value in points:
        sums.append(sums[-1] + (value or 0.0))
        counts.append(counts[-1] + (value is not None))
    found: list[Point] = []
    for index, (step, value) in enumerate(points):
        reach = min(half, index, len(points) - 1 - index)
        first, last = index - reach, index + reach + 1
        count = counts[last] - counts[first]
        found.append((step, None if value is None or not count else (sums[last] - sums[first]) / count))
    return found
