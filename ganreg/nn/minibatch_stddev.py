"""Minibatch standard deviation: D sees how much a batch varies, so a generator that makes one picture is found out.

    one more channel, the same everywhere:  mean over c, h, w of  sqrt(var over the group of x_chw + 1e-8)

The batch is cut into groups of neighbours; each sample is told the number of its own group.
Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2017.
https://arxiv.org/abs/1710.10196; groups of 4: Karras et al., 2019, https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganreg.nn.equalized import wide

EPSILON = 1e-8


class MinibatchStddev(nn.Module):
    """Maps [N, C, H, W] -> [N, C + 1, H, W], the last channel how much the sample's group varies.

    A group has as many samples as divide N, `group` at most.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C + 1, H, W]."""
        count, _, height, width = x.shape
        size = _divisor(count, self.group)
        # In float16 a variance is soon above what it holds, and 1e-8 is 0.
        grouped = wide(x).reshape(count // size, size, -1)
        deviation = (grouped.var(1, correction=0) + EPSILON).sqrt().mean(1)
        channel = deviation.repeat_interleave(size).to(x.dtype).view(count, 1, 1, 1)
        return torch.cat([x, channel.expand(-1, -1, height, width)], dim=1)


def _divisor(count: int, most: int) -> int:
    """The largest divisor of `count` not above `most`."""
    return next((size for size in range(min(count, most), 1, -1) if count % size == 0), 1)
