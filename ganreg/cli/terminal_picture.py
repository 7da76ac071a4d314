"""A picture drawn with characters: two pixels in each half block where the terminal has colours, a shade of grey else.

Colours are rich's to know: 24 bits, or the nearest of 256.  With NO_COLOR, into a pipe or a file, and where the terminal has
but 16 colours, a character's weight is its brightness, and nothing but characters is written.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from ganreg.pictures import MARGIN, picture

if TYPE_CHECKING:
    from torch import Tensor

UPPER_HALF = "▀"
RAMP = " .:-=+*#%@"
"""From black to white, for a dark terminal; plain letters that every encoding has."""

LEGIBLE = 20
"""Pixels of a side that a sample gets at least, where it has as many."""

BELOW = 2
"""Lines that are left for what stands below."""


def show(samples: Tensor, console: Console | None = None, *, columns: int | None = None) -> None:
    """Samples [N, C, H, W] or points [N, 2] as large as they fit; of many, the first; with `columns`, all of them in rows."""
    console = console or Console(highlight=False)
    width, height = _room(console)
    is_grid = columns is not None  # whose rows may go on below: smaller, nobody could read it
    if samples.dim() == 4 and not is_grid:
        across, down = (max(1, room // _cell(samples)) for room in (width, height))
        columns = min(across, len(samples))
        samples = samples[: columns * down]
    made = picture(samples, at_least=1 if samples.dim() == 4 else min(width, height), columns=columns)
    if made is not None:
        draw(_fitted(made, width, made.height if is_grid else height), console)


def draw(fitted: Image.Image, console: Console) -> None:
    """A picture that fits."""
    if console.color_system in ("truecolor", "256") and not console.no_color and console.is_terminal and _has_blocks(console):
        console.print(Segments(_blocks(fitted)), end="")
    else:
        console.out(_letters(fitted), highlight=False)


def _room(console: Console) -> tuple[int, int]:
    """Pixels of the terminal, two a character in height; of 80 columns and 24 lines where there is none."""
    if not console.is_terminal:
        columns, lines = shutil.get_terminal_size((80, 24))
        return max(columns, 2), max(2 * (lines - BELOW), 2)
    return max(console.width, 2), max(2 * (console.height - BELOW), 2)


def _cell(samples: Tensor) -> int:
    """Pixels of a sample's side in the preview, its margin counted."""
    return min(max(samples.shape[2:]), LEGIBLE) + MARGIN


def _fitted(made: Image.Image, width: int, height: int) -> Image.Image:
    factor = min(width / made.width, height / made.height, 1.0)
    size = (max(1, int(made.width * factor)), max(1, int(made.height * factor)))
    colour = made.convert("RGB")
    return colour if size == made.size else colour.resize(size, Image.Resampling.LANCZOS)


def _blocks(made: Image.Image) -> list[Segment]:
    """A half block for two pixels: the upper one in front, the lower one behind; nothing below an odd last row."""
    found = []
    rows = made.height
    for top in range(0, rows, 2):
        for column in range(made.width):
            upper = Color.from_rgb(*made.getpixel((column, top)))  # type: ignore[misc]
            lower = Color.from_rgb(*made.getpixel((column, top + 1))) if top + 1 < rows else None  # type: ignore[misc]
            found.append(Segment(UPPER_HALF, Style(color=upper, bgcolor=lower)))
        found.append(Segment.line())
    return found


def _letters(made: Image.Image) -> str:
    """A letter for two pixels, one above the other, by their mean brightness."""
    grey = made.convert("L").resize((made.width, max(1, made.height // 2)), Image.Resampling.BOX)
    values = grey.tobytes()
    lines = [values[first : first + grey.width] for first in range(0, len(values), grey.width)]
    return "\n".join("".join(RAMP[value * len(RAMP) // 256] for value in line).rstrip() for line in lines)


def _has_blocks(console: Console) -> bool:
    try:
        UPPER_HALF.encode(console.encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
