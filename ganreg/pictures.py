"""From tensors to pictures: the one conversion to bytes, a grid of images, a scatter of points, an animation."""

from __future__ import annotations

import math
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

MARGIN = 2
FORMATS = {".gif": "GIF", ".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
MOST_PIXELS = {"JPEG": 65_500, "WEBP": 16_383}
"""Of a side, where the format or its library has a limit."""
ANIMATED = (".gif", ".png", ".webp")
"""Endings of files that hold an animation."""


def to_uint8(images: Tensor) -> Tensor:
    """Images in [-1, 1] -> uint8 in [0, 255]: -1 is 0, 1 is 255, rounded to the nearest, clipped."""
    return (images.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)


def picture(samples: Tensor, *, at_least: int = 512, columns: int | None = None) -> Image.Image | None:
    """Samples [N, C, H, W] (C = 1 or 3) or points [N, 2] -> a picture of about `at_least` pixels; None for other shapes."""
    if samples.dim() == 4 and samples.shape[1] in (1, 3):
        return grid(samples, at_least=at_least, columns=columns)
    if samples.dim() == 2 and samples.shape[1] == 2:
        return scatter(samples, size=at_least)
    return None


def grid(images: Tensor, *, at_least: int = 512, columns: int | None = None) -> Image.Image:
    """Images [N, C, H, W] in [-1, 1] -> a sheet, square where no columns are said, each pixel enlarged by a whole number."""
    count, channels, height, width = images.shape
    columns = columns or max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + MARGIN) + MARGIN, columns * (width + MARGIN) + MARGIN, channels), 96, np.uint8)
    for index, image in enumerate(to_uint8(images).cpu().permute(0, 2, 3, 1).numpy()):
        top = MARGIN + (index // columns) * (height + MARGIN)
        left = MARGIN + (index % columns) * (width + MARGIN)
        sheet[top : top + height, left : left + width] = image
    factor = max(1, round(at_least / max(sheet.shape)))
    sheet = sheet.repeat(factor, axis=0).repeat(factor, axis=1)
    return Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)


def save(picture: Image.Image, file: BinaryIO, *, ending: str) -> None:
    """In the format of this ending.  Raises ValueError for more pixels than it can have, OSError."""
    _check_size(picture, ending)
    picture.save(file, FORMATS[ending])


def _check_size(picture: Image.Image, ending: str) -> None:
    most = MOST_PIXELS.get(FORMATS[ending])
    if most is not None and max(picture.size) > most:
        width, height = picture.size
        raise ValueError(f"{width:,} x {height:,} pixels are too many: a {ending} has at most {most:,} a side")


def animation(images: Tensor, file: BinaryIO, *, ending: str, per_second: float = 20.0, at_least: int = 256) -> None:
    """Images [N, C, H, W] (C = 1 or 3) in [-1, 1] -> a file that shows them one after the other, again and again.

    The ending says how: .gif (256 colours a frame), .png or .webp (both exact).  Each pixel is enlarged by a whole number.
    Raises ValueError for another ending or more pixels than it can have, OSError.
    """
    if ending not in ANIMATED:
        raise ValueError(f"an animation ends in one of {', '.join(ANIMATED)}, got '{ending}'")
    factor = max(1, round(at_least / max(images.shape[2:])))
    pixels = to_uint8(images).cpu().permute(0, 2, 3, 1).numpy().repeat(factor, axis=1).repeat(factor, axis=2)
    first, *others = [Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one) for one in pixels]
    _check_size(first, ending)
    exact = {"lossless": True} if ending == ".webp" else {}  # the others know no such word
    first.save(file, FORMATS[ending], save_all=True, append_images=others, duration=1000.0 / per_second, loop=0, **exact)


def scatter(points: Tensor, *, size: int = 512) -> Image.Image:
    """Points [N, 2] -> a square plot with both axes from -limit to limit, x to the right, y up."""
    canvas = Image.new("L", (size, size), 255)
    draw = ImageDraw.Draw(canvas)
    finite = points.detach().float().cpu()
    finite = finite[torch.isfinite(finite).all(dim=1)]
    limit = max(1.0, float(finite.abs().quantile(0.999)) * 1.2) if len(finite) else 1.0
    draw.line([(size // 2, 0), (size // 2, size)], fill=220)
    draw.line([(0, size // 2), (size, size // 2)], fill=220)
    for x, y in finite.tolist():
        column, row = (x / limit + 1) / 2 * (size - 1), (1 - y / limit) / 2 * (size - 1)
        draw.ellipse([column - 1.5, row - 1.5, column + 1.5, row + 1.5], fill=30)
    draw.text((4, 4), f"±{limit:.3g}", fill=90)
    return canvas
