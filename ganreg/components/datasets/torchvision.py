"""torchvision: one of its data sets of pictures, by name: CIFAR10, CelebA, FashionMNIST, …

What is done to each picture is defined in `pictures`.

TorchVision maintainers, "TorchVision: PyTorch's Computer Vision library", 2016.  https://docs.pytorch.org/vision/stable/datasets.html
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.arrays import class_numbers, numbers
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.pictures import READING, square
from ganreg.contracts import DataSpec
from ganreg.errors import BadSampleError, DataError, UsageError, did_you_mean, reason_of
from ganreg.extras import need

SPLITS = {"train": True, "test": False}
"""What `train=` of the older data sets is for a split."""


class TorchVision:
    """Pictures [C, R, R] in [-1, 1].  A target that is one number is the label; others are left out, and there are no classes.

    Raises UsageError where torchvision is not installed, or cannot be imported beside this torch; DataError for a name that it
    does not have, and with its words for data that are not there: they are downloaded only with `download`.
    """

    def __init__(
        self,
        *,
        dataset: Annotated[str, Field(description="the name of its class: CIFAR10, FashionMNIST, …")],
        root: Annotated[str | Path, Field(description="the folder where its files are; ~ is the home folder")] = "data",
        split: Annotated[str, Field(description="train, test, or what else the data set calls its parts")] = "train",
        download: Annotated[bool, Field(description="fetch its files where they are missing")] = False,
        resolution: Annotated[int, Field(ge=8, description="height and width in pixels")] = 64,
        channels: Annotated[Literal[1, 3], Field(description="1 for grey, 3 for colour")] = 3,
    ) -> None:
        self._name = f"torchvision's {dataset}, {split}"
        factory = _class(dataset)
        try:
            self._pictures = factory(str(Path(root).expanduser()), **_words(factory, split, download))
        except Exception as error:  # whatever it stumbles over
            fix = "give --dataset.root where its files are, or --dataset.download true"
            raise DataError(f"{self._name} cannot be read: {reason_of(error)}", at=str(root), fix=fix) from error
        self._resolution = resolution
        self._channels: Literal[1, 3] = channels
        self.labels, self.classes = self._labels()
        self.spec = DataSpec((channels, resolution, resolution), len(self.classes), (-1.0, 1.0))

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture [C, R, R] float32 and its label."""
        sample, label = self.as_bytes(index)
        return numbers(sample), label

    def as_bytes(self, index: int) -> tuple[Tensor, int]:
        """Picture uint8 [C, R, R] and its label.  Raises BadSampleError, BadImageError."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)}")
        index %= len(self)
        found = self._pictures[index]
        picture = found[0] if isinstance(found, tuple | list) else found
        place = f"{self._name}: {index}"
        if not isinstance(picture, Image.Image):
            what = f"a sample is a {type(picture).__name__}, expected a picture of Pillow's"
            raise BadSampleError(what, at=place, fix="take a data set of pictures")
        return torch.from_numpy(square(picture.copy(), self._resolution, self._channels, place)), int(self.labels[index])

    def fingerprint(self) -> str:
        """Of its name, the number of pictures, the labels, the first and the last picture, and the shape."""
        ends = [hashlib.sha256(self.as_bytes(index)[0].numpy().tobytes()).hexdigest() for index in (0, -1) if len(self)]
        facts = {"name": self._name, "labels": self.labels.tolist(), "ends": ends, "shape": self.spec.shape}
        return fingerprint_of(dataset="torchvision", reading=READING, **facts)

    def written(self) -> None:
        """Not known: each of its data sets keeps its files in its own way."""

    def _labels(self) -> tuple[Tensor, tuple[str, ...]]:
        """Those that it has at hand, as `targets` or `labels` of whole numbers, and the names of its `classes`."""
        told = getattr(self._pictures, "targets", getattr(self._pictures, "labels", None))
        found = np.asarray(told) if told is not None else np.zeros(0)
        if found.shape != (len(self),) or found.dtype.kind not in "iu":
            return torch.zeros(len(self), dtype=torch.int64), ()
        labels, classes = class_numbers(found, len(self), self._name)
        called = tuple(map(str, getattr(self._pictures, "classes", ())))
        return labels, called if len(called) >= len(classes) else classes


def _class(name: str) -> Callable[..., Any]:
    """Raises UsageError, DataError."""
    need("torchvision", "torchvision", of="dataset 'torchvision'")
    try:
        from torchvision import datasets
    except Exception as error:  # built for another torch: an operator that does not exist, a library that does not load
        what = f"torchvision cannot be imported beside torch {torch.__version__}: {reason_of(error)}"
        fix = "install the torchvision that was built for this torch: https://pytorch.org/get-started"
        raise UsageError(what, at="dataset 'torchvision'", fix=fix) from error
    known = [one for one in dir(datasets) if inspect.isclass(getattr(datasets, one))]
    if name not in known:
        near = did_you_mean(name, known)
        what = f"torchvision has no data set '{name}'.{near} Known: {', '.join(known)}"
        raise DataError(what, at="--dataset.dataset", fix="write its name as torchvision does")
    found: Callable[..., Any] = getattr(datasets, name)
    return found


def _words(factory: Callable[..., Any], split: str, download: bool) -> dict[str, Any]:
    """`split` and `download` as this data set calls them.  Raises ValueError for what it cannot be told."""
    takes = inspect.signature(factory).parameters
    words: dict[str, Any] = {}
    if "split" in takes:
        words["split"] = split
    elif "train" in takes and split in SPLITS:
        words["train"] = SPLITS[split]
    elif split != "train":
        raise ValueError(f"it has no part '{split}'")
    if download:
        if "download" not in takes:
            raise ValueError("it cannot be downloaded")
        words["download"] = True
    return words
