"""DCGAN's discriminator: strided convolutions halve the image to 4x4, a linear layer gives one logit.

    x -> [4x4 convolution, stride 2, BN (not on the first), LeakyReLU 0.2] x k -> linear        image side 4 * 2^k

Each halving doubles the channels; the first hidden map has `width` of them.

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

from ganreg.contracts import DataSpec
from ganreg.nn import init
from ganreg.nn.pyramid import BASE, doublings

SLOPE = 0.2


class DCGANDiscriminator(nn.Module):
    """Images [N, C, S, S], S = 8, 16, 32, 64 or 128 -> logits [N]; labels are ignored.

    Raises MismatchError for any other spec.
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
    ) -> None:
        super().__init__()
        count = doublings(spec, at="discriminator dcgan")
        self.input_noise = input_noise
        channels = [width << level for level in range(count)]
        layers: list[nn.Module] = []
        for before, after in zip([spec.shape[0], *channels], channels, strict=False):
            first = not layers
            # No bias where batch normalisation follows: it would subtract the bias again.
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=first))
            if not first:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * BASE * BASE, 1))
        init.dcgan_(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images [N, C, S, S] -> logits [N]."""
        if self.training and self.input_noise > 0:
            x = x + self.input_noise * torch.randn_like(x)
        logits: Tensor = self.layers(x)
        return logits.flatten()
