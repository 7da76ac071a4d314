"""The pictures that other tests look at: made in seconds, and the same ones on each call."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from tests.messy import messy


def test_a_picture_is_made_in_its_own_form_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[int] = []
    quantize = Image.Image.quantize

    def counted(picture: Image.Image, colours: int) -> Image.Image:
        made.append(colours)
        return quantize(picture, colours)

    monkeypatch.setattr(Image.Image, "quantize", counted)
    messy(tmp_path, 20, 16)

    assert made == [32, 16, 32, 16]


def test_two_calls_make_the_same_bytes(tmp_path: Path):
    digests = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(messy(tmp_path / name, 10, 16).rglob("*.*"))]
        for name in "ab"
    ]
    assert digests[0] == digests[1]
