"""What data sets of picture files share: decoding when first asked for, a memory for small sets, what is bad."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganreg.components.datasets.files import Files
from ganreg.components.datasets.labels import Labels
from ganreg.components.datasets.pictures import check_header, read_square
from ganreg.contracts import DataSpec
from ganreg.errors import BadImageError, ImageTooLargeError, printable

CACHE_BYTES = 512 * 2**20
"""Up to this size all decoded pictures are kept in memory; beyond it each is decoded anew."""

Fault = BadImageError | ImageTooLargeError


class PictureSet:
    """Pictures [C, R, R] in [-1, 1], in the order of their names, with labels; what `ImageFolder` says of them.

    Built in two steps, since labels are looked for once it is known which pictures are whole: `__init__`, then `label`.
    """

    classes: tuple[str, ...]

    def __init__(
        self,
        files: Files,
        *,
        resolution: int,
        channels: Literal[1, 3],
        flips: bool,
        check_headers: bool,
        on_bad: Literal["stop", "skip"],
        max_bad: int,
    ) -> None:
        self._files = files
        self._resolution = resolution
        self._channels: Literal[1, 3] = channels
        self._flips = flips
        self._sizes = files.sizes
        self._names = list(files.sizes)
        self._decoded: dict[int, Tensor] = {}
        self._keeps = len(self._names) * channels * resolution**2 <= CACHE_BYTES
        if on_bad == "skip":
            self._leave_out(self._undecodable(), max_bad)
        else:
            _refuse([*files.faults.values()] or self._headless() if check_headers or files.faults else [], self._count())

    def label(self, labels: Labels) -> None:
        """Number and name the classes."""
        self.classes = labels.classes
        self._labels = labels.numbers
        self.spec = DataSpec((self._channels, self._resolution, self._resolution), len(labels.classes), (-1.0, 1.0))

    @property
    def names(self) -> list[str]:
        """Of the pictures, in their order."""
        return list(self._names)

    def __len__(self) -> int:
        return len(self._names) * (2 if self._flips else 1)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture [C, R, R] float32 and its label."""
        pixels, label = self.as_bytes(index)
        return pixels / 127.5 - 1.0, label

    def as_bytes(self, index: int) -> tuple[Tensor, int]:
        """Picture uint8 [C, R, R] and its label: a quarter of the memory to move; the engine turns it into numbers."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)}")
        mirrored, which = divmod(index % len(self), len(self._names))
        pixels = self._pixels(which)
        return pixels.flip(-1) if mirrored else pixels, self._labels[which]

    @property
    def labels(self) -> Tensor:
        """Of every sample, int64 [len(self)]."""
        return torch.tensor(self._labels * (2 if self._flips else 1))

    def forget(self) -> None:
        """Keep no decoded picture from now on: each is decoded whenever it is asked for."""
        self._decoded, self._keeps = {}, False

    def __getstate__(self) -> dict[str, object]:
        """Without the decoded pictures: a worker process reads its own."""
        return {**self.__dict__, "_decoded": {}}

    def _pixels(self, which: int) -> Tensor:
        """uint8 [C, R, R].  Threads that want one picture at once decode it twice and keep either."""
        pixels = self._decoded.get(which)
        if pixels is None:
            pixels = torch.from_numpy(self._decode(self._names[which]))
            if self._keeps:
                self._decoded[which] = pixels
        return pixels

    def _decode(self, name: str) -> np.ndarray:
        return read_square(self._files.open(name), self._resolution, self._channels, self._files.place(name))

    def _count(self) -> int:
        return len(self._names) + len(self._files.faults)

    def _headless(self) -> list[Fault]:
        """Open every header -> the faults of those that cannot be read."""
        faults: list[Fault] = []
        for name in self._names:
            try:
                check_header(self._files.open(name), self._files.place(name))
            except (BadImageError, ImageTooLargeError) as error:
                faults.append(error)
        return faults

    def _undecodable(self) -> dict[str, Fault]:
        """Decode every picture -> the faults of those that fail, in the order of their names."""
        faults: dict[str, Fault] = dict(self._files.faults)

        def decode(which: int) -> None:
            try:
                self._pixels(which)
            except (BadImageError, ImageTooLargeError) as error:
                faults[self._names[which]] = error

        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) as pool:
            list(pool.map(decode, range(len(self._names))))  # which raises whatever else went wrong
        return dict(sorted(faults.items()))

    def _leave_out(self, faults: dict[str, Fault], most: int) -> None:
        """Go on without these.  Raises the first fault when there are more than `most`, or nothing is left."""
        if not faults:
            return
        count = self._count()
        if len(faults) > most or len(faults) == count:
            first = next(iter(faults.values()))
            first.what += f" ({len(faults)} of {count} pictures cannot be read, max_bad is {most})"
            raise first
        told = f"{len(faults)} of {count} pictures cannot be read and are left out: {', '.join(faults)}"
        warnings.warn(printable(told), stacklevel=4)
        whole = [which for which, name in enumerate(self._names) if name not in faults]
        self._decoded = {new: self._decoded[old] for new, old in enumerate(whole) if old in self._decoded}
        self._names = [self._names[which] for which in whole]
        self._sizes = {name: self._sizes[name] for name in self._names}


def _refuse(faults: Iterable[Fault], count: int) -> None:
    """Raises the first fault, with the number of such files."""
    faults = list(faults)
    if not faults:
        return
    if len(faults) > 1:
        faults[0].what += f" ({len(faults)} of {count} pictures cannot be read; this is the first)"
    raise faults[0]
