"""Images that lie in one array: which layouts and numbers are images, and what labels beside them may be.

uint8 [M, H, W], [M, H, W, C] or [M, C, H, W] of 0 to 255, or floats of -1 to 1; C is 1, 3 or 4, and H and W are at least 8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganreg.components.datasets.labels import MAX_CLASSES
from ganreg.components.datasets.pictures import MAX_PIXELS, square
from ganreg.contracts import DataSpec
from ganreg.errors import BadSampleError, DataError

CHANNELS = (1, 3, 4)
SMALLEST = 8
SLACK = 1e-3  # of the range of floats
FORMS = "give uint8 or float arrays [M, H, W], [M, H, W, C] or [M, C, H, W] with 1, 3 or 4 channels"


class Layout(NamedTuple):
    """One image [C, H, W], and whether it lies as [H, W, C]."""

    shape: tuple[int, int, int]
    channels_last: bool


def layout(shape: tuple[int, ...], dtype: np.dtype[Any], place: str) -> Layout:
    """Of an array of images.  Raises DataError for what is none."""
    if dtype != np.uint8 and dtype.kind != "f":
        raise DataError(f"images must be uint8 or floats, got {dtype}", at=place, fix="images.astype(numpy.uint8)")
    if len(shape) == 3 and min(shape[1:]) >= SMALLEST:
        return Layout((1, shape[1], shape[2]), True)
    if len(shape) == 4 and shape[3] in CHANNELS and min(shape[1:3]) >= SMALLEST:
        return Layout((shape[3], shape[1], shape[2]), True)
    if len(shape) == 4 and shape[1] in CHANNELS and min(shape[2:]) >= SMALLEST:
        return Layout((shape[1], shape[2], shape[3]), False)
    raise DataError(f"an array of shape {list(shape)} holds no images", at=place, fix=FORMS)


def refuse_other_counts(shape: tuple[int, ...], count: int, place: str) -> None:
    """Raises DataError where an array of this shape has not one label for each of `count` images."""
    if shape not in ((count,), (count, 1)):
        what = f"expected {count} labels, one for each image, got an array of shape {list(shape)}"
        fix = "labels.argmax(1)" if len(shape) == 2 and shape[0] == count else "give each image one label"
        raise DataError(what, at=place, fix=fix)


class Shaper:
    """From the array's images to samples of the asked resolution.  Raises DataError where that cannot be."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], resolution: int | None, place: str) -> None:
        self._layout = layout(shape, dtype, place)
        self._place = place
        self.is_bytes = dtype == np.uint8
        channels, height, width = self._layout.shape
        if not shape[0]:
            raise DataError("the array holds no image", at=place, fix="give it images")
        if height * width > MAX_PIXELS:
            what = f"the images are too large: {height} x {width}, and at most {MAX_PIXELS:,} pixels are read"
            raise DataError(what, at=place, fix="shrink them beforehand")
        self.resizes = resolution is not None and (height, width) != (resolution, resolution)
        self._resolution = resolution or 0
        if self.resizes and (not self.is_bytes or channels == 4):
            what = f"{'pictures of four channels' if self.is_bytes else 'floats'} are not resized, they are {height} x {width}"
            raise DataError(what, at=place, fix="leave out --resolution, or resize them beforehand")
        self.shape = (channels, self._resolution, self._resolution) if self.resizes else self._layout.shape

    def spec(self, classes: int) -> DataSpec:
        """What a sample is."""
        return DataSpec(self.shape, classes, (-1.0, 1.0))

    def sample(self, image: np.ndarray) -> Tensor:
        """One image as it lies -> [C, H, W], uint8 or float32 in [-1, 1].  Raises BadSampleError for other floats."""
        if not self.is_bytes:
            _check_floats(image, self._place)
        pixels = image.reshape(*image.shape[:2], -1).transpose(2, 0, 1) if self._layout.channels_last else image
        if self.resizes:
            grey = pixels.shape[0] == 1
            picture = Image.fromarray(np.ascontiguousarray(pixels[0] if grey else pixels.transpose(1, 2, 0)))
            pixels = square(picture, self._resolution, 1 if grey else 3, self._place)
        return torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.uint8 if self.is_bytes else np.float32))

    def samples(self, images: np.ndarray) -> Tensor:
        """All images -> [M, C, H, W].  Raises BadSampleError."""
        if self.resizes:
            return torch.stack([self.sample(image) for image in images])
        if not self.is_bytes:
            _check_floats(images, self._place)
        if self._layout.channels_last:
            images = images.reshape(*images.shape[:3], -1).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(images, dtype=np.uint8 if self.is_bytes else np.float32))


def numbers(sample: Tensor) -> Tensor:
    """Bytes or floats -> float32 in [-1, 1]."""
    return sample / 127.5 - 1.0 if sample.dtype == torch.uint8 else sample


def class_numbers(labels: np.ndarray, count: int, place: str) -> tuple[Tensor, tuple[str, ...]]:
    """Whole numbers [M] or [M, 1], or names [M] -> int64 [M] and what the classes are called.  Raises DataError."""
    refuse_other_counts(labels.shape, count, place)
    labels = labels.reshape(count)
    if labels.dtype.kind in "US":
        called, found = np.unique(_texts(labels, place), return_inverse=True)
        classes = tuple(called.tolist())
    elif labels.dtype.kind in "iu":
        least, most = (int(labels.min()), int(labels.max())) if count else (0, 0)
        if least < 0 or most >= MAX_CLASSES:
            what = f"labels must be from 0 to {MAX_CLASSES - 1}, got {least} to {most}"
            raise DataError(what, at=place, fix="number the classes from 0 on")
        found, classes = labels, tuple(map(str, range(most + 1)))
    else:
        raise DataError(f"labels must be whole numbers or names, got {labels.dtype}", at=place, fix="labels.astype(int)")
    if len(classes) > MAX_CLASSES:
        raise DataError(f"{len(classes)} classes, at most {MAX_CLASSES}", at=place, fix="give fewer classes")
    return torch.from_numpy(found.astype(np.int64)), classes


def _texts(labels: np.ndarray, place: str) -> np.ndarray:
    """Names as they are, or as UTF-8 in bytes.  Raises DataError."""
    try:
        return labels if labels.dtype.kind == "U" else np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"a label is no text in UTF-8: {error.reason}", at=place, fix="store names as text") from error


def named(held: list[str], name: str, path: Path) -> str:
    """The array that was asked for.  Raises DataError with those that are there."""
    if name not in held:
        told = ", ".join(held[:20]) or "none"
        raise DataError(f"there is no array {name!r} in it; there are: {told}", at=str(path), fix="--dataset.images NAME")
    return name


def _check_floats(values: np.ndarray, place: str) -> None:
    least, most = float(values.min()), float(values.max())
    if not (least >= -1.0 - SLACK and most <= 1.0 + SLACK):  # nor where one is nan
        what = f"floats must be from -1 to 1, got {least:g} to {most:g}"
        raise BadSampleError(what, at=place, fix="images / 127.5 - 1, or give them as uint8")
