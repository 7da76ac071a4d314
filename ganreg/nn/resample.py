"""Sampling up and down by 2 through a binomial filter, so that no grid of the sampling is seen and none is learned from.

    k = [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64
    up: zeros between the samples, then 4 k (the energy that the zeros took)        down: k, then every second sample

Beyond the border lie zeros: a constant image stays constant but for its outermost pixels.
Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019.  https://arxiv.org/abs/1904.11486
Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019.  https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = (1.0, 3.0, 3.0, 1.0)


class _Filter(nn.Module):
    """The filter, as one plane for every channel; a buffer that is made and never saved."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        line = torch.tensor(TAPS) / sum(TAPS)
        self.register_buffer("plane", gain * torch.outer(line, line)[None, None], persistent=False)
        self.plane: Tensor

    def weight(self, x: Tensor) -> Tensor:
        """Images [N, C, H, W] -> [C, 1, 4, 4]: on a CPU one depthwise pass beats C·N images of one channel tenfold."""
        return self.plane.to(x.dtype).expand(x.shape[1], -1, -1, -1)


class Upsample(_Filter):
    """[N, C, H, W] -> [N, C, 2 H, 2 W]."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2 H, 2 W]."""
        return F.conv_transpose2d(x, self.weight(x), stride=2, padding=1, groups=x.shape[1])


class Downsample(_Filter):
    """[N, C, H, W] -> [N, C, H / 2, W / 2]."""

    def __init__(self) -> None:
        super().__init__(gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H / 2, W / 2]."""
        return F.conv2d(x, self.weight(x), stride=2, padding=1, groups=x.shape[1])


class Smooth(_Filter):
    """[N, C, H, W] -> [N, C, H + 2 padding - 3, W + 2 padding - 3]: the filter alone, beside a convolution of stride 2.

    Filters commute, so a convolution between the zeros and the filter, or between the filter and the dropping of samples,
    is the one after or before them, at a quarter of the work.  `gain` is 4 after the former.
    """

    def __init__(self, *, padding: int, gain: float = 1.0) -> None:
        super().__init__(gain)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H + 2 padding - 3, W + 2 padding - 3]."""
        return F.conv2d(x, self.weight(x), padding=self.padding, groups=x.shape[1])
