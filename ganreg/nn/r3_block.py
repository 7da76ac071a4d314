"""R3GAN's stages: residual blocks without normalisation, kept calm by how they start, and bilinear resampling between them.

    block(x) = x + W3 f(W2 * f(W1 x + b1) + b2)     f: LeakyReLU 0.2; W1, W3: 1x1; W2: 3x3 in groups; twice as wide inside

Fix-up start: W3 is 0, so that a block is the identity; W1 and W2 are He's times L^(-1/4), L the blocks of the network, since a
branch of m = 3 layers has L^(-1/(2m - 2)) (Zhang, Dauphin and Ma, 2019, https://arxiv.org/abs/1901.09321).

Resampling is made of averages of two neighbours, of which two give [1, 2, 1].  It is bilinear as torch's `interpolate` is, and
antialiased on the way down but for another border; that one's backward adds in no fixed order on a GPU, this one's repeats.

Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", 2024.
https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
EXPANSION = 2
"""Channels inside a block for each one outside."""


class R3Block(nn.Module):
    """[N, C, H, W] -> the same shape; at first the identity.  `num_blocks` is how many the whole network has.

    Raises ValueError where the channels inside do not part into groups of `group_channels`.
    """

    def __init__(self, channels: int, *, group_channels: int, num_blocks: int) -> None:
        super().__init__()
        inside = EXPANSION * channels
        if inside % group_channels:
            raise ValueError(
                f"group_channels must divide {inside}, {EXPANSION} times the {channels} channels of a map, got {group_channels}"
            )
        self.expand = nn.Conv2d(channels, inside, 1)
        self.grouped = nn.Conv2d(inside, inside, 3, padding=1, groups=inside // group_channels)
        self.project = nn.Conv2d(inside, channels, 1, bias=False)
        for layer in (self.expand, self.grouped):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            layer.weight.data.mul_(num_blocks**-0.25)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        inside = F.leaky_relu(self.expand(x), SLOPE)
        change: Tensor = self.project(F.leaky_relu(self.grouped(inside), SLOPE))
        return x + change


def linear_map(before: int, after: int) -> nn.Module:
    """[N, before, H, W] -> [N, after, H, W], 1x1 without bias, of the same variance; nothing where the channels stay."""
    if before == after:
        return nn.Identity()
    layer = nn.Conv2d(before, after, 1, bias=False)
    keep_variance_(layer.weight)
    return layer


def keep_variance_(weight: Tensor) -> None:
    """Draw a weight anew so that its output has the variance of its input, which nothing rectifies."""
    nn.init.kaiming_normal_(weight, nonlinearity="linear")


class Double(nn.Module):
    """[N, before, H, W] -> [N, after, 2H, 2W], bilinear; channels change first, on the smaller map, which is the same."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.change = linear_map(before, after)

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, 2H, 2W]."""
        return twice_neighbours(F.interpolate(self.change(x), scale_factor=2.0, mode="nearest"))


class Halve(nn.Module):
    """[N, before, 2H, 2W] -> [N, after, H, W], bilinear without aliasing; channels change last, on the smaller map."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.change = linear_map(before, after)

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, 2H, 2W] -> [N, after, H, W]."""
        changed: Tensor = self.change(F.avg_pool2d(twice_neighbours(x), 2))
        return changed


def twice_neighbours(x: Tensor) -> Tensor:
    """[N, C, H, W] filtered by [1, 2, 1] / 4 both ways, the same shape; what lies outside is as the border is."""
    return F.avg_pool2d(F.avg_pool2d(x, 2, stride=1, padding=1, count_include_pad=False), 2, stride=1)


def stage(channels: int, *, blocks: int, group_channels: int, num_blocks: int) -> nn.Sequential:
    """The blocks of one map: [N, C, H, W] -> the same shape."""
    return nn.Sequential(*(R3Block(channels, group_channels=group_channels, num_blocks=num_blocks) for _ in range(blocks)))


def channels_of_levels(doublings: int, width: int, max_channels: int) -> list[int]:
    """Channels of the maps from the smallest to the largest, which has `width`; none has more than `max_channels`."""
    return [min(width << level, max_channels) for level in reversed(range(doublings + 1))]
