"""DiffAugment: D sees nothing, real or fake, that is not distorted, so that it cannot learn few images by heart.

    D's phase: D(T(x)), D(T(G(z)))        G's phase: D(T(G(z))), the gradient passing through T        T anew for each image

    color          x + b, b ~ U(-1/2, 1/2);  m + s (x - m), s ~ U(0, 2), m the pixel's mean over its colours;
                   m + c (x - m), c ~ U(1/2, 3/2), m the image's mean
    translation    by whole pixels, at most 1/8 of each side, zeros coming in
    cutout         zeros in a rectangle of half of each side around a pixel anywhere in the image

Colours are the first three channels of an image, or the first of one or two, which has no saturation; any other channel,
such as opacity, keeps its values.

Zhao, Liu, Lin, Zhu and Han, "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
https://arxiv.org/abs/2006.10738
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

BRIGHTNESS = 0.5
"""The most that is added to an image in [-1, 1]."""

SATURATION = 1.0
CONTRAST = 0.5
"""The most by which these factors differ from 1."""

SHIFT = 1 / 8
HOLE = 1 / 2
"""Shares of a side."""


class DiffAug:
    """Images [N, C, H, W] in [-1, 1] -> images of the same shape, differentiable.

    Raises MismatchError for data that are not images.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        color: Annotated[bool, Field(description="change brightness, saturation and contrast")] = True,
        translation: Annotated[bool, Field(description="move by up to an eighth of each side")] = True,
        cutout: Annotated[bool, Field(description="cover a rectangle of half of each side")] = True,
    ) -> None:
        if not spec.is_image:
            raise MismatchError(
                f"expected images [C, H, W], got samples of shape {list(spec.shape)}",
                at="augmentation diffaug",
                fix="leave the augmentation out",
            )
        self.color = color
        self.translation = translation
        self.cutout = cutout

    def __call__(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        if self.color:
            images = recoloured(images)
        if self.translation:
            images = translated(images)
        return with_a_hole(images) if self.cutout else images


def recoloured(images: Tensor) -> Tensor:
    """[N, C, H, W] -> the same with another brightness, saturation and contrast for each image."""
    colours = 3 if images.shape[1] >= 3 else 1
    x, others = images[:, :colours], images[:, colours:]
    x = x + uniform(x, BRIGHTNESS)
    if colours == 3:
        x = spread(x, 1.0 + uniform(x, SATURATION), over=(1,))
    x = spread(x, 1.0 + uniform(x, CONTRAST), over=(1, 2, 3))
    return torch.cat([x, others], dim=1)


def uniform(images: Tensor, most: float) -> Tensor:
    """[N, ...] -> U(-most, most) [N, 1, 1, 1]."""
    return most * (2.0 * torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype) - 1.0)


def spread(x: Tensor, factor: Tensor, *, over: tuple[int, ...]) -> Tensor:
    """[N, C, H, W] -> the same, `factor` [N, 1, 1, 1] times as far from its mean over these dimensions."""
    mean = x.mean(over, keepdim=True)
    return mean + factor * (x - mean)


def translated(images: Tensor) -> Tensor:
    """[N, C, H, W] -> each image moved by its own whole numbers of pixels."""
    for dim in (2, 3):
        size = images.shape[dim]
        most = int(size * SHIFT + 0.5)
        shift = torch.randint(-most, most + 1, (len(images), 1, 1, 1), device=images.device)
        source = places(images, dim) - shift
        inside = (source >= 0) & (source < size)
        # Rows that come from nowhere are a border row times 0: each row passes on one gradient, the same bits every time.
        images = images.gather(dim, source.clamp(0, size - 1).expand_as(images)) * inside
    return images


def with_a_hole(images: Tensor) -> Tensor:
    """[N, C, H, W] -> the same with zeros in a rectangle of each image; at a border only a part of it covers anything."""
    covered = torch.ones((), dtype=torch.bool, device=images.device)
    for dim in (2, 3):
        size = images.shape[dim]
        hole = int(size * HOLE + 0.5)
        first = torch.randint(size, (len(images), 1, 1, 1), device=images.device) - hole // 2
        place = places(images, dim)
        covered = covered & (place >= first) & (place < first + hole)
    return images.masked_fill(covered, 0.0)


def places(images: Tensor, dim: int) -> Tensor:
    """0, 1, … along one dimension of images, 1 long in every other."""
    size = images.shape[dim]
    return torch.arange(size, device=images.device).view([size if one == dim else 1 for one in range(4)])
