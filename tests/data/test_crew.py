import os

import pytest

from ganreg.data import crew
from ganreg.errors import BadImageError, SampleError


def shout(shared: str, item: str) -> str:
    return f"{item}{shared}"


def fall(shared: str, item: str) -> str:
    if item == "70":
        raise BadImageError("bad", at="here", fix="mend it")
    return item


def die(shared: str, item: str) -> str:
    os._exit(9) if item == "70" else None
    return item


ITEMS = [str(number) for number in range(100)]


def test_few_items_are_done_here(monkeypatch):
    monkeypatch.setattr(crew, "ProcessPoolExecutor", None)

    assert list(crew.each(shout, "!", ITEMS[:5], 8)) == ["0!", "1!", "2!", "3!", "4!"]
    assert list(crew.each(shout, "!", ITEMS, 1))[-1] == "99!"


@pytest.mark.slow
def test_processes_keep_the_order_and_pass_errors_on():
    assert list(crew.each(shout, "!", ITEMS, 2)) == [f"{item}!" for item in ITEMS]
    with pytest.raises(BadImageError, match="bad") as caught:
        list(crew.each(fall, "", ITEMS, 2))
    assert (caught.value.at, caught.value.fix) == ("here", "mend it")
    with pytest.raises(SampleError, match="ended without a word"):
        list(crew.each(die, "", ITEMS, 2))


def test_there_is_a_core():
    assert crew.cores() >= 1
