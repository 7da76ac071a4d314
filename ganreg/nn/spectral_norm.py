"""Spectral normalisation: a layer's weights divided by their largest singular value, so that it stretches nothing.

    W / sigma(W)        sigma ~ u · W v        v <- W^T u / ||W^T u||,  u <- W v / ||W v||  once per forward in training

u and v are buffers.  `weight` is computed anew, and in training iterated, whenever it is read: read it to use it.
Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import ParametrizationList


class Steady(nn.Module):
    """Torch's parametrization, right under autocast and for averaged vectors, too.

    - Autocast would take its products in bfloat16 on a GPU, and sigma with three digits scales the whole layer wrongly.
    - Mean unit vectors, as in an averaged generator, are shorter than 1: sigma comes out too small and the weights too large.

    Two forwards before one backward need nothing here: torch clones u and v before use (pytorch/pytorch#55368).
    """

    def __init__(self, estimate: nn.Module) -> None:
        super().__init__()
        self.estimate = estimate

    def forward(self, weight: Tensor) -> Tensor:
        """Any weight of two dimensions or more -> the same shape, largest singular value 1."""
        with torch.autocast(weight.device.type, enabled=False):
            normal: Tensor = self.estimate(weight)
            if self.training:
                return normal
            lengths: Tensor = self.estimate.get_buffer("_u").norm() * self.estimate.get_buffer("_v").norm()
            return normal * lengths

    def right_inverse(self, value: Tensor) -> Tensor:
        """What to keep when `weight` is assigned: the value itself."""
        return value


def spectral_norm(module: nn.Module) -> nn.Module:
    """Normalise `module.weight` [out, ...] (a linear, convolution or embedding layer's) from now on; returns the module.

    Raises ValueError for weights that are all zero, which have no direction: draw them first.
    """
    weight = module.get_parameter("weight")
    if not bool(weight.any()):
        raise ValueError(f"expected weights that are not all zero, got {module} with zeros: draw them first")
    parametrizations.spectral_norm(module)
    made = cast(ParametrizationList, module.get_submodule("parametrizations.weight"))
    made[0] = Steady(made[0])
    return module
