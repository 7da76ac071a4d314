"""Lines over steps as SVG: axes that can be read, levels in their place, gaps that stay gaps."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from ganreg.report.plot import BOTTOM, LEFT, RIGHT, TOP, Level, Line, Plot, about, draw, ticks
from ganreg.report.series import Point


def plot(*points: Point, **told) -> Plot:
    return Plot("one", "One", [Line("D", points, 0)], last_step=points[-1][0], **told)


def elements(svg: str, kind: str) -> list[ElementTree.Element]:
    """Parsed as XML, so that a tag that is not closed fails."""
    return [one for one in ElementTree.fromstring(svg).iter() if kind in one.attrib.get("class", "").split()]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2000, [0, 500, 1000, 1500, 2000]),
        (0.63, 1.7, [0.5, 0.75, 1, 1.25, 1.5, 1.75]),
        (-3, 3, [-4, -2, 0, 2, 4]),
        (5, 5, [2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_ticks_are_round_and_enclose(low: float, high: float, expected: list[float]):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_value_stands_where_its_axis_says():
    one = plot((0.0, 0.0), (100.0, 1.0), low=0.0, high=1.0)

    assert (one.x(0), one.x(100), one.y(0), one.y(1), one.y(0.5)) == (LEFT, RIGHT, BOTTOM, TOP, (TOP + BOTTOM) / 2)
    (line,) = elements(draw(one), "line")
    assert line.attrib["d"] == f"M{LEFT:.1f} {BOTTOM:.1f}h0L{RIGHT:.1f} {TOP:.1f}"


def test_a_gap_breaks_the_line():
    (line,) = elements(draw(plot((0.0, 1.0), (1.0, None), (2.0, 2.0), (3.0, 3.0))), "line")

    assert re.sub(r"[\d. ]+", "", line.attrib["d"]) == "MhMhL"


def test_a_level_has_its_name_beside_the_frame_and_its_meaning_in_words():
    one = plot((0.0, 1.0), (10.0, 2.0), levels=[Level(1.5, "3/2", "the middle", 1)])
    svg = draw(one)

    assert elements(svg, "level")[0].attrib["d"] == f"M{LEFT} {one.y(1.5):.1f}H{RIGHT}"
    (label,) = elements(svg, "label")
    assert (label.text, label.attrib["class"]) == ("3/2", "label t1")
    assert float(label.attrib["x"]) > RIGHT


def test_names_of_levels_that_are_near_do_not_touch():
    levels = [Level(value, str(value), "") for value in (1.50, 1.51, 1.52)]
    heights = sorted(float(one.attrib["y"]) for one in elements(draw(plot((0.0, 0.0), (10.0, 9.0), levels=levels)), "label"))

    assert min(later - earlier for earlier, later in pairwise(heights)) >= 14


def test_a_logarithmic_axis_has_decades_and_leaves_out_what_it_cannot_show():
    one = plot((0.0, 0.0), (1.0, 0.01), (2.0, 100.0), is_log=True)

    assert one.ticks == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert one.y(1.0) == pytest.approx((TOP + BOTTOM) / 2)
    assert elements(draw(one), "line")[0].attrib["d"].count("L") == 1


def test_a_logarithmic_axis_without_a_positive_value_is_an_ordinary_one():
    assert draw(plot((0.0, 0.0), (1.0, 0.0), is_log=True))


def test_a_spike_is_left_outside_and_counted():
    points: list[Point] = [(float(step), 1.0 + 0.1 * (step % 7)) for step in range(200)]
    points[50] = (50.0, 1e6)
    one = plot(*points)

    assert one.top < 3
    assert one.cut == 1


def test_an_even_spread_is_shown_whole():
    one = plot(*((float(step), float(step)) for step in range(200)))

    assert (one.cut, one.top) == (0, 200)


def test_many_points_are_smoothed_with_the_log_behind():
    few, many = (draw(plot(*((float(s), float(s % 3)) for s in range(count)))) for count in (20, 5000))

    assert elements(few, "raw") == []
    (raw,) = elements(many, "raw")
    assert 100 < raw.attrib["d"].count("L") <= 402
    assert len(many) < 20_000


def test_hostile_names_do_not_leave_the_text():
    one = Plot("one", "One", [Line('"><script>alert(1)</script>', [(0.0, 1.0), (1.0, 2.0)], 0)], 1.0)
    one.levels = [Level(1.0, "<b>", "")]

    svg = draw(one)
    assert "<script" not in svg
    assert "<b>" not in svg
    assert ElementTree.fromstring(svg) is not None


def test_the_plot_is_told_in_a_sentence():
    assert about(plot((0.0, 3.0), (10.0, 1.0), (20.0, 2.0))) == "D: from 1 to 3, last 2 at step 20."


@pytest.mark.parametrize("points", [[(0.0, None)], [(5.0, 1.0)], [(0.0, 1e-300), (1.0, 1e300)], [(1.0, -1e-9), (2.0, -1e-9)]])
def test_any_numbers_can_be_drawn(points: list[Point]):
    for is_log in (False, True):
        svg = draw(plot(*points, is_log=is_log))
        assert "nan" not in svg
        assert "inf" not in svg
