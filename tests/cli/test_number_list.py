import click
import pytest

from ganreg.cli.number_list import NumberList


@pytest.mark.parametrize(
    ("word", "numbers"), [("7", (7,)), ("1-3,7", (1, 2, 3, 7)), ("2, 1", (2, 1)), ("0-0", (0,)), ((4, 5), (4, 5))]
)
def test_spans_and_numbers_in_their_order(word: str, numbers: tuple[int, ...]):
    assert NumberList().convert(word, None, None) == numbers


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("", "expected numbers and spans"),
        ("a", "expected numbers and spans such as 1-8,13, got 'a'"),
        ("-3", "expected numbers"),
        ("1,,2", "expected numbers"),
        ("٣", "expected numbers"),
        ("8-1", "the span 8-1 falls: 1-8 is meant"),
        ("0-10000", "at most 10,000 numbers"),
        ("9999999999999999999", "none above 9223372036854775807"),
    ],
)
def test_what_is_no_list_is_refused(word: str, told: str):
    with pytest.raises(click.BadParameter, match=told):
        NumberList().convert(word, None, None)
