"""Skip-layer excitation: a small map weighs the channels of a much larger one, a short way for the gradient.

    y = F(x_low) · x_high        F: average pool to 4x4, 4x4 convolution, LeakyReLU 0.1, 1x1 convolution, sigmoid

Liu, Zhu, Song and Elgammal, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis", 2021.
https://arxiv.org/abs/2101.04775
"""

from __future__ import annotations

from torch import Tensor, nn

SLOPE = 0.1
POOLED = 4
FARTHEST = 4
"""Doublings from a small map to the one that it weighs: 8 to 128, 16 to 256, 32 to 512."""


class SkipExcitation(nn.Module):
    """[N, low, h, w] and [N, high, H, W] -> [N, high, H, W]: each channel times a number in (0, 1)."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(POOLED),
            nn.Conv2d(low, high, POOLED),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(high, high, 1),
            nn.Sigmoid(),
        )

    def forward(self, x_low: Tensor, x_high: Tensor) -> Tensor:
        """[N, low, h, w], [N, high, H, W] -> [N, high, H, W]."""
        weights: Tensor = self.weigh(x_low)
        return x_high * weights


def excitations(doublings: int) -> dict[int, int]:
    """Which map weighs which: {level of the large one: level of the small one}, level 0 the base, `doublings` the image.

    The paper's at 256 pixels and above: levels 1, 2 and 3 weigh those four above.  Smaller images have fewer levels than that
    takes: level 1 weighs the image, as long as it is two levels above, from 32 pixels on.
    """
    apart = min(FARTHEST, doublings - 1)
    return {low + apart: low for low in (1, 2, 3) if low + apart <= doublings} if apart > 1 else {}
