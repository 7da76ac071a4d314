"""A folder of photos as people have them: odd sizes, every mode, and some that cannot be read.  Made, not stored.

python -m tests.messy FOLDER [COUNT] [SIDE]
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BAD = ("bomb.png", "empty.png", "text.jpg", "truncated.jpg")
"""Files that no picture comes out of; whoever makes them is told so by `messy`."""


def photo(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Something smooth in colour: a coarse random sheet, enlarged, with a disc on it."""
    coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
    sheet = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - height * rng.uniform(0.3, 0.7)) ** 2 + (columns - width * rng.uniform(0.3, 0.7)) ** 2
    sheet[disc < (min(width, height) * 0.25) ** 2] = rng.integers(0, 256, 3)
    sheet += rng.integers(-6, 7, sheet.shape, np.int16)  # a camera's noise
    return Image.fromarray(sheet.clip(0, 255).astype(np.uint8))


def messy(folder: Path, count: int = 300, side: int = 48, *, seed: int = 0, bad: bool = True) -> Path:
    """`count` pictures of about `side` pixels in two folders; beside them those in BAD, a note, a hidden file, a duplicate."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        width, height = (int(side * rng.uniform(0.5, 2)) for _ in range(2))
        _save(photo(rng, max(width, 8), max(height, 8)), folder / ("cats", "dogs")[number % 2] / f"{number:04d}", number)
    (folder / "cats" / "again.png").write_bytes((folder / "cats" / "0000.png").read_bytes())
    (folder / "notes.txt").write_text("holidays\n")
    (folder / ".hidden.png").write_bytes(b"")
    if bad:
        whole = (folder / "dogs" / "0001.jpg").read_bytes()
        (folder / "dogs" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
        (folder / "dogs" / "empty.png").write_bytes(b"")
        (folder / "cats" / "text.jpg").write_text("no picture")
        (folder / "cats" / "bomb.png").write_bytes(bomb(60_000, 60_000))
    return folder


def bomb(width: int, height: int) -> bytes:
    """A PNG that promises pixels and has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content


def _save(picture: Image.Image, path: Path, number: int) -> None:
    """One of ten forms in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown, ending, options = FORMS[number % len(FORMS)](picture)
    shown.save(path.with_suffix(ending), **options)


def _faded(picture: Image.Image) -> Image.Image:
    """Transparent where it is dark."""
    faded = picture.convert("RGBA")
    faded.putalpha(picture.convert("L"))
    return faded


def _grey16(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


def _turned() -> Image.Exif:
    turned = Image.Exif()
    turned[0x0112] = 6
    return turned


FORMS: tuple[Callable[[Image.Image], tuple[Image.Image, str, dict[str, Any]]], ...] = (
    lambda picture: (picture, ".png", {}),
    lambda picture: (picture, ".jpg", {"quality": 90}),
    lambda picture: (picture.convert("L"), ".jpg", {}),
    lambda picture: (_faded(picture), ".png", {}),
    lambda picture: (picture.convert("CMYK"), ".jpg", {}),
    lambda picture: (picture.quantize(32), ".gif", {}),
    lambda picture: (_grey16(picture), ".png", {}),
    lambda picture: (picture, ".jpeg", {"exif": _turned()}),
    lambda picture: (picture, ".webp", {}),
    lambda picture: (picture.quantize(16), ".png", {"transparency": 3}),
)
"""Each makes one form only: all of them for every picture would take ten times as long."""


if __name__ == "__main__":
    messy(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
