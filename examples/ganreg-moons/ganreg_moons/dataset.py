"""Two moons: half circles that reach into each other, a density in two curved pieces that a straight map cannot make.

    upper   (cos t, sin t)        lower   (1 - cos t, 1/2 - sin t)        0 <= t <= pi, then plus N(0, noise²)

The test bed of `sklearn.datasets.make_moons`, with angles drawn at random.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg.contracts import DataSpec

FORMULA = 1
"""Counts the ways in which points were ever drawn, so that a changed formula is not taken for the same data."""


class Moons:
    """`count` shuffled points [2], equally many per moon; the label is 0 for the upper and 1 for the lower one.

    All points are in memory as `tensors`.
    """

    def __init__(
        self,
        *,
        count: Annotated[int, Field(ge=2, description="points of both moons together")] = 10_000,
        noise: Annotated[float, Field(ge=0, description="standard deviation about the curves, in each direction")] = 0.05,
        seed: Annotated[int, Field(ge=0, le=2**63 - 1, description="which points are drawn")] = 0,
    ) -> None:
        rng = torch.Generator().manual_seed(seed)
        labels = torch.arange(count).remainder(2)[torch.randperm(count, generator=rng)]
        angles = math.pi * torch.rand(count, generator=rng)
        points = curve(angles, labels) + noise * torch.randn(count, 2, generator=rng)
        self.spec = DataSpec(shape=(2,), num_classes=2)
        self.tensors = (points, labels)
        self._settings = {"count": count, "noise": noise, "seed": seed}

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Point [2] float32 and the number of its moon."""
        points, labels = self.tensors
        return points[index], int(labels[index])

    def fingerprint(self) -> str:
        """Of the formula and its settings, not of the points: another processor may round one in its last bit."""
        facts = {"dataset": "moons", "formula": FORMULA, **self._settings}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def curve(angles: Tensor, labels: Tensor) -> Tensor:
    """Angles [N] from 0 to pi and moons [N], 0 or 1 -> the points [N, 2] of the curves."""
    upper = torch.stack([angles.cos(), angles.sin()], dim=1)
    lower = torch.stack([1.0 - angles.cos(), 0.5 - angles.sin()], dim=1)
    return torch.where(labels[:, None] == 0, upper, lower)
