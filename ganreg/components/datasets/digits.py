"""Digits: 1,797 handwritten digits in the package itself, so that a first run needs no files and no network.

8x8 pictures with 17 shades, enlarged bilinearly; the default data, since a generator learns them in a minute on a CPU.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", 1998, CC BY 4.0.  https://doi.org/10.24432/C50P49
What was changed is told in `digits.LICENSE.md`.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.contracts import DataSpec
from ganreg.errors import DataError

FILE = Path(__file__).with_name("digits.npz")
SHA256 = "aa64e930663d6e9271e1566601d65e70236553f73ec6cb041a4ab37167cf1d04"
DARKEST = 16.0


class Digits:
    """Grey pictures [1, R, R] in [-1, 1] with labels 0 to 9, all of them in memory as `tensors`.

    Raises DataError when the packaged file is missing or damaged.
    """

    def __init__(
        self, *, resolution: Annotated[int, Field(ge=8, le=128, description="height and width in pixels")] = 16
    ) -> None:
        images, labels = _read(FILE)
        shades = torch.from_numpy(images).unsqueeze(1) / (DARKEST / 2.0) - 1.0
        samples = F.interpolate(shades, size=(resolution, resolution), mode="bilinear", align_corners=False)
        self.spec = DataSpec(shape=(1, resolution, resolution), num_classes=10, value_range=(-1.0, 1.0))
        self.tensors = (samples.clamp(-1.0, 1.0), torch.from_numpy(labels).long())  # weights may add up to 1 + 1e-7

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture [1, R, R] float32 and its digit."""
        samples, labels = self.tensors
        return samples[index], int(labels[index])

    def fingerprint(self) -> str:
        """Of the packaged file and the resolution."""
        return fingerprint_of(dataset="digits", sha256=SHA256, resolution=self.spec.shape[-1])


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """The packaged file -> images uint8 [1797, 8, 8] of 0 to 16, labels uint8 [1797]."""
    fix = "install ganreg again"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"the packaged digits cannot be read: {error.strerror}", at=str(file), fix=fix) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise DataError(f"the packaged digits are damaged: sha256 {found}, expected {SHA256}", at=str(file), fix=fix)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]
