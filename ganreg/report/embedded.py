"""Pictures inside a page: the files themselves where they are small, else fewer and packed harder, and that is said."""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ganreg.errors import printable, reason_of
from ganreg.report.reading import RunRecord
from ganreg.report.wording import size

BUDGET = 1_400_000
"""Bytes for all pictures of a page."""
MOST_PIXELS = 40_000_000
"""Of one picture, by its header; a grid of 64 images of 512 x 512 has 17 million."""
MOST_SIDE = 800
"""Pixels of a picture that is packed anew: about what a screen shows of it."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Embedded:
    """A picture as a data: URI, and its size in pixels."""

    step: int
    uri: str
    width: int
    height: int


@dataclass
class Film:
    """A run's pictures by step, its reals, and what was done to make them fit."""

    frames: list[Embedded]
    reals: Embedded | None
    note: str = ""
    same_reals: bytes = b""
    """What two runs share whose reals are the same file."""


def film(record: RunRecord, budget: int = BUDGET) -> Film:
    """Read, check and pack; a picture that cannot be read is told in `record.missing` and left out."""
    reals = _checked(record, -1, record.reals) if record.reals is not None else None
    found = [one for step, path in record.pictures.items() if (one := _checked(record, step, path)) is not None]
    digest = sha256(reals[1]).digest() if reals else b""
    total = sum(len(data) for _, data in [*found, *([reals] if reals else [])])
    if total * 4 / 3 <= budget:
        return Film([_plain(*one) for one in found], _plain(*reals) if reals else None, same_reals=digest)
    first = _packed(*reals) if reals else None
    room = budget - (len(first.uri) if first else 0)
    for most in (40, 20, 12, 8, 4, 2, 1):
        frames = [_packed(step, data) for step, data in evenly(found, most)]
        if sum(len(frame.uri) for frame in frames) <= room:
            break
    kept = "all" if len(frames) == len(found) else f"{len(frames)} of {len(found)}"
    note = f"{kept} pictures are shown, packed anew to keep this page small (the files have {size(total)})"
    return Film(frames, first, note, digest)


def evenly(items: Sequence[tuple[int, bytes]], most: int) -> list[tuple[int, bytes]]:
    """At most so many, the last among them, and the first where there is room for two."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG's header tells; None for anything else."""
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _checked(record: RunRecord, step: int, path: Path) -> tuple[int, bytes] | None:
    """(step, the file), once it has been decoded: a browser shows nothing for a picture that is cut."""
    from PIL import Image

    try:
        with path.open("rb") as file:
            data = file.read(MOST_PIXELS + 1)
        sides = dimensions(data)
        if sides is None:
            raise ValueError("it is no PNG")
        if not 0 < sides[0] * sides[1] <= MOST_PIXELS or len(data) > MOST_PIXELS:
            raise ValueError("it is too large")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                image.load()
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken chunk
        record.missing.append(f"samples/{path.name} cannot be read ({printable(reason_of(error))}) and is left out")
        return None
    return step, data


def _plain(step: int, data: bytes) -> Embedded:
    width, height = dimensions(data) or (1, 1)
    return Embedded(step, _uri("png", data), width, height)


def _packed(step: int, data: bytes) -> Embedded:
    from PIL import Image, features

    kind = "webp" if features.check("webp") else "jpeg"
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        small = image.convert("RGB")
        small.thumbnail((MOST_SIDE, MOST_SIDE))
        packed = io.BytesIO()
        small.save(packed, kind, quality=82)
    return Embedded(step, _uri(kind, packed.getvalue()), *small.size)


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
