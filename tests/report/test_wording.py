"""Numbers as people read them."""

import math

import pytest

from ganreg.report.wording import duration, name_of, shown, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.3862943, "1.386"),
        (1.3, "1.3"),
        (1.30004, "1.300"),
        (0.002, "0.002"),
        (0.0002, "2e-4"),
        (0, "0"),
        (12_345, "12,345"),
        (1_234_567.8, "1,234,568"),
        (-0.5, "-0.5"),
        (3e20, "3e20"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_a_number_has_the_digits_that_matter(value: float | None, text: str):
    assert shown(value) == text


def test_a_time_has_two_units_at_most():
    assert [duration(seconds) for seconds in (9.96, 94.2, 12_000)] == ["10.0 s", "1 min 34 s", "3 h 20 min"]


def test_bytes_are_told_in_units():
    assert [size(count) for count in (900, 12_000, 1_900_000)] == ["900 B", "12 kB", "1.9 MB"]


def test_an_equilibrium_has_the_name_that_papers_give_it():
    assert [name_of(value) for value in (2 * math.log(2), math.log(2), 0.25, 0.3)] == ["2 ln 2", "ln 2", "1/4", ""]
