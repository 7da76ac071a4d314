"""HDF5: images, and labels, in a file that may be larger than the memory; each image is read when it is asked for.

The HDF Group, "Hierarchical Data Format, version 5".  https://docs.h5py.org
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.archive import MOST_RATIO
from ganreg.components.datasets.arrays import Shaper, class_numbers, named, numbers, refuse_other_counts
from ganreg.components.datasets.files import regular_file, written
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.errors import ArchiveError, BadSampleError, DataError, GanregError
from ganreg.extras import need

FROM_BYTES = 2**26  # a data set above may not have shrunk to less than a part in MOST_RATIO
LABELS = "labels"
FIX = "give a file that h5py wrote, with the images in it"


class HDF5:
    """Images [C, H, W] in [-1, 1]; `classes` are those of the data set `labels`.  Each process opens the file for itself.

    Which arrays are images is told in `arrays`.  They keep their size, unless a `resolution` asks for squares: then uint8 is
    cut and resized as files of pictures are.

    Raises UsageError without h5py, DataError for a path or data set that is not there or holds no images, ArchiveError for a
    file that is damaged, promises far more than it holds, or leads elsewhere: to other files, or by links inside.
    """

    def __init__(
        self,
        *,
        path: Annotated[str | Path, Field(description="an .h5 file; ~ is the home folder")],
        resolution: Annotated[int | None, Field(ge=8, description="height and width in pixels; none: as they are")] = None,
        images: Annotated[str, Field(description="the data set of images, e.g. train/images")] = "images",
        labels: Annotated[str | None, Field(description="the data set of labels, where there is one")] = LABELS,
    ) -> None:
        need("h5py", "hdf5", of="dataset 'hdf5'")
        self._path = regular_file(path, "an HDF5 file", FIX)
        self._written = written(self._path.stat())
        self._name = images
        self._file: Any = None
        self._reader = -1  # the process that opened the file
        with _judged(str(self._path)):
            held = _names(self._opened())
        place = f"{self._path}: {images}"
        with _judged(place):
            pixels = self._array(named(held, images, self._path))
            self._shaper = Shaper(pixels.shape, pixels.dtype, resolution, place)
            _refuse_promises(pixels, place)
        self._count = len(pixels)
        self.classes: tuple[str, ...] = ()
        self.labels = torch.zeros(self._count, dtype=torch.int64)
        if labels is not None and (labels in held or labels != LABELS):
            place = f"{self._path}: {labels}"
            with _judged(place):
                told = _values(self._array(named(held, labels, self._path)), self._count, place)
            self.labels, self.classes = class_numbers(told, self._count, place)
        self.spec = self._shaper.spec(len(self.classes))
        if self._shaper.is_bytes:
            self.as_bytes = self._sample

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image [C, H, W] float32 and its label."""
        sample, label = self._sample(index)
        return numbers(sample), label

    def fingerprint(self) -> str:
        """Of the file's size, the labels, the first and the last image, and the shape: all of it would have to be read."""
        ends = [hashlib.sha256(self._sample(index)[0].numpy().tobytes()).hexdigest() for index in (0, -1) if self._count]
        facts = {"size": self._path.stat().st_size, "labels": self.labels.tolist(), "ends": ends, "shape": self.spec.shape}
        return fingerprint_of(dataset="hdf5", **facts)

    def written(self) -> str:
        """Changes when the file was written anew, also where the fingerprint does not look."""
        return self._written

    def __getstate__(self) -> dict[str, object]:
        """Without the open file: another process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "as_bytes"} | {"_file": None, "_reader": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._shaper.is_bytes:
            self.as_bytes = self._sample

    def _sample(self, index: int) -> tuple[Tensor, int]:
        """Image [C, H, W], uint8 or float32, and its label.  Raises BadSampleError."""
        if not -self._count <= index < self._count:
            raise IndexError(f"index {index} of a data set of {self._count}")
        index %= self._count
        try:
            image = self._array(self._name)[index]
        except (GanregError, MemoryError):
            raise
        except Exception as error:
            what = f"image {index} cannot be read: {error}"
            raise BadSampleError(what, at=f"{self._path}: {self._name}", fix="mend the file") from error
        return self._shaper.sample(np.asarray(image)), int(self.labels[index])

    def _opened(self) -> Any:
        """The file, opened by this process.  Raises ArchiveError."""
        import h5py

        if self._reader != os.getpid():
            with _judged(str(self._path)):
                self._file = h5py.File(self._path, "r")
            self._reader = os.getpid()
        return self._file

    def _array(self, name: str) -> Any:
        """A data set of this file and no other: no link is followed, since what it leads to may be a link itself.

        Raises ArchiveError, DataError.
        """
        import h5py

        place = f"{self._path}: {name}"
        parts = name.strip("/").split("/")
        for depth in range(len(parts)):
            link = self._opened().get("/".join(parts[: depth + 1]), getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise ArchiveError("the data set is a link to another file", at=place, fix="copy the data into this file")
            if isinstance(link, h5py.SoftLink):
                fix = "give the name that it leads to: --dataset.images NAME"
                raise ArchiveError("the data set is a link, expected the data", at=place, fix=fix)
        found = self._opened()[name]
        if not isinstance(found, h5py.Dataset):
            raise DataError("that is a group, expected a data set", at=place, fix="--dataset.images GROUP/NAME")
        if found.shape is None:
            raise DataError("the data set is empty", at=place, fix="give it images")
        if found.file.filename != self._file.filename or found.is_virtual or found.external:
            raise ArchiveError("the data set leads to another file", at=place, fix="copy the data into this file")
        return found


def _names(file: Any) -> list[str]:
    """Paths of everything in the file that a name leads to, but for what lies behind links to other files."""
    found: list[str] = []
    file.visit(found.append)
    links = [name for name in file if name not in found]
    return sorted([*found, *links])


def _values(array: Any, count: int, place: str) -> np.ndarray:
    """Labels for `count` images, text as text; judged before they are read.  Raises DataError, ArchiveError."""
    import h5py

    refuse_other_counts(array.shape, count, place)
    _refuse_promises(array, place)
    is_text = h5py.check_string_dtype(array.dtype) is not None
    return np.asarray(array.asstr()[:], dtype=str) if is_text else np.asarray(array[:])


def _refuse_promises(array: Any, place: str) -> None:
    """Raises ArchiveError where the shape, or one chunk, which is read whole, promises far more than the file holds."""
    size = max(math.prod(array.shape), math.prod(array.chunks or ())) * array.dtype.itemsize
    stored = array.id.get_storage_size()
    if size > FROM_BYTES and size > MOST_RATIO * stored:
        what = f"the data set promises {size:,} bytes and has {stored:,}"
        raise ArchiveError(what, at=place, fix="write all of it, and not compressed")


@contextmanager
def _judged(place: str) -> Iterator[None]:
    """Whatever h5py stumbles over inside the block is the file's fault.  Raises ArchiveError."""
    try:
        yield
    except (GanregError, MemoryError):
        raise
    except Exception as error:  # an odd link, an odd type, damage: h5py has no one error for them
        why = str(error)[:200] or type(error).__name__
        raise ArchiveError(f"the HDF5 file cannot be read: {why}", at=place, fix=FIX) from error
