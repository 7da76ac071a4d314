"""Whatever bytes lie in a file that is named like a picture, reading it is pixels or one of our errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.errors import DataError
from tests.fuzzing import EXAMPLES, fuzzed


def saved(mode: str, form: str, **options: object) -> bytes:
    """A picture of 12 x 10 pixels, no two columns alike."""
    picture = Image.linear_gradient("L").resize((12, 10)).rotate(90).convert(mode)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def animated(form: str) -> bytes:
    """Three frames."""
    frames = [Image.new("P", (12, 10), colour) for colour in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


LARGEST = 500 * 2**20
"""Bytes: a picture of as many pixels as are read takes 450 MB, in its own form and in colour."""

WHOLE = {
    ".png": [saved("RGB", "PNG"), saved("I;16", "PNG"), saved("LA", "PNG"), saved("P", "PNG", transparency=3), animated("PNG")],
    ".jpg": [saved("RGB", "JPEG"), saved("L", "JPEG", progressive=True), saved("CMYK", "JPEG")],
    ".gif": [saved("P", "GIF"), animated("GIF")],
    ".bmp": [saved("RGB", "BMP"), saved("1", "BMP")],
    ".webp": [saved("RGB", "WEBP"), saved("RGBA", "WEBP", lossless=True)],
    ".tif": [saved("RGB", "TIFF"), saved("L", "TIFF", compression="tiff_lzw"), saved("I;16", "TIFF"), saved("F", "TIFF")],
    ".tga": [saved("RGB", "TGA", compression="tga_rle")],
    ".pcx": [saved("L", "PCX")],
    ".ppm": [saved("RGB", "PPM")],
    ".ico": [saved("RGBA", "ICO", sizes=[(8, 8)])],
}


@st.composite
def damaged(draw: Callable[..., object]) -> tuple[str, bytes]:
    """An ending, and a picture of that format with bytes set, cut out or put in, or that ends early."""
    ending = draw(st.sampled_from(sorted(WHOLE)))
    content = bytearray(draw(st.sampled_from(WHOLE[ending])))
    for _ in range(draw(st.integers(0, 6))):
        near = draw(st.sampled_from([64, len(content)]))  # headers are where the promises stand
        place = draw(st.integers(0, max(0, min(near, len(content)) - 1)))
        put = draw(st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff", b"\0\0\0\0"]) | st.binary(max_size=8))
        gone = draw(st.sampled_from([0, len(put), 1, 7]))
        content[place : place + gone] = put
    if draw(st.integers(0, 4)) == 0:
        del content[draw(st.integers(0, len(content))) :]
    return ending, bytes(content)


contents = damaged() | st.tuples(st.sampled_from(sorted(WHOLE)), st.binary(max_size=60))


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_bytes_are_a_picture_or_one_of_our_errors(count: int, tmp_path: Path):
    read, refused = [], []

    def check(given: tuple[str, bytes]) -> None:
        ending, content = given
        file = tmp_path / f"one{ending}"
        file.write_bytes(content)
        try:
            pictures = ImageFolder(path=tmp_path, resolution=8)
            pixels, label = pictures[0]
        except DataError:
            refused.append(ending)
        else:
            assert pixels.shape == (3, 8, 8)
            assert ((pixels >= -1.0) & (pixels <= 1.0)).all()
            assert label == 0
            read.append(ending)
        finally:
            file.unlink()

    known = [(ending, content) for ending, several in WHOLE.items() for content in several]
    fuzzed(count, contents, check, known, growth=LARGEST)

    assert set(read) == set(WHOLE)
    assert refused
