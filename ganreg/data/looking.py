"""One picture, looked at: its format, mode and size, whether it can be decoded, and what is in it, as a digest."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from ganreg.components.datasets.files import Files
from ganreg.components.datasets.pictures import opaque, opened
from ganreg.errors import BadImageError, ImageTooLargeError

ORIENTATION = 0x0112
LARGE = 20_000_000
"""Pixels beyond which a digest is of the file's bytes: a copy of the pixels would take too much memory."""


class Seen(NamedTuple):
    """What one file is.  `why` is empty where it can be decoded; equal `digest`s mean equal pixels."""

    name: str
    why: str = ""
    form: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    turned: bool = False
    animated: bool = False
    digest: str = ""


def look(files: Files, name: str) -> Seen:
    """Decode a picture as training would."""
    place = files.place(name)
    try:
        with opened(files.open(name), place) as picture:
            form, mode, (width, height) = picture.format or "", picture.mode, picture.size
            turned = picture.getexif().get(ORIENTATION, 1) not in (0, 1)
            picture.load()
            digest = _digest(files, name, opaque(picture, place))
            return Seen(name, "", form, mode, width, height, turned, _is_animated(picture), digest)
    except (BadImageError, ImageTooLargeError) as error:
        return Seen(name, reason(error, place))


def _digest(files: Files, name: str, picture: Image.Image) -> str:
    told = hashlib.blake2b(repr(picture.size).encode(), digest_size=16)
    if picture.width * picture.height > LARGE:
        file = files.open(name)
        content = file.getbuffer() if hasattr(file, "getbuffer") else file.read_bytes()
        told.update(content)
    else:
        told.update(np.asarray(picture.convert("RGB")).tobytes())
    return told.hexdigest()


def _is_animated(picture: Image.Image) -> bool:
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # the frames behind the first may be damaged, and are not read
        return True


def reason(error: BadImageError | ImageTooLargeError, place: str) -> str:
    """What is wrong, without the words that name the picture: a list names it itself."""
    what = error.what
    for front in (f"the picture {place!r} cannot be read: ", f"the picture {place!r} is "):
        what = what.removeprefix(front)
    return what
