"""Fourier networks: fully connected ones that see their input through sines of random directions, and so see fine detail.

    x -> [x, sin(2 pi B x), cos(2 pi B x)],  B ~ N(0, scale² / size of x), drawn once and never trained

Plain layers learn what is smooth first and what is fine hardly ever; a discriminator of sines tells a thin curve from its
surroundings within a few hundred steps.

Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", 2020.
https://arxiv.org/abs/2006.10739
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec

SLOPE = 0.2

Width = Annotated[int, Field(ge=1, description="width of the hidden layers")]
Depth = Annotated[int, Field(ge=1, description="hidden layers")]
Features = Annotated[int, Field(ge=1, description="random directions, each a sine and a cosine")]


class FourierFeatures(nn.Module):
    """Vectors [N, size] -> [N, size + 2 count]: themselves, and sines and cosines along `count` random directions."""

    def __init__(self, size: int, count: int, scale: float) -> None:
        super().__init__()
        self.width = size + 2 * count
        self.directions: Tensor
        self.register_buffer("directions", torch.randn(size, count) * (scale / math.sqrt(size)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, size] -> [N, width]."""
        angles = 2.0 * math.pi * (x @ self.directions)
        return torch.cat([x, angles.sin(), angles.cos()], dim=1)


class Residual(nn.Module):
    """x + linear(LeakyReLU(linear(x))), any width [N, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """[N, width] -> [N, width]."""
        changed: Tensor = x + self.layers(x)
        return changed


class FourierGenerator(nn.Module):
    """Latents [N, latent_dim] -> samples [N, *spec.shape] in the spec's range; labels are ignored.

    Its sines are slow ones (`scale`): fast ones would fold neighbouring latents apart.  It is narrower than D: under Lion a
    wide network moves its samples farther in a step than D can follow, and all of them run after one point.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 8,
        width: Width = 64,
        depth: Depth = 2,
        features: Features = 32,
        scale: Annotated[float, Field(gt=0, description="deviation of the directions: how fast the sines turn")] = 0.1,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        seen = FourierFeatures(latent_dim, features, scale)
        blocks = [Residual(width) for _ in range(depth)]
        self.layers = nn.Sequential(
            seen, nn.Linear(seen.width, width), *blocks, nn.LeakyReLU(SLOPE), nn.Linear(width, spec.size)
        )
        self.shape = spec.shape
        self.value_range = spec.value_range

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] -> samples [N, *spec.shape]."""
        samples: Tensor = self.layers(z).unflatten(1, self.shape)
        if self.value_range is None:
            return samples
        low, high = self.value_range
        return (low + high) / 2 + (high - low) / 2 * samples.tanh()


class FourierDiscriminator(nn.Module):
    """Samples [N, *spec.shape] -> logits [N]; labels are ignored."""

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 256,
        depth: Depth = 2,
        features: Features = 64,
        scale: Annotated[float, Field(gt=0, description="deviation of the directions: how fine a detail is seen")] = 0.2,
    ) -> None:
        super().__init__()
        seen = FourierFeatures(spec.size, features, scale)
        layers: list[nn.Module] = [nn.Flatten(), seen]
        for before in [seen.width, *[width] * (depth - 1)]:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples [N, *spec.shape] -> logits [N]."""
        logits: Tensor = self.layers(x)
        return logits.flatten()
