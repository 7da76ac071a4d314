"""A residual discriminator: blocks that halve the image to a small map, whose sum over space gives one logit.

    x -> [residual block, 2x2 mean] x h -> [residual block] x p -> ReLU -> sum over space -> linear

    growth flat        every map has 2 · width channels; halved to 8 positions or fewer, then p = 2: 128 channels, h = 2 in
                       SNGAN's net for 32x32, which is the default
    growth doubling    `width` after the first block, twice as many per halving, at most 16 · width; halved to the smallest
                       map, then p = 1: BigGAN's nets

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1802.05957
Zhang et al., "Self-Attention Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1805.08318
Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2018.
https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn.attention import SelfAttention, place
from ganreg.nn.conditioning import Head, SamplesWithClass
from ganreg.nn.pyramid import pyramid
from ganreg.nn.residual import DownBlock, Growth, Init, doubling, drawn

FLAT = 2
"""Times `width`: channels of every map of a flat discriminator."""

FLAT_END = 8
"""The side at which a flat discriminator halves no more, as the published one."""


class ResNetDiscriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N]; for `acgan` class logits, too.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them, ValueError
    for an `attention` where no map is.
    """

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="half of all maps' channels, or those of the first map")] = 64,
        growth: Annotated[Growth, Field(description="all maps as wide, or twice the channels per halving")] = "flat",
        spectral_norm: Annotated[bool, Field(description="spectral normalisation of every layer")] = True,
        attention: Annotated[int, Field(ge=0, description="side of the map after which self-attention stands, 0: none")] = 0,
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
        init: Annotated[Init, Field(description="how weights are drawn")] = "xavier",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="discriminator resnet")
        num_classes = conditions.classes(spec, conditioning, at="discriminator resnet")
        side, halvings = min(spec.shape[1:]), base.doublings
        if growth == "flat" and halvings > 1 and side >> (halvings - 1) <= FLAT_END:
            halvings -= 1
        plain = 2 if growth == "flat" else 1
        channels = [FLAT * width] * (halvings + plain) if growth == "flat" else doubling(width, halvings + plain)
        sides = [side >> min(level, halvings) for level in range(1, halvings + plain + 1)]
        ready = drawn(init, spectral=spectral_norm)
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        self.blocks = nn.ModuleList(
            DownBlock(before, after, wrap=ready, first=index == 0, down=index < halvings)
            for index, (before, after) in enumerate(zip([inputs, *channels], channels, strict=False))
        )
        self.attend_after = place(attention, sides)
        self.attention = SelfAttention(channels[self.attend_after], wrap=ready) if self.attend_after is not None else None
        self.head = Head(channels[-1], num_classes, conditioning, wrap=ready)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] and, for `concat` and `projection`, labels [N] -> logits [N]."""
        if self.concat is not None:
            x = self.concat(x, labels)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if self.attention is not None and index == self.attend_after:
                x = self.attention(x)
        # In float32 also under autocast: hundreds of bfloat16 numbers do not add up.
        features = F.relu(x).sum((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))
        answer: Tensor | DiscriminatorOutput = self.head(features, labels)
        return answer
