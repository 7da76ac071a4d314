"""FastGAN's generator: one convolution for each map, and small maps that weigh the channels of large ones.

    z -> linear -> BN, GLU -> 4x4 -> [nearest 2x, 3x3 convolution, noise, BN, GLU] x k -> 3x3 -> tanh    image side 4 · 2^k
    GLU(a, b) = a · sigmoid(b)        noise: + gain · N(0, 1), one number a place, the gain learned from 0
    x_high <- F(x_low) · x_high       8 for 128, 16 for 256, 32 for 512 pixels; for images below 128, 8 for the image itself

F and the pairs: `nn/skip_excitation.py`.  Each doubling halves the channels; the largest map has `width` of them, none more
than 16 times as many.  It has no classes: the paper's is for a few images of one kind.

Liu, Zhu, Song and Elgammal, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis", 2021.
https://arxiv.org/abs/2101.04775
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import init
from ganreg.nn.modulated import Noise
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import pyramid
from ganreg.nn.skip_excitation import SkipExcitation, excitations

MOST = 16
"""Times `width`, and no map has more channels."""


class FastGANGenerator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, H, W] in the spec's range, H and W such as 8, 28, 32, 48 or 64.

    Raises MismatchError for data that are no such images.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 256,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per map before")] = 32,
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="generator fastgan")
        channels = [min(width << level, MOST * width) for level in reversed(range(base.doublings + 1))]
        self.latent_dim = latent_dim
        # No bias where batch normalisation follows: it would subtract the bias again.
        self.base = nn.Sequential(
            nn.Linear(latent_dim, 2 * channels[0] * base.size, bias=False),
            nn.Unflatten(1, (2 * channels[0], base.height, base.width)),
            nn.BatchNorm2d(2 * channels[0]),
            nn.GLU(dim=1),
        )
        self.doublings = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(before, 2 * after, 3, padding=1, bias=False),
                Noise(base.height << level, base.width << level),
                nn.BatchNorm2d(2 * after),
                nn.GLU(dim=1),
            )
            for level, (before, after) in enumerate(pairwise(channels), start=1)
        )
        self.weighs = excitations(base.doublings)
        self.excitations = nn.ModuleDict(
            {str(high): SkipExcitation(channels[low], channels[high]) for high, low in self.weighs.items()}
        )
        self.to_image = nn.Sequential(nn.Conv2d(channels[-1], spec.shape[0], 3, padding=1), output_function(spec.value_range))
        init.dcgan_(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] -> images [N, C, H, W]; labels change nothing."""
        maps: list[Tensor] = [self.base(z)]
        for level, double in enumerate(self.doublings, start=1):
            x: Tensor = double(maps[-1])
            if level in self.weighs:
                x = self.excitations[str(level)](maps[self.weighs[level]], x)
            maps.append(x)
        images: Tensor = self.to_image(maps[-1])
        return images
