"""Residual blocks that double or halve a map, and the weights that they start from.

    up      x -> [norm, ReLU, 2x nearest, 3x3, norm, ReLU, 3x3](x) + [2x nearest, 1x1](x)
    down    x -> [ReLU, 3x3, ReLU, 3x3, 2x2 mean](x)               + [1x1, 2x2 mean](x)

Both 3x3 of a block have as many filters as it gives channels, also in D (BigGAN, appendix B).
Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1802.05957
Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2018.
https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ganreg.nn.conditioning import Wrap
from ganreg.nn.spectral_norm import spectral_norm

Init = Literal["xavier", "orthogonal", "normal"]
DRAWN: dict[Init, Callable[[Tensor], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "normal": lambda weight: nn.init.normal_(weight, 0.0, 0.02),
}

Growth = Literal["flat", "doubling"]
MOST = 16
"""Times `width`, and no map of a doubling network has more channels: BigGAN's 16 · 96."""


def doubling(width: int, count: int) -> list[int]:
    """Channels of `count` maps, the largest first: width, 2 · width, … up to 16 · width."""
    return [min(width << level, MOST * width) for level in range(count)]


def drawn(init: Init, *, spectral: bool) -> Wrap:
    """What makes a layer ready: weights drawn as `init` says, bias 0, then spectrally normalised where wanted.

    In this order: a normalised weight is computed from another parameter, and drawing it would change nothing.
    """

    def ready(module: nn.Module) -> nn.Module:
        DRAWN[init](module.get_parameter("weight"))
        bias = getattr(module, "bias", None)
        if bias is not None:
            nn.init.zeros_(bias)
        return spectral_norm(module) if spectral else module

    return ready


class UpBlock(nn.Module):
    """[N, before, H, W] -> [N, after, 2 H, 2 W]; `norm(channels)` makes a norm of x, or of x and a condition [N, K].

    No bias: of the residual stream each norm takes the mean again.
    """

    def __init__(self, before: int, after: int, *, norm: Callable[[int], nn.Module], wrap: Wrap) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(before), norm(after)])
        self.first = wrap(nn.Conv2d(before, after, 3, padding=1, bias=False))
        self.second = wrap(nn.Conv2d(after, after, 3, padding=1, bias=False))
        self.shortcut = wrap(nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """[N, before, H, W], [N, K] for conditional norms -> [N, after, 2 H, 2 W]."""
        told = () if condition is None else (condition,)
        h: Tensor = F.interpolate(F.relu(self.norms[0](x, *told)), scale_factor=2.0)
        h = self.second(F.relu(self.norms[1](self.first(h), *told)))
        # 1x1 and nearest upsampling may change places: the same numbers for a quarter of the work.
        return h + F.interpolate(self.shortcut(x), scale_factor=2.0)


class DownBlock(nn.Module):
    """[N, before, H, W] -> [N, after, H / 2, W / 2], or the same size without `down`.

    `first` leaves out the ReLU before an image, which would throw away all that is dark.
    """

    def __init__(self, before: int, after: int, *, wrap: Wrap, first: bool = False, down: bool = True) -> None:
        super().__init__()
        self.is_first, self.down = first, down
        self.first = wrap(nn.Conv2d(before, after, 3, padding=1))
        self.second = wrap(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(before, after, 1)) if down or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, H / 2, W / 2] or [N, after, H, W]."""
        h: Tensor = self.second(F.relu(self.first(x if self.is_first else F.relu(x))))
        if self.down:  # mean and 1x1 may change places, as above
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        shortcut: Tensor = self.shortcut(x)
        return h + shortcut
