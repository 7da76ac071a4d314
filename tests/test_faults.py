"""The catalogue of faults: every row is tried by a test that exists, or says what is missing."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
ROW = re.compile(r"^\| ([A-Z]\d+) \|.*\| ([^|]+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))
GROUPS = {"C": 15, "P": 14, "D": 13, "K": 14, "N": 9, "S": 15, "X": 12, "Q": 12}


def kept(told: str) -> bool:
    """Whether a row's last cell names a test that is there, or a reason."""
    reason = re.fullmatch(r"(open|later): \S.{8,}", told)
    place, _, name = told.partition("::")
    file = TESTS / place
    return bool(reason) or (file.is_file() and f"def {name}(" in file.read_text(encoding="utf-8"))


def test_every_fault_of_the_catalogue_has_its_row():
    assert [number for number, _ in ROWS] == [
        f"{group}{index + 1}" for group, count in GROUPS.items() for index in range(count)
    ]


@pytest.mark.parametrize(("number", "told"), ROWS, ids=[number for number, _ in ROWS])
def test_every_row_is_tried_or_says_what_is_missing(number: str, told: str):
    assert kept(told), number


@pytest.mark.parametrize(
    "told", ["", "open:", "open: x", "engine/test_gate.py::test_nothing", "engine/nowhere.py::test_a", "yes"]
)
def test_a_row_without_a_test_or_a_reason_is_found(told: str):
    assert not kept(told)
