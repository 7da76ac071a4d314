"""A residual generator: blocks that double a small map until it is an image, each adding to what it was given.

    z -> linear -> 4x4 -> [residual block, 2x] x k -> BN, ReLU, 3x3 -> tanh        image side 4 * 2^k

    growth flat        every map has 4 · width channels: 256 in SNGAN's nets for 32x32, which is the default
    growth doubling    the image-sized map has `width`, each smaller one twice as many, at most 16 · width: BigGAN's nets

`split_latents` deals z out: one chunk draws the first map, one goes to each block's conditional norms, joined to an embedding
of the class that all blocks share.
Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1802.05957
Zhang et al., "Self-Attention Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1805.08318
Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2018.
https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import conditioning as conditions
from ganreg.nn.attention import SelfAttention, place
from ganreg.nn.conditioning import ConditionalBatchNorm2d, LatentsWithClass, Wrap
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import pyramid
from ganreg.nn.residual import Growth, Init, UpBlock, doubling, drawn

FLAT = 4
"""Times `width`: channels of every map of a flat generator."""


class ResNetGenerator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, H, W] in the spec's range, H and W such as 8, 28, 32, 48 or 64.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them, ValueError
    for an `attention` where no map is, and for latents that cannot be split.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 128,
        width: Annotated[int, Field(ge=1, description="a quarter of all maps' channels, or those of the last map")] = 64,
        growth: Annotated[Growth, Field(description="all maps as wide, or twice the channels per halving")] = "flat",
        spectral_norm: Annotated[bool, Field(description="spectral normalisation of every layer")] = False,
        attention: Annotated[int, Field(ge=0, description="side of the map after which self-attention stands, 0: none")] = 0,
        conditioning: Annotated[conditions.ForGenerator, Field(description="how it is told the class")] = "none",
        split_latents: Annotated[bool, Field(description="a chunk of z per block; needs conditional-bn")] = False,
        embedding_dim: Annotated[int, Field(ge=1, description="numbers in the class embedding of split latents")] = 128,
        init: Annotated[Init, Field(description="how weights are drawn")] = "xavier",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="generator resnet")
        num_classes = conditions.classes(spec, conditioning, at="generator resnet")
        count = base.doublings
        channels = [FLAT * width] * (count + 1) if growth == "flat" else doubling(width, count + 1)[::-1]
        ready = drawn(init, spectral=spectral_norm)
        self.latent_dim = latent_dim
        self.num_classes = num_classes if conditioning == "conditional-bn" else 0
        self.chunks = chunks(latent_dim, count, conditioning) if split_latents else 1
        self.attend_after = place(attention, [min(base.height, base.width) << level for level in range(1, count + 1)])
        self.concat = LatentsWithClass(latent_dim, num_classes) if conditioning == "concat" else None
        self.embedding = drawn(init, spectral=False)(nn.Embedding(num_classes, embedding_dim)) if split_latents else None
        inputs = self.concat.out_features if self.concat is not None else latent_dim // self.chunks
        self.linear = ready(nn.Linear(inputs, channels[0] * base.size))
        self.unflatten = nn.Unflatten(1, (channels[0], base.height, base.width))
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d
        if conditioning == "conditional-bn":
            told = embedding_dim + inputs if split_latents else num_classes
            # BigGAN draws these weights, and where they start at 0 there is no sigma; else a class says nothing at first.
            draw: Wrap = ready if split_latents or spectral_norm else lambda module: module
            norm = partial(ConditionalBatchNorm2d, condition_dim=told, wrap=draw)
        self.blocks = nn.ModuleList(UpBlock(*pair, norm=norm, wrap=ready) for pair in pairwise(channels))
        self.attention = SelfAttention(channels[self.attend_after + 1], wrap=ready) if self.attend_after is not None else None
        self.last_norm = nn.BatchNorm2d(channels[-1])
        self.last = ready(nn.Conv2d(channels[-1], spec.shape[0], 3, padding=1))
        self.output = output_function(spec.value_range)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] and, for a class-conditional one, labels [N] -> images [N, C, H, W]."""
        start, told = self._shares(z, labels)
        x: Tensor = self.unflatten(self.linear(start))
        for index, (block, condition) in enumerate(zip(self.blocks, told, strict=True)):
            x = block(x, condition)
            if self.attention is not None and index == self.attend_after:
                x = self.attention(x)
        images: Tensor = self.output(self.last(F.relu(self.last_norm(x))))
        return images

    def _shares(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        """What the first map is made of, and the condition of each block."""
        if self.embedding is not None:
            shared = self.embedding(conditions.needed(labels)).to(z.dtype)
            start, *rest = z.chunk(self.chunks, dim=1)
            return start, [torch.cat([shared, chunk], dim=1) for chunk in rest]
        condition = conditions.one_hot(labels, self.num_classes) if self.num_classes else None
        start = z if self.concat is None else self.concat(z, labels)
        return start, [condition] * len(self.blocks)


def chunks(latent_dim: int, blocks: int, conditioning: conditions.ForGenerator) -> int:
    """Into how many chunks latents are split: one for the first map and one per block.  Raises ValueError."""
    if conditioning != "conditional-bn":
        raise ValueError(f"split_latents needs conditioning 'conditional-bn', which takes the chunks in; got '{conditioning}'")
    if latent_dim % (blocks + 1):
        raise ValueError(f"latent_dim must be a multiple of {blocks + 1} to be split over {blocks} blocks, got {latent_dim}")
    return blocks + 1
