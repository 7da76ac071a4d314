"""DCGAN's generator: a 4x4 map that transposed convolutions double until it is an image.

    z -> linear -> 4x4 -> [BN, ReLU, 4x4 transposed convolution, stride 2] x k -> tanh        image side 4 * 2^k

Each doubling halves the channels; the last hidden map has `width` of them, none more than 16 times as many.  Sides that are
no power of two start from a little more than 4 (`nn/pyramid.py`).
Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional GANs", 2015.
https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import conditioning as conditions
from ganreg.nn import init
from ganreg.nn.conditioning import ConditionalBatchNorm2d, LatentsWithClass
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import pyramid

MOST = 16
"""Times `width`, and no map has more channels: 1024 in the paper."""


class DCGANGenerator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, H, W] in the spec's range, H and W such as 8, 28, 32, 48 or 64.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 100,
        width: Annotated[int, Field(ge=1, description="channels of the last hidden map, doubled per map before")] = 64,
        conditioning: Annotated[conditions.ForGenerator, Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="generator dcgan")
        num_classes = conditions.classes(spec, conditioning, at="generator dcgan")
        channels = [min(width << level, MOST * width) for level in reversed(range(base.doublings))]
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.concat = LatentsWithClass(latent_dim, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else latent_dim
        # No bias where batch normalisation follows: it would subtract the bias again.
        self.linear = nn.Linear(inputs, channels[0] * base.size, bias=False)
        self.unflatten = nn.Unflatten(1, (channels[0], base.height, base.width))
        layers: list[nn.Module] = []
        for before, after in zip(channels, [*channels[1:], spec.shape[0]], strict=True):
            last = len(layers) == 3 * (base.doublings - 1)
            by_class = conditioning == "conditional-bn"
            layers += [
                ConditionalBatchNorm2d(before, num_classes) if by_class else nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=last),
            ]
        self.layers = nn.Sequential(*layers, output_function(spec.value_range))
        init.dcgan_(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] and, for a class-conditional one, labels [N] -> images [N, C, H, W]."""
        x: Tensor = self.unflatten(self.linear(z if self.concat is None else self.concat(z, labels)))
        for layer in self.layers:
            by_class = isinstance(layer, ConditionalBatchNorm2d)
            x = layer(x, conditions.one_hot(labels, self.num_classes)) if by_class else layer(x)
        return x
