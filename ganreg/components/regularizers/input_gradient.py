"""The gradient of D's answer by what D is shown, which the penalties on D's slope are made of."""

from __future__ import annotations

import warnings
from weakref import WeakSet

import torch
from torch import Tensor, nn

from ganreg.contracts import PenaltyContext, Schedule

Weight = float | Schedule

_LOOKED_AT: WeakSet[nn.Module] = WeakSet()


def input_gradient(context: PenaltyContext, samples: Tensor, labels: Tensor | None) -> Tensor:
    """Samples [N, ...] -> d sum(D(x)) / dx, the same shape, with a graph into D's weights.

    The logits of a sample enter as their sum, whatever their shape.
    """
    x = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(context.judge(x, labels).logits.sum(), x, create_graph=True)
    return gradient


def expect_no_batch_norm(discriminator: nn.Module, penalty: str) -> None:
    """Warn, once for each D, where batch norm mixes samples whose slopes are to be had one by one."""
    if discriminator in _LOOKED_AT:
        return
    _LOOKED_AT.add(discriminator)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in discriminator.modules()):
        warnings.warn(
            f"{penalty} is for a discriminator that judges each sample by itself, and this one has batch norm: "
            "take one without, such as resnet",
            stacklevel=3,
        )


def at(weight: Weight, images: int) -> float:
    """A penalty's weight after so many images."""
    return weight.at(images) if isinstance(weight, Schedule) else weight
