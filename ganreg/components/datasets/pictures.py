"""Reading one picture: any file Pillow can decode becomes square RGB or grey bytes, by rules that are written here.

* Grey, palette, YCbCr and LAB pictures, and 16-bit colour, become 8-bit RGB or L as Pillow converts them, CMYK by the plain
  formula: embedded colour profiles are not applied.  RGB to grey is 0.299 R + 0.587 G + 0.114 B.
* 16-bit grey is rounded to 8 bits (value / 257).  Wider integers and floats have no defined white: refused.
* Transparent pictures are laid on white, the ground that cut-out pictures are drawn for.
* The orientation written by a camera is honoured.  Of an animation the first frame counts.
* The largest centred square is cut out and resized with Pillow's LANCZOS filter, which averages over every source pixel
  when it shrinks.

A header that promises more than Pillow's 89,478,485 pixels is refused before anything is decoded, which is half of what
Pillow itself would let pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganreg.errors import BadImageError, GanregError, ImageTooLargeError

MAX_PIXELS = 89_478_485
"""A quarter of a GiB of RGB: Pillow's own default limit, fixed here because a program may change Pillow's."""

NOT_PICTURES = frozenset({"EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "FITS"})
"""Formats Pillow knows but that it decodes through Ghostscript or Windows, or not at all, or that hold measurements."""

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


@cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - NOT_PICTURES))


@cache
def extensions() -> frozenset[str]:
    """File name endings that are taken for pictures, in lower case, each with its dot."""
    known = formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in known)


def check_header(path: Path) -> None:
    """Read a picture's header, nothing more.

    Raises BadImageError for a file that is no picture, ImageTooLargeError for too many pixels.
    """
    with _opened(path):
        pass


def read_square(path: Path, resolution: int, channels: Literal[1, 3]) -> np.ndarray:
    """A file -> uint8 [channels, resolution, resolution], by the rules above.

    Raises BadImageError for a file that cannot be decoded, ImageTooLargeError for too many pixels.
    """
    with _opened(path) as picture:
        picture.load()
        colours = _colours(ImageOps.exif_transpose(picture), path).convert("RGB" if channels == 3 else "L")
        side = min(colours.size)
        left, top = (colours.width - side) // 2, (colours.height - side) // 2
        square = colours.crop((left, top, left + side, top + side))
        pixels = np.asarray(square.resize((resolution, resolution), Image.Resampling.LANCZOS))
        return np.array(pixels.reshape(resolution, resolution, channels).transpose(2, 0, 1), order="C")  # writable


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, header read and judged; whatever goes wrong inside the block is this picture's fault."""
    try:
        with Image.open(path, formats=formats()) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _too_large(path, f"{picture.width} x {picture.height}")
            yield picture
    except (GanregError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error)) from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise _bad(path, "the file is empty" if empty else "its content is no picture that Pillow knows") from error
    except Exception as error:  # on a damaged file a decoder raises whatever it stumbles over
        raise _bad(path, str(error) or type(error).__name__) from error


def _colours(picture: Image.Image, path: Path) -> Image.Image:
    """Any mode -> 1, L or RGB, opaque."""
    if picture.mode in SIXTEEN_BITS:
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise _bad(path, "its grey values need more than 16 bits, and which one is white is not defined")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise _bad(path, "its grey values are floats, and which one is white is not defined")
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture if picture.mode in ("1", "L", "RGB") else picture.convert("RGB")


def _bad(path: Path, why: str) -> BadImageError:
    return BadImageError(f"the picture {str(path)!r} cannot be read: {why}", at=str(path), fix="mend or remove the file")


def _too_large(path: Path, size: str) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"the picture {str(path)!r} is too large to decode: {size}, and at most {MAX_PIXELS:,} pixels are read",
        at=str(path),
        fix="shrink or remove the file",
    )
