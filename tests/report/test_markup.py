"""Pieces of HTML: whatever comes from a file is text."""

import pytest

from ganreg.report.markup import MOST_ROWS, figure, folded, listed, note, pairs, section, table, text
from ganreg.report.plot import Line, Plot

HOSTILE = "<script>alert('x')</script>\x1b[31m\"&"
SAFE = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;\\x1b[31m&quot;&amp;"


def test_text_is_escaped_and_control_characters_are_shown():
    assert text(HOSTILE) == SAFE


@pytest.mark.parametrize(
    "make", [note, lambda words: listed([words]), lambda words: pairs([(words, words)]), lambda words: folded(words, "x")]
)
def test_every_piece_escapes_what_it_is_given(make):
    assert "<script" not in make(HOSTILE)
    assert SAFE in make(HOSTILE)


def test_nothing_makes_nothing():
    assert [section("a", "A", "", ""), note(""), listed([]), pairs([]), folded("a", "")] == [""] * 5


def test_a_section_has_its_heading_for_a_name():
    assert section("a", "A & B", "x").startswith('<section aria-labelledby="a-heading">\n<h2 id="a-heading">A &amp; B</h2>')


def test_a_row_that_differs_is_marked_by_more_than_a_colour():
    made = table("t", ["", "a", "b"], [["seed", "1", "2"], ["steps", "3", "3"]], marked=[0])

    assert made.count("differs") == 2  # its class, and the sign's meaning
    assert made.count("≠") == 1
    assert made.count('scope="row"') == 2


def test_a_plot_has_its_numbers_beside_it():
    line = Line("D <b>", [(float(step), step / 2) for step in range(1, 1001)], 0)
    made = figure(Plot("one", "One", [line], 1000.0))

    assert made.count("<tr>") == MOST_ROWS + 1
    assert f"{MOST_ROWS} of 1,000 logged steps" in made
    assert '<th scope="row">1,000</th><td>500</td>' in made
    assert "D <b>" not in made
