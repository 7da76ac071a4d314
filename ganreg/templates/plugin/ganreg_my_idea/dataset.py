"""Samples by index, what they look like (`spec`), and a text that changes when they do (`fingerprint`)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg import DataSpec


class Spiral:
    """Points [2] on a spiral of two turns."""

    def __init__(
        self,
        *,
        count: Annotated[int, Field(ge=1, description="points")] = 4000,
        noise: Annotated[float, Field(ge=0, description="deviation from the spiral")] = 0.02,
        seed: int = 0,
    ) -> None:
        rng = torch.Generator().manual_seed(seed)
        place = torch.rand(count, generator=rng)
        angle = 4 * math.pi * place
        points = torch.stack([angle.cos(), angle.sin()], dim=1) * place[:, None]
        self.points = points + noise * torch.randn(count, 2, generator=rng)
        self.spec = DataSpec((2,))
        self.described = f"spiral-{count}-{noise:g}-{seed}"

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.points[index], 0

    def fingerprint(self) -> str:
        """The same for the same points."""
        return self.described
