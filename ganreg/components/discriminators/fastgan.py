"""FastGAN's discriminator: it judges patches, and must keep enough of an image to draw it again.

    x -> 4x4 convolution, stride 2 -> [half] x (k - 2) -> 8x8 -> 1x1, BN, LeakyReLU, 4x4 -> logits [5 · 5]    image side 4 · 2^k
    half(x) = (strided convolutions + 1x1 of average-pooled x) / 2
    decoder: [nearest 2x, 3x3 convolution, BN, GLU] up to four times -> 3x3 -> tanh

While it learns, it answers with two drawings for the regularizer `reconstruction` as well, each with its target: what D was
shown, augmented as that was, made smaller by averaging to the size of the drawing.

    reconstruction         [N, C, h, w]   of the whole image, from the last map, 8x8
    reconstruction_part    [N, C, h, w]   of a part, from that part of the map before, 16x16: half its height and width, at a
                                          random place for each batch.  Only from 32 pixels on, where there is such a map
    …_target               what it is a drawing of, without a graph

The paper's words have a part of 1/8 of height and width, its figure 8x8 of 16x16; the figure is what four doublings fit.
It has no classes.  Images of 8 pixels end at 4x4.

Liu, Zhu, Song and Elgammal, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis", 2021.
https://arxiv.org/abs/2101.04775
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import init
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import pyramid

SLOPE = 0.2
MOST = 16
"""Times `width`, and no map has more channels."""
DECODED = 4
"""Doublings of a decoder: 8 to 128 pixels, or to what an image has."""
WINDOW = 4
"""Side of the last convolution."""


class FastGANDiscriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N, L], L patches; with drawings while it learns.

    Raises MismatchError for data that are no such images.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="channels of the first hidden map, doubled per map after")] = 32,
        reconstruct: Annotated[bool, Field(description="draw images again, for the regularizer reconstruction")] = True,
    ) -> None:
        super().__init__()
        halvings = max(1, pyramid(spec, at="discriminator fastgan").doublings - 1)
        channels = [min(width << level, MOST * width) for level in range(halvings)]
        self.first = nn.Sequential(nn.Conv2d(spec.shape[0], width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE))
        self.halves = nn.ModuleList(Half(before, after) for before, after in pairwise(channels))
        self.judge = nn.Sequential(
            nn.Conv2d(channels[-1], channels[-1], 1, bias=False),
            nn.BatchNorm2d(channels[-1]),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels[-1], 1, WINDOW),
            nn.Flatten(),
        )
        self.decode_whole = decoder(channels[-1], spec, halvings) if reconstruct else None
        self.decode_part = decoder(channels[-2], spec, halvings - 1) if reconstruct and halvings > 1 else None
        init.dcgan_(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] -> logits [N, L]; labels change nothing."""
        maps: list[Tensor] = [self.first(x)]
        for half in self.halves:
            maps.append(half(maps[-1]))
        logits: Tensor = self.judge(maps[-1])
        if self.decode_whole is None or not (self.training and learns(self.decode_whole)):
            return logits
        drawing: Tensor = self.decode_whole(maps[-1])
        extras = {"reconstruction": drawing, "reconstruction_target": smaller(x, drawing)}
        if self.decode_part is not None:
            seen, shown = random_part(maps[-2], x)
            drawing = self.decode_part(seen)
            extras |= {"reconstruction_part": drawing, "reconstruction_part_target": smaller(shown, drawing)}
        return DiscriminatorOutput(logits, extras=extras)


def learns(network: nn.Module) -> bool:
    """Whether its weights are free.  In G's turn D's are frozen, and nobody wants a drawing."""
    return any(weight.requires_grad for weight in network.parameters())


class Half(nn.Module):
    """[N, before, 2H, 2W] -> [N, after, H, W]: the mean of a way with 3x3 more to see and of a short one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.strided = nn.Sequential(
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(SLOPE),
        )
        self.pooled = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, 2H, 2W] -> [N, after, H, W]."""
        strided: Tensor = self.strided(x)
        pooled: Tensor = self.pooled(x)
        return (strided + pooled) / 2


def decoder(features: int, spec: DataSpec, halvings: int) -> nn.Sequential:
    """A map [N, features, h, w] after `halvings` -> images 2^min(4, halvings) times as high and wide, in the spec's range."""
    layers: list[nn.Module] = []
    for _ in range(min(DECODED, halvings)):
        before, features = features, max(1, features // 2)
        layers += [
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(before, 2 * features, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * features),
            nn.GLU(dim=1),
        ]
    return nn.Sequential(*layers, nn.Conv2d(features, spec.shape[0], 3, padding=1), output_function(spec.value_range))


def smaller(images: Tensor, drawing: Tensor) -> Tensor:
    """Images [N, C, H, W], averaged to the height and width of their drawing, without a graph."""
    return F.avg_pool2d(images.detach(), images.shape[2] // drawing.shape[2])


def random_part(features: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Half the height and width of a map, at a random place, and the same part of the images: [N, F, h, w], [N, C, H, W]."""
    pixels = images.shape[2] // features.shape[2]
    for dim in (2, 3):
        length = features.shape[dim] // 2
        # Places are tensors: nothing is read from the device, and a compiled or recorded graph draws anew.
        start = torch.randint(features.shape[dim] - length + 1, (1,), device=features.device)
        features = features.index_select(dim, start + torch.arange(length, device=features.device))
        images = images.index_select(dim, pixels * start + torch.arange(pixels * length, device=features.device))
    return features, images
