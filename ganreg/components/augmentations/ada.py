"""Adaptive augmentation: as much distortion of what D sees as keeps it from learning the images by heart, and no more.

Each transform is applied to each image with probability p, in this order, then p follows how sure D is of the reals:

    flips        mirrored, of two ways one; turned by k 90°, k ~ U{0, 1, 2, 3}, k even where an image is no square
    shifts       by whole pixels, U(-1/8, 1/8) of each side
    geometric    scaled by s = 2^N(0, 0.2²); turned by U(-π, π); stretched by s and 1/s; turned; moved by N(0, 1/8²) of a side
                 each of the two turns with probability 1 - sqrt(1 - p), so that one or both are made with probability p
    color        + N(0, 0.2²); times 2^N(0, 0.5²); luma flipped, of two ways one; hue turned by U(-π, π); saturation 2^N(0, 1)

    p <- p + sign(r - target) · images / speed_images, kept in [0, max_p]        r = E sign(D(x)) since the last update of p

Filters, noise and cutout are left out, as in the paper's own final choice.  Where the paper pads, doubles the image through
a wavelet filter and samples that, here the image itself is sampled by cubic convolution (Keys, 1981) and mirrored at its
border: moves by whole pixels stay exact and p = 0 changes no bit; an image made much smaller keeps some aliasing.
Colours are the first three channels, or the first of one or two, as grey; other channels, such as opacity, are only moved.

Karras, Aittala, Hellsten, Laine, Lehtinen and Aila, "Training Generative Adversarial Networks with Limited Data", 2020.
https://arxiv.org/abs/2006.06676
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganreg.contracts import STATISTICS, DataSpec, Schedule
from ganreg.errors import MismatchError

REAL_SIGN = STATISTICS.index("real_sign")
SHIFT = 1 / 8  # of a side: whole pixels at most, others as a deviation
SCALE, BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.2, 0.5, 1.0  # deviations, of factors in octaves


class ADA:
    """Images [N, C, H, W] in [-1, 1] -> images of the same shape, twice differentiable; `probability` is p, on their device.

    Raises MismatchError for data that are not images.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        p: Annotated[float, Field(ge=0, le=1, description="fixed probability of a transform; none: it adapts")]
        | Schedule
        | None = None,
        target: Annotated[float, Field(ge=-1, le=1, description="mean sign of real logits to hold; less: more p")] = 0.6,
        interval: Annotated[int, Field(ge=1, description="updates of the discriminator from one of p to the next")] = 4,
        speed_images: Annotated[int, Field(ge=1, description="images in which p can go from 0 to 1")] = 500_000,
        max_p: Annotated[float, Field(ge=0, le=1, description="bound of an adapting p")] = 1.0,
        flips: Annotated[bool, Field(description="mirror, and turn by right angles")] = True,
        shifts: Annotated[bool, Field(description="move by whole pixels")] = True,
        geometric: Annotated[bool, Field(description="scale, turn, stretch, move by any amount")] = True,
        color: Annotated[bool, Field(description="change brightness, contrast, luma, hue, saturation")] = True,
    ) -> None:
        if not spec.is_image:
            what = f"expected images [C, H, W], got samples of shape {list(spec.shape)}"
            raise MismatchError(what, at="augmentation ada", fix="leave the augmentation out")
        if isinstance(p, Schedule) and not all(0 <= value <= 1 for value in (p.start, p.stop or 0.0)):
            raise ValueError(f"expected p from 0 to 1, got a schedule from {p.start} to {p.stop}")
        self.p, self.target, self.interval, self.speed_images, self.max_p = p, target, interval, speed_images, max_p
        self.flips, self.shifts, self.geometric, self.color = flips, shifts, geometric, color
        self.probability = torch.tensor(p.at(0) if isinstance(p, Schedule) else p or 0.0, dtype=torch.float32)
        self._signs = torch.zeros(())
        self._updates = self._images = 0

    def __call__(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        self.probability = self.probability.to(images.device)
        out = images.to(torch.promote_types(images.dtype, torch.float32))  # 16 bits do not tell places apart
        if self.flips or self.shifts or self.geometric:
            out = resampled(out, self._moves(out))
        return (self._recoloured(out) if self.color else out).to(images.dtype)

    def _moves(self, images: Tensor) -> Tensor:
        """From output pixels to input pixels [N, 3, 3].  Each draw is as likely as its inverse, so none is inverted."""
        each, p = images.new_empty(len(images)), self.probability
        height, width = images.shape[2:]
        moves: list[tuple[Tensor, Tensor]] = []
        if self.flips:
            quarters = one_of(4, each) if height == width else 2 * one_of(2, each)
            mirror = stretch(1 - 2 * one_of(2, each), torch.ones_like(each))
            moves += [(p, mirror), (p, turn(math.pi / 2 * quarters).round())]
        if self.shifts:
            moves += [(p, shift(*((SHIFT * side * uniform(each)).round() for side in (width, height))))]
        if self.geometric:
            once = 1 - (1 - p).sqrt()
            scale, factor = octaves(SCALE, each), octaves(SCALE, each)
            moves += [(p, stretch(scale, scale)), (once, turn(math.pi * uniform(each)))]
            moves += [(p, stretch(factor, 1 / factor)), (once, turn(math.pi * uniform(each)))]
            moves += [(p, shift(*(SHIFT * side * torch.randn_like(each) for side in (width, height))))]
        stay = torch.eye(3, device=images.device, dtype=images.dtype)
        return reduce(product, [at_times(probability, move, stay) for probability, move in moves])

    def _recoloured(self, images: Tensor) -> Tensor:
        """All five changes act on an image's grey and on what differs from it, each by itself: four numbers say them all."""
        each, p = images.new_empty(len(images)), self.probability
        added = at_times(p, BRIGHTNESS * torch.randn_like(each), 0.0)
        contrast = at_times(p, octaves(CONTRAST, each), 1.0)
        luma = contrast * at_times(p, 1 - 2 * one_of(2, each), 1.0)
        hue = at_times(p, math.pi * uniform(each), 0.0)
        saturation = contrast * at_times(p, octaves(SATURATION, each), 1.0)
        return recoloured(images, luma, luma * added, saturation * hue.cos(), saturation * hue.sin())

    def update(self, statistics: Tensor, images: int) -> None:
        """After each update of D, with its `STATISTICS` [8] and how many reals it saw; nothing is read from the device."""
        self._updates += 1
        self._images += images
        if isinstance(self.p, Schedule):
            self.probability.fill_(self.p.at(self._images))
        if self.p is not None:
            return
        self._signs = self._signs.to(statistics.device) + statistics[REAL_SIGN]
        if self._updates % self.interval == 0:
            direction = (self._signs / self.interval - self.target).sign()  # of nan it is 0
            # In place: a recorded CUDA graph reads p where it was.
            self.probability.add_(direction, alpha=images * self.interval / self.speed_images).clamp_(0, self.max_p)
            self._signs = torch.zeros_like(self._signs)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        tensors = {"probability": self.probability.clone(), "signs": self._signs.clone()}
        return {**tensors, "updates": self._updates, "images": self._images}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` held; a p that is fixed, or a schedule of it, stays as set."""
        self._signs = state["signs"].clone()
        self._updates, self._images = state["updates"], state["images"]
        if isinstance(self.p, Schedule):
            self.probability.fill_(self.p.at(self._images))
        elif self.p is None:
            self.probability.copy_(state["probability"])


# --- draws, one for each image: `each` is any tensor [N] ----------------------------------------------------------------


def uniform(each: Tensor) -> Tensor:
    """U(-1, 1) [N]."""
    return 2 * torch.rand_like(each) - 1


def one_of(count: int, each: Tensor) -> Tensor:
    """0, 1, … count - 1, all as likely [N]."""
    return (count * torch.rand_like(each)).floor()


def octaves(deviation: float, each: Tensor) -> Tensor:
    """Factors 2^N(0, deviation²) [N]."""
    return (deviation * torch.randn_like(each)).exp2()


def at_times(p: Tensor, change: Tensor, otherwise: Tensor | float) -> Tensor:
    """[N, ...] -> each with probability p, else what changes nothing."""
    chosen = torch.rand(len(change), *[1] * (change.dim() - 1), device=change.device) < p
    return torch.where(chosen, change, otherwise)


# --- moves about the middle of an image, [N, 3, 3]: x to the right, y down, in pixels -----------------------------------------


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b, the map that does b first.  No matrix product: one of 16-bit or TF32 numbers would not keep pixels in place."""
    return (a[:, :, :, None] * b[:, None]).sum(2)


def move(linear: Tensor, offset: Tensor) -> Tensor:
    """[N, 2, 2], [N, 2] -> [N, 3, 3]."""
    top = torch.cat([linear, offset[:, :, None]], dim=2)
    return torch.cat([top, F.pad(torch.ones_like(top[:, :1, :1]), (2, 0))], dim=1)


def stretch(x: Tensor, y: Tensor) -> Tensor:
    """By factors [N]."""
    both = torch.stack([x, y], dim=1)
    return move(torch.diag_embed(both), torch.zeros_like(both))


def turn(angle: Tensor) -> Tensor:
    """By radians [N], from x to y."""
    cos, sin = angle.cos(), angle.sin()
    linear = torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)
    return move(linear, torch.zeros_like(linear[:, 0]))


def shift(x: Tensor, y: Tensor) -> Tensor:
    """By pixels [N]."""
    both = torch.stack([x, y], dim=1)
    return move(torch.diag_embed(torch.ones_like(both)), both)


# --- what is done to the images ---------------------------------------------------------------------------------------


def resampled(images: Tensor, moves: Tensor) -> Tensor:
    """[N, C, H, W], output to input pixels [N, 3, 3] -> [N, C, H, W], each pixel from the 4x4 around where it comes from."""
    count, channels, height, width = images.shape
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2
    across, down = (
        moves[:, axis, 0, None, None] * x + moves[:, axis, 1, None, None] * y + moves[:, axis, 2, None, None] for axis in (0, 1)
    )
    columns, rows = taps(across + (width - 1) / 2, width), taps(down + (height - 1) / 2, height)
    flat, out = images.flatten(2), torch.zeros_like(images).flatten(2)
    for row, row_weight in rows:
        for column, column_weight in columns:
            index = (row * width + column).view(count, 1, -1).expand(-1, channels, -1)
            out = out + (row_weight * column_weight).view(count, 1, -1) * flat.gather(2, index)
    return out.reshape(images.shape)


def taps(position: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Places along a side of `size` pixels -> the four pixels around each and their weights, 0 1 0 0 on a pixel itself."""
    first = position.floor()
    t = position - first
    weights = ((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t
    return [(mirrored(first.long() + place, size), weight / 2) for place, weight in enumerate(weights, start=-1)]


def mirrored(index: Tensor, size: int) -> Tensor:
    """Any whole numbers -> 0 … size - 1, to and fro: -1 is 1, `size` is size - 2."""
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index)


def recoloured(images: Tensor, grey: Tensor, added: Tensor, rest: Tensor, around: Tensor) -> Tensor:
    """[N, C, H, W] and [N] each: factor of grey, what is added, cosine and sine of what happens to the rest -> [N, C, H, W].

    With m the pixel's mean and e the unit vector of grey:  grey m + added + rest (x - m) + around e × x.
    """
    grey, added, rest, around = (one.view(-1, 1, 1, 1) for one in (grey, added, rest, around))
    if images.shape[1] < 3:
        return torch.cat([grey * images[:, :1] + added, images[:, 1:]], dim=1)
    x = images[:, :3]
    turned = (x.roll(1, dims=1) - x.roll(-1, dims=1)) / math.sqrt(3)
    return torch.cat([rest * x + (grey - rest) * x.mean(1, keepdim=True) + added + around * turned, images[:, 3:]], dim=1)
