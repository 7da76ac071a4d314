"""npz: images, and labels, in a file of numpy's, all of it in memory.

    numpy.savez("faces.npz", images=images, labels=labels)

Harris et al., "Array programming with NumPy", 2020.  https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
import torch
from numpy.lib import format as npy
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.archive import MOST_RATIO, directory
from ganreg.components.datasets.arrays import Shaper, class_numbers, named, numbers
from ganreg.components.datasets.files import regular_file
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.errors import ArchiveError, DataError, GanregError

MOST_ARRAYS = 10_000
FROM_BYTES = 2**26  # an array above may not have shrunk to less than a part in MOST_RATIO
LABELS = "labels"


class Npz:
    """Images [C, H, W] in [-1, 1] as `tensors`, bytes where the array holds bytes; `classes` are those of the array `labels`.

    Which arrays are images is told in `arrays`.  They keep their size, unless a `resolution` asks for squares: then uint8 is
    cut and resized as files of pictures are.

    Raises DataError for a path or array that is not there or holds no images, ArchiveError for a file that is damaged, promises
    more than it holds, or holds Python objects, which are never unpickled.
    """

    def __init__(
        self,
        *,
        path: Annotated[str | Path, Field(description="an .npz file; ~ is the home folder")],
        resolution: Annotated[int | None, Field(ge=8, description="height and width in pixels; none: as they are")] = None,
        images: Annotated[str, Field(description="the array of images")] = "images",
        labels: Annotated[str | None, Field(description="the array of labels, where there is one")] = LABELS,
    ) -> None:
        self._path = regular_file(path, "an .npz file", "give an .npz file, as numpy.savez makes it")
        members = {info.filename.removesuffix(".npy"): info for info in directory(self._path, MOST_ARRAYS)}
        held = sorted(members)
        pixels = _array(self._path, members[named(held, images, self._path)])
        shaper = Shaper(pixels.shape, pixels.dtype, resolution, f"{self._path}: {images}")
        samples = shaper.samples(pixels)
        self.classes: tuple[str, ...] = ()
        self.labels = torch.zeros(len(samples), dtype=torch.int64)
        if labels is not None and (labels in held or labels != LABELS):
            told = _array(self._path, members[named(held, labels, self._path)])
            self.labels, self.classes = class_numbers(told, len(samples), f"{self._path}: {labels}")
        self.spec = shaper.spec(len(self.classes))
        self.tensors = (samples, self.labels)
        self._checksums = [members[name].CRC for name in (images, labels) if name in members]

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image [C, H, W] float32 and its label."""
        return numbers(self.tensors[0][index]), int(self.labels[index])

    def fingerprint(self) -> str:
        """Of the arrays' checksums and the shape."""
        return fingerprint_of(dataset="npz", checksums=self._checksums, shape=self.spec.shape)


def _array(path: Path, info: zipfile.ZipInfo) -> np.ndarray:
    """One array, if its header promises no more than is there.  Raises ArchiveError."""
    place, fix = f"{path}: {info.filename}", "save it anew with numpy.savez"
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(info) as file:
                _refuse_promises(file, info, place)
            with archive.open(info) as file:
                return npy.read_array(file, allow_pickle=False)
    except (GanregError, MemoryError):
        raise
    except Exception as error:  # on a damaged file the parsers raise whatever they stumble over
        why = str(error)[:200] or type(error).__name__
        raise ArchiveError(f"the array cannot be read: {why}", at=place, fix=fix) from error


def _refuse_promises(file: IO[bytes], info: zipfile.ZipInfo, place: str) -> None:
    """Raises ArchiveError, DataError; ValueError for what is no header."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its form {version} is not that of images")
    read: Any = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ArchiveError("the array holds Python objects", at=place, fix="save numbers: images.astype(numpy.uint8)")
    size = math.prod(shape) * dtype.itemsize
    if min((*shape, 0)) < 0 or size > info.file_size:
        raise ArchiveError(f"the array promises {size:,} bytes, and there are {info.file_size:,}", at=place, fix="save it anew")
    if size > FROM_BYTES and size > MOST_RATIO * info.compress_size:
        what = f"the array promises {size:,} bytes and has {info.compress_size:,}"
        raise ArchiveError(what, at=place, fix="save it with numpy.savez, not compressed")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else size
    if size > memory:
        what = f"the array has {size:,} bytes, more than the memory of this machine, {memory:,}"
        raise DataError(what, at=place, fix="make it an HDF5 file or an archive of pictures, which are read as they are needed")
