"""Reading one picture: any file Pillow can decode becomes square RGB or grey bytes, by rules that are written here.

* Grey, palette, YCbCr and LAB pictures, and 16-bit colour, become 8-bit RGB or L as Pillow converts them, CMYK by the plain
  formula: embedded colour profiles are not applied.  RGB to grey is 0.299 R + 0.587 G + 0.114 B.
* 16-bit grey is rounded to 8 bits (value / 257).  Wider integers and floats have no defined white: refused.
* Transparent pictures are laid on white, the ground that cut-out pictures are drawn for.
* The orientation written by a camera is honoured.  Of an animation the first frame counts.
* The largest centred square is cut out and resized with Pillow's LANCZOS filter, which averages over every source pixel
  when it shrinks.  A JPEG that is far too large is first halved, once or more, by its own decoder, which then has less to do:
  as long as at least twice the resolution is left.

A header that promises more than Pillow's 89,478,485 pixels is refused before anything is decoded, which is half of what
Pillow itself would let pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganreg.errors import BadImageError, GanregError, ImageTooLargeError

MAX_PIXELS = 89_478_485
"""A quarter of a GiB of RGB: Pillow's own default limit, fixed here because a program may change Pillow's."""

GAP = 2
"""A JPEG keeps this many times the resolution when its decoder shrinks it, and LANCZOS does the rest."""

READING = 2
"""Counts the ways in which pictures were ever read, so that another one is not taken for the same data."""

NOT_PICTURES = frozenset({"EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "FITS"})
"""Formats Pillow knows but that it decodes through Ghostscript or Windows, or not at all, or that hold measurements."""

USUAL = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


@cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, the usual ones first: they are tried in this order."""
    Image.init()
    return (*USUAL, *sorted(set(Image.OPEN) - NOT_PICTURES - {*USUAL}))


@cache
def extensions() -> frozenset[str]:
    """File name endings that are taken for pictures, in lower case, each with its dot."""
    known = formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in known)


def check_header(file: Path | BytesIO, place: str = "") -> None:
    """Read a picture's header, nothing more.  `place` names in errors what has no path.

    Raises BadImageError for a file that is no picture, ImageTooLargeError for too many pixels.
    """
    with opened(file, place):
        pass


def read_square(file: Path | BytesIO, resolution: int, channels: Literal[1, 3], place: str = "") -> np.ndarray:
    """A file -> uint8 [channels, resolution, resolution], by the rules above.

    Raises BadImageError for a file that cannot be decoded, ImageTooLargeError for too many pixels.
    """
    with opened(file, place) as picture:
        picture.draft(None, (GAP * resolution, GAP * resolution))  # None: in its own mode
        picture.load()
        return square(picture, resolution, channels, place or str(file))


def square(picture: Image.Image, resolution: int, channels: Literal[1, 3], place: str) -> np.ndarray:
    """A decoded picture, which may be changed -> uint8 [channels, resolution, resolution].  Raises BadImageError."""
    ImageOps.exif_transpose(picture, in_place=True)
    colours = opaque(picture, place)
    side = min(colours.size)
    left, top = (colours.width - side) // 2, (colours.height - side) // 2
    if colours.size != (side, side):
        colours = colours.crop((left, top, left + side, top + side))
    colours = colours.convert("RGB" if channels == 3 else "L")
    if side != resolution:
        colours = colours.resize((resolution, resolution), Image.Resampling.LANCZOS)
    pixels = np.asarray(colours).reshape(resolution, resolution, channels)
    return np.array(pixels.transpose(2, 0, 1), order="C")  # writable


@contextmanager
def opened(file: Path | BytesIO, place: str = "") -> Iterator[Image.Image]:
    """The picture, header read and judged; whatever goes wrong inside the block is this picture's fault."""
    place = place or str(file)
    try:
        with Image.open(file, formats=formats()) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _too_large(place, f"{picture.width} x {picture.height}")
            yield picture
    except (GanregError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        count = re.search(r"\d{6,}", str(error))  # Pillow's words tell its own limit, which is another
        raise _too_large(place, f"{int(count[0]):,} pixels" if count else str(error)) from error
    except UnidentifiedImageError as error:
        empty = not (file.getbuffer().nbytes if isinstance(file, BytesIO) else file.stat().st_size)
        raise bad(place, "the file is empty" if empty else "its content is no picture that Pillow knows") from error
    except Exception as error:  # on a damaged file a decoder raises whatever it stumbles over
        raise bad(place, str(error) or type(error).__name__) from error


def opaque(picture: Image.Image, place: str) -> Image.Image:
    """Any mode -> 1, L or RGB.  Raises BadImageError for numbers without a defined white."""
    if picture.mode in SIXTEEN_BITS:
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise bad(place, "its grey values need more than 16 bits, and which one is white is not defined")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise bad(place, "its grey values are floats, and which one is white is not defined")
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture if picture.mode in ("1", "L", "RGB") else picture.convert("RGB")


def bad(place: str, why: str) -> BadImageError:
    """The error for a picture that cannot be read."""
    return BadImageError(f"the picture {place!r} cannot be read: {why}", at=place, fix="mend or remove the file")


def _too_large(place: str, size: str) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"the picture {place!r} is too large to decode: {size}, and at most {MAX_PIXELS:,} pixels are read",
        at=place,
        fix="shrink or remove the file",
    )
