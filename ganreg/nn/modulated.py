"""Modulated convolution: a style scales what goes into a convolution, and statistics alone undo the scale of what comes out.

    w'_ijk = s_i w_ijk        w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + 1e-8)        i: input, j: output channel, k: position

Weights of one's own for each sample are never made: w' * x = w * (s x), and the root is one factor for each sample and
output channel.  A CPU then runs one plain convolution, and so does the second derivative.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019.  https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganreg.nn.equalized import EqualizedLinear, leaky_relu, wide
from ganreg.nn.resample import Smooth

EPSILON = 1e-8


class ModulatedConv2d(nn.Module):
    """Maps [N, in_channels, H, W] and w [N, style_dim] -> [N, out_channels, H, W], or twice as high and wide with `up`.

    `kernel_size` is odd, and 3 with `up`.  Styles start around 1.  No bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.demodulate = demodulate
        self.padding = kernel_size // 2
        self.scale = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.style = EqualizedLinear(style_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.smooth = Smooth(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, in_channels, H, W], [N, style_dim] -> [N, out_channels, H, W]."""
        style: Tensor = self.style(w)
        weight = self.weight * self.scale
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.smooth is None:
            x = F.conv2d(x, weight, padding=self.padding)
        else:
            x = self.smooth(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.demodulate:
            x = x * self._lengths(style, weight).rsqrt().to(x.dtype)[:, :, None, None]
        return x

    def _lengths(self, style: Tensor, weight: Tensor) -> Tensor:
        """[N, in], [out, in, k, k] -> the sum of w'^2 for each output channel [N, out]; in float32, also under autocast."""
        device = style.device.type
        # Entered only where it does something: an exported graph would keep it.
        narrows = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if narrows else nullcontext():
            return F.linear(wide(style).square(), wide(weight).square().sum((2, 3))) + EPSILON


class Noise(nn.Module):
    """Maps [N, C, H, W] -> plus one noise for all channels, times a gain that is learned and starts at 0.

    New for every sample while training; after, the same for all, as it was drawn when this was built.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed", torch.randn(1, 1, height, width))
        self.fixed: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        noise = torch.randn_like(x[:, :1]) if self.training else self.fixed.to(x.dtype)
        return x + self.gain.to(x.dtype) * noise


class StyledConv2d(nn.Module):
    """A modulated 3x3 convolution to a map [height, width], noise, bias, LeakyReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        style_dim: int,
        height: int,
        width: int,
        *,
        up: bool = False,
        noise: bool = True,
    ) -> None:
        super().__init__()
        self.convolution = ModulatedConv2d(in_channels, out_channels, 3, style_dim, up=up)
        self.noise = Noise(height, width) if noise else None
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, in_channels, H, W], [N, style_dim] -> [N, out_channels, height, width]."""
        x = self.convolution(x, w)
        if self.noise is not None:
            x = self.noise(x)
        return leaky_relu(x + self.bias.to(x.dtype)[:, None, None])
