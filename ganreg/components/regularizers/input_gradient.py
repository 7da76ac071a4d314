"""The gradient of D's answer by what D is shown, which the penalties on D's slope are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from ganreg.contracts import PenaltyContext, Schedule

Weight = float | Schedule


def input_gradient(context: PenaltyContext, samples: Tensor, labels: Tensor | None) -> Tensor:
    """Samples [N, ...] -> d sum(D(x)) / dx, the same shape, with a graph into D's weights.

    The logits of a sample enter as their sum, whatever their shape.
    """
    x = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(context.judge(x, labels).logits.sum(), x, create_graph=True)
    return gradient


def at(weight: Weight, images: int) -> float:
    """A penalty's weight after so many images."""
    return weight.at(images) if isinstance(weight, Schedule) else weight
