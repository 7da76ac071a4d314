"""Differentiable samples -> samples, of reals and of fakes alike; random numbers from torch alone."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg import DataSpec


class Augmentation:
    """Adds noise to a batch."""

    def __init__(self, spec: DataSpec, *, deviation: Annotated[float, Field(ge=0, description="of the noise")] = 0.05) -> None:
        self.deviation = deviation

    def __call__(self, images: Tensor) -> Tensor:
        """Samples [N, *spec.shape] -> the same shape."""
        return images + self.deviation * torch.randn_like(images)
