"""DCGAN's discriminator: strided convolutions halve the image to 4x4, a linear layer gives one logit.

    x -> [4x4 convolution, stride 2, BN (not on the first), LeakyReLU 0.2] x k -> linear        image side 4 * 2^k

Each halving doubles the channels; the first hidden map has `width` of them, none more than 16 times as many.

`input_noise` adds N(0, input_noise) to every image while training, as instance noise: where the data fill only a thin
sheet of pixel space (few images, enlarged ones), D else tells real from fake by what lies off the sheet and teaches G
nothing about the picture.  Sønderby et al., 2016, https://arxiv.org/abs/1610.04490; Arjovsky and Bottou, 2017,
https://arxiv.org/abs/1701.04862.

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional GANs", 2015.
https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn import init
from ganreg.nn.conditioning import Head, SamplesWithClass
from ganreg.nn.pyramid import pyramid

SLOPE = 0.2
MOST = 16
"""Times `width`, and no map has more channels."""


class DCGANDiscriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N]; for `acgan` class logits, too.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="channels of the first hidden map, doubled per map after")] = 64,
        input_noise: Annotated[
            float,
            Field(ge=0, description="deviation of noise added to images in training; paper: none"),
        ] = 0.0,
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="discriminator dcgan")
        num_classes = conditions.classes(spec, conditioning, at="discriminator dcgan")
        self.input_noise = input_noise
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        channels = [min(width << level, MOST * width) for level in range(base.doublings)]
        layers: list[nn.Module] = []
        for before, after in zip([inputs, *channels], channels, strict=False):
            first = not layers
            # No bias where batch normalisation follows: it would subtract the bias again.
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=first))
            if not first:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = Head(channels[-1] * base.size, num_classes, conditioning)
        init.dcgan_(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] and, for `concat` and `projection`, labels [N] -> logits [N]."""
        if self.training and self.input_noise > 0:
            x = x + self.input_noise * torch.randn_like(x)
        features: Tensor = self.layers(x if self.concat is None else self.concat(x, labels))
        answer: Tensor | DiscriminatorOutput = self.head(features, labels)
        return answer
