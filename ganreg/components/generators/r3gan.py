"""R3GAN's generator: residual blocks without normalisation, from a learned map that the latents only weigh.

    z -> (W z) · basis [C, 4, 4] -> [blocks] -> [bilinear 2x, 1x1, blocks] x k -> 1x1 -> tanh        image side 4 · 2^k

`basis` is learned, one weight for each of its channels comes from z.  The blocks and how they start: `nn/r3_block.py`.  Biases
stand inside blocks alone.  The paper ends without tanh; here samples have to keep to the range of the data.  It trains with
`relativistic`, `r1` and `r2`.

Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", 2024.
https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import LatentsWithClass
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import pyramid
from ganreg.nn.r3_block import Double, channels_of_levels, keep_variance_, linear_map, stage


class R3GANGenerator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, H, W] in the spec's range, H and W such as 8, 28, 32, 48 or 64.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them, and
    ValueError where `group_channels` does not part the channels inside a block.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 64,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per map before")] = 64,
        max_channels: Annotated[int, Field(ge=1, description="no map has more channels")] = 512,
        blocks: Annotated[int, Field(ge=1, description="residual blocks of each map")] = 2,
        group_channels: Annotated[int, Field(ge=1, description="channels in a group of the 3x3 convolutions")] = 16,
        conditioning: Annotated[Literal["none", "concat"], Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="generator r3gan")
        num_classes = conditions.classes(spec, conditioning, at="generator r3gan")
        channels = channels_of_levels(base.doublings, width, max_channels)
        self.latent_dim = latent_dim
        self.concat = LatentsWithClass(latent_dim, num_classes) if conditioning == "concat" else None
        self.weigh = nn.Linear(self.concat.out_features if self.concat is not None else latent_dim, channels[0], bias=False)
        keep_variance_(self.weigh.weight)
        self.basis = nn.Parameter(torch.randn(channels[0], base.height, base.width))
        num_blocks = blocks * len(channels)
        layers: list[nn.Module] = []
        for before, after in zip([channels[0], *channels], channels, strict=False):
            if layers:
                layers.append(Double(before, after))
            layers.append(stage(after, blocks=blocks, group_channels=group_channels, num_blocks=num_blocks))
        self.layers = nn.Sequential(*layers)
        self.to_image = nn.Sequential(linear_map(channels[-1], spec.shape[0]), output_function(spec.value_range))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] and, for a class-conditional one, labels [N] -> images [N, C, H, W]."""
        weights: Tensor = self.weigh(z if self.concat is None else self.concat(z, labels))
        images: Tensor = self.to_image(self.layers(weights[:, :, None, None] * self.basis))
        return images
