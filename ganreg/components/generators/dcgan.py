"""DCGAN's generator: a 4x4 map that transposed convolutions double until it is an image.

    z -> linear -> 4x4 -> [BN, ReLU, 4x4 transposed convolution, stride 2] x k -> tanh        image side 4 * 2^k

Each doubling halves the channels; the last hidden map has `width` of them.
Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional GANs", 2015.
https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import init
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import BASE, doublings


class DCGANGenerator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, S, S] in the spec's range, S = 8, 16, 32, 64 or 128; labels are ignored.

    Raises MismatchError for any other spec.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 100,
        width: Annotated[int, Field(ge=1, description="channels of the last hidden map, doubled per map before")] = 64,
    ) -> None:
        super().__init__()
        count = doublings(spec, at="generator dcgan")
        channels = [width << level for level in reversed(range(count))]
        self.latent_dim = latent_dim
        # No bias where batch normalisation follows: it would subtract the bias again.
        self.linear = nn.Linear(latent_dim, channels[0] * BASE * BASE, bias=False)
        self.unflatten = nn.Unflatten(1, (channels[0], BASE, BASE))
        layers: list[nn.Module] = []
        for before, after in zip(channels, [*channels[1:], spec.shape[0]], strict=True):
            last = len(layers) == 3 * (count - 1)
            layers += [
                nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=last),
            ]
        self.layers = nn.Sequential(*layers, output_function(spec.value_range))
        init.dcgan_(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] -> images [N, C, S, S]."""
        images: Tensor = self.layers(self.unflatten(self.linear(z)))
        return images
