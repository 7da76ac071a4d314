"""The ruler itself: what it lets pass, and what it must not."""

import time

import pytest
from hypothesis import strategies as st

from tests import fuzzing
from tests.fuzzing import fuzzed


def test_every_known_input_and_as_many_drawn_ones_as_asked_are_checked():
    met = []

    fuzzed(20, st.integers(), met.append, known=["a", "b"])

    assert sorted(one for one in met if isinstance(one, str)) == ["a", "b"]
    assert sum(isinstance(one, int) for one in met) == 20


def test_an_input_that_raises_fails():
    with pytest.raises(ZeroDivisionError):
        fuzzed(20, st.sampled_from([0, 1]), lambda number: 1 / number)


def test_an_input_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzzing, "SLOWEST", 0.01)

    with pytest.raises(AssertionError, match=r"0\.\d s"):
        fuzzed(1, st.just(0.02), work)


def test_time_in_which_others_work_does_not_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzzing, "SLOWEST", 0.2)

    fuzzed(1, st.just(0.4), time.sleep)


def work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_resident_memory_that_grows_fails_however_short_it_was_there():
    with pytest.raises(AssertionError, match=r"resident memory rose by [34]\d\d MiB"):
        fuzzed(1, st.just(400 * 2**20), lambda size: len(b"x" * size))
