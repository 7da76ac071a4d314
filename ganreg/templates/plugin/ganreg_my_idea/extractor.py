"""Samples -> features [N, F] that metrics compare: the same each time, each sample by itself."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg import DataSpec


class Extractor:
    """Random projections of a sample's own numbers."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        features: Annotated[int, Field(ge=1, description="projections")] = 16,
        seed: Annotated[int, Field(ge=0, description="of the projections")] = 0,
    ) -> None:
        drawn = torch.randn(spec.size, features, generator=torch.Generator().manual_seed(seed))
        self.projections = drawn / spec.size**0.5
        self.described = f"my-idea-{spec.size}-{features}-{seed}"

    def __call__(self, samples: Tensor) -> Tensor:
        """Samples [N, *spec.shape] -> [N, F] float32."""
        return samples.flatten(1).float() @ self.projections.to(samples.device)

    def fingerprint(self) -> str:
        """Another for other weights or settings: numbers under one are comparable."""
        return self.described
