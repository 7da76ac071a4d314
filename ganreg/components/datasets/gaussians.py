"""Gaussians: narrow normal clouds in the plane, where lost modes and blurred samples can be counted exactly.

    ring   8 means at radius 2, sigma 0.02        grid   25 means on {-4, -2, 0, 2, 4}², sigma 0.05

The test beds of Metz et al., "Unrolled GANs", 2016, https://arxiv.org/abs/1611.02163 (ring), and of Srivastava et al.,
"VEEGAN", 2017, https://arxiv.org/abs/1705.07761 (grid).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.contracts import DataSpec

POINTS = 10_000
FORMULA = 1
"""Counts the ways in which points were ever drawn, so that a changed formula is not taken for the same data."""


class Gaussians:
    """10,000 shuffled points [2], equally many per mode; a label is the number of the point's mode.

    `means` is [K, 2] and `sigma` the standard deviation in each direction; all points are in memory as `tensors`.
    """

    means: Tensor
    sigma: float

    def __init__(
        self,
        *,
        layout: Annotated[Literal["ring", "grid"], Field(description="8 modes on a circle or 25 on a square")] = "ring",
        seed: Annotated[int, Field(ge=0, le=2**63 - 1, description="which points are drawn")] = 0,
    ) -> None:
        self.means, self.sigma = _ring() if layout == "ring" else _grid()
        modes = len(self.means)
        rng = torch.Generator().manual_seed(seed)
        labels = torch.arange(POINTS).remainder(modes)[torch.randperm(POINTS, generator=rng)]
        noise = torch.randn(POINTS, 2, generator=rng)
        self.spec = DataSpec(shape=(2,), num_classes=modes)
        self.tensors = (self.means[labels] + self.sigma * noise, labels)
        self._settings = {"layout": layout, "seed": seed}

    def __len__(self) -> int:
        return POINTS

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Point [2] float32 and the number of its mode."""
        points, labels = self.tensors
        return points[index], int(labels[index])

    def fingerprint(self) -> str:
        """Of the formula and its settings, not of the points: another processor may round one in its last bit."""
        return fingerprint_of(dataset="gaussians", formula=FORMULA, **self._settings)


def _ring() -> tuple[Tensor, float]:
    """Counter-clockwise from (2, 0)."""
    angles = torch.arange(8, dtype=torch.float64) * (2.0 * math.pi / 8)
    return (2.0 * torch.stack([angles.cos(), angles.sin()], dim=1)).float(), 0.02


def _grid() -> tuple[Tensor, float]:
    """Column by column from (-4, -4)."""
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return torch.cartesian_prod(ticks, ticks), 0.05
