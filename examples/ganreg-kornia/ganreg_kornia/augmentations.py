"""Augmentations of kornia, on real and fake alike, differentiable so that G learns through them.

    x in [-1, 1] -> (x + 1) / 2 -> color in [0, 1] -> 2 x - 1        moves, cutouts and flips take x as it is: 0 is grey

Each image draws its own numbers, from torch's generator on the CPU: the same state gives the same images, also after a resume.
Only saturation and hue cut values off at the ends of the range, and gradients with them; they come first, where nothing is
outside yet.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.  https://arxiv.org/abs/2006.10738
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import kornia.augmentation as ka
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import Identity

from ganreg.contracts import DataSpec
from ganreg.errors import SettingsError

Chance = Annotated[float, Field(ge=0, le=1, description="chance of each image to be changed")]
Padding = Annotated[Literal["zeros", "border", "reflection"], Field(description="what comes in from outside; zeros are grey")]
Shift = Annotated[float, Field(ge=0, le=1, description="farthest move, as a share of height and width")]
Strength = Annotated[float, Field(ge=0, le=1, description="largest change; 0: none")]

COLORS = 3
"""Channels that saturation and hue need."""


class Augmentation:
    """Images [N, C, H, W] -> images, the same shape and dtype, through a sequence of kornia's.

    Autocast's 16 bits are left out of it.  Raises SettingsError for data without images.
    """

    def __init__(self, spec: DataSpec, *changes: Callable[[Tensor], Tensor]) -> None:
        self.sequence = changes
        _check_images(spec, type(self).__name__)

    def __call__(self, images: Tensor) -> Tensor:
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            raise SettingsError(
                "kornia draws its numbers on the CPU, and a CUDA graph would repeat the recorded ones",
                at="--cuda-graphs",
                fix="--cuda-graphs off",
            )
        with torch.autocast(images.device.type, enabled=False):
            for change in self.sequence:
                images = change(images)
        return images


class Color(Augmentation):
    """Brightness, contrast, saturation and hue, each drawn anew for each image.

    Images [N, C, H, W] of any C; saturation and hue need three channels, and SettingsError says so where they are asked for
    with another number.  The defaults are DiffAugment's ranges.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        brightness: Annotated[Strength, Field(description="at most so much is added, where white less black is 1")] = 0.25,
        contrast: Annotated[Strength, Field(description="values are multiplied by 1 - this to 1 + this")] = 0.5,
        saturation: Annotated[
            Strength | None, Field(description="1 - this to 1 + this; none: 1 for three channels, 0 for others")
        ] = None,
        hue: Annotated[float, Field(ge=0, le=0.5, description="largest turn of the color wheel; 0.5: any hue")] = 0.0,
        p: Chance = 1.0,
    ) -> None:
        super().__init__(spec, *_color(spec, brightness, contrast, saturation, hue, p))


class Translate(Augmentation):
    """Moves each image up to a share of its height and width; what was outside is grey.  Images [N, C, H, W]."""

    def __init__(self, spec: DataSpec, *, shift: Shift = 0.125, padding: Padding = "zeros", p: Chance = 1.0) -> None:
        super().__init__(spec, _translation(shift, padding, p))


class Affine(Augmentation):
    """Turns, moves and scales each image about its centre.  Images [N, C, H, W]."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        degrees: Annotated[float, Field(ge=0, le=180, description="farthest turn, either way")] = 10.0,
        shift: Shift = 0.125,
        scale: Annotated[float, Field(ge=0, lt=1, description="sizes are multiplied by 1 - this to 1 + this")] = 0.1,
        padding: Padding = "zeros",
        p: Chance = 1.0,
    ) -> None:
        moves = ka.RandomAffine(degrees, (shift, shift), (1 - scale, 1 + scale), padding_mode=padding, p=p)
        super().__init__(spec, moves)


class Cutout(Augmentation):
    """Greys out one square of each image, wholly inside it.  Images [N, C, H, W].

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    https://arxiv.org/abs/1708.04552
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        size: Annotated[float, Field(gt=0, lt=1, description="side of the square, as a share of the image's")] = 0.5,
        p: Chance = 1.0,
    ) -> None:
        super().__init__(spec, _cutout(size, p))


class Flip(Augmentation):
    """Mirrors images left to right.  Images [N, C, H, W]."""

    def __init__(self, spec: DataSpec, *, p: Chance = 0.5) -> None:
        super().__init__(spec, ka.RandomHorizontalFlip(p=p))


class DiffAug(Augmentation):
    """DiffAugment's policy, one after the other: color, translation by 1/8, cutout of half the side.  Images [N, C, H, W].

    Of one channel, brightness and contrast alone.  Where kornia differs from the paper: contrast and saturation are kornia's
    (about black, and in HSV), moves may be by parts of a pixel, and the square lies wholly inside.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        policy: Annotated[
            tuple[Literal["color", "translation", "cutout"], ...],
            Field(min_length=1, description="what is done, in this order"),
        ] = ("color", "translation", "cutout"),
        p: Chance = 1.0,
    ) -> None:
        made = {
            "color": lambda: _color(spec, brightness=0.25, contrast=0.5, saturation=None, hue=0.0, p=p),
            "translation": lambda: [_translation(0.125, "zeros", p)],
            "cutout": lambda: [_cutout(0.5, p)],
        }
        super().__init__(spec, *(change for name in policy for change in made[name]()))


def _color(
    spec: DataSpec, brightness: float, contrast: float, saturation: float | None, hue: float, p: float
) -> list[Callable[[Tensor], Tensor]]:
    """What changes, wrapped in the ways to [0, 1] and back."""
    _check_images(spec, "Color")
    channels = spec.shape[0]
    asked = [name for name, value in (("saturation", saturation), ("hue", hue)) if value]
    if asked and channels != COLORS:
        _refuse(f"{' and '.join(asked)} need{'s' * (len(asked) == 1)} {COLORS} channels, the data has {channels}", "set 0")
    if saturation is None:
        saturation = 1.0 if channels == COLORS else 0.0
    if spec.value_range is None:
        _refuse("color needs images with a value_range, the data's is unbounded", "scale the data to [-1, 1]")
    low, high = spec.value_range or (-1.0, 1.0)
    changes = [
        ka.RandomSaturation((1 - saturation, 1 + saturation), p=p) if saturation else None,
        ka.RandomHue((-hue, hue), p=p) if hue else None,
        ka.RandomBrightness((1 - brightness, 1 + brightness), clip_output=False, p=p) if brightness else None,
        ka.RandomContrast((1 - contrast, 1 + contrast), clip_output=False, p=p) if contrast else None,
    ]
    return [
        lambda images: (images - low) / (high - low),
        *(change for change in changes if change is not None),
        lambda images: images * (high - low) + low,
    ]


def _translation(shift: float, padding: str, p: float) -> Callable[[Tensor], Tensor]:
    return ka.RandomTranslate((-shift, shift), (-shift, shift), padding_mode=padding, p=p) if shift else Identity()


def _cutout(size: float, p: float) -> Callable[[Tensor], Tensor]:
    return ka.RandomErasing((size * size, size * size), (1.0, 1.0), value=0.0, p=p)


def _check_images(spec: DataSpec, name: str) -> None:
    if not spec.is_image:
        _refuse(f"{name} changes images [C, H, W], the data has samples {list(spec.shape)}", "leave the augmentation out")


def _refuse(what: str, fix: str) -> None:
    raise SettingsError(what, at="--augmentation", fix=fix)
