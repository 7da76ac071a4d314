"""Equalized learning rate: weights of one scale for the optimizer, brought to He's scale at run time.

    w stored ~ N(0, 1) / m        w used = w stored · m / sqrt(fan-in)        b used = b stored · m

Adam moves every stored number by about its learning rate, so all layers learn at one pace; `lr_multiplier` m slows a layer
down without changing what it starts as.  He's gain sqrt(2) stands in the activation, `leaky_relu`.
Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2017.
https://arxiv.org/abs/1710.10196; m: Karras et al., 2018, https://arxiv.org/abs/1812.04948
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
GAIN = math.sqrt(2.0)


def leaky_relu(x: Tensor) -> Tensor:
    """Any shape -> the same: slope 0.2, and the gain sqrt(2) that keeps the scale of a signal through it."""
    return F.leaky_relu(x, SLOPE) * GAIN


def wide(x: Tensor) -> Tensor:
    """Any shape -> the same in float32, or float64 where it is: what autocast narrowed, for sums that need more."""
    return x if x.dtype.itemsize > 2 else x.float()


class EqualizedLinear(nn.Linear):
    """[..., in_features] -> [..., out_features]; the bias used starts at `bias_init`."""

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = True, bias_init: float = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.lr_multiplier = lr_multiplier
        self.scale = lr_multiplier / math.sqrt(in_features)
        _start(self, bias_init, lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features]."""
        bias = self.bias * self.lr_multiplier if self.bias is not None else None
        return F.linear(x, self.weight * self.scale, bias)


class EqualizedConv2d(nn.Conv2d):
    """[N, in_channels, H, W] -> [N, out_channels, H', W']."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias)
        self.lr_multiplier = lr_multiplier
        self.scale = lr_multiplier / math.sqrt(in_channels * kernel_size**2)
        _start(self, 0.0, lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] -> [N, out_channels, H', W']."""
        bias = self.bias * self.lr_multiplier if self.bias is not None else None
        out: Tensor = self._conv_forward(x, self.weight * self.scale, bias)
        return out


class EqualizedEmbedding(nn.Embedding):
    """Labels [...] -> [..., embedding_dim], made to be multiplied with as many features and summed."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__(num_embeddings, embedding_dim)
        self.scale = 1.0 / math.sqrt(embedding_dim)

    def forward(self, labels: Tensor) -> Tensor:
        """[...] -> [..., embedding_dim]."""
        return super().forward(labels) * self.scale


def equalized(layer: nn.Module) -> nn.Module:
    """A linear layer or an embedding -> its equalized twin, drawn anew.  Raises TypeError for any other."""
    if isinstance(layer, nn.Linear):
        return EqualizedLinear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    if isinstance(layer, nn.Embedding):
        return EqualizedEmbedding(layer.num_embeddings, layer.embedding_dim)
    raise TypeError(f"expected a Linear or an Embedding, got a {type(layer).__name__}")


def _start(layer: nn.Linear | nn.Conv2d, bias: float, lr_multiplier: float) -> None:
    nn.init.normal_(layer.weight, 0.0, 1.0 / lr_multiplier)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias / lr_multiplier)
