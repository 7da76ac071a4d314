"""Pictures inside a page: whole ones as they are, many or large ones fewer and packed harder, broken ones told."""

import os
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from ganreg.report.embedded import dimensions, evenly, film
from ganreg.report.reading import read

from .small import picture, run


def test_small_pictures_are_the_files_themselves(tmp_path: Path):
    record = read(run(tmp_path / "mine"))
    made = film(record)

    assert [frame.step for frame in made.frames] == [100, 200, 300, 400]
    head, _, data = made.frames[0].uri.partition(",")
    assert head == "data:image/png;base64"
    assert b64decode(data) == record.pictures[100].read_bytes()
    assert (made.frames[0].width, made.frames[0].height, made.note) == (32, 32, "")
    assert made.reals is not None


def noise(path: Path, side: int) -> None:
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(path)


def test_pictures_beyond_the_budget_are_packed_thinned_and_that_is_said(tmp_path: Path):
    place = run(tmp_path / "mine", steps=60, every=1)
    for file in (place / "samples").glob("step-*.png"):
        noise(file, 96)
    record = read(place)
    made = film(record, budget=120_000)

    assert sum(len(frame.uri) for frame in made.frames) <= 120_000
    assert 1 < len(made.frames) < 60
    assert (made.frames[0].step, made.frames[-1].step) == (1, 60)
    assert made.note.startswith(f"{len(made.frames)} of 60 pictures are shown, packed anew")
    assert record.missing == []


def test_a_large_picture_is_made_smaller(tmp_path: Path):
    place = run(tmp_path / "mine", steps=100)
    noise(place / "samples" / "step-00000100.png", 1200)

    assert film(read(place), budget=400_000).frames[0].width <= 800


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"<svg onload=alert(1)>",
        lambda data: data[:60],
        lambda data: data[:16] + (60_000).to_bytes(4) + (60_000).to_bytes(4) + data[24:],
        lambda data: data[:40] + b"\xff\xff" + data[42:],
    ],
)
def test_a_picture_that_cannot_be_shown_is_told_and_left_out(tmp_path: Path, damage):
    place = run(tmp_path / "mine")
    broken = place / "samples" / "step-00000200.png"
    broken.write_bytes(damage(broken.read_bytes()))
    record = read(place)

    assert [frame.step for frame in film(record).frames] == [100, 300, 400]
    assert len(record.missing) == 1
    assert record.missing[0].startswith("samples/step-00000200.png cannot be read (")


def test_a_header_tells_the_size(tmp_path: Path):
    assert dimensions(picture(tmp_path / "a.png", 0, side=7).read_bytes()) == (7, 7)
    assert dimensions(b"GIF89a" + b"\0" * 40) is None


def test_the_first_and_the_last_are_among_the_few():
    items = [(step, b"") for step in range(100)]

    assert [step for step, _ in evenly(items, 4)] == [0, 33, 66, 99]
    assert evenly(items, 1) == [items[-1]]
    assert evenly(items[:2], 4) == items[:2]
