"""The picture holds every figure at its place, and is well-formed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from ganreg.bench.chart import NAMES, loss_chart, spaced

from .results import NANOSECONDS, SIZES, measured

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def ends(svg: str) -> dict[str, tuple[float, float]]:
    """Where each contender's line ends, x and y."""
    paths = [one.get("d") for one in ElementTree.fromstring(svg).iter(f"{SVG}path") if "line" in one.get("class", "").split()]
    return {name: tuple(map(float, path.split("L")[-1].split())) for name, path in zip(NAMES, paths, strict=True)}


def test_title_machine_dtype_axes_and_lines_are_named():
    found = texts(loss_chart(measured(dtypes=("float32", "bfloat16"), pair=True)))

    assert found[0] == "Cross-entropy, value and gradient of N reals and N fakes"
    assert found[1] == "A <fast> one & only, 1 thread, compiled avx2 kernel, torch 2.11.0, 2026-01-02"
    assert {"float32", "bfloat16", "64", "4,096", "2²⁴", "nanoseconds per logit", "N, logits of a side"} <= set(found)
    assert [found.count(name) for name in NAMES.values()] == [2] * 5


def test_every_point_says_its_figure():
    titles = [one.text for one in ElementTree.fromstring(loss_chart(measured())).iter(f"{SVG}title")]

    assert "torch eager, N = 4,096: 600 ns per logit" in titles
    assert len(titles) == 1 + len(NANOSECONDS) * len(SIZES)


def test_both_sides_of_a_pair_count_as_logits():
    assert "torch eager, N = 64: 300 ns per logit" in loss_chart(measured(pair=True))


def test_the_scale_is_logarithmic_and_faster_is_lower():
    end = ends(loss_chart(measured()))

    doubling = end["fused"][1] - end["in place"][1]  # 100 and 50 ns
    assert doubling < 0  # down is more in SVG
    assert end["in place"][1] - end["copy"][1] == pytest.approx(doubling, abs=0.11)  # 50 and 25
    assert end["compiled"][1] - end["fused"][1] == pytest.approx(doubling, abs=0.11)  # 200 and 100


def test_a_contender_that_was_not_run_has_no_line_and_one_size_is_enough():
    told = measured()
    told["rows"] = told["rows"][:1]
    del told["rows"][0]["contenders"]["compiled"]

    assert "torch.compile" not in texts(loss_chart(told))


def test_light_and_dark_colour_every_line():
    style = next(ElementTree.fromstring(loss_chart(measured())).iter(f"{SVG}style")).text
    light, dark = style.split("@media (prefers-color-scheme: dark)")

    for scheme in (light, dark):
        assert len(set(re.findall(r"\.s\d \{ stroke: (#\w+)", scheme))) == len(NAMES)


@pytest.mark.parametrize(
    ("heights", "wanted"),
    [([10, 50], [10, 50]), ([10, 12], [10, 20]), ([95, 99], [90, 100]), ([0, 1, 2], [0, 10, 20]), ([], [])],
)
def test_names_are_moved_apart_and_stay_inside(heights: list[float], wanted: list[float]):
    assert spaced(heights, 10, 0, 100) == wanted
