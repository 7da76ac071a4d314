"""A U-Net discriminator: one logit for the whole image and one for every pixel, so that G is told where it fails.

    encoder    x -> e_1 -> … -> e_k, each residual block halving the map -> ReLU -> sum over space -> linear: the global logit
    decoder    e_k -> d_(k-1) -> … -> d_0, each doubling it, d_j from [d_(j+1), e_(j+1)] -> ReLU -> 1x1: a logit per pixel

    L = L_global + mean over pixels of L_pixel

A loss takes one mean over all logits, in which one global logit among H · W others would drown.  So the answer holds it once
for each pixel, [N, 2, H, W]: any mean of it is (mean over global + mean over pixels) / 2, value and gradient, half the L
above.  Penalties that take the slope of the logits' sum, as `r1` does, need a weight smaller by about (H · W)².

CutMix and its consistency term, the other half of the paper, are left out; its norms, too, as each sample is judged by itself.

Schönfeld, Schiele and Khoreva, "A U-Net Based Discriminator for Generative Adversarial Networks", 2020.
https://arxiv.org/abs/2002.12655
Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2018 (the blocks).
https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import Head, SamplesWithClass, Wrap, needed
from ganreg.nn.pyramid import pyramid
from ganreg.nn.residual import DownBlock, doubling, drawn


class PixelHead(nn.Module):
    """Features [N, F, H, W] and, with classes, labels [N] -> logits [N, H, W]: `Head`, with `projection`, at every pixel."""

    def __init__(self, features: int, num_classes: int, *, projects: bool, wrap: Wrap) -> None:
        super().__init__()
        self.linear = wrap(nn.Conv2d(features, 1, 1))
        self.embedding = wrap(conditions.projection(num_classes, features)) if projects else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """[N, F, H, W], [N] -> [N, H, W]."""
        logits: Tensor = self.linear(features).squeeze(1)
        if self.embedding is not None:
            logits = logits + (self.embedding(needed(labels)).to(features.dtype)[:, :, None, None] * features).sum(1)
        return logits


class UNetDiscriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N, 2, H, W]: the global one, and the pixels'.

    For `acgan` class logits, too.  Raises MismatchError for data that are no such images, or that have no labels where
    `conditioning` needs them.
    """

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per halving")] = 64,
        spectral_norm: Annotated[bool, Field(description="spectral normalisation of every layer")] = True,
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="discriminator unet")
        num_classes = conditions.classes(spec, conditioning, at="discriminator unet")
        ready = drawn("orthogonal", spectral=spectral_norm)
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        channels = doubling(width, base.doublings)  # of e_1, …, e_k
        self.encoder = nn.ModuleList(
            DownBlock(before, after, wrap=ready, first=level == 0)
            for level, (before, after) in enumerate(pairwise([inputs, *channels]))
        )
        # The first step up has e_k alone, each later one as many channels again from the encoder.
        below = [channels[-1], *(2 * one for one in reversed(channels[:-1]))]
        above = [*reversed(channels[:-1]), width]
        self.decoder = nn.ModuleList(
            DownBlock(before, after, wrap=ready, down=False) for before, after in zip(below, above, strict=True)
        )
        self.head = Head(channels[-1], num_classes, conditioning, wrap=ready)
        self.pixels = PixelHead(width, num_classes, projects=conditioning == "projection", wrap=ready)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] and, for `concat` and `projection`, labels [N] -> logits [N, 2, H, W]."""
        x = x if self.concat is None else self.concat(x, labels)
        seen: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            seen.append(x)
        # In float32 also under autocast: hundreds of bfloat16 numbers do not add up.
        features = F.relu(x).sum((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))
        told = self.head(features, labels)
        seen.pop()
        for block in self.decoder:
            x = block(F.interpolate(x, scale_factor=2.0))  # ReLU and nearest upsampling may change places
            x = torch.cat([x, seen.pop()], dim=1) if seen else x
        pixels = self.pixels(F.relu(x), labels)
        answer = told if isinstance(told, DiscriminatorOutput) else DiscriminatorOutput(told)
        logits = torch.stack([answer.logits[:, None, None].expand_as(pixels), pixels.to(answer.logits.dtype)], dim=1)
        return DiscriminatorOutput(logits, class_logits=answer.class_logits) if answer is told else logits
