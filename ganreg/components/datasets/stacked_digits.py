"""Stacked digits: three digits drawn at random are the red, green and blue of one image, a thousand modes to lose.

The test of Metz et al. with the handwritten digits of this package, which are other pictures than MNIST's: its numbers stand
beside none of the literature.

Metz et al., "Unrolled Generative Adversarial Networks", 2016.  https://arxiv.org/abs/1611.02163
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.digits import SHA256, Digits
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.contracts import DataSpec

CLASSES = 1000
FORMULA = 1
"""Counts the ways in which digits were ever drawn, so that a changed one is not taken for the same data."""


class StackedDigits:
    """Images [3, R, R] in [-1, 1]; the label is the number that their digits spell, red first.  In memory as `tensors`."""

    def __init__(
        self,
        *,
        resolution: Annotated[int, Field(ge=8, le=64, description="height and width in pixels")] = 16,
        size: Annotated[int, Field(ge=1000, le=100_000, description="images; each holds three digits")] = 20_000,
        seed: Annotated[int, Field(ge=0, le=2**63 - 1, description="which digits are drawn")] = 0,
    ) -> None:
        pictures, digits = Digits(resolution=resolution).tensors
        drawn = torch.randint(len(pictures), (size, 3), generator=torch.Generator().manual_seed(seed))
        labels = (digits[drawn] * torch.tensor([100, 10, 1])).sum(1)
        self.spec = DataSpec(shape=(3, resolution, resolution), num_classes=CLASSES, value_range=(-1.0, 1.0))
        self.tensors = (pictures[drawn].squeeze(2), labels)
        self._settings = {"resolution": resolution, "size": size, "seed": seed}

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image [3, R, R] float32 and its number, 0 to 999."""
        samples, labels = self.tensors
        return samples[index], int(labels[index])

    def fingerprint(self) -> str:
        """Of the packaged file, the formula and the settings."""
        return fingerprint_of(dataset="stacked-digits", formula=FORMULA, sha256=SHA256, **self._settings)
